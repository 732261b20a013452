"""Prompts sampled from a reference mask, as a user would set them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage as ndi

if TYPE_CHECKING:
    from numpy.typing import NDArray

EIGHT = np.ones((3, 3), dtype=bool)
MAX_POINTS = 6
# Separate parts of a structure in a slice that are told apart; more count as the last.
MAX_PARTS = 15
# Shares of: a box, one click, three clicks, a box with a click.
KIND_WEIGHTS = (0.45, 0.35, 0.12, 0.08)


@dataclass(frozen=True, slots=True)
class SampledPrompt:
    """One simulated prompt and what it means.

    Parameters
    ----------
    points : ndarray of float32, shape (6, 2)
        (x, y) pixels, padded.
    labels : ndarray of int64, shape (6,)
        1 positive, 0 negative, -1 padding.
    box : ndarray of float32, shape (4,)
        x_min, y_min, x_max, y_max, or NaN.
    parts : ndarray of uint8, shape (H, W)
        Separate parts of what the box goes around or of the structure, from 1 up.
    chosen : ndarray of bool, shape (MAX_PARTS + 1,)
        The parts that are meant: all for a box, those that hold a point for clicks.
    """

    points: NDArray[np.float32]
    labels: NDArray[np.int64]
    box: NDArray[np.float32]
    parts: NDArray[np.uint8]
    chosen: NDArray[np.bool_]


def sample_prompt(
    mask: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    body: NDArray[np.bool_] | None = None,
) -> SampledPrompt:
    """Draw a prompt for a structure's pixels in a slice.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        The structure; must not be empty.
    rng : numpy.random.Generator
        Source of every choice.
    body : ndarray of bool or None, shape (H, W)
        The part of it that a box goes around, and then means.
    """
    kind = int(rng.choice(4, p=KIND_WEIGHTS))
    if kind in (0, 3) and body is not None:
        mask = body
    points = np.zeros((MAX_POINTS, 2), np.float32)
    labels = np.full(MAX_POINTS, -1, np.int64)
    box = np.full(4, np.nan, np.float32)
    parts = np.minimum(ndi.label(mask, EIGHT)[0], MAX_PARTS).astype(np.uint8)
    chosen = np.arange(MAX_PARTS + 1) > 0
    if kind in (0, 3):
        box = _loose_box(mask, rng)
    if kind != 0:
        count = 3 if kind == 2 else 1
        picked = np.array([_click(mask, rng) for _ in range(count)])
        points[:count], labels[:count] = picked[:, ::-1], 1
        if kind != 3:
            chosen = np.isin(np.arange(MAX_PARTS + 1), parts[tuple(picked.T)])
    return SampledPrompt(points, labels, box, parts, chosen)


def _loose_box(
    mask: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float32]:
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = np.array([cols[0], rows[0], cols[-1], rows[-1]], np.float32)
    if rng.random() < 0.6:
        short = min(box[2] - box[0], box[3] - box[1])
        slack = min(3.0, 0.06 * short + 1)
        box = box + rng.uniform(-slack, slack, 4).round().astype(np.float32)
    return np.array(
        [
            min(box[0], box[2]),
            min(box[1], box[3]),
            max(box[0], box[2]),
            max(box[1], box[3]),
        ],
        np.float32,
    )


def _click(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return (row, col): half of the time any pixel, else deep inside a part."""
    inside = np.argwhere(mask)
    anywhere: NDArray[np.intp] = inside[int(rng.integers(len(inside)))]
    if rng.random() < 0.5:
        return anywhere
    parts, _ = ndi.label(mask, EIGHT)
    own = parts == parts[tuple(anywhere)]
    return _deep_pixel(own, rng)


def _deep_pixel(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.intp]:
    depth = ndi.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    deep = np.argwhere(depth >= rng.uniform(0.5, 1.0) * depth.max())
    chosen: NDArray[np.intp] = deep[int(rng.integers(len(deep)))]
    return chosen
