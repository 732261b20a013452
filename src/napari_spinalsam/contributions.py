"""What napari calls through the manifest: the reader, the writer and the sample.

Layers are described as tuples, so that neither napari nor Qt is imported here; the
readers of the formats are imported once a file is opened.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_spinalsam.io.formats import (
    FORMAT_OF_SUFFIX,
    FileFormat,
    is_picture,
    suffix_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import Geometry, Placement
    from napari_spinalsam.core.volume import FileGrid, Volume

LayerData = tuple[Any, dict[str, Any], str]
# Key of our entry in the metadata of a layer.
METADATA_KEY = "napari_spinalsam"


def get_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return the reader of a path, or None where the suffix is of no known image.

    Parameters
    ----------
    path : str or sequence of str
        What the user opens.
    """
    formats = [FORMAT_OF_SUFFIX.get(suffix_of(one)) for one in _as_paths(path)]
    known = all(found not in (None, FileFormat.DICOM) for found in formats)
    return read_layers if known and formats else None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Read images and labels as layers in the canonical orientation.

    Parameters
    ----------
    path : str or sequence of str
        One file, or several that become a layer each; `io.opening` tells which becomes
        a labels layer.

    Raises
    ------
    InputError
        If a file cannot be read as either.
    """
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.io.opening import read_image_or_labels

    layers = []
    for one in _as_paths(path):
        found = read_image_or_labels(one)
        if isinstance(found, Volume):
            layers.append(image_layer(found))
        else:
            layers.append(labels_layer(found.data, found.grid, found.name))
    return layers


def image_layer(volume: Volume) -> LayerData:
    """Describe the image layer of a volume, shown in its default window."""
    from napari_spinalsam.core.intensity import default_window

    window = default_window(volume.data, volume.modality)
    attributes = {
        "name": volume.name,
        "colormap": "gray",
        "contrast_limits": window.limits,
        "metadata": {METADATA_KEY: {"volume": volume}},
        **placement(volume.geometry),
    }
    return _flat_if_2d(volume.data, volume.geometry), attributes, "image"


def labels_layer(labels: NDArray[Any], grid: FileGrid, name: str) -> LayerData:
    """Describe the layer of a label volume (z, y, x).

    In the colours of anatomy, unless a value names no structure and would not be seen.
    """
    from napari_spinalsam.core.anatomy import label_colormap
    from napari_spinalsam.io.values import counts_of

    colours = label_colormap()
    named = all(int(value) in colours for value in counts_of(labels).nonzero()[0])
    attributes = {
        "name": name,
        **({"colormap": colours} if named else {}),
        "metadata": {METADATA_KEY: {"grid": grid}},
        **placement(grid.geometry),
    }
    return _flat_if_2d(labels, grid.geometry), attributes, "labels"


def placement(geometry: Geometry) -> dict[str, Any]:
    """Return the attributes that put a layer in its place: never an affine.

    Obliquity is not shown; the grid in the layer's metadata keeps it.
    """
    axes = slice(1 if geometry.is_2d else 0, 3)
    labels = ("z", "y", "x")[axes]
    return {
        "scale": geometry.spacing[axes],
        "translate": geometry.translate[axes],
        "units": ("mm" if geometry.spacing_known else "pixel",) * len(labels),
        "axis_labels": labels,
    }


def millimetres(unit: object, name: str) -> float | None:
    """Return millimetres of a unit of napari; None for pixels, which have no size.

    Parameters
    ----------
    unit : pint.Unit or str
        Of an axis of a layer.
    name : str
        Begins the sentence of an error.

    Raises
    ------
    InputError
        If it is no length.
    """
    import pint

    from napari_spinalsam.core.errors import InputError

    try:
        known = pint.Unit(str(unit))
        if str(known) in ("pixel", "dimensionless", ""):
            return None
        return float(pint.Quantity(1.0, known).to("millimeter").magnitude)
    except pint.PintError as error:
        raise InputError(
            f"{name} has the unit {unit}, which is no length: give its axes a unit "
            "such as mm or µm."
        ) from error


def open_sample() -> list[LayerData]:
    """Return the sample CT and its reference labels as layers."""
    from napari_spinalsam.io.sample import read_sample

    volume, labels = read_sample()
    data, attributes, kind = labels_layer(labels.data, labels.grid, labels.name)
    return [image_layer(volume), (data, {**attributes, "visible": False}, kind)]


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
    from napari_spinalsam.io.labels import write_labels
    from napari_spinalsam.io.values import to_labels

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


def _flat_if_2d(data: NDArray[Any], geometry: Geometry) -> NDArray[Any]:
    return data[0] if geometry.is_2d else data


def _as_paths(path: str | Sequence[str]) -> list[Path]:
    return [Path(one) for one in ([path] if isinstance(path, str) else path)]
