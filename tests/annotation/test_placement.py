import numpy as np
import pytest
from scipy import ndimage

from napari_spinalsam.annotation.placement import place_box, place_points
from napari_spinalsam.core.prompts import BoxPrompt, Polarity

SPACING = (3.0, 0.7)


def ellipse() -> np.ndarray:
    rows, cols = np.indices((40, 90))
    return np.hypot((rows - 18) / 9, (cols - 50) / 25) <= 1


@pytest.mark.parametrize("count", [1, 3, 12])
def test_positive_points_lie_deep_inside_and_apart(count: int) -> None:
    mask = ellipse()
    depth = ndimage.distance_transform_edt(mask, sampling=SPACING)
    points = place_points(mask, SPACING, count)
    assert len(points) == count
    assert depth[int(points[0].row), int(points[0].col)] == depth.max()
    places = np.array([(p.row, p.col) for p in points]) * SPACING
    for place, point in zip(places, points, strict=True):
        assert point.polarity is Polarity.POSITIVE
        assert depth[int(point.row), int(point.col)] > 2.0
        apart = np.linalg.norm(places - place, axis=1)
        assert (apart[apart > 0] > 4.0).all()


def test_negative_points_lie_outside_but_near() -> None:
    mask = ellipse()
    distance = ndimage.distance_transform_edt(~mask, sampling=SPACING)
    for point in place_points(mask, SPACING, 8, Polarity.NEGATIVE):
        assert point.polarity is Polarity.NEGATIVE
        assert 3.0 <= distance[int(point.row), int(point.col)] <= 10.0


def test_new_points_keep_away_from_those_at_hand() -> None:
    mask = ellipse()
    together = place_points(mask, SPACING, 4)
    later = place_points(mask, SPACING, 2, avoid=together[:2])
    assert later == together[2:]


def test_a_small_mask_gets_no_more_points_than_pixels() -> None:
    mask = np.zeros((5, 5), dtype=np.bool_)
    mask[2, 1:4] = True
    assert len(place_points(mask, SPACING, 50)) == 3


def test_a_mask_that_fills_the_slice_has_no_outside() -> None:
    mask = np.ones((6, 7), dtype=np.bool_)
    assert place_points(mask, SPACING, 3, Polarity.NEGATIVE) == ()
    middle = place_points(mask, (1.0, 1.0), 1)[0]
    assert (middle.row, middle.col) in {(2.0, 3.0), (3.0, 3.0)}


def test_the_box_is_tight() -> None:
    mask = np.zeros((9, 12), dtype=np.bool_)
    assert place_box(mask) is None
    mask[2, 3] = mask[6, 10] = True
    assert place_box(mask) == BoxPrompt(2, 3, 6, 10)
