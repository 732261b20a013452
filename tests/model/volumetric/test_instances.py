"""Votes become centres, and every cell goes to one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.model.volumetric.instances import Instances, find_centres
from napari_spinalsam.model.volumetric.voting import Region, VoteField

if TYPE_CHECKING:
    from numpy.typing import NDArray

GEOMETRY = Geometry.from_spacing((40, 30, 15), (2.0, 2.0, 4.0))
REGION = Region.around(GEOMETRY, (0, 0, 0), (900, 900, 900), 1.0)
UPPER, LOWER = np.array([24.0, 30.0, 28.0]), np.array([52.0, 30.0, 28.0])


def positions() -> NDArray[np.float64]:
    """Return the positions of all cells in mm, shape (z, y, x, 3)."""
    grid = np.moveaxis(np.indices(REGION.cells), 0, -1)
    return (grid + 0.5) * REGION.cell_mm + REGION.corner_mm


def touching_blocks(noise_mm: float = 0.0) -> VoteField:
    """Return two blocks that meet at 38 mm, each voting for its middle."""
    at = positions()
    inside = (np.abs(at - (UPPER + LOWER) / 2) < (28, 12, 12)).all(-1)
    votes = np.where(at[..., :1] < 38, UPPER, LOWER)
    votes = votes + np.random.default_rng(0).normal(0, noise_mm, votes.shape)
    logits = np.where(inside, 6, -6).astype(np.float32)
    return VoteField(REGION, logits, np.moveaxis(votes, -1, 0).astype(np.float32))


@pytest.mark.parametrize("noise_mm", [0.0, 5.0])
def test_votes_gather_at_the_middle_of_each_structure(noise_mm: float) -> None:
    found = find_centres(touching_blocks(noise_mm))
    assert found.shape == (2, 3)
    np.testing.assert_allclose(found, [UPPER, LOWER], atol=2.5)


def test_no_bone_has_no_centre() -> None:
    field = touching_blocks()
    empty = VoteField(REGION, field.foreground - 20, field.centres)
    assert find_centres(empty).shape == (0, 3)


def test_a_centre_outside_of_the_region_is_found() -> None:
    field = touching_blocks()
    outside = field.centres.copy()
    outside[0, outside[0] > 40] = 95.0  # the region ends at 79 mm
    found = find_centres(VoteField(REGION, field.foreground, outside))
    assert found[-1, 0] == pytest.approx(95, abs=2.5)


def test_structures_that_touch_are_parted_where_their_votes_differ() -> None:
    instances = Instances(touching_blocks(noise_mm=3.0), np.stack([UPPER, LOWER]))
    (upper, above, trust), (lower, below, _) = (instances.mask(n) for n in (0, 1))
    assert above[0].start + np.flatnonzero(upper.any((1, 2)))[-1] == 18
    assert below[0].start + np.flatnonzero(lower.any((1, 2)))[0] == 19
    assert trust > 0.8


def test_no_cell_has_two_owners() -> None:
    instances = Instances(touching_blocks(noise_mm=8.0), np.stack([UPPER, LOWER]))
    assert not ((instances.logits(0) > 0) & (instances.logits(1) > 0)).any()


def test_a_lone_structure_takes_what_votes_near_it() -> None:
    instances = Instances(touching_blocks(), UPPER[None])
    mask, box, _ = instances.mask(0)
    assert box[0].start + np.flatnonzero(mask.any((1, 2)))[-1] == 18


def test_volumes_are_in_cubic_millimetres() -> None:
    instances = Instances(touching_blocks(), np.stack([UPPER, LOWER]))
    assert instances.volumes_mm3 == pytest.approx([28 * 24 * 24] * 2, rel=0.15)


def test_a_centre_that_nothing_votes_for_is_empty() -> None:
    far = np.array([60.0, -200.0, 28.0])
    mask, _, trust = Instances(touching_blocks(), np.stack([UPPER, far])).mask(1)
    assert (mask.size, trust) == (0, 0.0)


def test_what_reaches_the_upper_or_lower_end_is_cut() -> None:
    field = touching_blocks()
    logits = field.foreground.copy()
    logits[:12, 8:20, 8:18] = 6
    instances = Instances(
        VoteField(REGION, logits, field.centres), np.stack([UPPER, LOWER])
    )
    assert instances.is_cut(0)
    assert not instances.is_cut(1)
