"""Networks without prompts to compare with, trained small and from scratch on a store.

They find all of the spine that is labelled, as the paper's baselines do; none of them
begins with the pretrained weights that the papers of TransUNet and Swin-UNet use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from training.common.config import Frozen
from training.common.distributed import Processes
from training.common.loop import Loop
from training.common.losses import IGNORED, dice_loss, focal_loss
from training.sam.sampler import SliceSampler

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from training.slices.store import Slice, SliceStore

Baseline = Literal["unet", "transunet", "swin_unetr"]
STRIDE = 16


class BaselineConfig(Frozen):
    """How a baseline is trained.

    Parameters
    ----------
    network : {"unet", "transunet", "swin_unetr"}
        Which one.
    size : int
        Side of its image, that of the store's slices.
    steps, batch : int
        Steps of Adam, and slices in each.
    learning_rate : float
        Of Adam, constant.
    seed : int
        Of weights and order.
    """

    network: Baseline
    size: int
    steps: int = Field(default=2000, ge=1)
    batch: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    seed: int = 0


class TransUNetLike(nn.Module):
    """A convolutional U-Net with transformer layers on its coarsest features.

    The design of TransUNet (Chen et al., 2021) in small: four convolutional stages in
    place of a pretrained ResNet-50, four layers in place of the pretrained ViT-B.

    Parameters
    ----------
    size : int
        Side of the image, a multiple of 16.
    widths : sequence of int
        Channels at strides 1, 2, 4, 8 and 16.
    layers, heads : int
        Of the transformer.
    """

    def __init__(
        self,
        size: int,
        widths: Sequence[int] = (16, 32, 64, 96, 128),
        layers: int = 4,
        heads: int = 4,
    ) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            _convolutions(before, after)
            for before, after in zip((1, *widths), widths, strict=False)
        )
        tokens = (size // STRIDE) ** 2
        self.position = nn.Parameter(torch.zeros(1, tokens, widths[-1]))
        layer = nn.TransformerEncoderLayer(
            widths[-1], heads, 4 * widths[-1], dropout=0.0, batch_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, layers)
        self.up = nn.ModuleList(
            _convolutions(coarse + fine, fine)
            for coarse, fine in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B, 1, S, S) for images (B, 1, S, S)."""
        levels = []
        features = image
        for stage, block in enumerate(self.down):
            features = block(F.max_pool2d(features, 2) if stage else features)
            levels.append(features)
        tokens = features.flatten(2).transpose(1, 2) + self.position
        tokens = self.transformer(tokens).transpose(1, 2)
        features = tokens.reshape(features.shape)
        for block, skip in zip(self.up, levels[-2::-1], strict=True):
            features = F.interpolate(
                features, scale_factor=2.0, mode="bilinear", align_corners=False
            )
            features = block(torch.cat([features, skip], dim=1))
        logits: Tensor = self.head(features)
        return logits


def build_baseline(name: Baseline, size: int) -> nn.Module:
    """Return a baseline with random weights."""
    if name == "transunet":
        return TransUNetLike(size)
    # MONAI takes seconds to import.
    if name == "unet":
        from monai.networks.nets.unet import UNet

        return UNet(2, 1, 1, (16, 32, 64, 128, 192), (2, 2, 2, 2), num_res_units=2)
    from monai.networks.nets.swin_unetr import SwinUNETR

    return SwinUNETR(in_channels=1, out_channels=1, feature_size=12, spatial_dims=2)


def describe_baseline(name: Baseline, network: nn.Module, steps: int) -> str:
    """Return what a baseline really is."""
    kinds = {
        "unet": "residual U-Net of MONAI",
        "transunet": "U-Net with 4 transformer layers at stride 16, our own",
        "swin_unetr": "Swin-UNETR of MONAI, in place of Swin-UNet",
    }
    millions = sum(p.numel() for p in network.parameters()) / 1e6
    return (
        f"{kinds[name]}, {millions:.1f} M parameters, from scratch, {steps} steps on "
        "this store; no prompt"
    )


class BaselineTask:
    """Trains a baseline on the foreground of slices.

    Parameters
    ----------
    network : nn.Module
        On the device of the processes.
    config : BaselineConfig
        Its learning rate.
    source : SliceSampler
        The slices.
    processes : Processes
        This one and the others.
    """

    columns = ("loss",)

    def __init__(
        self,
        network: nn.Module,
        config: BaselineConfig,
        source: SliceSampler,
        processes: Processes,
    ) -> None:
        self.network, self.source = network, source
        self._size, self._processes = config.size, processes
        self.optimizer = torch.optim.Adam(network.parameters(), config.learning_rate)

    def train_step(
        self, passes: Sequence[Sequence[Slice]], rng: np.random.Generator
    ) -> dict[str, float]:
        """Make one step on the slices of all passes; see Task."""
        self.network.train()
        slices = [piece for one in passes for piece in one]
        device = self._processes.device
        images = torch.cat([to_image(piece, self._size) for piece in slices])
        labels = torch.cat([_padded(piece.labels, self._size) for piece in slices])
        known = (labels != IGNORED).float().to(device)
        target = ((labels > 0) & (labels != IGNORED)).float().to(device)
        logits = self.network(images.to(device))[:, 0]
        loss = focal_loss(logits, target, known) + dice_loss(logits, target, known)
        loss = loss.mean()
        loss.backward()
        self._processes.step(self.optimizer, loss)
        return {"loss": loss.item()}


def fit_baseline(config: BaselineConfig, store: SliceStore, run: Path) -> nn.Module:
    """Train a baseline, or go on training it."""
    processes = Processes()
    torch.manual_seed(config.seed)
    network = build_baseline(config.network, config.size).to(processes.device)
    source = SliceSampler(
        store,
        store.keys("train"),
        batch=config.batch,
        seed=config.seed,
        processes=processes.count,
        rank=processes.rank,
    )
    loop = Loop(
        BaselineTask(network, config, source, processes),
        processes,
        config,
        run,
        steps=config.steps,
        checkpoint_every=200,
        log_every=20,
        seed=config.seed,
    )
    loop.resume()
    loop.fit()
    return network.eval()


def to_image(piece: Slice, size: int) -> Tensor:
    """Return a slice as a network's image, padded, shape (1, 1, size, size)."""
    return _padded(piece.image, size)[None].float() / 255


def _padded(array: NDArray[np.uint8], size: int) -> Tensor:
    rows, cols = array.shape
    return F.pad(torch.from_numpy(array)[None], (0, size - cols, 0, size - rows))


def _convolutions(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1),
        nn.GroupNorm(4, after),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1),
        nn.GroupNorm(4, after),
        nn.ReLU(),
    )
