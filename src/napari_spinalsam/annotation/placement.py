"""Where to place prompts for a structure whose mask in the slice is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_spinalsam.core.masks import bounding_box
from napari_spinalsam.core.prompts import BoxPrompt, PointPrompt, Polarity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Negative points: outside by enough to be clear, near enough to mean this border.
NEAREST_OUTSIDE_MM = 3.0
FARTHEST_OUTSIDE_MM = 10.0
# Depth, in mm, that a mm away from the middle counts less: only decides between equals.
TILT = 1e-6


def place_points(
    mask: NDArray[np.bool_],
    spacing: tuple[float, float],
    count: int,
    polarity: Polarity = Polarity.POSITIVE,
    avoid: Sequence[PointPrompt] = (),
) -> tuple[PointPrompt, ...]:
    """Place points deep inside a mask, or around it, and well apart.

    Each point is as far as can be from the border of where it may lie, and twice as
    far from the points before it. The same mask always gets the same points.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, cols)
        The structure.
    spacing : tuple of float
        Millimetres along (row, col).
    count : int
        How many to place.
    polarity : Polarity
        Positive inside, negative outside at 3 to 10 mm.
    avoid : sequence of PointPrompt
        Points to keep away from.

    Returns
    -------
    tuple of PointPrompt
        Fewer than asked for where there are not so many pixels.
    """
    allowed = mask if polarity is Polarity.POSITIVE else _around(mask, spacing)
    # The margin makes the border of the image count as a border.
    depth = ndimage.distance_transform_edt(np.pad(allowed, 1), sampling=spacing)
    room = np.asarray(depth, dtype=np.float64)[1:-1, 1:-1]
    rows, cols = np.ogrid[: mask.shape[0], : mask.shape[1]]
    if mask.any():  # among equally deep pixels the middle one comes first
        row, col = (float(at.mean()) for at in np.nonzero(mask))
        middle = PointPrompt(row, col)
        room = room - TILT * _distance(rows, cols, middle, spacing)
    for point in avoid:
        room = np.minimum(room, _distance(rows, cols, point, spacing) / 2)
    placed: list[PointPrompt] = []
    while len(placed) < count and room.max() > 0:
        row, col = divmod(int(room.argmax()), room.shape[1])
        point = PointPrompt(float(row), float(col), polarity)
        placed.append(point)
        room = np.minimum(room, _distance(rows, cols, point, spacing) / 2)
    return tuple(placed)


def place_box(mask: NDArray[np.bool_]) -> BoxPrompt | None:
    """Return the tight box around a mask, shape (rows, cols); None if it is empty.

    Around a single row or column it is a pixel wide, for a box needs an area.
    """
    box = bounding_box(mask)
    if box is None:
        return None
    (top, bottom), (left, right) = (
        (side.start, side.stop - 1)
        if side.stop - side.start > 1
        else (max(side.start - 0.5, 0), min(side.start + 0.5, n - 1))
        for side, n in zip(box, mask.shape, strict=True)
    )
    return BoxPrompt(top, left, bottom, right)


def _around(mask: NDArray[np.bool_], spacing: tuple[float, float]) -> NDArray[np.bool_]:
    distance = np.asarray(ndimage.distance_transform_edt(~mask, sampling=spacing))
    ring = (distance >= NEAREST_OUTSIDE_MM) & (distance <= FARTHEST_OUTSIDE_MM)
    return np.asarray(ring if ring.any() else ~mask, dtype=np.bool_)


def _distance(
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    point: PointPrompt,
    spacing: tuple[float, float],
) -> NDArray[np.float64]:
    """Return millimetres from a point to each pixel, shape (rows, cols)."""
    down, across = (rows - point.row) * spacing[0], (cols - point.col) * spacing[1]
    return np.asarray(np.hypot(down, across), dtype=np.float64)
