"""Discs fill the gap between two bodies, and nothing else."""

from __future__ import annotations

import numpy as np

from training.common.losses import UNKNOWN
from training.tiny.discs import derive_discs

L1, L2, L3, DISC_1, DISC_2 = 20, 21, 22, 120, 121


def spine(names: tuple[int, ...] = (L1, L2, L3), gap: int = 8) -> np.ndarray:
    """Return bodies of 24 mm above each other, each with a process behind it."""
    labels = np.zeros((130, 90, 70), np.uint8)
    for number, name in enumerate(names):
        top = 14 + number * (24 + gap)
        labels[top : top + 24, 10:42, 18:54] = name
        labels[top + 8 : top + 16, 42:70, 32:40] = name
    return labels


def test_a_disc_lies_between_two_bodies() -> None:
    drawn = derive_discs(spine())
    z, y, x = np.nonzero(drawn == DISC_1)

    assert (z.min(), z.max()) == (38, 45), "all of the gap"
    assert 10 <= y.min() < y.max() < 42
    assert 18 <= x.min() < x.max() < 54
    assert len(z) > 0.7 * 8 * 32 * 36
    assert (drawn == DISC_2).any()


def test_vertebrae_stay_as_they_are() -> None:
    labels = spine()
    drawn = derive_discs(labels)

    np.testing.assert_array_equal(drawn[labels > 0], labels[labels > 0])
    assert set(np.unique(drawn)) == {0, L1, L2, L3, DISC_1, DISC_2}


def test_no_disc_where_a_vertebra_is_missing_or_the_gap_is_wide() -> None:
    assert set(np.unique(derive_discs(spine((L1, L3))))) == {0, L1, L3}
    assert DISC_1 not in derive_discs(spine((L1, L2), gap=25))


def test_there_is_no_disc_between_atlas_and_axis() -> None:
    drawn = derive_discs(spine((1, 2, 3)))

    assert 101 not in drawn
    assert 102 in drawn


def test_a_vertebra_that_the_border_cuts_goes_on_behind_it() -> None:
    cut = derive_discs(spine())[34:]
    again = derive_discs(np.where(cut > 100, 0, cut).astype(np.uint8))
    whole, found = cut == DISC_1, again == DISC_1

    assert 2 * (whole & found).sum() > 0.9 * (whole.sum() + found.sum())


def test_at_an_open_end_a_disc_may_be() -> None:
    drawn = derive_discs(spine(), ("superior",))
    # Before the root of the process, which is thick, too.
    z, y, x = np.nonzero(drawn[:, :42] == UNKNOWN)

    assert (z.min(), z.max()) == (0, 13)
    assert y.min() >= 10
    assert 18 <= x.min() < x.max() < 54


def test_what_was_unknown_between_two_bodies_is_known_then() -> None:
    labels = spine()
    labels[38:46][labels[38:46] == 0] = UNKNOWN

    assert (derive_discs(labels) == DISC_1).sum() > 0.7 * 8 * 32 * 36
