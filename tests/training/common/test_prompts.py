"""Sampled prompts are such as a user would give, and mean what they are taken for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage as ndi

from training.common.prompts import (
    EIGHT,
    KIND_WEIGHTS,
    MAX_POINTS,
    SampledPrompt,
    sample_prompt,
)


def two_parts() -> np.ndarray:
    mask = np.zeros((60, 50), bool)
    mask[10:40, 8:30] = True
    mask[45:52, 36:44] = True
    return mask


@pytest.fixture(scope="module")
def drawn() -> list[SampledPrompt]:
    rng = np.random.default_rng(0)
    return [sample_prompt(two_parts(), rng) for _ in range(300)]


def has_box(prompt: SampledPrompt) -> bool:
    return bool(np.isfinite(prompt.box).all())


def meant(prompt: SampledPrompt) -> np.ndarray:
    return prompt.chosen[prompt.parts]


def clicks(prompt: SampledPrompt) -> list[tuple[int, int]]:
    """Return (row, col) of the points."""
    return [(int(y), int(x)) for x, y in prompt.points[prompt.labels >= 0]]


def test_all_kinds_occur_as_often_as_stated(drawn: list[SampledPrompt]) -> None:
    kinds = [
        (
            has_box(p) and not clicks(p),
            not has_box(p) and len(clicks(p)) == 1,
            len(clicks(p)) == 3,
            has_box(p) and len(clicks(p)) == 1,
        )
        for p in drawn
    ]
    shares = np.mean(kinds, axis=0)

    np.testing.assert_allclose(shares, KIND_WEIGHTS, atol=0.08)
    assert np.sum(kinds) == len(drawn), "every prompt is of one kind"


def test_boxes_are_tight_within_the_slack(drawn: list[SampledPrompt]) -> None:
    tight = np.array([8, 10, 43, 51])
    slack = min(3.0, 0.06 * min(43 - 8, 51 - 10) + 1)
    off = [np.abs(p.box - tight).max() for p in drawn if has_box(p)]

    assert max(off) <= np.ceil(slack)
    assert min(off) == 0
    assert all(
        p.box[0] <= p.box[2] and p.box[1] <= p.box[3] for p in drawn if has_box(p)
    )


def test_clicks_lie_inside_and_are_positive(drawn: list[SampledPrompt]) -> None:
    mask = two_parts()
    for prompt in drawn:
        assert all(mask[at] for at in clicks(prompt))
        assert set(prompt.labels) <= {-1, 1}
        assert prompt.points.shape == (MAX_POINTS, 2)


def test_a_box_means_all_and_a_click_its_part(drawn: list[SampledPrompt]) -> None:
    mask = two_parts()
    parts, _ = ndi.label(mask, EIGHT)
    for prompt in drawn:
        expected = mask
        if not has_box(prompt):
            expected = np.isin(parts, [parts[at] for at in clicks(prompt)])
        np.testing.assert_array_equal(meant(prompt), expected)
    assert any(meant(p).sum() < mask.sum() for p in drawn)


def test_a_thin_structure_gets_a_box_whose_corners_are_in_order() -> None:
    mask = np.zeros((20, 20), bool)
    mask[5, 5:7] = True
    rng = np.random.default_rng(0)
    boxes = [p.box for p in (sample_prompt(mask, rng) for _ in range(60)) if has_box(p)]

    assert all(b[0] <= b[2] and b[1] <= b[3] for b in boxes)
