from collections.abc import Callable

import numpy as np
import pytest

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.core.errors import InputError, ModelError
from napari_spinalsam.core.intensity import PRESETS
from napari_spinalsam.core.prompts import (
    BoxPrompt,
    PointPrompt,
    SlicePrompts,
)
from tests.annotation.helpers import (
    L3,
    OUTSIDE,
    POINT,
    Ask,
    masks_for,
)


def test_undo_removes_a_point_and_its_preview_together(
    document: Annotation, predict: Ask
) -> None:
    document.select_structure("L3")
    document.add_point(0, 2, POINT)
    assert predict(0, 2)
    first = document.state.preview
    document.add_point(0, 2, OUTSIDE)
    assert predict(0, 2)
    assert document.undo() == ("Add negative point",)
    assert document.state.preview is first
    document.undo()
    assert document.state.preview is None
    assert document.prompts_at(0, 2).is_empty
    document.redo(2)
    assert document.state.preview is not None
    assert document.state.preview.prompts.points == (POINT, OUTSIDE)


def test_a_preview_survives_steps_made_while_it_was_computed(
    document: Annotation, predict: Ask
) -> None:
    document.select_structure("L3")
    document.add_point(0, 2, POINT)
    request = document.prediction_request(0, 2)
    document.set_locked("L4", True)
    document.set_visible("L4", False)
    document.undo()
    predict_now = masks_for(document)
    assert document.show_prediction(predict_now, request)
    preview = document.state.preview
    document.redo()
    assert document.state.preview is preview
    document.undo(3)
    assert document.prompts_at(0, 2).is_empty
    assert document.state.preview is None
    document.redo(3)
    assert document.state.preview is preview


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda d: d.add_point(0, 2, OUTSIDE),
        lambda d: d.select_structure("L4"),
        lambda d: d.set_window(PRESETS["lung"]),
        lambda d: d.clear_all(),
        lambda d: d.undo(),
        lambda d: setattr(d, "model", "b"),
    ],
    ids=["point", "structure", "window", "cleared", "undone", "model"],
)
def test_a_stale_prediction_is_dropped(
    document: Annotation, meanwhile: Callable[[Annotation], object]
) -> None:
    document.select_structure("L3")
    document.add_point(0, 2, POINT)
    request = document.prediction_request(0, 2)
    meanwhile(document)
    before = document.state
    assert not document.show_prediction(masks_for(document), request)
    assert document.state is before


def test_a_prediction_does_not_return_after_reject(
    document: Annotation, predict: Ask
) -> None:
    document.select_structure("L3")
    document.add_point(0, 2, POINT)
    predict(0, 2)
    request = document.prediction_request(0, 2)
    document.reject()
    assert not document.show_prediction(masks_for(document), request)
    assert document.prompts_at(0, 2).points == (POINT,)


def test_a_prediction_of_another_shape_is_refused(document: Annotation) -> None:
    document.select_structure("L3")
    document.add_point(0, 2, POINT)
    request = document.prediction_request(0, 2)
    with pytest.raises(ModelError, match=r"\(1, 5, 5\)"):
        document.show_prediction(masks_for(document, (5, 5)), request)
    assert document.state.preview is None


@pytest.mark.parametrize(
    ("change", "reused"),
    [
        (lambda d: d.add_point(0, 2, OUTSIDE), True),
        (lambda d: d.set_box(0, 2, BoxPrompt(2, 2, 9, 9)), True),
        (lambda d: d.set_prompts(SlicePrompts(0, 2, (PointPrompt(9, 9),))), False),
        (lambda d: d.set_window(PRESETS["lung"]), False),
        (lambda d: (d.add_point(0, 2, OUTSIDE), setattr(d, "model", "b")), False),
        (lambda d: None, False),
    ],
    ids=["point added", "box added", "point moved", "window", "model", "nothing"],
)
def test_logits_are_reused_only_to_refine(
    document: Annotation,
    predict: Ask,
    change: Callable[[Annotation], object],
    reused: bool,
) -> None:
    document.select_structure("L3")
    document.add_point(0, 2, POINT)
    predict(0, 2)
    change(document)
    given = document.prediction_request(0, 2).mask_input
    assert (given is not None) == reused
    if given is not None:
        assert given.shape == (8, 8)


def test_logits_of_another_slice_or_structure_are_not_reused(
    document: Annotation, predict: Ask
) -> None:
    document.select_structure("L3")
    document.add_point(0, 2, POINT)
    predict(0, 2)
    document.add_point(0, 3, POINT)
    assert document.prediction_request(0, 3).mask_input is None
    document.select_structure("L4")
    document.add_point(0, 2, POINT)
    assert document.prediction_request(0, 2).mask_input is None


def test_candidates_cycle_and_the_chosen_one_is_written(
    document: Annotation, predict: Ask
) -> None:
    document.select_structure("L3")
    document.add_point(0, 2, POINT)
    predict(0, 2)
    assert [document.next_candidate() for _ in range(4)] == [1, 2, 0, 1]
    assert document.previous_candidate() == 0
    document.previous_candidate()
    preview = document.state.preview
    assert preview is not None
    document.accept()
    np.testing.assert_array_equal(document.labels[2] == L3, preview.mask)
    assert not document.labels[[0, 1, 3, 4, 5]].any()


def test_there_must_be_a_mask_to_accept(document: Annotation) -> None:
    for call in (document.accept, document.reject, document.next_candidate):
        with pytest.raises(InputError, match="There is no mask to"):
            call()


def test_a_preview_goes_with_the_last_prompt_that_asked_for_it(
    document: Annotation, predict: Ask
) -> None:
    document.select_structure("L3")
    document.add_point(0, 2, POINT)
    document.add_point(0, 2, OUTSIDE)
    predict(0, 2)
    document.set_prompts(SlicePrompts(0, 2, (OUTSIDE,)))
    assert document.state.preview is None
