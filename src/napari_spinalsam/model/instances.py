"""From dense votes to single structures: their centres, and the voxels of each."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from napari_spinalsam.core.masks import bounding_box, largest_component

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.core.results import Box
    from napari_spinalsam.model.votes import VoteField

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
