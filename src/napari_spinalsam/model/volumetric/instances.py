"""From dense votes to single structures: their centres, and the voxels of each."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from napari_spinalsam.core.masks import bounding_box, largest_component
from napari_spinalsam.core.results import VolumeMask
from napari_spinalsam.model.volumetric.voting import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.masks import Box
    from napari_spinalsam.core.results import SliceMask
    from napari_spinalsam.model.volumetric.voting import VoteField

# Votes are counted in bins and smoothed; of peaks closer than this one is a centre.
BIN_MM = 2.0
SMOOTHING_MM = 4.0
SEPARATION_MM = 13.0
# How far outside of the region the centre of a structure that reaches in may lie.
BEYOND_MM = 30.0
# A peak counts from this share of the strongest one.
SMALLEST_SHARE = 0.08
# Cells whose vote lies farther from every centre belong to none.
REACH_MM = 25.0
# As many cells on the border of a region do not make a structure cut.
FEW_CELLS = 12
# Differences of distance count like logits when measured in this unit.
VOTE_UNIT_MM = 4.0
# Room around the seed: within its slice, and across it, where its extent is unknown.
WITHIN_MM = 32.0
ACROSS_MM = 75.0
# A seed and a gathering of votes closer than this are the same structure.
SNAP_MM = 12.0
# A seed of which less is of a kind is something that the votes do not know.
LEAST_SUPPORT = 0.5


def find_centres(field: VoteField) -> NDArray[np.float64]:
    """Return the positions in mm that votes gather at, shape (n, 3), head to foot."""
    region = field.region
    voting = field.foreground > 0
    corner = region.corner_mm - BEYOND_MM
    votes = field.centres[:, voting].T - corner
    extent = np.array(region.cells) * region.cell_mm + 2 * BEYOND_MM
    bins = np.ceil(extent / BIN_MM).astype(int)
    counts, _ = np.histogramdd(
        votes,
        bins=tuple(bins),
        range=[(0, n * BIN_MM) for n in bins],
        weights=np.asarray(_probability(field.foreground[voting]), np.float64),
    )
    density = ndimage.gaussian_filter(counts, SMOOTHING_MM / BIN_MM, mode="constant")
    size = 2 * round(SEPARATION_MM / BIN_MM / 2) + 1
    peaks = (density == ndimage.maximum_filter(density, size)) & (
        density > SMALLEST_SHARE * density.max(initial=0.0)
    )
    found: NDArray[np.float64] = (np.argwhere(peaks) + 0.5) * BIN_MM + corner
    return found[np.argsort(found[:, 0], kind="stable")]


class Instances:
    """Shares the cells of a field out to centres.

    Parameters
    ----------
    field : VoteField
        The votes.
    centres : ndarray of float, shape (n, 3)
        Positions in mm; each cell goes to the one that it votes closest to.
    """

    def __init__(self, field: VoteField, centres: NDArray[np.float64]) -> None:
        self.field = field
        self.centres = centres
        votes = np.moveaxis(field.centres, 0, -1)
        distances, nearest = KDTree(centres).query(votes, k=2)
        self._nearest: NDArray[np.intp] = np.asarray(nearest)[..., 0]
        self._distances: NDArray[np.float32] = np.asarray(distances, np.float32)

    @cached_property
    def volumes_mm3(self) -> NDArray[np.float64]:
        """Volume of the cells of each centre, shape (n,)."""
        bone = self.field.foreground > self.field.threshold
        own = self._nearest[bone & (self._distances[..., 0] < REACH_MM)]
        counts = np.bincount(own, minlength=len(self.centres))
        return np.asarray(counts * np.prod(self.field.region.cell_mm))

    def is_cut(self, number: int) -> bool:
        """Whether a structure reaches the upper or lower end of the region."""
        own = (self._nearest == number) & (self._distances[..., 0] < REACH_MM)
        ends = own[[0, -1]] & (self.field.foreground[[0, -1]] > 0)
        return bool(ends.sum((1, 2)).max() > FEW_CELLS)

    def logits(self, number: int) -> NDArray[np.float32]:
        """Return what is above zero in the cells of a centre; no two overlap."""
        away = self.field.centres - self.centres[number][:, None, None, None]
        distance = np.sqrt((away * away).sum(0))
        first, second = self._distances[..., 0], self._distances[..., 1]
        rival = np.where(self._nearest == number, second, first)
        margin = (np.minimum(rival, REACH_MM) - distance) / VOTE_UNIT_MM
        joined = np.minimum(self.field.foreground - self.field.threshold, margin)
        return np.asarray(joined, np.float32)

    def mask(self, number: int) -> tuple[NDArray[np.bool_], Box, float]:
        """Return the voxels of a centre, their box, and the IoU to be expected.

        The box is empty where nothing belongs to the centre.
        """
        logits = self.logits(number)
        region = self.field.region
        found = bounding_box(logits > 0)
        if found is None:
            return np.zeros((0, 0, 0), np.bool_), (slice(0, 0),) * 3, 0.0
        part = region.voxels(found)
        fine = region.to_voxels(logits, part)
        mask = largest_component(fine > 0)
        probability = _probability(fine)
        missed = float(probability[~mask].sum())
        return mask, part, float(probability[mask].sum()) / (mask.sum() + missed)


def _probability(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-logits)))


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
