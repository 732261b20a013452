"""Brush strokes of a Labels layer as changes of the label volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam.core.masks import LabelDelta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def stroke_delta(history: Sequence[Any], labels: NDArray[np.uint8]) -> LabelDelta:
    """Return what a stroke changes, against the labels before it.

    Parameters
    ----------
    history : sequence of (indices, old values, new value)
        What napari's paint event carries; indices are a tuple of arrays.
    labels : ndarray of uint8, shape (z, y, x)
        Labels before the stroke.
    """
    after = labels.copy()
    shape = after.shape if history and len(history[0][0]) == 3 else after.shape[1:]
    target = after.reshape(shape)
    for indices, _, value in history:
        target[indices] = value
    return LabelDelta.between(labels, after)
