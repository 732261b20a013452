"""Prompts for what nobody has labelled: at the place that is predicted, or by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_spinalsam.annotation.executor import Executor
from napari_spinalsam.annotation.headless import DirectPrediction
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.results import FoundStructure, Progress, VolumeMask
from tests.annotation.conftest import DiscPredictor
from tests.annotation.helpers import L3, L4, FakeWindow, act

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_spinalsam.annotation.document import Annotation

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
