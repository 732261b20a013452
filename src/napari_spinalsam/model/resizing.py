"""Slice pixels (row, col) to the (x, y) pixels of a network's image, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ResizedSlice:
    """A slice that was resized for a network.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the slice.
    size : tuple of int
        Rows and columns of the network's image, without padding.
    """

    shape: tuple[int, int]
    size: tuple[int, int]

    def to_model(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Turn (row, col) pixels, shape (N, 2), into (x, y) pixels of the image.

        Pixel centres are whole numbers on both sides.
        """
        scale = np.array(self.size) / np.array(self.shape)
        at: NDArray[np.float64] = (points + 0.5) * scale - 0.5
        return at[:, ::-1].astype(np.float32)
