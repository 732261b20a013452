from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_spinalsam.actions.models import ACTION_TYPES
from napari_spinalsam.actions.pointer import (
    POINTER_ACTIONS,
    ClearSlice,
    RemovePrompt,
    parse_any_action,
)
from napari_spinalsam.actions.replies import parse_action, parse_reply, reply_schema
from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.executor import OPERATIONS, Executor, stages
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.prompts import BoxPrompt
from tests.annotation.helpers import (
    L4,
    FakeWindow,
    Later,
    act,
    stroke,
)

if TYPE_CHECKING:
    from napari_spinalsam.core.prompts import SlicePrompts


def test_every_action_has_an_operation() -> None:
    models = {**ACTION_TYPES, **POINTER_ACTIONS}
    assert set(OPERATIONS) == set(models.values())
    for name, kind in models.items():
        assert OPERATIONS[kind].__name__ == name


def test_what_the_hand_does_is_a_step_of_its_own_and_can_be_said_in_json(
    executor: Executor, labelled: Annotation
) -> None:
    labelled.select_structure("L4")
    undone = len(labelled.history.undo_names)
    place = {"axis": 0, "index": 2}
    for data in (
        {"action": "place_point", "point": {"row": 3, "col": 4}, **place},
        {"action": "place_point", "point": {"row": 5, "col": 4}, **place},
        {
            "action": "add_scribble",
            "scribble": {"path": [[1, 1], [2, 3]], "polarity": "negative"},
            **place,
        },
        {
            "action": "set_box",
            "box": {"row_min": 1, "col_min": 1, "row_max": 6, "col_max": 6},
            **place,
        },
        {"action": "remove_prompt", "kind": "point", "number": 0, **place},
    ):
        assert executor.run(parse_any_action(data)).ok
    prompts = labelled.prompts_at(0, 2)
    assert [(point.row, point.col) for point in prompts.points] == [(5, 4)]
    assert (prompts.count, prompts.box) == (3, BoxPrompt(1, 1, 6, 6))
    assert labelled.history.undo_names[:-undone] == (
        "Remove point",
        "Add box",
        "Add negative scribble",
        "Add positive point",
        "Add positive point",
    )
    with pytest.raises(InputError, match="no point 1 on slice 2: it has 1"):
        executor.run(RemovePrompt(axis=0, index=2, kind="point", number=1))
    executor.run(ClearSlice(axis=0, index=2))
    assert labelled.prompts_at(0, 2).is_empty


def test_words_and_models_cannot_ask_for_what_only_a_hand_does() -> None:
    data = {
        "action": "place_point",
        "axis": 0,
        "index": 2,
        "point": {"row": 3, "col": 4},
    }
    with pytest.raises(InputError, match="no valid action"):
        parse_action(data)
    with pytest.raises(InputError, match="no valid reply"):
        parse_reply({"kind": "plan", "steps": [data]})
    defined = set(reply_schema()["$defs"])
    assert {model.__name__ for model in ACTION_TYPES.values()} <= defined
    assert defined.isdisjoint(model.__name__ for model in POINTER_ACTIONS.values())
    # A misspelt name is told the nearest of those that can be said there.
    with pytest.raises(InputError, match="but there is place_point"):
        parse_any_action({"action": "place_pint"})
    with pytest.raises(InputError, match="but there is clear_points"):
        parse_action({"action": "clear_pint"})


def test_what_this_version_cannot_do_is_said_before_anything_runs(
    executor: Executor, labelled: Annotation
) -> None:
    before = labelled.state
    steps = (
        act("select_structure", structure="L3"),
        act("save_labels", format="dicom_seg"),
    )
    with pytest.raises(InputError, match="not available in this version"):
        executor.run_plan(steps)
    assert labelled.state is before


def test_a_plan_that_fails_arms_no_tool(
    executor: Executor, window: FakeWindow, document: Annotation
) -> None:
    with pytest.raises(InputError, match="no mask to accept"):
        executor.run_plan(
            (
                act("add_points", structure="L3"),
                act("generate_mask"),
                act("accept_mask"),
            )
        )
    assert window.armed == []
    assert document.state.selected is None


def test_a_plan_from_prompt_to_labels_is_one_step(
    executor: Executor, labelled: Annotation
) -> None:
    before, labels = labelled.state, labelled.labels.copy()
    outcomes = executor.run_plan(
        (
            act("go_to_slice", index=2),
            act("add_points", count=2, structure="L3"),
            act("generate_mask"),
            act("accept_mask"),
        )
    )
    assert [outcome.ok for outcome in outcomes] == [True] * 4
    assert "predicted IoU 0.90, candidate 1 of 3" in outcomes[2].text
    assert not np.array_equal(labelled.labels, labels)
    assert len(labelled.history.undo_names) == 2
    executor.run(act("undo"))
    assert labelled.state == before
    np.testing.assert_array_equal(labelled.labels, labels)
    executor.run(act("redo"))
    assert not np.array_equal(labelled.labels, labels)


