"""How prompts and masks correct each other: drawn prompts, labels, planes around."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.draw import line, polygon2mask

from napari_spinalsam.core.masks import bounding_box
from napari_spinalsam.core.metrics import dice
from napari_spinalsam.core.prompts import BoxPrompt, PointPrompt, Polarity, SlicePrompts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import SlicePlane
    from napari_spinalsam.core.prompts import LassoPrompt, ScribblePrompt
    from napari_spinalsam.core.results import VolumeMask

# Measured: see docs/how-to/prompts.md and scripts/measure_drawing.py.
SCRIBBLE_GAP_MM = 6.0
# Several negative points along a line take more of a mask away than was meant.
MAX_SCRIBBLE_POINTS = {Polarity.POSITIVE: 6, Polarity.NEGATIVE: 1}
LASSO_MARGIN_MM = 1.0
# A mask becomes logits by the distance to its border, as far as these go.
LOGITS_PER_MM = 2.0
LARGEST_LOGIT = 6.0
Pixel = tuple[int, int]
# What a point changes around itself where a network does not give in.
DAB_MM = 1.5
# Less agreement means that the two speak of different things.
LEAST_DICE = 0.5
# A box that a hand drew may cut this much off.
SLACK_PIXELS = 2.0
EIGHT = np.ones((3, 3), np.bool_)


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
        pixel_of(point.row, point.col, label.shape)
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
        row, col = pixel_of(point.row, point.col, mask.shape)
        if mask[row, col] != wanted:
            away = np.hypot((rows - row) * spacing[0], (cols - col) * spacing[1])
            held[away <= DAB_MM] = wanted
    return held


def _pixels(prompts: SlicePrompts, shape: tuple[int, ...]) -> Iterator[Pixel]:
    """Yield the pixels that points and scribbles touch."""
    for point in prompts.points:
        yield pixel_of(point.row, point.col, shape)
    for scribble in prompts.scribbles:
        path = [pixel_of(*place, shape) for place in scribble.path]
        for first, last in pairwise(path):
            rows, cols = line(*first, *last)
            yield from zip(rows.tolist(), cols.tolist(), strict=True)


def pixel_of(row: float, col: float, shape: tuple[int, ...]) -> Pixel:
    """Return the pixel of a place, which may lie half a pixel outside of the slice."""
    return (
        min(max(round(row), 0), shape[0] - 1),
        min(max(round(col), 0), shape[1] - 1),
    )


def joined_mask(
    whole: VolumeMask, prompts: SlicePrompts, own: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return what the planes together say of a prompted slice, or the slice's own mask.

    A box means the structure inside of it, clicks mean the parts that they hit. The
    slice's own mask stands where the two do not agree, a point speaks against it, or
    a scribble or a lasso was drawn.

    Parameters
    ----------
    whole : VolumeMask
        The structure in the volume.
    prompts : SlicePrompts
        What was asked.
    own : ndarray of bool, shape (rows, cols)
        What the slice alone answered.
    """
    if prompts.is_drawn:
        return own
    mask = _meant(whole.on_slice(*prompts.key, own.shape), prompts)
    for point in prompts.points:
        at = pixel_of(point.row, point.col, mask.shape)
        if mask[at] != (point.polarity is Polarity.POSITIVE):
            return own
    agreement = dice(mask, own)
    return mask if agreement is not None and agreement >= LEAST_DICE else own


def _meant(mask: NDArray[np.bool_], prompts: SlicePrompts) -> NDArray[np.bool_]:
    box = prompts.box
    if box is not None:
        rows, cols = np.indices(mask.shape)
        inside = (rows >= box.row_min - SLACK_PIXELS) & (
            rows <= box.row_max + SLACK_PIXELS
        )
        inside &= (cols >= box.col_min - SLACK_PIXELS) & (
            cols <= box.col_max + SLACK_PIXELS
        )
        return mask & inside
    parts, _ = ndimage.label(mask, EIGHT)
    hit = {
        int(parts[pixel_of(point.row, point.col, mask.shape)])
        for point in prompts.points
        if point.polarity is Polarity.POSITIVE
    }
    return np.asarray(mask & np.isin(parts, sorted(hit)))
