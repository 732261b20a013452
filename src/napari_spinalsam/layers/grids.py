"""Where the voxels of a layer lie: as napari shows it, and what is known of it.

A layer that an image was opened as knows the grid of its file. Any other layer of the
same shape and placement lies on the same voxels and inherits that grid: labels that
napari or another plugin made, a copy, smoothed data. What is left has only the place
that the viewer shows, which says nothing of the patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from napari.layers import Image, Labels, Layer

from napari_spinalsam import _writer
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Known, Placement
from napari_spinalsam.core.messages import msg
from napari_spinalsam.core.volume import FileGrid, Volume
from napari_spinalsam.io import layer_data
from napari_spinalsam.io.formats import is_picture
from napari_spinalsam.layers.roles import entry_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from napari_spinalsam.core.geometry import Geometry

# What makes up the transform of a layer; each has an event of the same name.
TRANSFORM = ("scale", "translate", "rotate", "shear", "affine", "units")
# In our entry: which image layer a layer shows turned, and the grid of that one.
_TURNED = "turned_from"


def placement_of(layer: Layer, name: str) -> Placement:
    """Read the transform of a layer.

    Raises
    ------
    InputError
        If it turns or shears the layer, is no transform, or has a unit that is no
        length. The sentence begins with `name`.
    """
    first = np.asarray(layer.data_to_world(np.zeros(layer.ndim)))
    ends = [np.asarray(layer.data_to_world(end)) for end in np.eye(layer.ndim)]
    columns = np.stack(ends, axis=1) - first[:, None]
    factors = [layer_data.millimetres(unit, name) for unit in layer.units]
    shape = tuple(layer.data.shape)
    return Placement.from_transform(shape, columns, first, factors, name)


def _shape3(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1, *shape) if len(shape) == 2 else shape


def stored_grid(layer: Layer) -> FileGrid | None:
    """Return the grid that a layer was made with; None if it has none that fits."""
    entry = entry_of(layer)
    volume = entry.get("volume")
    grid = volume.grid if isinstance(volume, Volume) else entry.get("grid")
    fits = isinstance(grid, FileGrid) and grid.geometry.shape == _shape3(
        tuple(layer.data.shape)
    )
    return grid if fits else None


@dataclass(frozen=True, eq=False)
class LayerGrid:
    """The grid of a layer, and what is known of its place in the patient.

    Parameters
    ----------
    grid : FileGrid
        Its grid, which says what of it is known.
    why : str
        Why its place in the patient is not known; empty where it is.
    """

    grid: FileGrid
    why: str = ""


def grid_of_layer(layer: Layer, others: Iterable[Layer], name: str) -> LayerGrid:
    """Return the grid of a layer: its own, or that of a layer that it lies on.

    Parameters
    ----------
    layer : napari.layers.Image or Labels
        Two- or three-dimensional.
    others : iterable of Layer
        The layers beside it.
    name : str
        Begins the sentence of an error.

    Raises
    ------
    InputError
        If the layer is turned or sheared, or lies on several images whose files place
        them differently.
    """
    placement = placement_of(layer, name)
    shape = tuple(layer.data.shape)
    stored = stored_grid(layer)
    if stored is not None and placement.lies_on(_made_at(layer, stored)):
        return LayerGrid(stored)
    inherited = [grid for other in others if (grid := _shared(other, layer, placement))]
    if not all(_placed_alike(inherited[0], grid) for grid in inherited):
        raise InputError(
            msg(
                "{name} lies on several images whose files place them "
                "differently: close all but the one that it belongs to.",
                name=name,
            )
        )
    if inherited:
        return LayerGrid(inherited[0])
    if stored is not None:
        spacing = np.abs(placement.step)
        whole = [stored.geometry.spacing[0], *spacing] if len(shape) == 2 else spacing
        known = stored.known & Known.ORIENTATION
        if placement.sized:
            known |= Known.SPACING
        return LayerGrid(
            stored.rescaled(list(whole), known),
            f"{name} was moved or scaled in the viewer since it was opened, so its "
            "place in the patient is unknown: set its scale and translate back.",
        )
    geometry = placement.geometry()
    grid = Volume.from_geometry(np.empty(geometry.shape, np.uint8), geometry).grid
    return LayerGrid(
        grid,
        f"{name} lies on no image that was opened from a file, so its place in the "
        "patient is unknown: make it for such an image.",
    )


def _placed_alike(grid: FileGrid, other: FileGrid) -> bool:
    """Whether two grids of the same voxels tell the same of their place."""
    here, there = grid.geometry, other.geometry
    return here.oriented_alike(there) and here.same_grid(there)


def _made_at(layer: Layer, grid: FileGrid) -> Placement:
    """Return how a layer of a grid was shown at first, or its image is shown now."""
    image = entry_of(layer).get("image")
    if isinstance(image, Image):
        return placement_of(image, f"The image {image.name!r}")
    return Placement.of_geometry(grid.geometry)


def _shared(other: Layer, layer: Layer, placement: Placement) -> FileGrid | None:
    """Return the grid of another layer, if this one lies on the same voxels."""
    if other is layer or not isinstance(other, Image | Labels) or other.multiscale:
        return None
    grid = stored_grid(other)
    if grid is None or tuple(other.data.shape) != tuple(layer.data.shape):
        return None
    try:
        beside, made_at = placement_of(other, ""), _made_at(other, grid)
    except InputError:
        return None  # it is turned, so that nothing upright lies on it
    return grid if beside.lies_on(made_at) and placement.lies_on(beside) else None


def transform_of(layer: Layer) -> dict[str, Any]:
    """Return what makes other layers lie exactly where this one does."""
    transform = {name: getattr(layer, name) for name in TRANSFORM}
    return {**transform, "affine": layer.affine.affine_matrix}


def set_transform(layer: Layer, transform: Mapping[str, Any]) -> None:
    """Let a layer lie where a transform says; what is so already is not touched."""
    now = transform_of(layer)
    for name, value in transform.items():
        if not _equal(name, now[name], value):
            setattr(layer, name, value)


def same_transform(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two transforms, as of `transform_of`, are exactly the same."""
    return all(_equal(name, one[name], other[name]) for name in TRANSFORM)


