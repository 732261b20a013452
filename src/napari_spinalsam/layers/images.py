"""From an image layer to a volume, or to a sentence that says why it cannot be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.contributions import MILLIMETRES
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.intensity import check_image, guess_modality
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.io.formats import stem_of
from napari_spinalsam.layers.roles import Role, entry_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import LayerList
    from napari.layers import Image, Labels
    from numpy.typing import NDArray


def volume_of(layer: Image) -> Volume:
    """Return the volume that an image layer shows.

    A layer of our own reader still knows its file's grid. Any other layer is taken as
    it lies in the viewer, its first axis as axial slices.

    Parameters
    ----------
    layer : napari.layers.Image
        Grey, two- or three-dimensional, neither turned nor sheared.

    Raises
    ------
    InputError
        If the layer is RGB, multiscale, turned, or not a sound 2-D or 3-D image.
    """
    name = f"The image {layer.name!r}"
    if layer.rgb:
        raise InputError(f"{name} is in colour: choose a grey image, such as a CT.")
    if layer.multiscale:
        raise InputError(f"{name} is a pyramid: open it as one full-resolution image.")
    data = np.asarray(layer.data)
    check_image(data)
    stored = entry_of(layer).get("volume")
    if isinstance(stored, Volume) and shows(layer, stored):
        return stored
    geometry = _placed_geometry(layer, data.shape, name)
    return Volume.from_geometry(
        data.reshape(geometry.shape), geometry, guess_modality(data), layer.name
    )


def shows(layer: Image, volume: Volume) -> bool:
    """Whether a layer shows the very voxels of a volume, and not other data since."""
    return bool(np.shares_memory(np.asarray(layer.data), volume.data))


def known_annotations(layers: LayerList) -> Iterator[tuple[Image, Annotation]]:
    """Yield the images of a viewer whose labels layer carries their annotation."""
    for layer in layers:
        entry = entry_of(layer)
        image, annotation = entry.get("image"), entry.get("annotation")
        if (
            entry.get("role") == Role.LABELS
            and isinstance(annotation, Annotation)
            and image in layers
            and shows(image, annotation.volume)
        ):
            yield image, annotation


def path_beside(image: Image, ending: str) -> Path:
    """Return a name for a file that belongs to an image, beside the image's file.

    Parameters
    ----------
    image : napari.layers.Image
        An image; one that came from no file gives a name without a folder.
    ending : str
        What follows the image's name, such as "_labels.nii.gz".
    """
    opened = entry_of(image).get("path") or image.source.path
    if opened is None:
        return Path(image.name.replace("/", "_").replace("\\", "_") + ending)
    path = Path(opened)
    name = stem_of(path) + ending
    return path.parent / name if os.access(path.parent, os.W_OK) else Path(name)


def labels_of(layer: Labels) -> tuple[NDArray[Any], Geometry]:
    """Return a labels layer as an array (z, y, x) with its place.

    Raises
    ------
    InputError
        If the layer is multiscale, turned, or neither 2-D nor 3-D.
    """
    name = f"The labels {layer.name!r}"
    if layer.multiscale:
        raise InputError(f"{name} are a pyramid: open them at full resolution.")
    data = np.asarray(layer.data)
    entry = entry_of(layer)
    if "grid" in entry and entry["grid"].geometry.shape == _shape3(data.shape):
        geometry: Geometry = entry["grid"].geometry
    else:
        geometry = _placed_geometry(layer, data.shape, name)
    return data.reshape(geometry.shape), geometry


def _shape3(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1, *shape) if len(shape) == 2 else shape


def _placed_geometry(
    layer: Image | Labels, shape: tuple[int, ...], name: str
) -> Geometry:
    """Return the geometry of a layer from its scale and translate."""
    if len(shape) not in (2, 3):
        raise InputError(
            f"{name} has {len(shape)} axes: choose one 2-D or 3-D image of it."
        )
    matrix = layer.affine.affine_matrix
    if not (
        np.allclose(matrix, np.eye(len(matrix)))
        and np.allclose(layer.rotate, np.eye(len(shape)))
        and np.allclose(layer.shear, 0)
    ):
        raise InputError(
            f"{name} is turned or sheared in the viewer: open its file with the "
            "SpinalSAM reader instead."
        )
    units = [MILLIMETRES.get(str(unit), 1.0) for unit in layer.units]
    spacing = np.abs(np.asarray(layer.scale) * units)
    place = np.asarray(layer.translate) * units
    flat = len(shape) == 2
    return Geometry.from_spacing(
        _shape3(shape),
        [1.0, *spacing] if flat else list(spacing),
        [0.0, *place] if flat else list(place),
        is_2d=flat,
    )
