"""What the status line says: measured times, the model's estimate, the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam.core.anatomy import BACKGROUND, structure
from napari_spinalsam.core.metrics import compare_masks
from napari_spinalsam.core.prompts import Polarity

if TYPE_CHECKING:
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.state import Preview
    from napari_spinalsam.core.results import SliceKey
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
    lines = (
        foreign_text(annotation, preview.structure, preview.key),
        times,
        reference_text(annotation, preview),
        *prediction.remarks,
    )
    return "\n".join(line for line in lines if line)


def foreign_text(annotation: Annotation, name: str, key: SliceKey) -> str:
    """Return whose label the newest point for a structure lies on, if on another's.

    Parameters
    ----------
    annotation : Annotation
        The document.
    name : str
        The structure that the prompts are for.
    key : tuple of int
        Axis and index of the slice.
    """
    entry = annotation.state.object_of(name)
    pending = entry.pending_at(key)
    points = () if pending is None else pending.points
    if not points or points[-1].polarity is not Polarity.POSITIVE:
        return ""
    plane = annotation.geometry.plane(*key)
    row, col = (round(at) for at in (points[-1].row, points[-1].col))
    label = int(plane.take(annotation.labels)[row, col])
    if label in (BACKGROUND, entry.label):
        return ""
    found = [each.name for each in annotation.state.objects if each.label == label]
    return (
        f"You clicked on {found[0] if found else f'label {label}'}, which stays as it "
        f"is; the mask is for {name}."
    )


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
