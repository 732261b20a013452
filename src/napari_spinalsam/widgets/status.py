"""What the status line says: measured times, the model's estimate, the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.metrics import compare_masks

if TYPE_CHECKING:
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.state import Preview
    from napari_spinalsam.model.session import SegmentationSession


def model_text(session: SegmentationSession) -> str:
    """Return name and device of a model, such as ``spinalsam-tiny on CPU``."""
    return f"{session.record.title} on {session.device.upper()}"


def prediction_text(annotation: Annotation, preview: Preview) -> str:
    """Return times and estimate of a preview, and its measures against a reference."""
    prediction = preview.prediction
    encoded = (
        "slice at hand"
        if prediction.encode_ms is None
        else f"slice encoded in {prediction.encode_ms:.0f} ms"
    )
    times = f"{encoded} · mask in {prediction.decode_ms:.0f} ms"
    measured = reference_text(annotation, preview)
    return "\n".join(filter(None, (times, measured, *prediction.remarks)))


def reference_text(annotation: Annotation, preview: Preview) -> str:
    """Return measures of the previewed mask in its slice, empty without a reference."""
    if annotation.reference is None:
        return ""
    plane = annotation.geometry.plane(*preview.key)
    truth = plane.take(annotation.reference) == structure(preview.structure).label
    metrics = compare_masks(preview.mask, truth, plane.spacing)
    measurable = annotation.geometry.spacing_known
    distances = (("MSD", metrics.msd_mm), ("HD95", metrics.hd95_mm))
    overlap = (("Dice", metrics.dice), ("IoU", metrics.iou))
    texts = [f"{name} {value:.3f}" for name, value in overlap if value is not None]
    texts += [
        f"{name} {value:.2f} mm"
        for name, value in distances
        if measurable and value is not None
    ]
    return "slice against reference: " + " ".join(texts) if texts else ""
