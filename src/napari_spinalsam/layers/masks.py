"""Labels layers that show the preview and the accepted structures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from scipy.ndimage import binary_erosion

from napari_spinalsam.core.anatomy import STRUCTURES, label_colormap, structure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_spinalsam.annotation.state import Preview, StructureObject
    from napari_spinalsam.core.anatomy import Rgba
    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.results import SliceKey

FILL, OUTLINE = 1, 2
FILL_ALPHA = 0.3
CLEAR = (0.0, 0.0, 0.0, 0.0)


def new_preview_layer(shape: tuple[int, ...], **attributes: Any) -> Labels:
    """Return an empty layer for the mask that waits for accept or reject."""
    return Labels(np.zeros(shape, np.uint8), opacity=1.0, **attributes)


def new_labels_layer(
    labels: NDArray[np.uint8], objects: Iterable[StructureObject], **attributes: Any
) -> Labels:
    """Return a layer with a copy of the labels, in the colours of anatomy."""
    return Labels(
        labels.copy(),
        colormap=DirectLabelColormap(color_dict=_colors(objects)),
        features=_names(),
        opacity=0.5,
        **attributes,
    )


def _names() -> pd.DataFrame:
    """Return the name of each label value, which napari shows under the mouse."""
    names = {entry.label: entry.display_name for entry in reversed(STRUCTURES)}
    return pd.DataFrame({"index": list(names), "structure": list(names.values())})


class PreviewView:
    """Draws the preview as an outline with a light fill.

    Parameters
    ----------
    layer : napari.layers.Labels
        From `new_preview_layer`.
    geometry : Geometry
        The grid of the image.
    """

    def __init__(self, layer: Labels, geometry: Geometry) -> None:
        self.layer = layer
        self._geometry = geometry
        self._drawn: list[SliceKey] = []
        self._structure: str | None = None

    def show(self, preview: Preview | None) -> None:
        """Draw a preview, or none, in place of all that was drawn before."""
        volume = np.asarray(self.layer.data).reshape(self._geometry.shape)
        for key in self._drawn:
            self._geometry.plane(*key).take(volume)[...] = 0
        self._drawn = []
        if preview is not None:
            self._draw(preview.structure, preview.key, preview.mask)
        self.layer.refresh(extent=False, thumbnail=False)

    def add_slice(self, name: str, key: SliceKey, mask: NDArray[np.bool_]) -> None:
        """Draw a slice that was reached, beside those before it.

        Parameters
        ----------
        name : str
            The structure.
        key : tuple of int
            Axis and index.
        mask : ndarray of bool, shape (rows, cols)
            Where it is.
        """
        self._draw(name, key, mask)
        self.layer.refresh(extent=False, thumbnail=False)

    def _draw(self, name: str, key: SliceKey, mask: NDArray[np.bool_]) -> None:
        self._colour(name)
        volume = np.asarray(self.layer.data).reshape(self._geometry.shape)
        edge = mask & ~binary_erosion(mask)
        self._geometry.plane(*key).take(volume)[...] = np.where(
            edge, OUTLINE, mask * FILL
        )
        self._drawn.append(key)

    def _colour(self, name: str) -> None:
        if name == self._structure:
            return
        red, green, blue, _ = structure(name).color
        self.layer.colormap = DirectLabelColormap(
            color_dict={
                None: CLEAR,
                FILL: (red, green, blue, FILL_ALPHA),
                OUTLINE: (red, green, blue, 1.0),
            }
        )
        self._structure = name


def hide_labels(layer: Labels, objects: Iterable[StructureObject]) -> None:
    """Draw the structures in a labels layer, but not the hidden ones."""
    wanted = _colors(objects)
    drawn = layer.colormap.color_dict
    if any(drawn[label][3] != color[3] for label, color in wanted.items()):
        layer.colormap = DirectLabelColormap(color_dict=wanted)


def _colors(objects: Iterable[StructureObject]) -> dict[int | None, Rgba]:
    """Return the colour of each label, clear for hidden structures."""
    hidden = {entry.label: CLEAR for entry in objects if not entry.visible}
    return label_colormap() | hidden