def test_a_plan_that_fails_changes_nothing(
    executor: Executor, labelled: Annotation
) -> None:
    before, labels = labelled.state, labelled.labels.copy()
    with pytest.raises(InputError, match="no slice 99"):
        executor.run_plan(
            (
                act("set_plane", plane="coronal"),
                act("go_to_slice", index=12),
                act("add_box", structure="L4"),
                act("generate_box_mask"),
                act("accept_mask"),
                act("go_to_slice", index=99),
            )
        )
    assert labelled.state == before
    np.testing.assert_array_equal(labelled.labels, labels)
    assert executor.view.current_slice() == (0, 3)


@pytest.mark.parametrize(
    ("name", "points", "box"),
    [
        ("generate_point_mask", 1, False),
        ("generate_box_mask", 0, True),
        ("generate_mask", 1, True),
    ],
)
def test_a_mask_is_predicted_from_the_prompts_named(
    executor: Executor,
    labelled: Annotation,
    predictor: Any,
    name: str,
    points: int,
    box: bool,
) -> None:
    executor.run_plan((act("add_points", structure="L3"), act("add_box")))
    executor.run(act(name))
    given: SlicePrompts = predictor.calls[-1][0]
    assert (len(given.points), given.box is not None) == (points, box)


def test_a_mask_needs_the_prompts_it_is_made_from(
    executor: Executor, labelled: Annotation
) -> None:
    executor.run(act("add_points", structure="L3"))
    with pytest.raises(InputError, match="place a box first"):
        executor.run(act("generate_box_mask"))
    executor.predict = None
    with pytest.raises(InputError, match="no model"):
        executor.run(act("generate_mask"))


def test_a_worker_is_waited_for_only_where_the_plan_needs_the_mask(
    executor: Executor, labelled: Annotation
) -> None:
    executor.predict = later = Later()
    executor.run_plan((act("add_points", structure="L3"), act("generate_mask")))
    with pytest.raises(InputError, match="no mask to accept"):
        executor.run_plan((act("generate_mask"), act("accept_mask")))
    assert later.waits == [False, True]


def test_nothing_to_do_is_no_error(executor: Executor) -> None:
    for name in ("clear_points", "clear_boxes", "clear_all", "undo", "redo"):
        assert not executor.run(act(name)).ok


def test_labels_of_others_that_a_mask_meets_are_told(
    executor: Executor, labelled: Annotation
) -> None:
    executor.run(act("add_points", structure="L3"))
    labelled.paint(stroke(labelled, (3, 2, slice(4, 20)), 0))
    executor.run_plan((act("generate_mask"),))
    assert "as L3" in executor.run(act("accept_mask")).text
    assert (labelled.labels == L4).sum() == 4 * 8 * 16


def test_reject_drops_the_preview(executor: Executor, labelled: Annotation) -> None:
    executor.run_plan((act("add_points", structure="L3"), act("generate_mask")))
    executor.run(act("reject_mask"))
    assert labelled.state.preview is None


def test_before_an_image_is_open_only_opening_works(
    executor: Executor, window: FakeWindow
) -> None:
    executor.annotation = None
    for name in ("generate_mask", "undo", "save_labels", "clear_all"):
        with pytest.raises(InputError, match="There is no image"):
            executor.run(act(name))
    with pytest.raises(InputError, match="There is no image"):
        executor.run(act("go_to_slice", index=1))


def test_a_plan_goes_on_in_the_image_that_it_opened(
    executor: Executor, window: FakeWindow, document: Annotation
) -> None:
    executor.run_plan(
        (
            act("select_structure", structure="L1"),
            act("open_sample"),
            act("select_structure", structure="L2"),
        )
    )
    assert document.state.selected == "L1"
    assert executor.annotation is not None
    assert executor.annotation is not document
    assert executor.annotation.state.selected == "L2"
    assert len(executor.annotation.history.undo_names) == 1


def test_work_that_only_began_is_no_step_and_begins_after_the_plan(
    executor: Executor, labelled: Annotation
) -> None:
    steps = labelled.history.undo_names
    executor.predict = worker = Later()
    outcome = executor.run(act("segment_structures", structures=["L5"]))
    assert outcome.job is worker.jobs[0]
    assert labelled.history.undo_names == steps
    plan = (act("select_structure", structure="L3"), act("propagate"))
    second = executor.run_plan(plan)[1]
    assert second.text.startswith("Propagate L3 waits until this has ended: Segment L5")
    assert labelled.history.undo_names == ("Select L3", *steps)
    with pytest.raises(InputError, match="no slice 99"):
        executor.run_plan((act("propagate"), act("go_to_slice", index=99)))
    assert len(worker.jobs) == 2


def test_a_plan_is_cut_where_a_step_needs_what_is_still_being_made() -> None:
    find, look = (
        act("segment_structures", structures=["L3"]),
        act("go_to_slice", index=5),
    )
    keep, size = act("save_labels"), act("measure")
    assert stages((look, find, look)) == [(look, find, look)]
    assert stages((find, look, keep)) == [(find,), (look, keep)]
    assert stages((find, find, size)) == [(find,), (find,), (size,)]
