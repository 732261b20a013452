import pytest

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.executor import Executor
from napari_spinalsam.core.errors import InputError
from tests.annotation.helpers import (
    L3,
    L4,
    FakeWindow,
    act,
)


def test_points_are_placed_inside_a_labelled_structure(
    executor: Executor, labelled: Annotation
) -> None:
    text = executor.run(act("add_points", count=3, structure="L4")).text
    assert text == "3 positive points placed: L4."
    assert labelled.state.selected == "L4"
    points = labelled.prompts_at(0, 3).points
    assert len(points) == 3
    for point in points:
        assert labelled.labels[3, int(point.row), int(point.col)] == L4
    assert len(labelled.history.undo_names) == 2
    labelled.undo()
    assert labelled.state.selected is None


def test_negative_points_are_placed_outside(
    executor: Executor, labelled: Annotation
) -> None:
    executor.run(act("add_points", count=2, polarity="negative", structure="L3"))
    for point in labelled.prompts_at(0, 3).points:
        assert labelled.labels[3, int(point.row), int(point.col)] != L3


def test_a_box_is_placed_around_a_labelled_structure(
    executor: Executor, labelled: Annotation
) -> None:
    executor.run(act("select_structure", structure="L3"))
    executor.run(act("add_box"))
    box = labelled.prompts_at(0, 3).box
    assert box is not None
    assert (box.row_min, box.col_min, box.row_max, box.col_max) == (2, 4, 7, 19)


def test_points_for_a_region_are_dealt_out(
    executor: Executor, labelled: Annotation
) -> None:
    labelled.select_structure("L3")
    text = executor.run(act("add_points", count=3, structure="lumbar")).text
    assert text == "3 positive points placed: L4, L3."
    counts = [len(entry.prompts[0].points) for entry in labelled.state.objects]
    assert counts == [1, 2]
    assert labelled.state.selected == "L3"
    assert executor.run(act("add_box", structure="lumbar")).text.startswith("2 boxes")


def test_the_tool_is_armed_where_nothing_is_labelled(
    executor: Executor, window: FakeWindow, document: Annotation
) -> None:
    with pytest.raises(InputError, match="Choose a structure"):
        executor.run(act("add_points"))
    with pytest.raises(InputError, match="Nothing of lumbar"):
        executor.run(act("add_points", structure="lumbar"))
    assert executor.run(act("add_points", count=3, structure="L3")).text == (
        "L3 could not be located. Click 3 points inside L3."
    )
    assert document.state.selected == "L3"
    assert executor.run(act("add_box")).text == "Draw a box around L3."
    executor.run(act("add_points", structure="lumbar", polarity="negative"))
    assert window.armed == [
        ("point", "positive", 3, False),
        ("box", "positive", 1, False),
        ("point", "negative", 1, False),
    ]


def test_a_plan_arms_all_of_its_tools_in_their_order(
    executor: Executor, window: FakeWindow
) -> None:
    executor.run_plan(
        (
            act("add_points", count=2, structure="L3"),
            act("add_points", count=1, polarity="negative"),
            act("add_box"),
            act("generate_mask"),
        )
    )
    assert window.armed == [
        ("point", "positive", 2, True),
        ("point", "negative", 1, True),
        ("box", "positive", 1, True),
    ]


def test_a_mask_asked_for_with_an_armed_tool_follows_the_clicks(
    executor: Executor, window: FakeWindow
) -> None:
    executor.run_plan(
        (act("add_points", count=3, structure="L3"), act("generate_mask"))
    )
    assert window.armed == [("point", "positive", 3, True)]


def test_without_a_window_the_mouse_cannot_be_asked_for(
    executor: Executor, document: Annotation
) -> None:
    with pytest.raises(InputError, match="needs a window"):
        executor.run(act("add_points", structure="L3"))
    assert document.state.selected is None
    for name in ("open_image", "open_sample", "next_image", "previous_image"):
        with pytest.raises(InputError, match="needs a window"):
            executor.run(act(name))


def test_clearing_is_told_and_undone(executor: Executor, labelled: Annotation) -> None:
    executor.run(act("add_points", count=2, structure="L3"))
    assert executor.run(act("clear_points")).text == "2 points cleared."
    assert executor.run(act("undo")).text == "Undone: Clear the points."
    executor.run(act("add_box"))
    assert executor.run(act("clear_boxes")).text == "1 box cleared."
    assert executor.run(act("clear_all")).ok
