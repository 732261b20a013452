"""Structures that were pointed at, as single objects in the votes of three planes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.core.results import VolumeMask
from napari_spinalsam.model.instances import Instances, find_centres
from napari_spinalsam.model.region import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.results import SliceMask
    from napari_spinalsam.model.votes import VoteField

# Room around the seed: within its slice, and across it, where its extent is unknown.
WITHIN_MM = 32.0
ACROSS_MM = 75.0
# A seed and a gathering of votes closer than this are the same structure.
SNAP_MM = 12.0
# A seed of which less is of a kind is something that the votes do not know.
LEAST_SUPPORT = 0.5


def seed_positions(
    seeds: Sequence[SliceMask], geometry: Geometry
) -> NDArray[np.float64]:
    """Return the positions in mm of all pixels of seeds, shape (n, 3)."""
    found = [
        geometry.plane(seed.axis, seed.index).to_voxel(np.argwhere(seed.mask))
        for seed in seeds
    ]
    return np.asarray(np.concatenate(found) * np.array(geometry.spacing))


def region_around(
    seeds: Sequence[SliceMask], geometry: Geometry, pixel_mm: float
) -> Region:
    """Return the region that holds seeds, what they belong to, and its neighbours."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for seed in seeds:
        margin = np.full(3, WITHIN_MM)
        margin[seed.axis] = ACROSS_MM
        at = seed_positions([seed], geometry)
        low = np.minimum(low, at.min(0) - margin)
        high = np.maximum(high, at.max(0) + margin)
    return Region.around(geometry, low, high, pixel_mm)


def voted_centre(
    field: VoteField, positions: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return the centre in mm that a seed votes for; None where it is no foreground."""
    at = _cells(field, positions)
    known = field.foreground[at] > field.threshold
    if known.mean() < LEAST_SUPPORT:
        return None
    votes = field.centres[(slice(None), *at)][:, known]
    return np.asarray(np.median(votes, axis=1), np.float64)


def _cells(
    field: VoteField, positions: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the indices of the cells that hold positions."""
    cells = np.rint(field.region.to_cells(positions)).astype(int)
    cells = np.clip(cells, 0, np.array(field.region.cells) - 1)
    z, y, x = np.unique(cells, axis=0).T
    return z, y, x


def with_seeds(
    centres: NDArray[np.float64], seeds: Sequence[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], list[int]]:
    """Add the centres of seeds to those found, and tell which is whose.

    A seed close to a found centre takes that one, the closest pair first.
    """
    numbers = [-1] * len(seeds)
    pairs = sorted(
        (float(np.linalg.norm(centre - seed)), at, number)
        for at, seed in enumerate(seeds)
        for number, centre in enumerate(centres)
    )
    for distance, at, number in pairs:
        if distance < SNAP_MM and numbers[at] < 0 and number not in numbers:
            numbers[at] = number
    for at, seed in enumerate(seeds):
        if numbers[at] < 0:
            numbers[at] = len(centres)
            centres = np.concatenate([centres.reshape(-1, 3), seed[None]])
    return centres, numbers


def instance_mask(instances: Instances, number: int) -> VolumeMask:
    """Return the voxels of one centre."""
    mask, box, trust = instances.mask(number)
    return VolumeMask(mask, box, trust)


def fuse(
    field: VoteField, seeds: Sequence[Sequence[SliceMask]]
) -> list[VolumeMask | None]:
    """Return each seeded structure, all of them and their neighbours competing.

    Parameters
    ----------
    field : VoteField
        Votes around the seeds.
    seeds : sequence of sequence of SliceMask
        The known slices of each structure.

    Returns
    -------
    list of VolumeMask or None
        None for a seed that is neither bone nor disc to the network.
    """
    geometry = field.region.geometry
    positions = [seed_positions(each, geometry) for each in seeds]
    fields = field.by_kind
    kinds = [_kind(fields, each) for each in positions]
    found: list[VolumeMask | None] = [None] * len(seeds)
    for kind, one in enumerate(fields):
        voted = {
            seed: voted_centre(one, positions[seed])
            for seed in range(len(seeds))
            if kinds[seed] == kind
        }
        known = {seed: at for seed, at in voted.items() if at is not None}
        if not known:
            continue
        centres, numbers = with_seeds(find_centres(one), list(known.values()))
        instances = Instances(one, centres)
        for seed, number in zip(known, numbers, strict=True):
            found[seed] = instance_mask(instances, number)
    return found


def _kind(fields: Sequence[VoteField], positions: NDArray[np.float64]) -> int:
    """Return which of the fields speaks for a seed most."""
    logits = [each.foreground[_cells(each, positions)].mean() for each in fields]
    return int(np.argmax(logits))
