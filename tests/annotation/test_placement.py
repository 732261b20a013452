"""Where prompts go that are asked for by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import ndimage

from napari_spinalsam.annotation.executor import Executor
from napari_spinalsam.annotation.headless import DirectPrediction
from napari_spinalsam.annotation.placement import extrapolate, place_box, place_points
from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.prompts import BoxPrompt, Polarity
from napari_spinalsam.core.results import FoundStructure, Progress, VolumeMask
from tests.annotation.conftest import DiscPredictor
from tests.annotation.helpers import L3, L4, FakeWindow, act

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_spinalsam.annotation.document import Annotation

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
    points = place_points(mask, SPACING, 8, Polarity.NEGATIVE)
    assert points
    for point in points:
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


ROWS, COLS = slice(5, 14), slice(6, 16)


class Finder(DiscPredictor):
    """Finds L1 to L5, each on two axial slices of its own."""

    def find_structures(self, names: Any, **settings: Any) -> Iterator[Any]:
        self.asked = tuple(names)
        self.anchors = settings["anchors"]
        yield Progress("looking for the spine", 0.5)
        for name in names:
            first = {"L3": 1, "L4": 3}.get(name)
            if first is not None:
                block = np.ones((2, 9, 10), np.bool_)
                whole = VolumeMask(block, (slice(first, first + 2), ROWS, COLS), 0.8)
                yield FoundStructure(name, whole, 0.4)


@pytest.fixture
def finder() -> Finder:
    return Finder()


@pytest.fixture
def searching(document: Annotation, finder: Finder) -> Executor:
    """Return an executor whose model finds structures, on axial slice 3."""
    window = FakeWindow(document)
    return Executor(document, window, DirectPrediction(document, finder))


def test_points_are_placed_apart_and_deep_in_the_predicted_place(
    searching: Executor, document: Annotation
) -> None:
    told = searching.run(act("add_points", count=3, structure="L4")).text

    assert told == (
        "3 positive points placed at the predicted place of L4 on slice 3: check it, "
        "as the name is a guess (confidence 0.40)."
    )
    points = document.prompts_at(0, 3).points
    assert len(points) == 3
    for point in points:
        assert ROWS.start < point.row < ROWS.stop - 1
        assert COLS.start < point.col < COLS.stop - 1
    assert not document.labels.any()
    assert len(document.history.undo_names) == 1
    document.undo()
    assert document.state.selected is None


def test_a_box_is_tight_around_the_predicted_place(
    searching: Executor, document: Annotation, finder: Finder
) -> None:
    labels = np.zeros(document.labels.shape, np.uint8)
    labels[0, 2:5, 2:5] = L4
    document.replace_labels(labels)
    searching.run_plan((act("select_structure", structure="L3"), act("add_box")))

    box = document.prompts_at(0, 1).box
    assert box is not None
    assert (box.row_min, box.row_max) == (ROWS.start, ROWS.stop - 1)
    assert (box.col_min, box.col_max) == (COLS.start, COLS.stop - 1)
    assert finder.asked == ("L3",)
    assert set(finder.anchors) == {"L4"}


def test_the_slice_with_most_of_it_is_turned_to_where_the_present_one_shows_none(
    searching: Executor, document: Annotation
) -> None:
    told = searching.run(act("add_points", structure="L3")).text
    assert "place of L3 on slice 1" in told
    assert searching.view.current_slice() == (0, 1)
    assert len(document.prompts_at(0, 1).points) == 1


def test_points_for_a_region_go_to_what_of_it_is_found_on_the_slice(
    searching: Executor, document: Annotation, finder: Finder
) -> None:
    told = searching.run(act("add_points", count=2, structure="lumbar")).text
    assert "place of L4 on slice 3" in told
    assert finder.asked == ("L1", "L2", "L3", "L4", "L5")
    assert [entry.name for entry in document.state.objects] == ["L4"]


def test_a_failing_plan_leaves_no_prompt_and_returns_to_its_slice(
    searching: Executor, document: Annotation
) -> None:
    before = document.state
    with pytest.raises(InputError):
        searching.run_plan((act("add_points", structure="L3"), act("accept_mask")))
    assert document.state == before
    assert searching.view.current_slice() == (0, 3)


def test_labels_come_before_predictions_and_spare_the_search(
    searching: Executor, labelled: Annotation, finder: Finder
) -> None:
    told = searching.run(act("add_points", structure="L3")).text
    assert told == "1 positive point placed: L3."
    assert not hasattr(finder, "asked")


def test_only_what_the_plan_names_is_looked_for(
    searching: Executor, document: Annotation
) -> None:
    document.select_structure("L4")
    assert searching.search((act("add_points"),)) is None
    assert searching.search((act("add_points", structure="spinal_canal"),)) is None
    assert searching.search((act("clear_all"),)) is None
    opens = (act("open_sample"), act("add_points", structure="L4"))
    assert searching.search(opens) is None


def test_labelled_neighbours_give_the_place_where_the_model_finds_nothing(
    executor: Executor, window: FakeWindow, labelled: Annotation
) -> None:
    labels = np.zeros(labelled.labels.shape, np.uint8)
    labels[1:5, 1:5, 4:20] = L3
    labels[1:5, 7:11, 4:20] = L4
    labelled.replace_labels(labels)

    told = executor.run(act("add_box", structure="L5")).text

    assert told == (
        "1 box placed where labelled neighbours suggest L5 on slice 3: check it."
    )
    box = labelled.prompts_at(0, 3).box
    assert box is not None
    assert (box.row_min, box.row_max, box.col_min, box.col_max) == (13, 16, 4, 19)
    assert window.armed == []


def test_without_a_model_and_neighbours_the_tool_is_armed_and_told(
    document: Annotation,
) -> None:
    window = FakeWindow(document)
    told = Executor(document, window).run(act("add_points", count=2, structure="L3"))
    assert told.text == "L3 could not be located. Click 2 points inside L3."
    assert window.armed == [("point", "positive", 2, False)]


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
