"""Slice pixels (row, col) to the (x, y) pixels of a network's image, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

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

    def pixel_mm(self, spacing: tuple[float, float]) -> tuple[float, float]:
        """Return the size of the image's pixels from that of the slice's, in mm."""
        rows, cols = (
            mm * pixels / seen
            for mm, pixels, seen in zip(spacing, self.shape, self.size, strict=True)
        )
        return rows, cols

    def to_model(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Turn (row, col) pixels, shape (N, 2), into (x, y) pixels of the image.

        Pixel centres are whole numbers on both sides.
        """
        scale = np.array(self.size) / np.array(self.shape)
        at: NDArray[np.float64] = (points + 0.5) * scale - 0.5
        return at[:, ::-1].astype(np.float32)

    def low_res(
        self,
        logits: NDArray[np.float32],
        padded: tuple[int, int],
        stride: int,
        outside: float,
    ) -> NDArray[np.float32]:
        """Bring logits of the slice to a coarser grid on the network's image.

        Parameters
        ----------
        logits : ndarray of float32, shape (rows, cols)
            On the pixels of the slice.
        padded : tuple of int
            Rows and columns of the network's image with its padding.
        stride : int
            Pixels of the image that become one, along either axis.
        outside : float
            Value of the padding.

        Returns
        -------
        ndarray of float32, shape (padded rows / stride, padded columns / stride)
        """
        image = F.interpolate(
            torch.from_numpy(logits)[None, None],
            size=self.size,
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )
        bottom, right = padded[0] - self.size[0], padded[1] - self.size[1]
        image = F.pad(image, (0, right, 0, bottom), value=outside)
        coarse: NDArray[np.float32] = F.avg_pool2d(image, stride)[0, 0].numpy()
        return coarse
