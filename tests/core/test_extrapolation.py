"""Where a vertebra should be by its labelled neighbours."""

import numpy as np
import pytest

from napari_spinalsam.annotation.placement import extrapolate
from napari_spinalsam.core.anatomy import structure

SHAPE = (40, 12, 10)


def labelled(*tops: tuple[str, int]) -> np.ndarray:
    """Return blocks of 4 x 5 x 6 voxels, each below its top, tilted backwards."""
    labels = np.zeros(SHAPE, np.uint8)
    for name, top in tops:
        back = top // 8
        labels[top : top + 4, back : back + 5, 2:8] = structure(name).label
    return labels


@pytest.mark.parametrize(
    ("known", "name", "top"),
    [
        ((("L2", 8), ("L3", 16)), "L4", 24),
        ((("L3", 16), ("L4", 24)), "L2", 8),
        ((("L2", 8), ("L4", 24)), "L3", 16),
        ((("T12", 8), ("L1", 16)), "L2", 24),
        ((("T13", 8), ("L1", 16)), "T12", 0),
    ],
)
def test_the_next_vertebra_lies_where_the_row_goes_on(
    known: tuple[tuple[str, int], ...], name: str, top: int
) -> None:
    predicted = extrapolate(labelled(*known), name)
    assert predicted is not None
    expected = np.argwhere(labelled((name, top)))
    found = np.argwhere(predicted.mask) + [side.start for side in predicted.box]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ((), "L4"),
        ((("L3", 16),), "L4"),
        ((("L1", 0), ("L3", 16)), "L5"),
        ((("L2", 20), ("L3", 28)), "L5"),
        ((("L2", 26), ("L3", 35)), "L4"),
        ((("L4", 8), ("L5", 16)), "sacrum"),
        ((("L4", 8), ("L5", 16)), "L4-L5"),
    ],
    ids=["none", "one", "gap", "too far", "outside", "sacrum", "disc"],
)
def test_nothing_is_predicted_without_two_neighbours_or_outside_of_the_image(
    known: tuple[tuple[str, int], ...], name: str
) -> None:
    assert extrapolate(labelled(*known), name) is None


def test_voxels_of_other_structures_are_left_out() -> None:
    labels = labelled(("L2", 8), ("L3", 16))
    labels[24:26] = structure("spinal_canal").label
    predicted = extrapolate(labels, "L4")
    assert predicted is not None
    found = np.argwhere(predicted.mask) + [side.start for side in predicted.box]
    assert found[:, 0].min() == 26
