"""Letters at the edges of a view that name the patient's sides: R L A P S I."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.components.overlays import TextOverlay

from napari_spinalsam.layers.dims import image_axes

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_spinalsam.annotation.document import Annotation

# Towards which a world axis of RAS+ goes down and up.
_ENDS = (("L", "R"), ("P", "A"), ("I", "S"))
# Where napari puts the text, for the low and the high end of rows and columns.
_POSITIONS = ("top_center", "bottom_center", "middle_left", "middle_right")
FONT_SIZE = 12


class OrientationLetters:
    """Four letters in a view, right for each plane and however it is turned.

    Parameters
    ----------
    viewer : ViewerModel
        The view.
    image : napari.layers.Image
        What it shows.
    annotation : Annotation
        Of the image; its geometry tells where the patient's sides are. Where that is
        not known, there are no letters.
    """

    def __init__(
        self, viewer: ViewerModel, image: Image, annotation: Annotation
    ) -> None:
        self._viewer, self._image, self._annotation = viewer, image, annotation
        self._overlays = {
            position: TextOverlay(position=position, font_size=FONT_SIZE)
            for position in _POSITIONS
        }
        for position, overlay in self._overlays.items():
            viewer.canvas.overlays[f"spinalsam_{position}"] = overlay
        self._events = (
            viewer.dims.events.order,
            viewer.dims.events.ndisplay,
            viewer.scene.camera.events.orientation,
            image.events.scale,
        )
        for event in self._events:
            event.connect(self.show)
        self.show()

    def close(self) -> None:
        """Take the letters away."""
        for event in self._events:
            event.disconnect(self.show)
        for position in self._overlays:
            del self._viewer.canvas.overlays[f"spinalsam_{position}"]

    def show(self) -> None:
        """Name the sides as the view is turned at present."""
        known = self._annotation.geometry.orientation_known
        is_flat = self._viewer.dims.ndisplay == 2
        letters = self._letters() if known and is_flat else ("",) * 4
        for overlay, letter in zip(self._overlays.values(), letters, strict=True):
            overlay.text, overlay.visible = letter, bool(letter)

    def _letters(self) -> tuple[str, ...]:
        """Return what is at the top, at the bottom, on the left and on the right."""
        shown: list[str] = []
        camera = self._viewer.scene.camera
        axes = image_axes(self._viewer, self._image)[-2:]
        turned = np.array(camera.orientation2d) != ("down", "right")
        for axis, reverse in zip(axes, turned, strict=True):
            low, high = self._ends(axis)
            shown += (high, low) if reverse else (low, high)
        return tuple(shown)

    def _ends(self, axis: int) -> tuple[str, str]:
        """Return the sides towards which an axis of the image's world goes down, up."""
        grid_axis = axis + 3 - self._image.ndim  # a flat image has rows and columns
        direction = (
            self._annotation.geometry.affine[:3, grid_axis] * self._image.scale[axis]
        )
        world_axis = int(np.abs(direction).argmax())
        low, high = _ENDS[world_axis]
        return (low, high) if direction[world_axis] > 0 else (high, low)