def _equal(name: str, one: Any, other: Any) -> bool:
    return bool(one == other) if name == "units" else np.array_equal(one, other)


def sized_transform(layer: Layer, geometry: Geometry) -> dict[str, Any]:
    """Return the transform that gives the voxels of a layer the size of a geometry.

    It is in millimetres, or in pixels where the geometry knows no size.
    """
    placement = placement_of(layer, f"The layer {layer.name!r}")
    wanted = np.array(geometry.spacing[3 - layer.ndim :])
    factors = [layer_data.millimetres(unit, layer.name) or 1.0 for unit in layer.units]
    scale = np.asarray(layer.scale) * wanted / np.abs(placement.step)
    return {
        **transform_of(layer),
        "scale": scale * np.array(factors),
        "translate": np.asarray(layer.translate) * factors,
        "units": ("mm" if geometry.spacing_known else "pixel",) * layer.ndim,
    }


def move_with_all(
    image: Layer, layers: Iterable[Layer], transform: Mapping[str, Any]
) -> None:
    """Let an image lie where a transform says, and with it all that lies on it.

    Parameters
    ----------
    image : napari.layers.Image
        The image.
    layers : iterable of Layer
        The layers beside it. Those go along that are shown exactly as the image is:
        of the same transform and, if they are made of voxels, of the same shape.
    transform : mapping
        As of `transform_of`.
    """
    along = [layer for layer in layers if layer is image or _shown_as(layer, image)]
    for layer in along:
        set_transform(layer, transform)


def _shown_as(layer: Layer, image: Layer) -> bool:
    if layer.ndim != image.ndim:
        return False
    if isinstance(layer, Image | Labels) and (
        layer.multiscale or tuple(layer.data.shape) != tuple(image.data.shape)
    ):
        return False
    return same_transform(transform_of(layer), transform_of(image))


def note_turned(turned: Layer, image: Layer, grid: FileGrid) -> None:
    """Remember that an image layer shows another one turned, which has a grid."""
    entry_of(turned)[_TURNED] = image, grid


def resize_turned(image: Layer, layers: Iterable[Layer], grid: FileGrid) -> None:
    """Show what an image was turned from or to with the voxel size of its grid.

    They are the same voxels, and napari draws layers in pixels wrongly beside layers in
    millimetres. A layer that was sheared by hand since stays as it is.
    """
    beside = list(layers)
    for other, own in _turns(image, beside):
        geometry = own.sized_as(grid).geometry
        try:
            placement = placement_of(other, "")
        except InputError:
            continue
        spacing = geometry.spacing[3 - other.ndim :]
        sized = placement.sized == geometry.spacing_known
        if not (sized and np.allclose(np.abs(placement.step), spacing)):
            move_with_all(other, beside, sized_transform(other, geometry))


def _turns(image: Layer, layers: Iterable[Layer]) -> Iterator[tuple[Layer, FileGrid]]:
    """Yield the other layers that show the same file, each with its grid."""
    first, grid_of_first = entry_of(image).get(_TURNED, (image, None))
    for layer in layers:
        if layer is image:
            continue
        if layer is first and grid_of_first is not None:
            yield layer, grid_of_first
        elif entry_of(layer).get(_TURNED, (None,))[0] is first:
            yield layer, entry_of(layer)["volume"].grid


def write_labels_layer(
    path: str, data: Any, attributes: Mapping[str, Any]
) -> list[str]:
    """Write a labels layer of a viewer; called by napari through the manifest.

    A layer that lies on an opened image is written in the geometry of its file; see
    `_writer.write_labels_layer` for the rest.

    Parameters
    ----------
    path : str
        A name with a suffix that labels can be written to.
    data : array of integers
        The labels.
    attributes : mapping
        The attributes of the layer.

    Returns
    -------
    list of str
        The path that was written.

    Raises
    ------
    InputError
        If the layer cannot be written so.
    """
    viewer = napari.current_viewer()
    beside = [] if viewer is None else list(viewer.layers)
    layer = next((each for each in beside if each.data is data), None)
    if isinstance(layer, Labels) and layer.ndim in (2, 3) and not layer.multiscale:
        found = grid_of_layer(layer, beside, f"The layer {layer.name!r}")
        if found.why and not is_picture(Path(path)):
            raise InputError(found.why)
        entry = {layer_data.METADATA_KEY: {"grid": found.grid}}
        place = layer_data.placement(found.grid.geometry)
        attributes = {"name": layer.name, **place, "metadata": entry}
    return _writer.write_labels_layer(path, data, attributes)
