"""Masks as the lengths of their runs: small, comparable and fit for a file of text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RunLengths:
    """A mask in short.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    lengths : tuple of int
        Pixels in C order that are out, then in, then out, and so on; the first may
        be zero, the others not, and together they are all pixels.

    Raises
    ------
    ValueError
        If the lengths are not those of a mask of this shape.
    """

    shape: tuple[int, int]
    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        rows, cols = self.shape
        broken = min(self.lengths, default=-1) < 0 or 0 in self.lengths[1:]
        if broken or sum(self.lengths) != rows * cols:
            raise ValueError(f"the runs do not fill a mask of shape {self.shape}")

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> RunLengths:
        """Take a mask of shape (rows, cols)."""
        flat = np.concatenate([[False], mask.ravel()])
        ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]), mask.size)
        rows, cols = mask.shape
        return cls((rows, cols), tuple(np.diff(ends, prepend=0).tolist()))

    def mask(self) -> NDArray[np.bool_]:
        """Return the mask, shape (rows, cols)."""
        values = np.arange(len(self.lengths)) % 2 == 1
        return np.repeat(values, self.lengths).reshape(self.shape)
