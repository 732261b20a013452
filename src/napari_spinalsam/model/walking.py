"""From the mask of one slice to the next: it shows at once, with any network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_spinalsam.core.masks import bounding_box
from napari_spinalsam.core.prompts import BoxPrompt, SlicePrompts
from napari_spinalsam.core.results import SliceMask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import Geometry, SlicePlane
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.prompts import MaskPrediction

LOOSE_MM = 2.0
SMALLEST_MM2 = 30.0
LEAST_IOU = 0.5
LEAST_OVERLAP = 0.25
LARGEST_GROWTH = 2.0


class Predictor(Protocol):
    """What is needed of a `model.session.SegmentationSession`."""

    def predict(
        self,
        plane: SlicePlane,
        prompts: SlicePrompts,
        /,
        *,
        window: Window,
        mask_input: NDArray[np.float32] | None = None,
        start: NDArray[np.bool_] | None = None,
    ) -> MaskPrediction:
        """Predict candidate masks for one slice."""


def walk(
    predictor: Predictor,
    geometry: Geometry,
    start: SliceMask,
    steps: range,
    window: Window,
) -> Iterator[SliceMask]:
    """Follow a structure from slice to slice until it ends.

    Parameters
    ----------
    predictor : Predictor
        Predicts each slice from the box and the logits of the one before.
    geometry : Geometry
        Of the volume.
    start : SliceMask
        Where to begin; not yielded again.
    steps : range
        Indices to visit, in order.
    window : Window
        Maps the intensities to what the network sees.

    Yields
    ------
    SliceMask
        Each slice that holds the structure. The last one tells why there is no more;
        a slice that fails the rule is yielded as an empty mask.
    """
    before = start
    for index in steps:
        plane = geometry.plane(start.axis, index)
        prompts = SlicePrompts(start.axis, index, box=_box_around(before.mask, plane))
        prediction = predictor.predict(
            plane, prompts, window=window, mask_input=before.low_res_logits
        )
        found = _most_alike(prediction, before, index)
        reason = _reason_to_stop(found.mask, found.predicted_iou, before.mask, plane)
        if reason:
            yield SliceMask(
                start.axis, index, np.zeros_like(found.mask), 0.0, stopped=reason
            )
            return
        yield found
        before = found


def _box_around(mask: NDArray[np.bool_], plane: SlicePlane) -> BoxPrompt:
    box = bounding_box(mask)
    if box is None:
        raise ValueError("There is no mask to walk on from.")
    corners = []
    for side, step, count in zip(box, plane.spacing, plane.shape, strict=True):
        loose = LOOSE_MM / step
        corners.append(
            (max(side.start - loose, 0.0), min(side.stop - 1 + loose, count - 1.0))
        )
    (top, bottom), (left, right) = corners
    return BoxPrompt(top, left, bottom, right)


def _most_alike(prediction: MaskPrediction, before: SliceMask, index: int) -> SliceMask:
    """Choose the candidate that is trusted and continues the slice before."""
    merits = [
        float(iou) * (0.5 + _iou(mask, before.mask))
        for mask, iou in zip(prediction.masks, prediction.predicted_iou, strict=True)
    ]
    best = int(np.argmax(merits))
    return SliceMask(
        before.axis,
        index,
        prediction.masks[best],
        float(prediction.predicted_iou[best]),
        prediction.low_res_logits[best],
    )


def _reason_to_stop(
    mask: NDArray[np.bool_],
    predicted_iou: float,
    before: NDArray[np.bool_],
    plane: SlicePlane,
) -> str:
    area, last = int(mask.sum()), int(before.sum())
    if area * float(np.prod(plane.spacing)) < SMALLEST_MM2:
        return "nothing of it is left"
    if predicted_iou < LEAST_IOU:
        return f"the predicted IoU fell to {predicted_iou:.2f}"
    if _iou(mask, before) < LEAST_OVERLAP:
        return "it no longer overlaps the slice before"
    if area > LARGEST_GROWTH * last:
        return "it suddenly grew"
    return ""


def _iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 0.0
