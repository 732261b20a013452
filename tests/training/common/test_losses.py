"""The losses are zero for perfect answers and teach something for others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from napari_spinalsam.model.networks.tiny import TinyEmbedding
from training.common.losses import dense_loss, dice_loss, focal_loss, mask_loss

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
SHAPE = (2, 32, 24)


def target() -> torch.Tensor:
    mask = torch.zeros(SHAPE)
    mask[0, 8:20, 6:18] = 1
    mask[1, 2:10, 10:20] = 1
    return mask


def sure(mask: torch.Tensor) -> torch.Tensor:
    return 40 * (2 * mask - 1)


@pytest.mark.parametrize("loss", [focal_loss, dice_loss])
def test_a_perfect_mask_costs_nothing_and_a_wrong_one_does(loss: Loss) -> None:
    mask, known = target(), torch.ones(SHAPE)

    torch.testing.assert_close(loss(sure(mask), mask, known), torch.zeros(2))
    assert (loss(sure(1 - mask), mask, known) > 0.9).all()


@pytest.mark.parametrize("loss", [focal_loss, dice_loss])
def test_unknown_pixels_do_not_count(loss: Loss) -> None:
    mask, known = target(), torch.ones(SHAPE)
    known[:, 24:] = 0
    wrong = sure(mask)
    wrong[:, 24:] = 40

    torch.testing.assert_close(loss(wrong, mask, known), torch.zeros(2))


def test_mask_loss_of_perfect_candidates_and_estimates_is_zero() -> None:
    meant = target()
    whole = meant.clone()
    whole[0, 24:28] = 1
    spine = whole.clone()
    spine[:, 30:] = 1
    targets = torch.stack([meant, whole, spine], dim=1)
    _, iou = mask_loss(
        sure(targets), torch.zeros(2, 3), targets, torch.ones(2, 3, 32, 24)
    )
    loss, _ = mask_loss(sure(targets), iou, targets, torch.ones(2, 3, 32, 24))

    assert loss.item() == pytest.approx(0, abs=1e-5)


def test_iou_is_that_of_the_masks_with_what_was_meant() -> None:
    meant = torch.zeros(1, 10, 10)
    meant[0, :4] = 1  # 40 pixels
    shown = torch.zeros(1, 3, 10, 10)
    shown[0, 0, :2] = 1  # 20 of them
    shown[0, 1, :8] = 1  # all and 40 more
    targets = meant[:, None].expand(1, 3, 10, 10)
    _, iou = mask_loss(
        sure(shown), torch.zeros(1, 3), targets, torch.ones(1, 3, 10, 10)
    )

    torch.testing.assert_close(iou, torch.tensor([[0.5, 0.5, 0.0]]))


def test_masks_and_estimates_get_a_gradient() -> None:
    targets = target()[:, None].expand(2, 3, 32, 24)
    logits = torch.zeros(2, 3, 32, 24, requires_grad=True)
    predicted = torch.full((2, 3), 0.5, requires_grad=True)
    loss, iou = mask_loss(logits, predicted, targets, torch.ones(2, 3, 32, 24))
    loss.backward()

    assert logits.grad is not None
    assert (logits.grad.flatten(2).abs().sum(-1) > 0).all()
    assert predicted.grad is not None
    assert not iou.requires_grad


def dense(
    foreground: torch.Tensor, centres: torch.Tensor, slip: float = 0.0
) -> TinyEmbedding:
    half = torch.nn.functional.avg_pool2d(sure(foreground), 2)
    return TinyEmbedding(torch.zeros(1, 4, 16, 16), half, centres + slip)


def cells(foreground: torch.Tensor) -> torch.Tensor:
    """Return the cells that vote, shape (1, 1, 16, 16)."""
    return foreground.sum(1, keepdim=True)[:, :, ::2, ::2]


def squares() -> torch.Tensor:
    """Return bone, a disc and a canal, shape (1, 3, 32, 32)."""
    foreground = torch.zeros(1, 3, 32, 32)
    foreground[:, 0, 8:24, 8:24] = 1
    foreground[:, 1, 24:28, 8:24] = 1
    foreground[:, 2, 8:28, 26:30] = 1
    return foreground


def test_dense_votes_on_the_centre_cost_less_than_beside_it() -> None:
    foreground, centres = squares(), torch.full((1, 2, 16, 16), 16.0)
    known, voting = torch.ones_like(foreground), cells(foreground)
    right, wrong = (
        dense_loss(dense(foreground, centres, slip), foreground, known, centres, voting)
        for slip in (0.0, 8.0)
    )

    # What is left lies at the border, where half resolution cannot be sharp.
    assert right < 0.4
    assert wrong > right + 0.2


def test_a_disc_taken_for_bone_costs() -> None:
    foreground, centres = squares(), torch.full((1, 2, 16, 16), 16.0)
    known, voting = torch.ones_like(foreground), cells(foreground)
    right, wrong = (
        dense_loss(dense(shown, centres), foreground, known, centres, voting)
        for shown in (foreground, foreground[:, [1, 0, 2]])
    )

    assert wrong > right + 1


def test_unknown_pixels_teach_nothing_of_their_kind() -> None:
    foreground, centres = squares(), torch.full((1, 2, 16, 16), 12.0)
    known, voting = torch.ones_like(foreground), cells(foreground)
    known[:, 1] = 0
    shown = foreground.clone()
    shown[:, 1, :6] = 1
    plain, other = (
        dense_loss(dense(mask, centres), foreground, known, centres, voting)
        for mask in (foreground, shown)
    )

    torch.testing.assert_close(plain, other)


def test_crops_without_a_disc_do_not_teach_that_there_never_is_one() -> None:
    foreground, centres = squares().repeat(8, 1, 1, 1), torch.zeros(8, 2, 16, 16)
    foreground[1:, 1] = 0
    logits = torch.full((8, 3, 16, 16), -6.0, requires_grad=True)
    embedding = TinyEmbedding(torch.zeros(8, 4, 16, 16), logits, centres)
    voting = foreground.amax(1, keepdim=True)[:, :, ::2, ::2]
    loss = dense_loss(
        embedding, foreground, torch.ones_like(foreground), centres, voting
    )
    loss.backward()

    assert logits.grad is not None
    assert logits.grad[:, 1].sum() < 0, "on the whole, discs become more likely"
