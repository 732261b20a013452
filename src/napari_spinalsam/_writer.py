"""The writer that napari calls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_spinalsam.io.formats import (
    is_picture,
)
from napari_spinalsam.io.layer_data import METADATA_KEY, millimetres

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import Placement
    from napari_spinalsam.core.volume import FileGrid


def write_labels_layer(
    path: str, data: Any, attributes: Mapping[str, Any]
) -> list[str]:
    """Write a labels layer in the geometry of the file it came from.

    Parameters
    ----------
    path : str
        A name with a suffix that labels can be written to.
    data : array of integers, shape (z, y, x) or (rows, columns)
        The layer's labels, 0 to 255.
    attributes : mapping
        The layer's attributes. Its grid is taken from our metadata, where the layer
        still lies on it; only a picture needs none.

    Returns
    -------
    list of str
        The path that was written.

    Raises
    ------
    InputError
        If the layer cannot be written so.
    """
    import numpy as np

    from napari_spinalsam.core.errors import InputError
    from napari_spinalsam.io.images import to_labels
    from napari_spinalsam.io.labels import write_labels

    name = f"The layer {attributes.get('name', 'labels')!r}"
    array = np.asarray(data)
    if array.ndim not in (2, 3):
        raise InputError(
            f"{name} has {array.ndim} axes: save one time point of it as a layer with "
            "3 axes first."
        )
    labels = to_labels(array, name)
    if labels.dtype != np.uint8:
        raise InputError(
            f"{name} holds the value {labels.max()}, but labels go up to 255: convert "
            "it to the label convention first."
        )
    grid = _grid_of(labels, attributes, name, Path(path))
    write_labels(path, labels.reshape(grid.geometry.shape), grid)
    return [path]


def _grid_of(
    labels: NDArray[np.uint8], attributes: Mapping[str, Any], name: str, path: Path
) -> FileGrid:
    """Return the grid that a layer came from, or for a picture one of its sizes."""
    from napari_spinalsam.core.errors import InputError
    from napari_spinalsam.core.geometry import Placement
    from napari_spinalsam.core.volume import Volume

    entry = attributes.get("metadata", {}).get(METADATA_KEY, {})
    source: FileGrid | None = entry.get("grid") or getattr(
        entry.get("volume"), "grid", None
    )
    placement = _placement_of(labels.shape, attributes, name)
    if source and placement.lies_on(Placement.of_geometry(source.geometry)):
        return source
    if not is_picture(path):
        raise InputError(
            f"{name} does not lie where an image was opened, so its place in the "
            "patient is unknown: make labels for an opened image, or use a name that "
            "ends with .tif."
        )
    geometry = placement.geometry()
    return Volume.from_geometry(labels.reshape(geometry.shape), geometry).grid


def _placement_of(
    shape: tuple[int, ...], attributes: Mapping[str, Any], name: str
) -> Placement:
    """Read the transform of a layer: scale, shear, rotation, and an affine on top."""
    import numpy as np

    from napari_spinalsam.core.geometry import Placement

    ndim = len(shape)
    shear = np.asarray(attributes.get("shear", np.eye(ndim)), float)
    if shear.ndim == 1:  # what stands above the diagonal
        above, shear = shear, np.eye(ndim)
        shear[np.triu_indices(ndim, 1)] = above
    columns = attributes.get("rotate", np.eye(ndim)) @ shear * attributes["scale"]
    affine = np.asarray(attributes.get("affine", np.eye(ndim + 1)), float)
    linear, moved = affine[:ndim, :ndim], affine[:ndim, ndim]
    origin = linear @ np.asarray(attributes["translate"], float) + moved
    units = attributes.get("units") or ("pixel",) * ndim
    factors = [millimetres(unit, name) for unit in units]
    return Placement.from_transform(shape, linear @ columns, origin, factors, name)
