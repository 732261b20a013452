"""Makes the layers that show an annotation beside its image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_spinalsam.layers import drawings, masks
from napari_spinalsam.layers import prompts as prompt_layers
from napari_spinalsam.layers.grids import transform_of
from napari_spinalsam.layers.roles import Role, role_metadata

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_spinalsam.annotation.document import Annotation

NAMES = {
    Role.LABELS: "labels",
    Role.PREVIEW: "preview",
    Role.BOXES: "boxes",
    Role.DRAWINGS: "drawings",
    Role.POINTS: "points",
}


def new_layer(role: Role, image: Image, annotation: Annotation) -> Layer:
    """Return a layer that plays a part for an annotation, lying on its image."""
    attributes: dict[str, Any] = {
        **transform_of(image),
        "axis_labels": image.axis_labels,
        "name": f"{image.name} {NAMES[role]}",
        "metadata": role_metadata(role, annotation, image),
    }
    if role is Role.POINTS:
        return prompt_layers.new_points_layer(image.ndim, **attributes)
    if role is Role.BOXES:
        return prompt_layers.new_boxes_layer(image.ndim, **attributes)
    if role is Role.DRAWINGS:
        return drawings.new_drawings_layer(image.ndim, **attributes)
    shape = tuple(image.data.shape)
    if role is Role.PREVIEW:
        return masks.new_preview_layer(shape, **attributes)
    attributes["metadata"]["napari_spinalsam"]["grid"] = annotation.volume.grid
    labels = annotation.labels.reshape(shape)
    return masks.new_labels_layer(labels, annotation.state.objects, **attributes)
