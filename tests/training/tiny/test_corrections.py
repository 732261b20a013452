"""Corrections go where the mask is most wrong, and mean what a user would mean."""

from __future__ import annotations

import pytest
import torch

from napari_spinalsam.model.networks.tiny import PromptBatch
from training.common.prompts import MAX_PARTS, MAX_POINTS
from training.tiny.corrections import DEEPEST, corrected, thickness
from training.tiny.targets import PromptedCrops

SIZE = 64
FIRST, SECOND = (slice(10, 40), slice(8, 30)), (slice(45, 57), slice(36, 50))


def two_parts() -> torch.Tensor:
    parts = torch.zeros(SIZE, SIZE, dtype=torch.uint8)
    parts[FIRST], parts[SECOND] = 1, 2
    return parts


def prompts(count: int, *, box: bool) -> PromptedCrops:
    """Return prompts for the first part, or for both with a box."""
    points = torch.zeros(count, MAX_POINTS, 2)
    labels = torch.full((count, MAX_POINTS), -1)
    boxes = torch.full((count, 4), torch.nan)
    chosen = torch.zeros(count, MAX_PARTS + 1, dtype=torch.bool)
    if box:
        boxes[:] = torch.tensor([8.0, 10.0, 49.0, 56.0])
        chosen[:, 1:] = True
    else:
        points[:, 0] = torch.tensor([19.0, 25.0])
        labels[:, 0] = 1
        chosen[:, 1] = True
    return PromptedCrops(
        torch.zeros(count, dtype=torch.long),
        torch.full((count,), 22),
        PromptBatch(points, labels, boxes),
        two_parts().expand(count, -1, -1),
        chosen,
        torch.full((count,), not box),
    )


def logits(count: int) -> torch.Tensor:
    return torch.ones(count, 1, SIZE // 2, SIZE // 2)


@pytest.mark.parametrize(("missing", "polarity"), [(True, 1), (False, 0)])
def test_a_correction_lies_in_the_thickest_error(missing: bool, polarity: int) -> None:
    torch.manual_seed(0)
    asked = prompts(8, box=True)
    shown = asked.meant.clone()
    error = (slice(20, 30), slice(10, 20)) if missing else (slice(0, 8), slice(40, 60))
    shown[:, error[0], error[1]] = not missing
    shown[:, 10, 8:30] = False  # long, but thin
    after = corrected(asked, shown, logits(8)).prompts
    x, y = after.point_coords[:, 0].T

    assert after.point_labels[:, 0].tolist() == [polarity] * 8
    assert (after.point_labels[:, 1:] == -1).all()
    for at, side in ((y, error[0]), (x, error[1])):
        assert (at >= side.start + 2).all()
        assert (at < side.stop - 2).all()


def test_nothing_is_corrected_where_nothing_is_wrong() -> None:
    asked = prompts(4, box=True)
    after = corrected(asked, asked.meant, logits(4))

    assert (after.prompts.point_labels == -1).all()
    assert torch.equal(after.meant, asked.meant)


def test_some_clicks_ask_for_the_other_part_and_then_mean_it() -> None:
    torch.manual_seed(0)
    asked = prompts(40, box=False)
    after = corrected(asked, asked.meant, logits(40))
    added = after.prompts.point_labels[:, 1] == 1
    x, y = after.prompts.point_coords[added, 1].T

    assert 5 < added.sum() < 35
    assert ((y >= 45) & (y < 57) & (x >= 36) & (x < 50)).all()
    assert (after.meant[added] == (two_parts() > 0)).all()
    assert (after.meant[~added] == (two_parts() == 1)).all()


def test_most_corrections_bring_the_mask_before_and_some_do_not() -> None:
    torch.manual_seed(0)
    asked = prompts(60, box=True)
    fed = corrected(asked, ~asked.meant, logits(60)).prompts.mask_input
    assert fed is not None
    there = torch.isfinite(fed).flatten(1)

    assert torch.equal(there.any(1), there.all(1))
    assert 25 < there.all(1).sum() < 50


def test_corrections_end_when_there_is_no_room_for_points() -> None:
    torch.manual_seed(0)
    asked = prompts(2, box=True)
    for _ in range(MAX_POINTS):
        asked = corrected(asked, ~asked.meant, logits(2))
    full = asked.prompts
    again = corrected(asked, ~asked.meant, logits(2)).prompts

    assert (full.point_labels >= 0).all()
    assert torch.equal(again.point_coords, full.point_coords)


def test_thickness_counts_from_the_border_inwards() -> None:
    mask = torch.zeros(1, 40, 40)
    mask[0, :, 5:10] = 1

    depth = thickness(mask)[0]
    assert depth[20, 4:11].tolist() == [0, 1, 2, 3, 2, 1, 0]
    assert depth[0, 7] == 1, "the border of the crop is a border"
    assert thickness(torch.ones(1, 60, 60)).max() == DEEPEST
