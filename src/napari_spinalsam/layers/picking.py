"""Clicks while no tool is in hand; one on a structure in the image selects it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam.layers.roles import Role, find_layer

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari import Viewer
    from napari.layers import Image

    from napari_spinalsam.annotation.document import Annotation

LEFT = 1
# A hand that shakes less than this between press and release has not dragged.
CLICK_PX = 4.0


def hand_is_free(viewer: Viewer) -> bool:
    """Whether a click means nothing to the layer that is active."""
    active = viewer.layers.selection.active
    flat = viewer.dims.ndisplay == 2
    return flat and (active is None or str(active.mode) == "pan_zoom")


def until_release(event: Any) -> Generator[None, None, bool]:
    """Follow the mouse from a press on; return whether it was a click, no drag."""
    pressed, dragged = np.asarray(event.pos), False
    yield
    # The release counts too: moves in between may be skipped.
    while True:
        dragged |= bool(np.linalg.norm(event.pos - pressed) >= CLICK_PX)
        if event.type != "mouse_move":
            return not dragged
        yield


class LabelPicker:
    """Selects the structure that is clicked.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the user clicks.
    image : napari.layers.Image
        The image that is annotated.
    annotation : Annotation
        Whose labels are clicked.
    """

    def __init__(self, viewer: Viewer, image: Image, annotation: Annotation) -> None:
        self._viewer, self._image, self._annotation = viewer, image, annotation
        viewer.mouse_drag_callbacks.append(self._on_press)

    def close(self) -> None:
        """Stop listening."""
        self._viewer.mouse_drag_callbacks.remove(self._on_press)

    def _on_press(self, viewer: Viewer, event: Any) -> Generator[None]:
        if event.button != LEFT or event.modifiers or not hand_is_free(viewer):
            return
        clicked = yield from until_release(event)
        name = self._name_at(event.position)
        if name is not None and clicked:
            self._annotation.select_structure(name)

    def _name_at(self, position: tuple[float, ...]) -> str | None:
        """Return the visible structure at a place of the world."""
        image, annotation = self._image, self._annotation
        place = image.world_to_data(position[-image.ndim :])
        voxel = np.rint(place).astype(int)
        labels = annotation.labels.reshape(image.data.shape)
        inside = (voxel >= 0).all() and (voxel < labels.shape).all()
        layer = find_layer(self._viewer.layers, Role.LABELS, annotation)
        if not inside or layer is None or not layer.visible:
            return None
        value = labels[tuple(voxel)]
        for entry in annotation.state.objects:
            if entry.label == value and entry.visible:
                return entry.name
        return None
