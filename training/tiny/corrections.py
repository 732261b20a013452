"""Points in the thickest error, as a user would correct a mask; on any device."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from napari_spinalsam.model.networks.tiny import PromptBatch
from training.common.prompts import MAX_POINTS

if TYPE_CHECKING:
    from torch import Tensor

    from training.tiny.targets import PromptedCrops

# How thick errors are told apart, in pixels from their border.
DEEPEST = 12
# How often a correction asks for all of a structure whose parts were clicked, and how
# often it comes without the mask before, as when a script sends all points at once.
ASK_FOR_WHOLE = 0.5
WITHOUT_MASK = 0.4


def corrected(prompted: PromptedCrops, shown: Tensor, logits: Tensor) -> PromptedCrops:
    """Add a point in the thickest error of each mask; none where all is right.

    A positive point on a part that nobody meant so far adds that part to what is
    meant, where there is no box. Where there is no room for another point, none is
    added. Random numbers are torch's.

    Parameters
    ----------
    prompted : PromptedCrops
        What was asked before.
    shown : Tensor of bool, shape (P, H, W)
        What came back.
    logits : Tensor, shape (P, 1, H/2, W/2)
        Of that mask; it is fed back with most of the corrections.
    """
    asked = prompted.prompts
    count = len(shown)
    device = shown.device
    wider = prompted.grows & (torch.rand(count, device=device) < ASK_FOR_WHOLE)
    aim = torch.where(wider[:, None, None], prompted.parts > 0, prompted.meant)
    wrong = shown != aim
    depth = thickness(wrong)
    depth = depth + 0.9 * torch.rand_like(depth) * wrong
    place = depth.flatten(1).argmax(1)
    each = torch.arange(count, device=device)
    positive = aim.flatten(1)[each, place]
    used = (asked.point_labels >= 0).sum(1)
    there = wrong.flatten(1)[each, place] & (used < MAX_POINTS)
    slot = used.clamp(max=MAX_POINTS - 1)
    points, labels = asked.point_coords.clone(), asked.point_labels.clone()
    width = shown.shape[-1]
    at = torch.stack([place % width, place // width], dim=1).to(points)
    points[each, slot] = torch.where(there[:, None], at, points[each, slot])
    polarity = torch.where(there, positive.long(), labels[each, slot])
    labels[each, slot] = polarity.to(labels)
    part = prompted.parts.flatten(1)[each, place].long()
    adds = there & positive & prompted.grows
    chosen = prompted.chosen.clone()
    chosen[each, part] |= adds & (part > 0)
    unsent = torch.rand(count, device=device) < WITHOUT_MASK
    mask_input = logits.masked_fill(unsent[:, None, None, None], torch.nan)
    return replace(
        prompted,
        prompts=PromptBatch(points, labels, asked.boxes, mask_input),
        chosen=chosen,
    )


def thickness(mask: Tensor) -> Tensor:
    """Return how deep each pixel lies in a mask, up to DEEPEST, shape (P, H, W)."""
    left = mask.float()
    depth = left.clone()
    for _ in range(DEEPEST - 1):
        # Padded with zeros: what lies outside of the crop is not known to be wrong.
        left = -F.max_pool2d(-F.pad(left, (1, 1, 1, 1)), 3, stride=1)
        depth += left
    return depth
