"""Correcting what is labelled, scribbles and lassos in the document."""

from pathlib import Path

import numpy as np
import pytest

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.storage.files import open_annotation, save_annotation
from napari_spinalsam.annotation.storage.replay import replay
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.prompts import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    Polarity,
    ScribblePrompt,
    SlicePrompts,
)
from tests.annotation.conftest import DiscPredictor
from tests.annotation.helpers import L3, OUTSIDE, POINT, Ask, accept_disc, stroke
from tests.annotation.test_random_work import RefiningDiscs

LINE = ScribblePrompt(((8.25, 4.5), (8.25, 16.0)))
LASSO = LassoPrompt(((3.0, 3.0), (3.0, 18.0), (15.5, 18.0), (15.0, 3.0)))
ERASE = ScribblePrompt(LINE.path, Polarity.NEGATIVE)


def test_a_point_on_an_accepted_slice_starts_from_its_label(
    document: Annotation, predict: Ask, predictor: DiscPredictor
) -> None:
    accept_disc(document, predict)
    document.paint(stroke(document, np.s_[2, 14, 14], L3))
    label = document.labels[2] == L3
    document.add_point(0, 2, OUTSIDE)
    assert document.awaits_mask(0, 2)
    predict(0, 2)
    assert np.array_equal(predictor.starts[-1], label)
    assert predictor.calls[-1][1] is None
    assert not document.awaits_mask(0, 2)
    # A second correction starts there too, with both points.
    document.add_point(0, 2, PointPrompt(3, 3, Polarity.NEGATIVE))
    predict(0, 2)
    assert np.array_equal(predictor.starts[-1], label)
    assert len(predictor.calls[-1][0].points) == 3


def test_a_negative_prompt_alone_corrects_a_painted_slice(
    document: Annotation, predict: Ask, predictor: DiscPredictor
) -> None:
    document.select_structure("L3")
    document.add_scribble(0, 2, ERASE)
    assert not document.awaits_mask(0, 2)
    with pytest.raises(InputError, match="nothing to predict from"):
        predict(0, 2)
    document.undo()
    document.paint(stroke(document, np.s_[2, 5:12, 5:12], L3))
    document.add_scribble(0, 2, ERASE)
    assert document.awaits_mask(0, 2)
    predict(0, 2)
    assert predictor.starts[-1].sum() == 49
    preview = document.state.preview
    document.add_point(0, 2, OUTSIDE)
    assert document.state.preview is preview  # until the next one is there
    document.clear_all()
    assert document.state.preview is None


@pytest.mark.parametrize(
    "ask",
    [
        lambda d: d.set_box(0, 2, BoxPrompt(2, 2, 9, 9)),
        lambda d: d.set_lasso(0, 2, LASSO),
        lambda d: d.set_prompts(SlicePrompts(0, 2, (PointPrompt(9, 9),))),
        lambda d: d.add_point(0, 3, POINT),
        lambda d: (d.select_structure("L4"), d.add_point(0, 2, POINT)),
    ],
    ids=["box", "lasso", "moved", "another slice", "another structure"],
)
def test_what_asks_afresh_does_not_start_from_the_label(
    document: Annotation, predict: Ask, ask
) -> None:
    accept_disc(document, predict)
    ask(document)
    (pending,) = document.state.object_of(document.state.selected).prompts
    request = document.prediction_request(*pending.key)
    assert request.start is None
    assert request.mask_input is None


def test_drawn_prompts_are_steps_that_are_undone_and_cleared(
    document: Annotation, predict: Ask
) -> None:
    document.select_structure("L3")
    document.add_scribble(1, 7, LINE_OF_CORONAL)
    document.set_lasso(2, 5, LASSO_OF_SAGITTAL)
    assert predict(2, 5)
    assert document.state.preview.key == (2, 5)
    assert document.undo() == ("Add lasso",)
    assert document.state.preview is None
    document.redo()
    assert document.clear_scribbles() == 1
    assert document.clear_lassos() == 1
    document.undo(2)
    assert document.clear_all() == 3  # with the preview
    assert document.prompts_at(1, 7).is_empty


LINE_OF_CORONAL = ScribblePrompt(((2.0, 4.0), (2.0, 20.0)))
LASSO_OF_SAGITTAL = LassoPrompt(((0.0, 3.0), (4.0, 18.0), (5.0, 6.0)))


def test_last_logits_are_reused_when_drawn_prompts_are_added_only(
    document: Annotation, predict: Ask
) -> None:
    document.select_structure("L3")
    document.add_scribble(0, 2, LINE)
    predict(0, 2)
    document.add_scribble(0, 2, ERASE)
    assert document.prediction_request(0, 2).mask_input is not None
    document.set_prompts(SlicePrompts(0, 2, scribbles=(ERASE, LINE)))
    assert document.prediction_request(0, 2).mask_input is None


def test_drawn_prompts_and_corrections_are_saved_and_replayed(
    document: Annotation, tmp_path: Path
) -> None:
    model = RefiningDiscs()
    document.use_model(model.identity)
    document.select_structure("L3")

    def accept() -> None:
        request = document.prediction_request(0, 2)
        prediction = model.predict(
            request.plane,
            request.prompts,
            window=request.window,
            mask_input=request.mask_input,
            start=request.start,
        )
        assert document.show_prediction(prediction, request)
        document.accept()

    document.set_lasso(0, 2, LASSO)
    document.add_scribble(0, 2, LINE)
    accept()
    document.add_point(0, 2, OUTSIDE)
    accept()
    path = tmp_path / "case.spinalsam"
    save_annotation(document, path)
    again = open_annotation(path, document.volume)
    assert again.state.objects == document.state.objects
    again.select_structure("L3")
    assert again.prompts_at(0, 2).scribbles == (LINE,)
    assert again.prompts_at(0, 2).lasso == LASSO
    origin = again.state.object_of("L3").accepted[0].origin
    assert origin.questions[-1].start is not None
    assert np.array_equal(replay(path, document.volume, model), document.labels)
