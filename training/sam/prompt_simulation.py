"""Simulated prompts on one slice: a first point or box, then points from the error.

The recipe is SAM-Med2D's, which the paper follows; where this departs from it, it says
so. Coordinates are SAM's (x, y), whole numbers being pixel centres.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from training.sam.config import RoundSettings

POSITIVE, NEGATIVE, NOT_A_POINT = 1, 0, -1


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One prompt set for each of K targets of a slice.

    Parameters
    ----------
    points : ndarray of float32, shape (K, N, 2), or None
        (x, y) pixels.
    labels : ndarray of int64, shape (K, N), or None
        1 for positive, 0 for negative, -1 for a point that is to be overlooked.
    boxes : ndarray of float32, shape (K, 4), or None
        x_min, y_min, x_max, y_max.
    mask_input : Tensor, shape (K, 1, S/4, S/4), or None
        Logits of the answer before, as stock SAM takes them.
    """

    points: NDArray[np.float32] | None = None
    labels: NDArray[np.int64] | None = None
    boxes: NDArray[np.float32] | None = None
    mask_input: Tensor | None = None

    @property
    def is_ambiguous(self) -> bool:
        """Whether one lone point asks, which the plugin answers by other masks."""
        lone = self.points is not None and self.points.shape[1] == 1
        return lone and self.boxes is None and self.mask_input is None

    @classmethod
    def first(
        cls,
        targets: NDArray[np.bool_],
        settings: RoundSettings,
        rng: np.random.Generator,
    ) -> Self:
        """Ask for targets by a box each or by a point each.

        Parameters
        ----------
        targets : ndarray of bool, shape (K, rows, cols)
            None of them empty.
        settings : RoundSettings
            How often boxes, and how exact.
        rng : numpy.random.Generator
            Source of every choice.
        """
        if rng.random() < settings.box_share:
            boxes = [shifted_box(mask, settings.box_shift, rng) for mask in targets]
            return cls(boxes=np.stack(boxes))
        points = np.stack([_pixels(mask, 1, rng) for mask in targets])
        return cls(points, np.full(points.shape[:2], POSITIVE, np.int64))

    def corrected(
        self,
        shown: NDArray[np.bool_],
        targets: NDArray[np.bool_],
        known: NDArray[np.bool_],
        mask_input: Tensor,
        settings: RoundSettings,
        rng: np.random.Generator,
    ) -> Asked:
        """Ask again, by points where the answers were wrong and by the answers.

        Parameters
        ----------
        shown, targets : ndarray of bool, shape (K, rows, cols)
            Answers, and what they should be.
        known : ndarray of bool, shape (rows, cols)
            Pixels whose truth is known.
        mask_input : Tensor, shape (K, 1, S/4, S/4)
            Logits of the answers.
        settings : RoundSettings
            How many points, and whether earlier prompts stay.
        rng : numpy.random.Generator
            Source of every choice.
        """
        count = int(rng.choice(settings.points))
        asked = [
            error_points(one, target, known, count, rng)
            for one, target in zip(shown, targets, strict=True)
        ]
        points = np.stack([at for at, _ in asked])
        labels = np.stack([label for _, label in asked])
        boxes = None
        if settings.keep_prompts:
            boxes = self.boxes
            if self.points is not None and self.labels is not None:
                points = np.concatenate([self.points, points], axis=1)
                labels = np.concatenate([self.labels, labels], axis=1)
        return Asked(points, labels, boxes, mask_input)

    def mask_alone(self) -> Asked:
        """Return the prompts without points and boxes."""
        return replace(self, points=None, labels=None, boxes=None)


def shifted_box(
    mask: NDArray[np.bool_], most: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the box of a mask, moved by some pixels as a whole, its size kept.

    SAM-Med2D boxes the largest part of a mask; here it is the whole structure, as a
    user would draw it.
    """
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = np.array([cols[0], rows[0], cols[-1], rows[-1]], np.float32)
    reach = min(most, int(0.5 * min(box[2] - box[0], box[3] - box[1])))
    x, y = rng.integers(-reach, reach + 1, 2)
    last = np.array(mask.shape, np.float32)[::-1] - 1
    moved: NDArray[np.float32] = box + np.array([x, y, x, y], np.float32)
    return np.clip(moved, 0, np.tile(last, 2)).astype(np.float32)


def error_points(
    shown: NDArray[np.bool_],
    target: NDArray[np.bool_],
    known: NDArray[np.bool_],
    count: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return points where an answer is wrong, positive where something is missing.

    Where nothing is wrong they are to be overlooked.

    Returns
    -------
    points : ndarray of float32, shape (count, 2)
    labels : ndarray of int64, shape (count,)
    """
    wrong = (shown != target) & known
    if not wrong.any():
        return np.zeros((count, 2), np.float32), np.full(count, NOT_A_POINT, np.int64)
    points = _pixels(wrong, count, rng)
    cols, rows = points.astype(int).T
    return points, np.where(target[rows, cols], POSITIVE, NEGATIVE).astype(np.int64)


def _pixels(
    mask: NDArray[np.bool_], count: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return (x, y) of random pixels of a mask, with repetition, shape (count, 2)."""
    flat = np.flatnonzero(mask)
    chosen = flat[rng.integers(len(flat), size=count)]
    return np.stack(np.divmod(chosen, mask.shape[1]), axis=1)[:, ::-1].astype(
        np.float32
    )
