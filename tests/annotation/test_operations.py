"""What actions do to prompts, view and structures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_spinalsam.actions.models import ACTION_TYPES
from napari_spinalsam.annotation.headless import HeadlessView
from napari_spinalsam.annotation.outcome import Report
from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.errors import CancelledError, InputError
from napari_spinalsam.core.messages import render
from tests.annotation.helpers import L3, L4, FakeWindow, act

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.executor import Executor


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
    points = labelled.prompts_at(0, 3).points
    assert len(points) == 2
    for point in points:
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


def test_what_came_of_actions_is_told_in_chinese(
    executor: Executor, labelled: Annotation
) -> None:
    told = executor.run(act("add_points", count=2, structure="L3")).text
    assert render(told, "zh") == "已在 L3 放置 2 个正点。"
    undone = executor.run(act("undo")).text
    assert render(undone, "zh") == "已撤销：在 L3 添加 2 个正点。"
    executor.run_plan([act("set_lock", structure="L3"), act("add_box", structure="L3")])
    undone = executor.run(act("undo")).text
    assert render(undone, "zh") == "已撤销：锁定 L3，然后在 L3 添加框。"
    executor.run(act("set_lock", structure="L3"))
    executor.run(act("select_structure", structure="L3"))
    with pytest.raises(InputError) as refused:
        executor.run(act("propagate"))
    told = refused.value.message
    assert render(told, "zh") == "L3 已锁定：请先解锁再传播其掩码。"
    with pytest.raises(InputError) as refused:
        structure("L9")
    told = refused.value.message
    assert render(told, "zh").startswith("没有名为 'L9' 的结构")


def test_slices_and_planes_are_walked(executor: Executor) -> None:
    assert executor.view.current_slice() == (0, 3)
    assert executor.run(act("move_slice", offset=-2)).text == (
        "Slice 1 (of 0 to 5), axial."
    )
    executor.run(act("set_plane", plane="sagittal"))
    executor.run(act("go_to_slice", index=20))
    assert executor.view.current_slice() == (2, 20)
    executor.run(act("set_plane", plane="axial"))
    assert executor.view.current_slice() == (0, 1)
    with pytest.raises(InputError, match="no slice -1"):
        executor.run(act("move_slice", offset=-2))
    assert executor.view.current_slice() == (0, 1)


def test_the_window_is_set_by_name_or_numbers(executor: Executor) -> None:
    text = executor.run(act("set_window", preset="soft_tissue")).text
    assert text == "Window soft tissue: level 40, width 400."
    executor.run(act("set_window", level=300, width=1200))
    assert executor.annotation is not None
    assert executor.annotation.state.window.width == 1200


def test_measures_are_shown_and_returned(
    executor: Executor, labelled: Annotation
) -> None:
    outcome = executor.run(act("measure", metrics=["volume"], structure="L3"))
    assert outcome.text == "L3: Volume (mL) 0.81."
    outcome = executor.run(act("measure"))
    assert outcome.text == "Volumes, no reference: 2 structures."
    assert isinstance(executor.view, HeadlessView)
    assert executor.view.reports[-1] is outcome.data
    labelled.set_reference(labelled.labels)
    data = executor.run(act("measure", metrics=["dice"])).data
    assert data is not None
    assert data.as_text().splitlines() == [
        "Agreement with the reference",
        "Structure  Dice",
        "L3         1.000",
        "L4         1.000",
        "mean       1.000",
    ]


def test_the_engine_is_asked_for_device_and_parameters(executor: Executor) -> None:
    class Engine:
        def device_report(self) -> list[tuple[str, str]]:
            return [("Device", "CPU")]

        def parameter_report(self) -> list[tuple[str, str]]:
            return [("Matched", "120"), ("Missing", "0")]

    with pytest.raises(InputError, match="no model"):
        executor.run(act("check_gpu"))
    executor.engine = Engine()
    assert executor.run(act("check_gpu")).text == "Device: CPU."
    text = executor.run(act("verify_parameters")).text
    assert text == "Matched: 120, Missing: 0."


def test_help_names_every_action(executor: Executor) -> None:
    report = executor.run(act("show_help")).data
    assert isinstance(report, Report)
    assert {row[0].replace(" ", "_") for row in report.rows} == set(ACTION_TYPES)
    assert all(row[1] for row in report.rows)


def test_saving_needs_labels_and_a_dialog(
    executor: Executor, window: FakeWindow, labelled: Annotation
) -> None:
    assert executor.run(act("save_labels")).text == "Saved labels.nii.gz."
    with pytest.raises(CancelledError):
        executor.run(act("save_labels", format="nrrd"))
    labelled.undo()
    with pytest.raises(InputError, match="no labels to save"):
        executor.run(act("save_labels"))


def test_visibility_is_set_by_role(executor: Executor) -> None:
    text = executor.run(act("set_visibility", layer="labels", visible=False)).text
    assert text == "The labels layer is hidden."
    assert isinstance(executor.view, HeadlessView)
    assert executor.view.visibility == {"labels": False}


def values(document: Annotation) -> set[int]:
    return set(np.unique(document.labels).tolist()) - {0}


ACTIONS: dict[str, tuple[Mapping[str, object], str]] = {
    "set_lock": ({"structure": "L3"}, "L3 is locked: nothing overwrites it."),
    "set_structure_visibility": (
        {"structure": "L3", "visible": False},
        "L3 is hidden.",
    ),
    "rename_structure": ({"structure": "L3", "to": "L2"}, "L3 is now named L2."),
    "merge_structures": ({"structure": "L3", "into": "L4"}, "L3 is merged into L4."),
    "delete_structure": (
        {"structure": "L3"},
        "L3 is deleted, with its labels and prompts.",
    ),
    "shift_names": ({"levels": -1}, "All names are shifted up by 1 level."),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_each_is_one_step_that_is_undone_and_told(
    executor: Executor, labelled: Annotation, name: str
) -> None:
    arguments, told = ACTIONS[name]
    before, labels = labelled.state, labelled.labels.copy()
    steps = len(labelled.history.undo_names)
    assert executor.run(act(name, **arguments)).text == told
    assert labelled.state != before
    assert len(labelled.history.undo_names) == steps + 1
    executor.run(act("undo"))
    assert labelled.state == before
    np.testing.assert_array_equal(labelled.labels, labels)


def test_their_effect_is_on_the_structure_named(
    executor: Executor, labelled: Annotation
) -> None:
    assert values(labelled) == {L3, L4}
    executor.run(act("set_lock", structure="L4"))
    for refused in (
        act("delete_structure", structure="L4"),
        act("shift_names", levels=1),
        act("merge_structures", structure="L3", into="L4"),
    ):
        with pytest.raises(InputError, match="L4 is locked"):
            executor.run(refused)
    with pytest.raises(InputError, match="merge L3 into it"):
        executor.run(act("rename_structure", structure="L3", to="L4"))
    executor.run(act("set_lock", structure="L4", locked=False))
    executor.run(act("rename_structure", structure="L3", to="T13"))
    assert [entry.name for entry in labelled.state.objects] == ["T13", "L4"]
    executor.run(act("delete_structure", structure="T13"))
    assert values(labelled) == {L4}


def test_what_is_not_there_is_told(executor: Executor, labelled: Annotation) -> None:
    outcome = executor.run(act("set_lock", structure="C2", locked=False))
    assert (outcome.text, outcome.ok) == ("C2 is not locked.", False)
    with pytest.raises(InputError, match="C2 is not annotated"):
        executor.run(act("set_structure_visibility", structure="C2", visible=False))
    with pytest.raises(InputError, match="C2 is not in this annotation"):
        executor.run(act("delete_structure", structure="C2"))


def test_a_structure_can_be_locked_before_it_is_labelled(
    executor: Executor, labelled: Annotation
) -> None:
    assert executor.run(act("set_lock", structure="C2")).ok
    assert labelled.state.object_of("C2").locked


def test_candidates_are_stepped_through(
    executor: Executor, labelled: Annotation
) -> None:
    with pytest.raises(InputError, match="no mask to choose from"):
        executor.run(act("next_candidate"))
    executor.run_plan((act("add_points", structure="L3"), act("generate_mask")))
    preview = labelled.state.preview
    assert preview is not None
    first = preview.chosen
    told = executor.run(act("next_candidate")).text
    assert told.startswith(f"Candidate {(first + 1) % 3 + 1} of 3: predicted IoU ")
    executor.run(act("previous_candidate"))
    shown = labelled.state.preview
    assert shown is not None
    assert shown.chosen == first


def test_cancel_tells_whether_there_was_anything_to_stop(
    executor: Executor, window: FakeWindow, labelled: Annotation
) -> None:
    steps = labelled.history.undo_names
    outcome = executor.run(act("cancel"))
    assert (outcome.text, outcome.ok) == (
        "Nothing is running that could be stopped.",
        False,
    )
    window.busy = True
    assert executor.run(act("cancel")).ok
    assert labelled.history.undo_names == steps


def test_views_are_of_the_window(executor: Executor, window: FakeWindow) -> None:
    executor.run(act("set_views", views="three"))
    executor.run(act("set_views", views="one"))
    assert window.views == ["three", "one"]
