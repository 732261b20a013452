"""When a prompt corrects what is labelled already, rather than asks afresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.core.prompts import SlicePrompts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.predictor import PredictionRequest
    from napari_spinalsam.annotation.state import StructureObject


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


def live_request(
    annotation: Annotation, axis: int, index: int
) -> PredictionRequest | None:
    """Return the question that the newest step has brought about, if any.

    Its answer belongs to that step. What undo comes back to is not asked about again:
    it had its answer, or the user rejected it.
    """
    if not awaits_mask(annotation, axis, index):
        return None
    request = annotation.prediction_request(axis, index)
    return None if request.asked_by is None else request


def awaits_mask(annotation: Annotation, axis: int, index: int) -> bool:
    """Whether the selected structure's prompts on a slice ask for a mask not shown."""
    state = annotation.state
    if state.selected is None:
        return False
    entry = state.object_of(state.selected)
    pending, preview = entry.pending_at((axis, index)), state.preview
    if pending is None:
        return False
    if preview is not None and (preview.all_prompts, preview.window) == (
        pending,
        state.window,
    ):
        return False
    part = annotation.geometry.plane(axis, index).take(annotation.labels)
    corrected = label_to_correct(entry, part, pending)
    return pending.asks_for_something or corrected is not None
