"""From an image layer to a volume, or to a sentence that says why it cannot be."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam._sample_data import open_sample
from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.intensity import check_image, fill_missing, guess_modality
from napari_spinalsam.core.messages import msg
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.io.formats import stem_of
from napari_spinalsam.io.layer_data import METADATA_KEY, image_layer
from napari_spinalsam.layers.grids import grid_of_layer
from napari_spinalsam.layers.roles import Role, entry_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari import Viewer
    from napari.components import LayerList
    from napari.layers import Image, Labels, Layer
    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import Geometry


def volume_of(layer: Image, others: Iterable[Layer] = ()) -> Volume:
    """Return the volume that an image layer shows.

    A layer of our own reader knows its file's grid, and one that lies on such a layer
    inherits it. Any other layer is taken as it lies in the viewer, its first axis as
    slices; its grid says that the orientation is unknown.

    Parameters
    ----------
    layer : napari.layers.Image
        Grey, two- or three-dimensional, neither turned nor sheared.
    others : iterable of Layer
        The layers beside it, from which it may inherit a grid.

    Raises
    ------
    InputError
        If the layer is RGB, multiscale, turned, or not a sound 2-D or 3-D image.
    """
    name = f"The image {layer.name!r}"
    if layer.rgb:
        raise InputError(
            msg("{name} is in colour: choose a grey image, such as a CT.", name=name)
        )
    if layer.multiscale:
        raise InputError(
            msg("{name} is a pyramid: open it as one full-resolution image.", name=name)
        )
    data = np.asarray(layer.data)
    check_image(data)
    _check_axes(data.shape, name)
    grid = grid_of_layer(layer, others, name).grid
    stored = entry_of(layer).get("volume")
    if isinstance(stored, Volume) and shows(layer, stored):
        return stored if stored.grid is grid else replace(stored, grid=grid)
    flat = data.reshape(grid.geometry.shape)
    return Volume(flat, grid, guess_modality(data), layer.name)


def make_usable(layer: Image) -> None:
    """Rid an image layer of what keeps it from being annotated, before it is.

    Leading axes of length 1, as of an array (1, z, y, x), are dropped from the layer.
    Voxels without a number become the lowest intensity; a warning says so.
    """
    if layer.rgb or layer.multiscale:
        return
    data = np.asarray(layer.data)
    axes = data.ndim
    while axes > 3 and data.shape[data.ndim - axes] == 1:
        axes -= 1
    usable = fill_missing(data.reshape(data.shape[data.ndim - axes :]), layer.name)
    if usable.shape != data.shape or not np.shares_memory(usable, data):
        layer.data = usable


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


def labels_of(
    layer: Labels, others: Iterable[Layer] = ()
) -> tuple[NDArray[Any], Geometry]:
    """Return a labels layer as an array (z, y, x) with its place.

    Parameters
    ----------
    layer : napari.layers.Labels
        The labels.
    others : iterable of Layer
        The layers beside it, from which it may inherit a grid.

    Raises
    ------
    InputError
        If the layer is multiscale, turned, or neither 2-D nor 3-D.
    """
    name = f"The labels {layer.name!r}"
    if layer.multiscale:
        raise InputError(
            msg("{name} are a pyramid: open them at full resolution.", name=name)
        )
    data = np.asarray(layer.data)
    _check_axes(data.shape, name)
    geometry = grid_of_layer(layer, others, name).grid.geometry
    return data.reshape(geometry.shape), geometry


def _check_axes(shape: tuple[int, ...], name: str) -> None:
    if len(shape) not in (2, 3):
        raise InputError(
            msg(
                "{name} has {count} axes: choose one 2-D or 3-D image of it.",
                name=name,
                count=len(shape),
            )
        )


def add_volume(viewer: Viewer, volume: Volume, path: Path | None) -> Image:
    """Add a volume, of a file if it has one, as an image layer; return the layer."""
    data, attributes, _ = image_layer(volume)
    layer = viewer.add_image(data, **attributes)
    layer.metadata[METADATA_KEY]["path"] = path
    return layer


def add_sample(viewer: Viewer) -> tuple[Image, Labels]:
    """Add the sample CT and, hidden, its reference labels; return both layers."""
    (data, attributes, _), (labels, labels_attributes, _) = open_sample()
    image = viewer.add_image(data, **attributes)
    reference = viewer.add_labels(labels, **labels_attributes)
    # Not the hidden reference, which napari selects as the latest.
    viewer.layers.selection.active = image
    return image, reference
