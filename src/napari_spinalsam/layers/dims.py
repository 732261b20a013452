"""Slice and plane of the viewer in terms of the image's own grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import msg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Image, Layer
    from numpy.typing import NDArray

    from napari_spinalsam.core.anatomy import Plane


def current_slice(viewer: Viewer, image: Image) -> tuple[int, int]:
    """Return axis and index of the slice of an image that the viewer shows.

    Raises
    ------
    InputError
        If the viewer shows 3-D, where there is no one slice and a click names no voxel.
    """
    if viewer.dims.ndisplay != 2:
        raise InputError(
            msg(
                "The view is in 3-D and shows no single slice: switch to 2-D "
                "(Ctrl+Y) or choose a plane first."
            )
        )
    if image.ndim == 2:
        return 0, 0
    axis = image_axes(viewer, image)[0]
    voxel = to_data(viewer, image, viewer.dims.point)
    index = int(np.clip(np.rint(voxel[axis]), 0, image.data.shape[axis] - 1))
    return axis, index


def to_data(viewer: Viewer, layer: Layer, position: Sequence[float]) -> NDArray[Any]:
    """Turn world coordinates of the viewer into coordinates of a layer's data.

    The world of napari is in the smallest unit of its layers, the transform of a layer
    in its own.
    """
    own = np.zeros(layer.ndim)  # while layers are removed, the world has fewer axes
    given = position[-layer.ndim :]
    own[layer.ndim - len(given) :] = given
    return np.asarray(layer.world_to_data(own * _units(viewer, layer)))


def shares_units(viewer: Viewer, layer: Layer) -> bool:
    """Whether napari's drawing tools, which know one unit only, suit a layer."""
    return bool(np.allclose(_units(viewer, layer), 1.0))


def _units(viewer: Viewer, layer: Layer) -> NDArray[np.float64]:
    """Return one unit of the viewer's world in units of a layer, by axis."""
    world = viewer.dims.units
    if world is None or len(world) < layer.ndim:
        return np.ones(layer.ndim)
    pairs = zip(world[-layer.ndim :], layer.units, strict=True)
    return np.array([(1.0 * one).to(own).magnitude for one, own in pairs])


def image_axes(viewer: Viewer, image: Image) -> list[int]:
    """Return the image's axes in the order of the viewer, the sliced one first."""
    extra = viewer.dims.ndim - image.ndim
    return [axis - extra for axis in viewer.dims.order if axis >= extra]


def go_to_slice(viewer: Viewer, image: Image, index: int) -> None:
    """Show a slice of the current plane."""
    if image.ndim == 2:
        return
    axis = image_axes(viewer, image)[0]
    voxel = np.zeros(image.ndim)
    voxel[axis] = index
    world = np.asarray(image.data_to_world(voxel)) / _units(viewer, image)
    viewer.dims.set_point(axis + viewer.dims.ndim - image.ndim, float(world[axis]))


def set_plane(viewer: Viewer, image: Image, plane: Plane) -> None:
    """Turn the view to a plane and fit the image into it.

    Raises
    ------
    InputError
        If the image is flat and has no other plane.
    """
    if image.ndim == 2:
        raise InputError(
            msg("The image is a single slice: only a volume has three planes.")
        )
    extra = viewer.dims.ndim - image.ndim
    others = [axis for axis in range(3) if axis != plane.axis]
    order = [plane.axis, *others]
    viewer.dims.order = (*range(extra), *(axis + extra for axis in order))
    viewer.dims.ndisplay = 2
    viewer.reset_view()
