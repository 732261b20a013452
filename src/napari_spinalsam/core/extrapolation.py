"""Where a vertebra should be by those that are labelled beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_spinalsam.core.anatomy import REGIONS, VERTEBRA_ORDER, Kind, structure
from napari_spinalsam.core.results import VolumeMask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# A vertebra of which the image would show less than this share is not in it.
LEAST_INSIDE = 0.5


def extrapolate(labels: NDArray[np.uint8], name: str) -> VolumeMask | None:
    """Predict the place and size of a vertebra from two labelled neighbours.

    Either the two that it lies between, or the next two on one side; the nearer one is
    moved by the step between them.

    Parameters
    ----------
    labels : ndarray of uint8, shape (z, y, x)
        What is labelled. Voxels of other structures are left out of the prediction.
    name : str
        Canonical name of a structure; only vertebrae are predicted.

    Returns
    -------
    VolumeMask or None
        None without such neighbours, or where the image ends before.
    """
    if structure(name).kind is not Kind.VERTEBRA:
        return None
    boxes = ndimage.find_objects(labels)
    known: dict[str, tuple[slice, ...]] = {
        each: box
        for each in VERTEBRA_ORDER
        if structure(each).kind is Kind.VERTEBRA
        if (number := structure(each).label) <= len(boxes)
        if (box := boxes[number - 1]) is not None
    }
    # A thirteenth thoracic or a sixth lumbar vertebra counts only where there is one.
    usual = {*REGIONS["spine"], *known, name}
    order = [each for each in VERTEBRA_ORDER if each in usual]
    pair = _neighbours(order, known, name)
    if pair is None:
        return None
    near, far, share = pair
    step = _centre(labels, known, near) - _centre(labels, known, far)
    return _moved(labels, known[near], near, np.rint(share * step).astype(int))


def _neighbours(
    order: list[str], known: Mapping[str, tuple[slice, ...]], name: str
) -> tuple[str, str, float] | None:
    """Return whom to move away from whom, and by which share of their distance."""
    at = order.index(name)
    for near, far, share in ((-1, 1, -0.5), (-1, -2, 1.0), (1, 2, 1.0)):
        places = at + near, at + far
        if all(0 <= place < len(order) and order[place] in known for place in places):
            return order[places[0]], order[places[1]], share
    return None


def _centre(
    labels: NDArray[np.uint8], known: Mapping[str, tuple[slice, ...]], name: str
) -> NDArray[np.float64]:
    """Return the middle of a structure in voxels along (z, y, x)."""
    inside = np.argwhere(labels[known[name]] == structure(name).label)
    return np.asarray(inside.mean(0) + [side.start for side in known[name]])


def _moved(
    labels: NDArray[np.uint8],
    box: tuple[slice, ...],
    name: str,
    step: NDArray[np.int64],
) -> VolumeMask | None:
    """Return a structure moved by some voxels, cut off where the image ends."""
    whole = labels[box] == structure(name).label
    sides, kept = [], []
    for side, by, length in zip(box, step, labels.shape, strict=True):
        start, stop = side.start + int(by), side.stop + int(by)
        first, last = max(start, 0), min(stop, length)
        if first >= last:
            return None
        sides.append(slice(first, last))
        kept.append(slice(first - start, last - start))
    there = (sides[0], sides[1], sides[2])
    mask = whole[tuple(kept)]
    if mask.sum() < LEAST_INSIDE * whole.sum():
        return None
    free = mask & (labels[there] == 0)
    return VolumeMask(free, there, 0.0) if free.any() else None
