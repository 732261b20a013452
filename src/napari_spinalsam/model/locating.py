"""Where the spine runs in a large image, from a few sagittal slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.model.region import Region
from napari_spinalsam.model.votes import sagittal_bone

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.model.backend import VotingBackend

    # Lowest and highest position in mm along (z, y, x).
    Limits = tuple[NDArray[np.float64], NDArray[np.float64]]

# Up to this size the whole image is looked at closely; anatomy fills it anyway.
SMALL_MM = 200.0
STEP_MM = 10.0
COARSE_PIXEL_MM = 1.25
# Room around the line of the spine: vertebrae with their processes.
BESIDE_MM = 60.0
# The line ends where there is less bone than this share of what is usual along it.
LEAST_SHARE = 0.1


def locate_spine(
    backend: VotingBackend, volume: Volume, window: Window
) -> Generator[float, None, Limits]:
    """Find the part of an image that holds the spine.

    Yields
    ------
    float
        The part of the work that is done.

    Returns
    -------
    tuple of two ndarray, shape (3,)
        Lowest and highest position in mm along (z, y, x).

    Raises
    ------
    InputError
        If no slice shows any of it.
    """
    geometry = volume.geometry
    extent = np.array(geometry.shape) * np.array(geometry.spacing)
    if max(extent[1:]) <= SMALL_MM:
        return np.zeros(3), extent
    places = np.arange(STEP_MM / 2, extent[2], STEP_MM)
    layers = []
    for number, at in enumerate(places, start=1):
        half = STEP_MM / 2
        low, high = np.array([0, 0, at - half]), np.array([*extent[:2], at + half])
        region = Region.around(geometry, low, high, COARSE_PIXEL_MM)
        bone = sagittal_bone(backend, volume, region, window)
        layers.append(_counts(bone, region, extent))
        yield number / len(places)
    density = ndimage.gaussian_filter(np.stack(layers, -1), (1.0, 1.5, 1.0))
    if not density.any():
        raise InputError(
            "No spine was found in the image: check the window, or prompt a vertebra."
        )
    return _box_of(_line(density), density, extent)


def _counts(
    bone: NDArray[np.bool_], region: Region, extent: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Count cells in squares of the step, shape (z, y)."""
    bins = np.ceil(extent[:2] / STEP_MM).astype(int)
    at = (np.argwhere(bone) + 0.5) * region.cell_mm[:2]
    counts, _, _ = np.histogram2d(
        at[:, 0], at[:, 1], bins=bins, range=[(0, n * STEP_MM) for n in bins]
    )
    return np.asarray(counts)


def _line(density: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the connected (y, x) bins with the most bone, one for each layer."""
    total = density[0]
    best = [total]
    for layer in density[1:]:
        total = layer + ndimage.maximum_filter(total, 3)
        best.append(total)
    at = np.array(np.unravel_index(best[-1].argmax(), best[-1].shape))
    line = [at]
    for total in reversed(best[:-1]):
        low = np.maximum(at - 1, 0)
        near = total[low[0] : at[0] + 2, low[1] : at[1] + 2]
        at = low + np.array(np.unravel_index(near.argmax(), near.shape))
        line.append(at)
    return np.array(line[::-1])


def _box_of(
    line: NDArray[np.intp],
    density: NDArray[np.float64],
    extent: NDArray[np.float64],
) -> Limits:
    along = density[np.arange(len(line)), line[:, 0], line[:, 1]]
    there = np.flatnonzero(along > LEAST_SHARE * np.percentile(along, 75))
    middle = (line[there[0] : there[-1] + 1] + 0.5) * STEP_MM
    low = np.array([there[0] * STEP_MM - 2 * STEP_MM, *(middle.min(0) - BESIDE_MM)])
    high = np.array([there[-1] * STEP_MM + 3 * STEP_MM, *(middle.max(0) + BESIDE_MM)])
    return np.maximum(low, 0), np.minimum(high, extent)
