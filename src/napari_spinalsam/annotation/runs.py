"""Voxels with new values in short, as a stroke or loaded labels leave them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_spinalsam.core.masks import LabelDelta


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """New values of voxels, joined where neighbours in memory get the same.

    Parameters
    ----------
    starts : ndarray of int64, shape (n,)
        First voxel of each run, counted in C order of the (z, y, x) array.
    lengths : ndarray of int64, shape (n,)
        Voxels in each run.
    values : ndarray of uint8, shape (n,)
        Their label value.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    values: NDArray[np.uint8]

    @classmethod
    def of(cls, delta: LabelDelta) -> Runs:
        """Take the new values of a change."""
        order = np.argsort(delta.indices, kind="stable")
        at, new = delta.indices[order].astype(np.int64), delta.new[order]
        breaks = (np.diff(at) != 1) | (new[1:] != new[:-1])
        first = np.concatenate([[0], np.flatnonzero(breaks) + 1])[: at.size]
        lengths = np.diff(np.append(first, at.size))
        return cls(at[first], lengths.astype(np.int64), new[first])

    @classmethod
    def joined(cls, parts: Sequence[Runs]) -> Runs:
        """Put runs one after the other."""
        return cls(
            np.concatenate([np.empty(0, np.int64), *(part.starts for part in parts)]),
            np.concatenate([np.empty(0, np.int64), *(part.lengths for part in parts)]),
            np.concatenate([np.empty(0, np.uint8), *(part.values for part in parts)]),
        )

    def part(self, first: int, count: int) -> Runs:
        """Return so many runs from one on; an IndexError if there are not as many."""
        chosen = slice(first, first + count)
        if first + count > len(self.starts):
            raise IndexError(f"there are {len(self.starts)} runs, not {first + count}")
        return Runs(self.starts[chosen], self.lengths[chosen], self.values[chosen])

    def fit(self, voxels: int) -> bool:
        """Whether all runs lie in a volume of so many voxels."""
        inside = (self.starts >= 0) & (self.lengths > 0) & (self.lengths <= voxels)
        return bool((inside & (self.starts <= voxels - self.lengths)).all())

    def write(self, labels: NDArray[np.uint8]) -> None:
        """Put the values into a contiguous volume, in place."""
        ends = np.cumsum(self.lengths)
        steps = np.arange(ends[-1] if ends.size else 0)
        at = steps + np.repeat(self.starts - ends + self.lengths, self.lengths)
        labels.reshape(-1)[at] = np.repeat(self.values, self.lengths)
