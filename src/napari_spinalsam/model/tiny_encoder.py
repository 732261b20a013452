"""The image encoder of the bundled network: a residual U-Net at half resolution."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EMBEDDING_STRIDE = 2
SIZE_MULTIPLE = 16


@dataclass(frozen=True, slots=True)
class TinyConfig:
    """What fixes the shape of the network's weights.

    Parameters
    ----------
    widths : tuple of int
        Channels of the encoder at strides 2, 4, 8 and 16.
    blocks : tuple of int
        Residual blocks at the same strides.
    decoder_widths : tuple of int
        Channels of the prompt decoder at strides 2, 4 and 8.
    cbam : bool
        Whether the attention module stands between encoder and decoder.
    signed_gate : bool
        Whether its share has the form of older files; see `cbam.CBAM`.
    """

    widths: tuple[int, ...] = (32, 64, 96, 128)
    blocks: tuple[int, ...] = (1, 2, 2, 2)
    decoder_widths: tuple[int, int, int] = (32, 48, 64)
    cbam: bool = True
    signed_gate: bool = False


def conv_norm(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Module:
    """Return convolution, batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation around a skip.

    The block starts as the identity, so that one added to a trained network leaves
    it as it was.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv_norm(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape (B, C, H, W)."""
        return F.relu(features + self.norm(self.second(self.first(features))))


def resize_like(features: Tensor, like: Tensor) -> Tensor:
    """Resize a map (B, C, h, w) bilinearly to the height and width of another."""
    return F.interpolate(
        features, size=like.shape[-2:], mode="bilinear", align_corners=False
    )


class TinyEncoder(nn.Module):
    """Residual U-Net from the image to an embedding at half resolution."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        widths, blocks = config.widths, config.blocks
        self.stem = conv_norm(3 * EMBEDDING_STRIDE**2, widths[0])
        self.stages = nn.ModuleList(
            nn.Sequential(*[ResidualBlock(width) for _ in range(count)])
            for width, count in zip(widths, blocks, strict=True)
        )
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(conv_norm(a, b, stride=2) for a, b in pairs)
        self.lateral = nn.ModuleList(nn.Conv2d(a + b, a, 1) for a, b in pairs)
        self.fuse = nn.ModuleList(conv_norm(a, a) for a, _ in pairs)

    def forward(self, image: Tensor) -> Tensor:
        """Embed images (B, 3, H, W), H and W multiples of 16, as (B, C, H/2, W/2)."""
        features: Tensor = self.stem(F.pixel_unshuffle(image, EMBEDDING_STRIDE))
        levels = [self.stages[0](features)]
        for down, stage in zip(self.down, self.stages[1:], strict=True):
            levels.append(stage(down(levels[-1])))
        features = levels.pop()
        for level in reversed(range(len(levels))):
            joined = torch.cat(
                [levels[level], resize_like(features, levels[level])], dim=1
            )
            features = self.fuse[level](self.lateral[level](joined))
        return features


def cell_centres(like: Tensor) -> Tensor:
    """Return the (x, y) pixel centres of the cells of a map, shape (1, 2, h, w)."""
    height, width = like.shape[-2:]
    half = (EMBEDDING_STRIDE - 1) / 2
    y = torch.arange(height, device=like.device, dtype=like.dtype)
    x = torch.arange(width, device=like.device, dtype=like.dtype)
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([grid_x, grid_y])[None] * EMBEDDING_STRIDE + half
