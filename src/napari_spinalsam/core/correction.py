"""What points and scribbles mean on a slice where the structure is labelled already."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.draw import line

from napari_spinalsam.core.masks import bounding_box
from napari_spinalsam.core.prompts import BoxPrompt, Polarity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_spinalsam.core.prompts import SlicePrompts

Pixel = tuple[int, int]
# What a point changes around itself where a network does not give in.
DAB_MM = 1.5


def with_meant_label(prompts: SlicePrompts, label: NDArray[np.bool_]) -> SlicePrompts:
    """Return prompts that also say that the labelled structure is meant.

    Where neither a box nor a positive point inside of the label does, the box around
    label and positive points is added.

    Parameters
    ----------
    prompts : SlicePrompts
        Points and at most one box.
    label : ndarray of bool, shape (rows, cols)
        The label of the structure; not empty.
    """
    positive = [
        _pixel(point.row, point.col, label.shape)
        for point in prompts.points
        if point.polarity is Polarity.POSITIVE
    ]
    if prompts.box is not None or any(label[at] for at in positive):
        return prompts
    meant = label.copy()
    for at in positive:
        meant[at] = True
    box = bounding_box(meant)
    if box is None:
        return prompts
    rows, cols = box
    return prompts.with_box(
        BoxPrompt(rows.start, cols.start, rows.stop - 1, cols.stop - 1)
    )


def corrected(
    label: NDArray[np.bool_], mask: NDArray[np.bool_], prompts: SlicePrompts
) -> NDArray[np.bool_]:
    """Return a label that is changed as a mask says, but only where prompts point.

    Parameters
    ----------
    label : ndarray of bool, shape (rows, cols)
        What was there, perhaps drawn by hand.
    mask : ndarray of bool, shape (rows, cols)
        What a network says.
    prompts : SlicePrompts
        Points and scribbles. Each connected region in which label and mask differ is
        taken over as a whole if one of them touches it.

    Returns
    -------
    ndarray of bool, shape (rows, cols)
    """
    regions, _ = ndimage.label(label != mask)
    touched = {int(regions[at]) for at in _pixels(prompts, label.shape)} - {0}
    return np.where(np.isin(regions, sorted(touched)), mask, label)


def with_points(
    mask: NDArray[np.bool_], prompts: SlicePrompts, spacing: tuple[float, float]
) -> NDArray[np.bool_]:
    """Return a mask that holds the positive points and leaves the negative ones out.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, cols)
        What a network made of the points.
    prompts : SlicePrompts
        The points. Around each that the mask denies, DAB_MM of it change.
    spacing : tuple of float
        Millimetres per pixel along (row, col).

    Returns
    -------
    ndarray of bool, shape (rows, cols)
    """
    held = mask.copy()
    rows, cols = np.indices(mask.shape)
    for point in prompts.points:
        wanted = point.polarity is Polarity.POSITIVE
        row, col = _pixel(point.row, point.col, mask.shape)
        if mask[row, col] != wanted:
            away = np.hypot((rows - row) * spacing[0], (cols - col) * spacing[1])
            held[away <= DAB_MM] = wanted
    return held


def _pixels(prompts: SlicePrompts, shape: tuple[int, ...]) -> Iterator[Pixel]:
    """Yield the pixels that points and scribbles touch."""
    for point in prompts.points:
        yield _pixel(point.row, point.col, shape)
    for scribble in prompts.scribbles:
        path = [_pixel(*place, shape) for place in scribble.path]
        for first, last in pairwise(path):
            rows, cols = line(*first, *last)
            yield from zip(rows.tolist(), cols.tolist(), strict=True)


def _pixel(row: float, col: float, shape: tuple[int, ...]) -> Pixel:
    """Return the pixel of a place, which may lie half a pixel outside of the slice."""
    return (
        min(max(round(row), 0), shape[0] - 1),
        min(max(round(col), 0), shape[1] - 1),
    )
