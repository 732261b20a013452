"""A click in the image places a point prompt; with no tool active it selects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam.layers.dims import to_data
from napari_spinalsam.layers.roles import Role, find_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari import Viewer
    from napari.layers import Image

    from napari_spinalsam.annotation.document import Annotation

LEFT = 1
# A hand that shakes less than this between press and release has not dragged.
CLICK_PX = 4.0


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


class ImageClicks:
    """Tells where the user clicks with the point tool; else selects structures.

    It listens while the active layer pans and zooms. Whoever takes up a mode of a
    layer, such as napari's own "add points", means that layer.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the user clicks.
    image : napari.layers.Image
        The image that is annotated.
    annotation : Annotation
        Whose labels are clicked.
    place : callable
        Told the world coordinates of each click with the point tool.
    select : callable
        Told the structure that is clicked without a tool.

    Attributes
    ----------
    armed : bool
        Whether the point tool is active.
    """

    def __init__(
        self,
        viewer: Viewer,
        image: Image,
        annotation: Annotation,
        place: Callable[[tuple[float, ...]], None],
        select: Callable[[str], None],
    ) -> None:
        self._viewer, self._image, self._annotation = viewer, image, annotation
        self._place, self._select = place, select
        self.armed = False
        viewer.mouse_drag_callbacks.append(self._on_press)

    def close(self) -> None:
        """Stop listening."""
        self._viewer.mouse_drag_callbacks.remove(self._on_press)

    @property
    def no_tool_active(self) -> bool:
        """Whether no tool is active, neither ours nor one of the active layer."""
        return not self.armed and self._layer_is_idle()

    def _on_press(self, viewer: Viewer, event: Any) -> Generator[None]:
        if event.button != LEFT or event.modifiers or not self._layer_is_idle():
            return
        if not (yield from until_release(event)):
            return
        if self.armed:
            self._place(event.position)
        elif viewer.dims.ndisplay == 2:
            name = self._name_at(event.position)
            if name is not None:
                self._select(name)

    def _layer_is_idle(self) -> bool:
        """Whether a click means nothing to the layer that is active."""
        active = self._viewer.layers.selection.active
        return active is None or str(active.mode) == "pan_zoom"

    def _name_at(self, position: tuple[float, ...]) -> str | None:
        """Return the visible structure at a place of the world."""
        image, annotation = self._image, self._annotation
        voxel = np.rint(to_data(self._viewer, image, position)).astype(int)
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
