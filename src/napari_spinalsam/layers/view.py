"""Slice and plane of the viewer in terms of the image's own grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

    from napari_spinalsam.core.geometry import Plane


def current_slice(viewer: Viewer, image: Image) -> tuple[int, int]:
    """Return axis and index of the slice of an image that the viewer shows.

    Raises
    ------
    InputError
        If the viewer shows 3-D, where there is no one slice and a click names no voxel.
    """
    if viewer.dims.ndisplay != 2:
        raise InputError(
            "The view is in 3-D and shows no single slice: switch to 2-D (Ctrl+Y) or "
            "choose a plane first."
        )
    if image.ndim == 2:
        return 0, 0
    axis = image_axes(viewer, image)[0]
    voxel = image.world_to_data(viewer.dims.point[-image.ndim :])
    index = int(np.clip(np.rint(voxel[axis]), 0, image.data.shape[axis] - 1))
    return axis, index


def image_axes(viewer: Viewer, image: Image) -> list[int]:
    """Return the image's axes in the order of the viewer, the sliced one first."""
    extra = viewer.dims.ndim - image.ndim
    return [axis - extra for axis in viewer.dims.order if axis >= extra]


def go_to_slice(viewer: Viewer, image: Image, index: int) -> None:
    """Show a slice of the current plane."""
    if image.ndim == 2:
        return
    axis = image_axes(viewer, image)[0]
    world = image.translate[axis] + image.scale[axis] * index
    viewer.dims.set_point(axis + viewer.dims.ndim - image.ndim, float(world))


def set_plane(viewer: Viewer, image: Image, plane: Plane) -> None:
    """Turn the view to a plane and fit the image into it.

    Raises
    ------
    InputError
        If the image is flat and has no other plane.
    """
    if image.ndim == 2:
        raise InputError("The image is a single slice: only a volume has three planes.")
    extra = viewer.dims.ndim - image.ndim
    others = [axis for axis in range(3) if axis != plane.axis]
    order = [plane.axis, *others]
    viewer.dims.order = (*range(extra), *(axis + extra for axis in order))
    viewer.dims.ndisplay = 2
    viewer.reset_view()
