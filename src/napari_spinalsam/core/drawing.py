"""What scribbles and lassos mean for a network that knows points, boxes and masks.

A scribble is points along its path. A lasso is the box around it, a mask to begin with,
and a limit: the hand said where the structure ends, so that the mask stays inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.draw import polygon2mask

from napari_spinalsam.core.prompts import PointPrompt, Polarity, SlicePrompts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import SlicePlane
    from napari_spinalsam.core.prompts import LassoPrompt, ScribblePrompt

# Measured: see docs/how-to/prompts.md and scripts/measure_drawing.py.
SCRIBBLE_GAP_MM = 6.0
# Several negative points along a line take more of a mask away than was meant.
MAX_SCRIBBLE_POINTS = {Polarity.POSITIVE: 6, Polarity.NEGATIVE: 1}
LASSO_MARGIN_MM = 1.0
# A mask becomes logits by the distance to its border, as far as these go.
LOGITS_PER_MM = 2.0
LARGEST_LOGIT = 6.0


def as_points_and_box(
    prompts: SlicePrompts, spacing: tuple[float, float]
) -> SlicePrompts:
    """Return prompts in which scribbles are points and a lasso is its box.

    A box that was drawn too stands for the lasso's.

    Parameters
    ----------
    prompts : SlicePrompts
        Prompts of any kind.
    spacing : tuple of float
        Millimetres per pixel along (row, col).
    """
    drawn = [
        point
        for scribble in prompts.scribbles
        for point in scribble_points(scribble, spacing)
    ]
    box = prompts.box
    if box is None and prompts.lasso is not None:
        box = prompts.lasso.box
    return SlicePrompts(*prompts.key, (*prompts.points, *drawn), box)


def scribble_points(
    scribble: ScribblePrompt, spacing: tuple[float, float]
) -> tuple[PointPrompt, ...]:
    """Place points along a scribble at equal distances.

    Parameters
    ----------
    scribble : ScribblePrompt
        The path.
    spacing : tuple of float
        Millimetres per pixel along (row, col).

    Returns
    -------
    tuple of PointPrompt
        One for each 6 mm of the path, at least one, and at most six of a positive
        scribble, one of a negative one; each in the middle of its part of the path.
    """
    path = np.array(scribble.path)
    parts = np.hypot(*(np.diff(path, axis=0) * spacing).T)
    travelled = np.concatenate([[0.0], np.cumsum(parts)])
    wanted = round(travelled[-1] / SCRIBBLE_GAP_MM)
    count = int(np.clip(wanted, 1, MAX_SCRIBBLE_POINTS[scribble.polarity]))
    at = (np.arange(count) + 0.5) / count * travelled[-1]
    rows, cols = (np.interp(at, travelled, path[:, axis]) for axis in (0, 1))
    return tuple(
        PointPrompt(float(row), float(col), scribble.polarity)
        for row, col in zip(rows, cols, strict=True)
    )


def lasso_region(lasso: LassoPrompt, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels of a slice, shape (rows, cols), that a lasso encloses."""
    return np.asarray(polygon2mask(shape, np.array(lasso.outline)), dtype=np.bool_)


def limit_of(prompts: SlicePrompts, plane: SlicePlane) -> NDArray[np.bool_]:
    """Return the pixels that a mask may have.

    Parameters
    ----------
    prompts : SlicePrompts
        With a lasso, its inside and 1 mm around it; without one, everything.
    plane : SlicePlane
        The slice.

    Returns
    -------
    ndarray of bool, shape (rows, cols)
    """
    if prompts.lasso is None:
        return np.ones(plane.shape, dtype=np.bool_)
    region = lasso_region(prompts.lasso, plane.shape)
    reach = signed_distance(region, plane.spacing) >= -LASSO_MARGIN_MM
    return np.asarray(reach, dtype=np.bool_)


def signed_distance(
    mask: NDArray[np.bool_], spacing: tuple[float, float]
) -> NDArray[np.float32]:
    """Return millimetres to the border of a mask, above zero inside of it.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, cols)
        Where it is empty, everything is endlessly far outside.
    spacing : tuple of float
        Millimetres per pixel along (row, col).

    Returns
    -------
    ndarray of float32, shape (rows, cols)
        The border lies half a pixel beyond the outermost pixels of the mask.
    """
    half = min(spacing) / 2
    if not mask.any():
        return np.full(mask.shape, -np.inf, np.float32)
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing)
    # The margin lets the border of the slice count as outside.
    inside = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing)
    depth = np.asarray(inside, np.float64)[1:-1, 1:-1]
    return np.where(mask, depth - half, half - outside).astype(np.float32)


def as_logits(
    mask: NDArray[np.bool_], spacing: tuple[float, float]
) -> NDArray[np.float32]:
    """Return what a network would have said to mean a mask, shape (rows, cols)."""
    logits = LOGITS_PER_MM * signed_distance(mask, spacing)
    return np.asarray(np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT), np.float32)
