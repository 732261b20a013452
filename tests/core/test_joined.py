"""A prompted slice takes the joined answer where it fits what was asked."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spinalsam.core.joined import joined_mask
from napari_spinalsam.core.prompts import BoxPrompt, PointPrompt, Polarity, SlicePrompts
from napari_spinalsam.core.propagated import VolumeMask

KEY = (2, 7)
SHAPE = (20, 30)


def two_parts() -> np.ndarray:
    """Return a body and, apart from it, a process."""
    mask = np.zeros(SHAPE, bool)
    mask[4:12, 3:13] = True
    mask[8:14, 20:28] = True
    return mask


@pytest.fixture
def whole() -> VolumeMask:
    """Return a structure that fills slices 5 to 9 of the last axis."""
    box = (slice(0, 20), slice(0, 30), slice(5, 10))
    return VolumeMask(np.repeat(two_parts()[..., None], 5, axis=2), box, 0.9)


def test_a_box_means_all_of_the_structure_inside_of_it(whole: VolumeMask) -> None:
    own = two_parts()
    own[4:6] = False
    prompts = SlicePrompts(*KEY, box=BoxPrompt(4, 3, 13, 27))
    np.testing.assert_array_equal(joined_mask(whole, prompts, own), two_parts())


def test_what_lies_outside_of_the_box_is_cut_off(whole: VolumeMask) -> None:
    own = two_parts()
    own[:, 15:] = False
    prompts = SlicePrompts(*KEY, box=BoxPrompt(4, 3, 11, 12))
    np.testing.assert_array_equal(joined_mask(whole, prompts, own), own)


def test_a_click_means_the_part_that_it_hits(whole: VolumeMask) -> None:
    body = two_parts()
    body[:, 15:] = False
    prompts = SlicePrompts(*KEY, (PointPrompt(8, 8),))
    np.testing.assert_array_equal(joined_mask(whole, prompts, body), body)
    both = prompts.with_point(PointPrompt(10, 24))
    np.testing.assert_array_equal(joined_mask(whole, both, two_parts()), two_parts())


@pytest.mark.parametrize(
    "prompts",
    [
        SlicePrompts(*KEY, (PointPrompt(1, 1),)),
        SlicePrompts(*KEY, (PointPrompt(8, 8), PointPrompt(10, 10, Polarity.NEGATIVE))),
        SlicePrompts(2, 12, (PointPrompt(8, 8),)),
    ],
    ids=["a point outside", "a negative point inside", "a slice without it"],
)
def test_the_own_mask_stands_where_a_point_speaks_against_the_joined_one(
    whole: VolumeMask, prompts: SlicePrompts
) -> None:
    own = np.zeros(SHAPE, bool)
    own[0:3, 0:3] = True
    assert joined_mask(whole, prompts, own) is own


def test_the_own_mask_stands_where_the_two_disagree(whole: VolumeMask) -> None:
    own = np.zeros(SHAPE, bool)
    own[8, 8] = True
    prompts = SlicePrompts(*KEY, (PointPrompt(8, 8),))
    assert joined_mask(whole, prompts, own) is own
