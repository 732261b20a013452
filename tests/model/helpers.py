"""Values that the tests of the networks share."""

import numpy as np
from numpy.typing import NDArray

from napari_spinalsam.core.prompts import BoxPrompt, PointPrompt, Polarity, SlicePrompts
from napari_spinalsam.model.networks.tiny import TinyConfig

SHAPE = (6, 40, 50)
SPACING = (3.0, 1.0, 0.7)
TINY_CONFIG = TinyConfig(
    widths=(8, 8, 16, 16), blocks=(1, 1, 1, 1), decoder_widths=(8, 8, 8)
)


def noise(*shape: int) -> NDArray[np.float32]:
    """Return numbers from 0 to 1, the same ones for the same shape."""
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def prompts(
    *points: tuple[float, float], box: tuple[float, float, float, float] | None = None
) -> SlicePrompts:
    """Return positive points and a box in slice 2 of axis 0."""
    placed = tuple(PointPrompt(row, col, Polarity.POSITIVE) for row, col in points)
    return SlicePrompts(0, 2, placed, None if box is None else BoxPrompt(*box))
