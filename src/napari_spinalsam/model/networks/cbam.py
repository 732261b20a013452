"""The convolutional block attention module of the paper, safe to add to a trained net.

Equations 2 to 4 of SpinalSAM-R1 with the multiplications of Woo et al. (2018), which
the print leaves out: ``F1 = Mc(F) * F`` and ``F' = Ms(F1) * F1``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Mapping

# The paper gives none; 16 is usual.
CBAM_RATIO = 16
# Share of attention for one of the parameter behind it: a learning rate of its own.
OPENING_SPEED = 50.0
# Names in the networks here: of the share of today, and of that of older files.
OPENING, SIGNED_GATE = "attention.opening", "attention.gate"


class ChannelAttention(nn.Module):
    """Weigh channels by what they hold on average and at most (equation 3).

    Parameters
    ----------
    channels : int
        Channels of the feature map.
    ratio : int
        Reduction of the shared two-layer perceptron.
    """

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        hidden = max(channels // ratio, 1)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return weights in 0..1, shape (B, C, 1, 1), for features (B, C, H, W)."""
        average = self.mlp(features.mean(dim=(2, 3)))
        maximum = self.mlp(features.amax(dim=(2, 3)))
        return torch.sigmoid(average + maximum)[:, :, None, None]


class SpatialAttention(nn.Module):
    """Weigh places by the mean and the maximum over channels (equation 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size=7, padding=3)

    def forward(self, features: Tensor) -> Tensor:
        """Return weights in 0..1, shape (B, 1, H, W), for features (B, C, H, W)."""
        average = features.mean(dim=1, keepdim=True)
        maximum = features.amax(dim=1, keepdim=True)
        return torch.sigmoid(self.conv(torch.cat([average, maximum], dim=1)))


class CBAM(nn.Module):
    """Channel and spatial attention, added by a share (equation 2).

    The output is ``F + share * (F' - F)``: a share of 0 leaves the features as they
    are, and one of 1 gives equation 2. It starts at 0, so that an untrained module
    leaves a pretrained network exactly as it was, and training can only add attention.

    The parameter behind it, `opening`, is `OPENING_SPEED` times smaller than the share,
    so that at the usual learning rate of 1e-4 it opens within a few hundred steps.
    Outside of 0 to 1 the gradient passes as if the share were not limited, and the
    module is never stuck closed.

    Parameters
    ----------
    channels : int
        Channels of the feature map.
    ratio : int
        Reduction of the channel perceptron.
    signed : bool
        Whether the share is that of older files, ``tanh(gate)``, which may be below
        zero: attention is then subtracted. Not for new training.
    """

    gate: nn.Parameter
    opening: nn.Parameter

    def __init__(
        self, channels: int, ratio: int = CBAM_RATIO, *, signed: bool = False
    ) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels, ratio)
        self.spatial = SpatialAttention()
        self.signed = signed
        self.register_parameter(
            "gate" if signed else "opening", nn.Parameter(torch.zeros(()))
        )

    @property
    def share(self) -> Tensor:
        """How much of equation 2 is added, a single number."""
        if self.signed:
            return torch.tanh(self.gate)
        free = OPENING_SPEED * self.opening
        return free + (free.clamp(0, 1) - free).detach()

    def forward(self, features: Tensor) -> Tensor:
        """Return the attended features, same shape (B, C, H, W)."""
        weighted: Tensor = self.channel(features) * features
        attended: Tensor = self.spatial(weighted) * weighted
        return features + self.share * (attended - features)


def is_signed(tensors: Mapping[str, Tensor]) -> bool:
    """Whether weights have the share of older files, which may be below zero."""
    return SIGNED_GATE in tensors


def share_of(tensors: Mapping[str, Tensor]) -> float | None:
    """Return the share of attention in weights, None if they have no such module.

    Below zero, attention is subtracted.
    """
    if is_signed(tensors):
        return float(torch.tanh(tensors[SIGNED_GATE].float()))
    if OPENING not in tensors:
        return None
    return float((OPENING_SPEED * tensors[OPENING].float()).clamp(0, 1))


def share_in_words(share: float) -> str:
    """Return what a share does, to be shown."""
    if share < 0:
        return f"{-share:.2f} of equation 2 is subtracted (an older form of the gate)"
    return f"{share:.2f} of equation 2 is added"
