"""MedSAM and SAM-Med2D as their own programs serve them, to compare with.

The plugin does not serve them. Geometry, intensities and decoding differ from those of
SAM, and a wrong one does not fail but silently measures less:
tests/training/experiments/test_parity.py compares each with what the original program
answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from skimage.transform import resize
from torch import Tensor, nn

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.prompts import Polarity
from napari_spinalsam.model.backends.base import ResizedSlice
from napari_spinalsam.model.networks.sam import PATCH_SIZE, SpinalSam, build_sam
from napari_spinalsam.model.weights.checkpoint import read_checkpoint
from napari_spinalsam.model.weights.identify import load_parameters

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_spinalsam.core.prompts import BoxPrompt, SlicePrompts

MED_2D_SIZE = 256
ADAPTER_SHARE = 4
AMBIGUOUS = slice(1, 4)


class _Foreign:
    """A network with its published weights.

    Parameters
    ----------
    network : SpinalSam
        Which they fit.
    path : Path
        The weights.
    device : str
        Torch device.

    Raises
    ------
    ModelError
        If the file is not there, or its tensors do not fit.
    """

    def __init__(self, network: SpinalSam, path: Path, device: str) -> None:
        load_parameters(network, read_checkpoint(path).tensors, path.name)
        self._network, self.device = network.eval().to(device), device

    def _middle(self, stack: NDArray[np.float32]) -> Tensor:
        """Return the middle slice with three channels, shape (1, 3, rows, cols)."""
        image = torch.from_numpy(np.ascontiguousarray(stack[1]))
        return image.to(self.device).expand(1, 3, -1, -1)

    def _places(self, resized: ResizedSlice, places: NDArray[np.float64]) -> Tensor:
        """Return (row, col) pixels (N, 2) as (x, y) pixels of the network.

        Both programs multiply by the ratio of the sizes, counting from the corner.
        """
        at = places * (np.array(resized.size) / np.array(resized.shape))
        return torch.from_numpy(at[:, ::-1].astype(np.float32)).to(self.device)

    def _box(self, resized: ResizedSlice, box: BoxPrompt) -> Tensor:
        """Return a box in the pixels of the network, shape (1, 4)."""
        corners = np.array([(box.row_min, box.col_min), (box.row_max, box.col_max)])
        return self._places(resized, corners).reshape(1, 4)


class MedSam(_Foreign):
    """MedSAM (Ma et al., 2024): boxes alone, 1024 x 1024 without keeping the aspect."""

    def __init__(self, path: Path, device: str) -> None:
        with torch.device("meta"):
            network = build_sam("sam_vit_b")
        super().__init__(network, path, device)

    @torch.inference_mode()
    def encode(
        self, stack: NDArray[np.float32], spacing: tuple[float, float]
    ) -> tuple[ResizedSlice, Tensor]:
        """Embed the middle slice, its intensities from 0 to 1.

        Resized as 8 bits with a cubic spline, cut to whole numbers, then stretched.
        """
        size = self._network.image_size
        eight_bits = np.rint(255 * stack[1]).astype(np.uint8)
        large = resize(
            eight_bits, (size, size), order=3, preserve_range=True, anti_aliasing=True
        ).astype(np.uint8)
        low, high = int(large.min()), int(large.max())
        stretched = (large - np.float64(low)) / max(high - low, 1e-8)
        image = torch.from_numpy(stretched.astype(np.float32)).to(self.device)
        resized = ResizedSlice((stack.shape[1], stack.shape[2]), (size, size))
        return resized, self._network.encode(image.expand(1, 3, -1, -1))

    @torch.inference_mode()
    def decode(
        self,
        embedding: tuple[ResizedSlice, Tensor],
        prompts: SlicePrompts,
        mask_input: NDArray[np.float32] | None,
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]:
        """Answer a box by one mask."""
        resized, features = embedding
        if prompts.box is None:
            raise InputError("MedSAM takes boxes alone: prompt it with one.")
        boxes = self._box(resized, prompts.box)
        logits, iou = self._network.decode(features, None, boxes)
        logits, iou = logits[:, :1], iou[0, :1]
        shown = F.interpolate(
            torch.sigmoid(logits), resized.shape, mode="bilinear", align_corners=False
        )
        return _as_arrays(shown > 0.5, iou, logits)


class SamMed2D(_Foreign):
    """SAM-Med2D (Cheng et al., 2023): points or a box, 256 x 256, nearest neighbour.

    Its network is written again from the published description and tensor shapes.
    """

    def __init__(self, path: Path, device: str) -> None:
        super().__init__(build_sam_med_2d(), path, device)

    @torch.inference_mode()
    def encode(
        self, stack: NDArray[np.float32], spacing: tuple[float, float]
    ) -> tuple[ResizedSlice, Tensor]:
        """Embed the middle slice."""
        network, size = self._network, (MED_2D_SIZE, MED_2D_SIZE)
        image = 255 * self._middle(stack)
        image = F.interpolate((image - network.pixel_mean) / network.pixel_std, size)
        resized = ResizedSlice((stack.shape[1], stack.shape[2]), size)
        return resized, network.encode(image)

    @torch.inference_mode()
    def decode(
        self,
        embedding: tuple[ResizedSlice, Tensor],
        prompts: SlicePrompts,
        mask_input: NDArray[np.float32] | None,
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]:
        """Answer by three masks; the mask input takes probabilities."""
        resized, features = embedding
        points = boxes = mask = None
        if prompts.points:
            at = np.array([(point.row, point.col) for point in prompts.points], float)
            labels = [[int(p.polarity is Polarity.POSITIVE) for p in prompts.points]]
            points = (
                self._places(resized, at)[None],
                torch.tensor(labels).to(self.device),
            )
        if prompts.box is not None:
            boxes = self._box(resized, prompts.box)
        if mask_input is not None:
            mask = torch.sigmoid(torch.from_numpy(mask_input))[None, None]
            mask = mask.to(self.device)
        logits, iou = self._network.decode(features, points, boxes, mask)
        logits, iou = logits[:, AMBIGUOUS], iou[0, AMBIGUOUS]
        image = F.interpolate(
            logits, resized.size, mode="bilinear", align_corners=False
        )
        shown = F.interpolate(
            image, resized.shape, mode="bilinear", align_corners=False
        )
        return _as_arrays(shown > 0, iou, logits)


class Med2DAdapter(nn.Module):
    """SAM-Med2D's adapter: channels weighed, then a coarse convolution added.

    Parameters
    ----------
    width : int
        Channels of the tokens.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = width // ADAPTER_SHARE
        self.norm = nn.LayerNorm(width)
        self.channel = nn.Sequential(
            nn.Linear(width, hidden, bias=False),
            nn.ReLU(),
            nn.Linear(hidden, width, bias=False),
            nn.Sigmoid(),
        )
        self.spatial = nn.Sequential(
            nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False),
            nn.ReLU(),
            nn.ConvTranspose2d(width, width, 4, stride=2, padding=1, bias=False),
            nn.ReLU(),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return adapted tokens, same shape (B, H, W, C)."""
        grid = tokens.permute(0, 3, 1, 2)
        weights = self.channel(grid.mean(dim=(2, 3)))[:, :, None, None]
        adapted = grid + self.spatial(weights * grid)
        normed: Tensor = self.norm(adapted.permute(0, 2, 3, 1))
        return normed


class AdaptedMlp(nn.Module):
    """The two layers of a block, and its adapter beside them.

    Both see the normalised tokens, and what they say is added.
    """

    def __init__(self, block: Any, width: int) -> None:
        super().__init__()
        self.lin1, self.lin2, self.act = block.mlp.lin1, block.mlp.lin2, block.mlp.act
        # Of the block, as its checkpoint has it; called from here.
        block.Adapter = Med2DAdapter(width)
        self._adapter = [block.Adapter]

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what is added to the tokens."""
        added: Tensor = self.lin2(self.act(self.lin1(tokens)))
        adapted: Tensor = self._adapter[0](tokens)
        return added + adapted


def build_sam_med_2d(family: str = "sam_vit_b") -> SpinalSam:
    """Build SAM-Med2D with random weights; its names are those of its checkpoint."""
    network = build_sam(family)
    encoder: Any = network.image_encoder
    side = MED_2D_SIZE // PATCH_SIZE
    for block in encoder.blocks:
        attention = block.attn
        if block.window_size == 0:
            for name in ("rel_pos_h", "rel_pos_w"):
                width = getattr(attention, name).shape[1]
                setattr(attention, name, nn.Parameter(torch.zeros(2 * side - 1, width)))
        block.mlp = AdaptedMlp(block, block.norm2.normalized_shape[0])
    network.set_image_size(MED_2D_SIZE)
    return network


def _as_arrays(
    masks: Tensor, iou: Tensor, logits: Tensor
) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]:
    return masks[0].cpu().numpy(), iou.cpu().numpy(), logits[0].cpu().numpy()
