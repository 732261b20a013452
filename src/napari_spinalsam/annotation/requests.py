"""What the present state asks of a model, and the sentences where it asks nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from napari_spinalsam.annotation.correcting import label_to_correct
from napari_spinalsam.annotation.predictor import PredictionRequest
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.prompts import SlicePrompts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_spinalsam.annotation.history import History, Step
    from napari_spinalsam.annotation.state import Preview, State
    from napari_spinalsam.core.geometry import SlicePlane

PromptKind = Literal["points", "box", "all"]


WANTED = {
    "points": "a positive point",
    "box": "a box",
    "all": "a positive point or a box",
}


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
            f"There is nothing to predict from on slice {plane.index}: "
            f"place {WANTED[kind]} first."
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
            "Choose a structure before prompting: no structure is selected."
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
            f"There is no mask to {purpose}: place a point or a box and wait until "
            "the mask is shown."
        )
    return state.preview
