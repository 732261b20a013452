import numpy as np
import pytest

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.events import Change
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.intensity import PRESETS
from napari_spinalsam.core.prompts import (
    BoxPrompt,
    PointPrompt,
    SlicePrompts,
)
from tests.annotation.helpers import (
    POINT,
    Ask,
    accept_disc,
)


@pytest.mark.parametrize(
    ("said", "name"), [("l3", "L3"), ("S1", "sacrum"), ("L4/5", "L4-L5")]
)
def test_structure_names_are_normalised(
    document: Annotation, said: str, name: str
) -> None:
    document.select_structure(said)
    assert document.state.selected == name


def test_a_prompt_needs_a_structure(document: Annotation) -> None:
    with pytest.raises(InputError, match="Choose a structure before prompting"):
        document.add_point(0, 2, POINT)
    assert document.state.objects == ()


def test_a_prompt_outside_of_the_slice_is_refused(document: Annotation) -> None:
    document.select_structure("L3")
    before = document.state
    with pytest.raises(InputError, match="outside"):
        document.add_point(0, 2, PointPrompt(8, 60))
    with pytest.raises(InputError, match="no slice 6"):
        document.add_point(0, 6, POINT)
    assert document.state is before


def test_prompts_are_kept_for_each_structure_and_slice(document: Annotation) -> None:
    document.select_structure("L3")
    document.add_point(0, 2, POINT)
    document.set_box(1, 5, BoxPrompt(1, 2, 4, 9))
    document.select_structure("L4")
    assert document.prompts_at(0, 2).is_empty
    document.select_structure("L3")
    assert document.prompts_at(0, 2).points == (POINT,)
    assert document.prompts_at(1, 5).box == BoxPrompt(1, 2, 4, 9)


def test_clear_all_spares_accepted_labels(document: Annotation, predict: Ask) -> None:
    accept_disc(document, predict)
    document.add_point(0, 3, POINT)
    predict(0, 3)
    labels = document.labels.copy()
    assert document.clear_all() == 2
    assert document.state.preview is None
    assert document.prompts_at(0, 3).is_empty
    np.testing.assert_array_equal(document.labels, labels)
    document.undo()
    assert document.state.preview is not None
    assert document.prompts_at(0, 3).points == (POINT,)


def test_clearing_points_leaves_boxes_and_the_reverse(document: Annotation) -> None:
    document.select_structure("L3")
    document.add_point(0, 2, POINT)
    document.set_box(0, 2, BoxPrompt(1, 1, 4, 4))
    assert document.clear_points() == 1
    assert document.prompts_at(0, 2) == SlicePrompts(0, 2, (), BoxPrompt(1, 1, 4, 4))
    document.undo()
    assert document.clear_boxes() == 1
    assert document.prompts_at(0, 2) == SlicePrompts(0, 2, (POINT,))
    assert document.clear_boxes() == 0


def test_a_call_that_changes_nothing_is_no_step(document: Annotation) -> None:
    document.select_structure("L3")
    document.select_structure("L3")
    document.set_window(document.state.window)
    document.set_locked("L3", False)
    assert document.history.undo_names[-1:] == ("Select L3",)


def test_changes_tell_what_to_draw(document: Annotation, predict: Ask) -> None:
    changes: list[Change] = []
    document.changed.connect(changes.append)
    document.select_structure("L3")
    assert changes.pop() == Change(selection=True)
    document.add_point(0, 2, POINT)
    assert changes.pop() == Change(prompts=True, objects=True)
    predict(0, 2)
    assert changes.pop() == Change(preview=True)
    document.accept()
    box = (slice(2, 3), slice(5, 12), slice(5, 12))
    accepted = Change(prompts=True, preview=True, labels=box, objects=True)
    assert changes.pop() == accepted
    document.undo()
    assert changes.pop() == accepted
    document.set_window(PRESETS["lung"])
    assert changes.pop() == Change(window=True)
    document.set_reference(document.labels)
    assert changes == [Change(reference=True)]


def test_a_reference_must_lie_on_the_grid(
    document: Annotation, geometry: Geometry
) -> None:
    moved = Geometry.from_spacing(geometry.shape, geometry.spacing, (50, 0, 0))
    for labels, where in [
        (np.zeros((6, 20, 23), np.uint8), None),
        (np.zeros(geometry.shape, np.uint8), moved),
    ]:
        with pytest.raises(InputError, match="grid of the image"):
            document.set_reference(labels, where)
    assert document.reference is None
    document.set_reference(np.zeros(geometry.shape, np.uint8), geometry)
    document.set_reference(None)
