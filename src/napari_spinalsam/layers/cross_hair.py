"""Lines through the place that linked views share, as a Vectors layer in each view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Vectors

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image
    from numpy.typing import NDArray

NAME = "cross-hair"
COLOR = "#4fc3f7"
OPACITY = 0.7
# On the screen, at every zoom.
WIDTH_PX = 1.5


class CrossHair:
    """The lines of one view.

    Parameters
    ----------
    model : ViewerModel
        Where they are drawn; the layer that was active stays so.
    image : napari.layers.Image
        They reach from its first voxel to its last, along all three axes.
    """

    def __init__(self, model: ViewerModel, image: Image) -> None:
        self._model = model
        # Isotropic, so that all lines are equally thick, and no finer than the image,
        # so that the steps of the sliders stay the image's.
        ends = [np.zeros(image.ndim), np.asarray(image.data.shape) - 1]
        corners = np.array([image.data_to_world(end) for end in ends])
        self._unit = float(np.max(image.extent.step))
        self._low = corners.min(axis=0)
        size = np.ptp(corners, axis=0)
        # A rounding error less than the image, whose extent must stay the largest.
        self._size = size * (1 - 1e-9)
        self.layer = Vectors(
            self._lines(self._low),
            name=NAME,
            scale=(self._unit,) * 3,
            translate=self._low,
            units=image.units,
            edge_color=COLOR,
            opacity=OPACITY,
            vector_style="line",
        )
        active = model.layers.selection.active
        model.add_layer(self.layer)
        model.layers.selection.active = active
        model.scene.camera.events.zoom.connect(self._fit)
        self._fit()

    def move(self, point: NDArray[np.float64]) -> None:
        """Cross at another place.

        Parameters
        ----------
        point : ndarray of float, shape (3,)
            In world coordinates, (z, y, x).
        """
        self.layer.data = self._lines(point)

    def close(self) -> None:
        """Take the lines away."""
        self._model.scene.camera.events.zoom.disconnect(self._fit)
        if self.layer in self._model.layers:
            self._model.layers.remove(self.layer)

    def _lines(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return start and direction of a line along each axis, in units."""
        place = np.clip(point - self._low, 0, self._size)
        starts = np.tile(place, (3, 1))
        np.fill_diagonal(starts, 0)
        return np.stack([starts, np.diag(self._size)], axis=1) / self._unit

    def _fit(self) -> None:
        """Keep the thickness on the screen."""
        self.layer.edge_width = WIDTH_PX / self._model.scene.camera.zoom / self._unit
