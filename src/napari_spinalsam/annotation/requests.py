"""What the present state asks of a model, and the sentences where it asks nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_spinalsam.annotation.state import KeptPrediction, Preview
from napari_spinalsam.core.errors import InputError, ModelError
from napari_spinalsam.core.masks import MaskRuns
from napari_spinalsam.core.messages import msg
from napari_spinalsam.core.prompts import SlicePrompts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.annotation.history import History, Step
    from napari_spinalsam.annotation.provenance import Question
    from napari_spinalsam.annotation.state import State, StructureObject
    from napari_spinalsam.core.geometry import SlicePlane
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.prompts import MaskPrediction
    from napari_spinalsam.core.results import SliceKey

PromptKind = Literal["points", "box", "all"]
WANTED = {
    "points": msg("a positive point"),
    "box": msg("a box"),
    "all": msg("a positive point or a box"),
}


@dataclass(frozen=True, slots=True, eq=False)
class PredictionRequest:
    """A question to the model, with what makes its answer valid or stale.

    Parameters
    ----------
    structure : str
        Canonical name of the structure that the mask is for.
    plane : SlicePlane
        The slice.
    prompts : SlicePrompts
        What the model is given; may be only the points or only the box.
    window : Window
        How to map the intensities.
    mask_input : ndarray of float32, shape (height, width), or None
        Low-res logits of the previous mask, where this is a refinement of it.
    all_prompts : SlicePrompts
        All prompts of the slice at the time of asking.
    answered : KeptPrediction or None
        The prediction that was shown at the time of asking.
    model : str
        What the model is known by that is asked.
    asked_by : Step or None
        The step that this belongs to; None makes the answer a step of its own.
    earlier : tuple of Question
        What led to `mask_input`; empty without.
    start : ndarray of bool, shape (rows, cols), or None
        The label to correct, where that is what is asked.
    """

    structure: str
    plane: SlicePlane
    prompts: SlicePrompts
    window: Window
    mask_input: NDArray[np.float32] | None
    all_prompts: SlicePrompts
    answered: KeptPrediction | None
    model: str
    asked_by: Step | None
    earlier: tuple[Question, ...] = ()
    start: NDArray[np.bool_] | None = None

    @property
    def key(self) -> SliceKey:
        """Axis and index, which name the slice."""
        return self.plane.axis, self.plane.index

    def fits(self, state: State, model: str) -> bool:
        """Whether an answer to this still belongs to what the annotation shows.

        It does not once the structure, the window, the model or the slice's prompts
        have changed, or once another mask was shown, accepted or rejected meanwhile.
        """
        preview = state.preview
        shown = None if preview is None else preview.prediction
        return (
            model == self.model
            and state.selected == self.structure
            and state.window == self.window
            and shown is self.answered
            and state.object_of(self.structure).prompts_at(self.key) == self.all_prompts
        )

    def preview(self, prediction: MaskPrediction) -> Preview:
        """Make a preview of the answer.

        Raises
        ------
        ModelError
            If the answer has no mask, or masks of another shape.
        """
        masks = prediction.masks
        if not len(masks) or masks.shape[1:] != self.plane.shape:
            raise ModelError(
                msg(
                    "The model returned masks of shape {shape} for a slice of "
                    "shape {slice_shape}: load the model again.",
                    shape=masks.shape,
                    slice_shape=self.plane.shape,
                )
            )
        return Preview(
            structure=self.structure,
            axis=self.plane.axis,
            index=self.plane.index,
            prediction=KeptPrediction(prediction),
            prompts=self.prompts,
            all_prompts=self.all_prompts,
            window=self.window,
            model=self.model,
            earlier=self.earlier,
            start=None if self.start is None else MaskRuns.of(self.start),
        )


def label_to_correct(
    entry: StructureObject, labels: NDArray[np.uint8], prompts: SlicePrompts
) -> NDArray[np.bool_] | None:
    """Return the label that prompts correct.

    That is what the structure has on the slice, once points or scribbles come to the
    prompts that were accepted there. A new box or lasso asks afresh, and so does an
    accepted prompt that was moved or removed.

    Parameters
    ----------
    entry : StructureObject
        The structure.
    labels : ndarray of uint8, shape (rows, cols)
        The labels of the slice.
    prompts : SlicePrompts
        What the model is to be given.

    Returns
    -------
    ndarray of bool, shape (rows, cols), or None
        None where there is nothing to correct.
    """
    accepted = entry.accepted_at(prompts.key)
    had = SlicePrompts(*prompts.key) if accepted is None else accepted.prompts
    same_area = (prompts.box, prompts.lasso) == (had.box, had.lasso)
    if not (same_area and prompts.extends(had)):
        return None
    mask = np.asarray(labels == entry.label, dtype=np.bool_)
    return mask if mask.any() else None


def _choose_prompts(prompts: SlicePrompts, kind: PromptKind) -> SlicePrompts:
    """Keep the prompts that a mask is asked from."""
    if kind == "points":
        return SlicePrompts(*prompts.key, points=prompts.points)
    if kind == "box":
        return SlicePrompts(*prompts.key, box=prompts.box)
    return prompts


def build_request(
    history: History,
    plane: SlicePlane,
    labels: NDArray[np.uint8],
    kind: PromptKind = "all",
    model: str = "",
) -> PredictionRequest:
    """Put the question that the present prompts of a slice ask.

    Parameters
    ----------
    history : History
        The present state, whose selected structure is asked for. The answer belongs
        to the newest step if that brought about the question: a prompt, another
        window, another structure.
    plane : SlicePlane
        The slice.
    labels : ndarray of uint8, shape (rows, cols)
        Its labels, which new points may correct.
    kind : {"points", "box", "all"}
        Which prompts to use.
    model : str
        What the model is known by.

    Raises
    ------
    InputError
        If no structure is selected, or no prompt says what to segment.
    """
    state, newest = history.state, history.newest
    name = selected_name(state)
    everything = state.object_of(name).prompts_at((plane.axis, plane.index))
    used = _choose_prompts(everything, kind)
    preview, logits = state.preview, None
    start = label_to_correct(state.object_of(name), labels, used)
    if start is None and not used.asks_for_something:
        raise InputError(
            msg(
                "There is nothing to predict from on slice {index}: place "
                "{what} first.",
                index=plane.index,
                what=WANTED[kind],
            )
        )
    if start is None and preview is not None:
        logits = preview.mask_input(name, used, state.window, model)
    asked = newest is not None and _brought_about(newest, state, everything)
    return PredictionRequest(
        structure=name,
        plane=plane,
        prompts=used,
        window=state.window,
        mask_input=logits,
        all_prompts=everything,
        answered=None if preview is None else preview.prediction,
        model=model,
        asked_by=newest if asked else None,
        earlier=() if preview is None or logits is None else preview.questions,
        start=start,
    )


def _brought_about(newest: Step, state: State, prompts: SlicePrompts) -> bool:
    """Whether the newest step made a slice's prompts, the window or the selection."""
    old, name = newest.before, selected_name(state)
    return (
        old.selected != name
        or old.window != state.window
        or old.object_of(name).prompts_at(prompts.key) != prompts
    )


def selected_name(state: State) -> str:
    """Return the name of the selected structure.

    Raises
    ------
    InputError
        If none is selected.
    """
    if state.selected is None:
        raise InputError(
            msg("Choose a structure before prompting: no structure is selected.")
        )
    return state.selected


def waiting_preview(state: State, purpose: str) -> Preview:
    """Return the preview.

    Raises
    ------
    InputError
        If there is none; the sentence names the purpose.
    """
    if state.preview is None:
        raise InputError(
            msg(
                "There is no mask to {purpose}: place a point or a box and "
                "wait until the mask is shown.",
                purpose=purpose,
            )
        )
    return state.preview
