"""Points are held, whatever a network makes of them."""

from __future__ import annotations

import numpy as np

from napari_spinalsam.core.correction import DAB_MM, with_points
from napari_spinalsam.core.prompts import PointPrompt, Polarity, SlicePrompts

SPACING = (3.0, 0.7)


def prompts(*points: PointPrompt) -> SlicePrompts:
    return SlicePrompts(0, 0, points)


def square() -> np.ndarray:
    mask = np.zeros((20, 60), bool)
    mask[5:15, 10:40] = True
    return mask


def test_points_that_the_mask_holds_change_nothing() -> None:
    held = prompts(PointPrompt(8, 20), PointPrompt(2, 2, Polarity.NEGATIVE))

    np.testing.assert_array_equal(with_points(square(), held, SPACING), square())


def test_a_denied_point_changes_the_millimetres_around_it() -> None:
    mask = square()
    denied = prompts(PointPrompt(8, 20, Polarity.NEGATIVE), PointPrompt(2, 50))
    held = with_points(mask, denied, SPACING)
    rows, cols = np.nonzero(held != mask)

    assert not held[8, 20]
    assert held[2, 50]
    assert set(rows) == {2, 8}, "rows are 3 mm apart"
    reach = int(DAB_MM / SPACING[1])
    assert set(cols) == {*range(20 - reach, 21 + reach), *range(50 - reach, 51 + reach)}
    assert mask[8, 20], "the mask that was given stays as it was"
