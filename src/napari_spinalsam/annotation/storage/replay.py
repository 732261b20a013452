"""From a saved annotation to its labels once more, by the same steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.annotation.label_edits import written_labels
from napari_spinalsam.annotation.provenance import (
    MaskWritten,
    VoxelsWritten,
    events_of,
)
from napari_spinalsam.annotation.storage.files import open_annotation
from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.masks import LABEL_DTYPE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_spinalsam.annotation.provenance import LabelEvent, MaskOrigin
    from napari_spinalsam.core.geometry import SlicePlane
    from napari_spinalsam.core.protocols import ModelIdentity, Predictor
    from napari_spinalsam.core.volume import Volume


def replay(
    path: str | Path,
    volume: Volume,
    predictor: Predictor,
    *,
    any_model: bool = False,
) -> NDArray[np.uint8]:
    """Predict, accept, paint and rename again what a saved annotation records.

    Parameters
    ----------
    path : str or Path
        The saved annotation.
    volume : Volume
        The image that it was made on.
    predictor : Predictor
        The model, with the volume set.
    any_model : bool
        Whether masks of another model may be predicted by this one.

    Returns
    -------
    ndarray of uint8, shape (z, y, x)
        The labels; with the same model on the same device those of the file.

    Raises
    ------
    InputError
        If the file cannot be opened on this image, or a mask was made by another
        model.
    """
    annotation = open_annotation(path, volume)
    events, volume = events_of(annotation.state.record), annotation.volume
    if not any_model:
        _check_model(events, predictor.identity)
    labels = np.zeros(volume.geometry.shape, dtype=LABEL_DTYPE)
    for event in events:
        if isinstance(event, MaskWritten):
            plane = volume.geometry.plane(*event.origin.key)
            mask = _mask(predictor, plane, event.origin)
            part = plane.take(labels)
            label = structure(event.structure).label
            part[...], _ = written_labels(part, mask, label)
        elif isinstance(event, VoxelsWritten):
            event.runs.write(labels)
        else:
            labels = event.table[labels]
    return labels


def _check_model(events: Sequence[LabelEvent], model: ModelIdentity) -> None:
    masks = (event for event in events if isinstance(event, MaskWritten))
    for event in masks:
        if not event.origin.model.has_weights_of(model):
            raise InputError(
                f"The mask of {event.structure} on slice {event.origin.key[1]} was "
                f"made by {event.origin.model}, not by {model}: load that model, or "
                "allow any model."
            )


def _mask(
    predictor: Predictor, plane: SlicePlane, origin: MaskOrigin
) -> NDArray[np.bool_]:
    """Ask the questions that led to a mask, each with the logits of the one before."""
    mask, logits = np.zeros(plane.shape, dtype=np.bool_), None
    for question in origin.questions:
        prediction = predictor.predict(
            plane,
            question.prompts,
            window=origin.window,
            mask_input=logits,
            start=None if question.start is None else question.start.mask(),
        )
        if question.chosen >= len(prediction.masks):
            raise InputError(
                f"Candidate {question.chosen + 1} was accepted on slice {plane.index}, "
                f"but this model has {len(prediction.masks)}: replay with a model that "
                "gives as many."
            )
        mask = prediction.masks[question.chosen]
        logits = prediction.low_res_logits[question.chosen]
    return mask
