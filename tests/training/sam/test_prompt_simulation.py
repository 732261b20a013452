"""Prompts are drawn from targets first and from errors later, as the recipe has it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.sam.config import RoundSettings
from training.sam.prompt_simulation import Asked, error_points, shifted_box

TARGETS = np.zeros((2, 40, 60), bool)
TARGETS[0, 10:20, 30:50] = True
TARGETS[1, 0:4, 0:5] = True
KNOWN = np.ones((40, 60), bool)
LOGITS = torch.zeros(2, 1, 16, 16)


def first(share: float, seed: int = 0) -> Asked:
    settings = RoundSettings(box_share=share)
    return Asked.first(TARGETS, settings, np.random.default_rng(seed))


def again(asked: Asked, shown: np.ndarray, **settings: object) -> Asked:
    rounds = RoundSettings.model_validate(settings)
    rng = np.random.default_rng(1)
    return asked.corrected(shown, TARGETS, KNOWN, LOGITS, rounds, rng)


def test_first_point_lies_in_its_target() -> None:
    for seed in range(20):
        asked = first(0.0, seed)
        assert asked.boxes is None
        assert asked.points is not None
        for mask, ((x, y),) in zip(TARGETS, asked.points.astype(int), strict=True):
            assert mask[y, x]
        assert asked.is_ambiguous


def test_box_moves_as_a_whole_and_not_far() -> None:
    rng = np.random.default_rng(0)
    boxes = np.stack([shifted_box(TARGETS[0], 5, rng) for _ in range(300)])
    np.testing.assert_array_equal(boxes[:, 2:] - boxes[:, :2], [[19, 9]] * 300)
    shift = boxes[:, :2] - [30, 10]
    assert np.abs(shift).max() == 4, "half of the short side, for it is below 5"
    assert len(np.unique(shift, axis=0)) > 40

    at_edge = np.stack([shifted_box(TARGETS[1], 5, rng) for _ in range(50)])
    assert at_edge.min() >= 0


def test_first_prompts_are_boxes_as_often_as_wanted() -> None:
    boxes = [first(0.25, seed).boxes is not None for seed in range(400)]
    assert np.mean(boxes) == pytest.approx(0.25, abs=0.07)
    assert not first(1.0).is_ambiguous


def test_points_of_an_error_are_positive_where_something_is_missing() -> None:
    shown = TARGETS[0].copy()
    shown[10:12] = False  # missed
    shown[30:33, 0:9] = True  # false
    points, labels = error_points(
        shown, TARGETS[0], KNOWN, 50, np.random.default_rng(0)
    )
    for (x, y), label in zip(points.astype(int), labels, strict=True):
        assert shown[y, x] != TARGETS[0][y, x]
        assert label == TARGETS[0][y, x]
    assert set(labels) == {0, 1}


def test_where_nothing_is_wrong_or_known_points_are_overlooked() -> None:
    rng = np.random.default_rng(0)
    for shown, known in ((TARGETS[0], KNOWN), (~TARGETS[0], ~KNOWN)):
        assert set(error_points(shown, TARGETS[0], known, 3, rng)[1]) == {-1}


def test_later_rounds_drop_earlier_prompts_and_keep_the_mask() -> None:
    for share in (0.0, 1.0):
        asked = again(first(share), np.zeros_like(TARGETS), points=(3,))
        assert asked.boxes is None
        assert asked.points is not None
        assert asked.points.shape == (2, 3, 2)
        assert asked.mask_input is LOGITS
        assert not asked.is_ambiguous


def test_later_rounds_keep_earlier_prompts_where_that_is_wanted() -> None:
    one = first(0.0)
    asked = again(one, np.zeros_like(TARGETS), points=(3,), keep_prompts=True)
    assert asked.points is not None
    np.testing.assert_array_equal(asked.points[:, :1], one.points)
    assert asked.points.shape == (2, 4, 2)
    boxed = again(first(1.0), np.zeros_like(TARGETS), keep_prompts=True)
    assert boxed.boxes is not None


def test_a_round_can_show_the_last_mask_alone() -> None:
    alone = again(first(1.0), TARGETS, keep_prompts=True).mask_alone()
    assert alone.points is None
    assert alone.boxes is None
    assert alone.mask_input is LOGITS
