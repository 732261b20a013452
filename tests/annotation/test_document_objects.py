from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.prompts import BoxPrompt, PointPrompt
from tests.annotation.helpers import L3, L4, OUTSIDE, POINT, Ask, accept_disc, stroke

if TYPE_CHECKING:
    from napari_spinalsam.annotation.events import Change


def paint(document: Annotation, *names: str) -> None:
    """Give each structure some voxels of its own."""
    for place, name in enumerate(names):
        document.paint(stroke(document, (2, place, slice(3, 9)), structure(name).label))


def names(document: Annotation) -> list[str]:
    return [entry.name for entry in document.state.objects]


def values(document: Annotation) -> set[int]:
    return set(np.unique(document.labels).tolist()) - {0}


OPERATIONS: dict[str, Callable[[Annotation], object]] = {
    "rename": lambda d: d.rename_object("L3", "L2"),
    "merge": lambda d: d.merge_objects("L3", "L4"),
    "delete": lambda d: d.delete_object("L3"),
    "shift up": lambda d: d.shift_names(-1),
    "shift down": lambda d: d.shift_names(1),
    "lock": lambda d: d.set_locked("L3", True),
    "hide": lambda d: d.set_visible("L3", False),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_undo_and_redo_of_one_step_restore_labels_and_objects(
    labelled: Annotation, predict: Ask, operation: Callable[[Annotation], object]
) -> None:
    labelled.select_structure("L3")
    labelled.add_point(0, 3, POINT)
    predict(0, 3)
    before, labels = labelled.state, labelled.labels.copy()
    steps = len(labelled.history.undo_names)
    operation(labelled)
    after, changed = labelled.state, labelled.labels.copy()
    assert len(labelled.history.undo_names) == steps + 1
    labelled.undo()
    assert labelled.state is before
    np.testing.assert_array_equal(labelled.labels, labels)
    labelled.redo()
    assert labelled.state is after
    np.testing.assert_array_equal(labelled.labels, changed)


def test_a_renamed_object_keeps_voxels_prompts_selection_and_preview(
    document: Annotation, predict: Ask
) -> None:
    accept_disc(document, predict)
    document.add_point(1, 4, PointPrompt(3, 3))
    predict(1, 4)
    voxels = document.labels == L3
    changes: list[Change] = []
    document.changed.connect(changes.append)
    document.rename_object("L3", "L4")
    assert names(document) == ["L4"]
    np.testing.assert_array_equal(document.labels == L4, voxels)
    assert document.state.selected == "L4"
    assert document.prompts_at(0, 2).points == (POINT,)
    assert document.state.preview is not None
    assert document.state.preview.structure == "L4"
    assert changes[0].objects
    assert changes[0].labels is not None
    document.accept()
    assert names(document) == ["L4"]


def test_a_name_in_use_is_not_taken_and_an_unused_one_is(document: Annotation) -> None:
    paint(document, "L3", "L4")
    with pytest.raises(InputError, match="L4 is annotated already: merge L3 into it"):
        document.rename_object("L3", "L4")
    document.select_structure("L5")
    document.add_point(0, 2, POINT)
    document.clear_all()
    assert names(document) == ["L3", "L4", "L5"]
    document.rename_object("L4", "L5")
    assert names(document) == ["L3", "L5"]


def test_a_disc_gets_the_other_name_of_its_value(document: Annotation) -> None:
    paint(document, "L5-S1")
    labels = document.labels.copy()
    document.rename_object("L5-S1", "L5-L6")
    assert names(document) == ["L5-L6"]
    np.testing.assert_array_equal(document.labels, labels)


def test_merging_moves_voxels_and_the_prompts_of_free_slices(
    document: Annotation, predict: Ask
) -> None:
    accept_disc(document, predict, "L4")
    document.add_point(0, 3, OUTSIDE)
    document.select_structure("L3")
    document.set_box(0, 3, BoxPrompt(1, 1, 4, 4))
    document.set_box(0, 4, BoxPrompt(1, 1, 4, 4))
    document.paint(stroke(document, (5, 0, 0), L3))
    document.merge_objects("L3", "L4")
    assert names(document) == ["L4"]
    assert values(document) == {L4}
    assert document.labels[5, 0, 0] == L4
    assert document.state.selected == "L4"
    assert document.prompts_at(0, 3).points == (OUTSIDE,)
    assert document.prompts_at(0, 3).box is None
    assert document.prompts_at(0, 4).box == BoxPrompt(1, 1, 4, 4)
    assert document.prompts_at(0, 2).points == (POINT,)


def test_a_deleted_object_leaves_nothing_but_the_selection(
    document: Annotation, predict: Ask
) -> None:
    paint(document, "L4")
    others = document.labels.copy()
    accept_disc(document, predict)
    document.add_point(0, 3, POINT)
    predict(0, 3)
    document.delete_object("L3")
    assert names(document) == ["L4"]
    assert document.state.preview is None
    assert document.state.selected == "L3"
    np.testing.assert_array_equal(document.labels, others)


def test_names_shift_by_one_level_with_discs_locks_and_selection(
    document: Annotation,
) -> None:
    paint(document, "T12", "L1", "T12-L1", "sacrum", "L5-S1", "spinal_canal")
    document.set_visible("L1", False)
    document.select_structure("T12")
    document.shift_names(-1)
    shifted = ["T11", "T12", "L5", "T11-T12", "L4-L5", "spinal_canal"]
    assert names(document) == shifted
    assert document.state.selected == "T11"
    assert not document.state.object_of("T12").visible
    assert values(document) == {structure(name).label for name in shifted}


def test_t13_and_l6_are_levels_where_the_spine_has_them(document: Annotation) -> None:
    paint(document, "T12", "T13", "L5", "L6", "L5-L6")
    document.shift_names(-1)
    assert names(document) == ["T11", "T12", "L4", "L5", "L4-L5"]
    document.undo()
    document.delete_object("L6")
    document.delete_object("L5-L6")
    document.shift_names(1)
    assert names(document) == ["T13", "L1", "sacrum"]


@pytest.mark.parametrize(
    ("present", "offset", "who"),
    [
        (("C1", "C2"), -1, "C1"),
        (("L5", "sacrum"), 1, "sacrum"),
        (("L5", "L5-S1"), 1, "L5-S1"),
        (("C3", "C2-C3"), -1, "C2-C3"),
        (("L1",), 40, "L1"),
    ],
)
def test_names_do_not_shift_out_of_the_spine(
    document: Annotation, present: tuple[str, ...], offset: int, who: str
) -> None:
    paint(document, *present)
    before, labels = document.state, document.labels.copy()
    with pytest.raises(InputError, match=f"{who} would leave the spine"):
        document.shift_names(offset)
    assert document.state is before
    np.testing.assert_array_equal(document.labels, labels)


def test_locked_objects_are_never_touched(document: Annotation) -> None:
    paint(document, "L3", "L4")
    document.set_locked("L4", True)
    before, labels = document.state, document.labels.copy()
    for refused in (
        lambda: document.rename_object("L4", "L5"),
        lambda: document.merge_objects("L4", "L3"),
        lambda: document.merge_objects("L3", "L4"),
        lambda: document.delete_object("L4"),
        lambda: document.shift_names(1),
    ):
        with pytest.raises(InputError, match="L4 is locked: unlock it"):
            refused()
    with pytest.raises(InputError, match="L4 is annotated already"):
        document.rename_object("L3", "L4")
    assert document.state is before
    np.testing.assert_array_equal(document.labels, labels)


def test_what_is_not_there_is_named(document: Annotation) -> None:
    with pytest.raises(InputError, match="no vertebra to shift"):
        document.shift_names(1)
    with pytest.raises(InputError, match=r"L3 is not in .* \(none so far\)"):
        document.delete_object("L3")
    paint(document, "L3")
    with pytest.raises(InputError, match=r"L4 is not in this annotation.*\(L3\)"):
        document.rename_object("L4", "L5")
    with pytest.raises(InputError, match="L3 cannot be merged into itself"):
        document.merge_objects("L3", "L3")


def test_objects_are_listed_in_the_order_of_the_spine(document: Annotation) -> None:
    order = ["T12", "T13", "L1", "sacrum", "T12-T13", "T13-L1", "L5-S1", "spinal_canal"]
    paint(document, *reversed(order[:4]), *reversed(order[4:]))
    assert names(document) == order


def test_the_next_free_structure_lies_below_the_selected_one(
    document: Annotation,
) -> None:
    with pytest.raises(InputError, match="Choose a structure"):
        document.next_free_structure()
    paint(document, "L1", "L2", "L4", "L3-L4")
    document.select_structure("L1")
    assert document.next_free_structure() == "L3"
    document.select_structure("T13")
    assert document.next_free_structure() == "L3"
    document.select_structure("L2-L3")
    assert document.next_free_structure() == "L4-L5"
    document.paint(stroke(document, document.labels == structure("L4").label, 0))
    document.select_structure("L3")
    assert document.next_free_structure() == "L4"
    document.select_structure("sacrum")
    with pytest.raises(InputError, match="Nothing below sacrum is free"):
        document.next_free_structure()
