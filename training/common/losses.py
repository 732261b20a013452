"""What is minimised: focal and Dice for masks, their IoU, and the dense votes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_spinalsam.model.networks.tiny import OFFSET_UNIT, TinyEmbedding

FOCAL_GAMMA = 2.0
FOCAL_WEIGHT = 10.0
OFFSET_WEIGHT = 2.0
# The part that was meant, the whole structure, all structures of its kind.
CANDIDATE_WEIGHTS = (1.0, 0.5, 0.15)
# Bone, discs, canal.
KIND_WEIGHTS = (1.0, 0.4, 0.2)

# Voxels of which nobody says what they are count for nothing.
UNKNOWN = 255
IGNORED = UNKNOWN


def focal_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Return the two-sided focal loss of each mask, shape (B,).

    Equation 9 of SpinalSAM-R1 prints the positive half alone; both sides count here,
    with alpha one half.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    probability = torch.sigmoid(logits)
    miss = probability * (1 - target) + (1 - probability) * target
    loss = 0.5 * miss.pow(FOCAL_GAMMA) * entropy * known
    return loss.flatten(1).sum(1) / known.flatten(1).sum(1).clamp(min=1)


def dice_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Return one minus the soft Dice of each mask, shape (B,) (equation 10)."""
    probability = torch.sigmoid(logits) * known
    overlap = (probability * target).flatten(1).sum(1)
    total = probability.flatten(1).sum(1) + (target * known).flatten(1).sum(1)
    return 1 - (2 * overlap + 1) / (total + 1)


def mask_loss(
    logits: Tensor, predicted_iou: Tensor, targets: Tensor, known: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the loss of candidate masks and the true IoU of each with what is meant.

    Parameters
    ----------
    logits : Tensor, shape (B, 3, H, W)
        Candidates at full resolution.
    predicted_iou : Tensor, shape (B, 3)
        The network's estimates.
    targets : Tensor of 0 and 1, shape (B, 3, H, W)
        What each candidate should be; the first is what the prompt means.
    known : Tensor of 0 and 1, shape (B, 3, H, W)
        Pixels that count for each target.
    """
    loss = logits.new_zeros(())
    for candidate, weight in enumerate(CANDIDATE_WEIGHTS):
        one, target = logits[:, candidate], targets[:, candidate]
        terms = FOCAL_WEIGHT * focal_loss(one, target, known[:, candidate])
        terms = terms + dice_loss(one, target, known[:, candidate])
        loss = loss + weight * terms.mean()
    with torch.no_grad():
        masks = (logits > 0).float() * known[:, :1]
        meant = targets[:, :1] * known[:, :1]
        overlap = (masks * meant).flatten(2).sum(-1)
        union = torch.maximum(masks, meant).flatten(2).sum(-1).clamp(min=1)
        iou = overlap / union
    return loss + F.mse_loss(predicted_iou, iou), iou


def dense_loss(
    embedding: TinyEmbedding,
    foreground: Tensor,
    known: Tensor,
    centres: Tensor,
    voting: Tensor,
) -> Tensor:
    """Return the loss of the votes.

    Parameters
    ----------
    embedding : TinyEmbedding
        What the encoder said.
    foreground : Tensor of 0 and 1, shape (B, 3, H, W)
        Pixels of bone, discs and canal.
    known : Tensor of 0 and 1, shape (B, 3, H, W)
        Pixels that count for each of them.
    centres : Tensor, shape (B, 2, H/2, W/2)
        Centre (x, y) of the structure of each voting cell.
    voting : Tensor of 0 and 1, shape (B, 1, H/2, W/2)
        Cells of any structure.
    """
    logits = F.interpolate(
        embedding.kinds, foreground.shape[-2:], mode="bilinear", align_corners=False
    )
    entropy = F.binary_cross_entropy_with_logits(logits, foreground, reduction="none")
    loss = logits.new_zeros(())
    for kind, weight in enumerate(KIND_WEIGHTS):
        one, target, counts = logits[:, kind], foreground[:, kind], known[:, kind]
        mean = (entropy[:, kind] * counts).sum() / counts.sum().clamp(min=1)
        # Many crops show no disc: their Dice would teach that there never is one.
        shown = (target * counts).flatten(1).any(1)
        dice = (dice_loss(one, target, counts) * shown).sum() / shown.sum().clamp(min=1)
        loss = loss + weight * (mean + dice)
    difference = (embedding.centres - centres) / OFFSET_UNIT
    distance = F.smooth_l1_loss(
        difference, torch.zeros_like(difference), reduction="none"
    ).sum(1, keepdim=True)
    votes = (distance * voting).sum() / voting.sum().clamp(min=1)
    return loss + OFFSET_WEIGHT * votes
