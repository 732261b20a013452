"""Actions on whole structures: what they change, what they tell, what they refuse."""

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.executor import Executor
from napari_spinalsam.core.errors import InputError
from tests.annotation.helpers import L3, L4, FakeWindow, act

if TYPE_CHECKING:
    from collections.abc import Mapping


def values(document: Annotation) -> set[int]:
    return set(np.unique(document.labels).tolist()) - {0}


ACTIONS: dict[str, tuple["Mapping[str, object]", str]] = {
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
