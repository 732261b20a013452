"""Prompts sampled from a reference mask, and corrections sampled from the error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage as ndi

from napari_spinalsam.model.tiny_decoder import PromptBatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

EIGHT = np.ones((3, 3), dtype=bool)
MAX_POINTS = 6
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
    meant : ndarray of bool, shape (H, W)
        The whole structure for a box, the parts that hold a point for clicks.
    """

    points: NDArray[np.float32]
    labels: NDArray[np.int64]
    box: NDArray[np.float32]
    meant: NDArray[np.bool_]


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
    meant = mask
    if kind in (0, 3):
        box = _loose_box(mask, rng)
    if kind != 0:
        count = 3 if kind == 2 else 1
        picked = np.array([_click(mask, rng) for _ in range(count)])
        points[:count], labels[:count] = picked[:, ::-1], 1
        if kind != 3:
            parts, _ = ndi.label(mask, EIGHT)
            meant = np.isin(parts, parts[picked[:, 0], picked[:, 1]])
    return SampledPrompt(points, labels, box, meant)


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


def correct(
    prompt: SampledPrompt,
    predicted: NDArray[np.bool_],
    known: NDArray[np.bool_],
    rng: np.random.Generator,
) -> SampledPrompt:
    """Add a point in the largest error, as a user would; none where all is right.

    Parameters
    ----------
    prompt : SampledPrompt
        What was asked before.
    predicted : ndarray of bool, shape (H, W)
        What came back.
    known : ndarray of bool, shape (H, W)
        Pixels whose truth is known.
    rng : numpy.random.Generator
        Source of every choice.
    """
    free = np.flatnonzero(prompt.labels < 0)
    parts, count = ndi.label((predicted != prompt.meant) & known)
    if not count or not len(free):
        return prompt
    sizes = np.bincount(parts.ravel())[1:]
    biggest = parts == 1 + int(sizes.argmax())
    row, col = _deep_pixel(biggest, rng)
    points, labels = prompt.points.copy(), prompt.labels.copy()
    points[free[0]] = col, row
    labels[free[0]] = int(prompt.meant[row, col])
    return SampledPrompt(points, labels, prompt.box, prompt.meant)


def to_batch(
    prompts: list[SampledPrompt], mask_input: torch.Tensor | None = None
) -> PromptBatch:
    """Stack sampled prompts for the decoder, without padding that nobody needs."""
    labels = np.stack([prompt.labels for prompt in prompts])
    used = int((labels >= 0).sum(1).max())
    points = np.stack([prompt.points for prompt in prompts])
    return PromptBatch(
        torch.from_numpy(points[:, :used]),
        torch.from_numpy(labels[:, :used]),
        torch.from_numpy(np.stack([prompt.box for prompt in prompts])),
        mask_input,
    )
