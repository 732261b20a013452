"""The convolutional block attention module of the paper, safe to add to a trained net.

Equations 2 to 4 of SpinalSAM-R1 with the multiplications of Woo et al. (2018), which
the print leaves out: ``F1 = Mc(F) * F`` and ``F' = Ms(F1) * F1``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# The paper gives none; 16 is usual.
CBAM_RATIO = 16


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
    """Channel and spatial attention behind a residual gate (equation 2).

    The output is ``F + tanh(gate) * (F' - F)``. The gate starts at zero, so that an
    untrained module leaves a pretrained network exactly as it was.

    Parameters
    ----------
    channels : int
        Channels of the feature map.
    ratio : int
        Reduction of the channel perceptron.
    """

    def __init__(self, channels: int, ratio: int = CBAM_RATIO) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels, ratio)
        self.spatial = SpatialAttention()
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """Return the attended features, same shape (B, C, H, W)."""
        weighted: Tensor = self.channel(features) * features
        attended: Tensor = self.spatial(weighted) * weighted
        return features + torch.tanh(self.gate) * (attended - features)
