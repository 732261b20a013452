"""SAM behind numpy: one slice made isotropic, its longer side filling the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.prompts import Polarity, SlicePrompts
from napari_spinalsam.model.backends.base import ResizedSlice

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_spinalsam.model.backends.base import ModelRecord
    from napari_spinalsam.model.networks.sam import SpinalSam

MASK_THRESHOLD = 0.0
CANDIDATES = 3
OUTSIDE_LOGIT = -10.0


@dataclass(frozen=True, slots=True)
class SamSliceEmbedding(ResizedSlice):
    """An encoded slice.

    Parameters
    ----------
    features : Tensor, shape (1, C, S/16, S/16)
        The image embedding.
    """

    features: Tensor

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.features.element_size() * self.features.nelement()


class SamBackend:
    """Serves SpinalSam.

    Parameters
    ----------
    network : SpinalSam
        With its weights; LoRA layers are merged.
    record : ModelRecord
        Where they come from.
    device : str
        Torch device.
    """

    def __init__(self, network: SpinalSam, record: ModelRecord, device: str) -> None:
        self.record, self.device = record, device
        network.merge_lora()
        self._network = network.eval().to(device)

    @torch.inference_mode()
    def encode(
        self, stack: NDArray[np.float32], spacing: tuple[float, float]
    ) -> SamSliceEmbedding:
        """Embed a slice; see Backend. The neighbours are not looked at."""
        middle = np.ascontiguousarray(stack[1])
        shape = (middle.shape[0], middle.shape[1])
        size = image_size(shape, spacing, self._network.image_size)
        image = torch.from_numpy(middle)[None, None].to(self.device)
        image = F.interpolate(
            image, size=size, mode="bilinear", align_corners=False, antialias=True
        )
        image = self._network.preprocess(255.0 * image.expand(-1, 3, -1, -1))
        return SamSliceEmbedding(shape, size, self._network.encode(image))

    @torch.inference_mode()
    def decode(
        self,
        embedding: SamSliceEmbedding,
        prompts: SlicePrompts,
        mask_input: NDArray[np.float32] | None,
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]:
        """Answer prompts; see Backend. Low-res logits cover the padded image."""
        mask = None if mask_input is None else self._to_mask(mask_input)
        logits, iou = self._network.decode(
            embedding.features,
            self._to_points(embedding, prompts),
            self._to_boxes(embedding, prompts),
            mask,
        )
        kept = _choose(iou[0], ambiguous=_is_ambiguous(prompts, mask_input))
        logits, iou = logits[:, kept], iou[0, kept].clamp(0, 1)
        masks = self._to_slice(logits, embedding) > MASK_THRESHOLD
        return (
            masks[0].cpu().numpy(),
            iou.float().cpu().numpy(),
            logits[0].float().cpu().numpy(),
        )

    def to_low_res(
        self, embedding: SamSliceEmbedding, logits: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Bring logits to a quarter of the padded image; see Backend."""
        side = self._network.image_size
        stride = side // self._network.prompt_encoder.mask_input_size[0]
        return embedding.low_res(logits, (side, side), stride, OUTSIDE_LOGIT)

    def _to_points(
        self, embedding: SamSliceEmbedding, prompts: SlicePrompts
    ) -> tuple[Tensor, Tensor] | None:
        if not prompts.points:
            return None
        at = np.array([(point.row, point.col) for point in prompts.points], float)
        positive = [point.polarity is Polarity.POSITIVE for point in prompts.points]
        coords = torch.from_numpy(embedding.to_model(at))[None]
        labels = torch.tensor([positive], dtype=torch.int64)
        return coords.to(self.device), labels.to(self.device)

    def _to_boxes(
        self, embedding: SamSliceEmbedding, prompts: SlicePrompts
    ) -> Tensor | None:
        box = prompts.box
        if box is None:
            return None
        corners = np.array([(box.row_min, box.col_min), (box.row_max, box.col_max)])
        return torch.from_numpy(embedding.to_model(corners).reshape(1, 4)).to(
            self.device
        )

    def _to_mask(self, mask_input: NDArray[np.float32]) -> Tensor:
        expected = tuple(self._network.prompt_encoder.mask_input_size)
        if mask_input.shape != expected:
            raise InputError(
                f"The mask input has the shape {mask_input.shape}, but this model "
                f"takes {expected}: use the low-res logits of its own last prediction."
            )
        mask = torch.from_numpy(np.ascontiguousarray(mask_input, dtype=np.float32))
        return mask[None, None].to(self.device)

    def _to_slice(self, logits: Tensor, embedding: SamSliceEmbedding) -> Tensor:
        """Resample logits of the padded image to the pixels of the slice."""
        side = self._network.image_size
        rows, cols = embedding.size
        image = F.interpolate(
            logits, size=(side, side), mode="bilinear", align_corners=False
        )
        return F.interpolate(
            image[:, :, :rows, :cols],
            size=embedding.shape,
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )


def image_size(
    shape: tuple[int, int], spacing: tuple[float, float], side: int
) -> tuple[int, int]:
    """Return rows and columns of the isotropic image whose longer side is `side`.

    Parameters
    ----------
    shape : tuple of int
        Pixels of the slice along (row, col).
    spacing : tuple of float
        Millimetres per pixel along (row, col).
    side : int
        Pixels of the network's square image.
    """
    extent = np.array(shape) * np.array(spacing)
    rows, cols = np.maximum(np.rint(extent * (side / extent.max())), 1).astype(int)
    return int(rows), int(cols)


def _is_ambiguous(
    prompts: SlicePrompts, mask_input: NDArray[np.float32] | None
) -> bool:
    """Whether the prompts may mean a part, a whole or a group: one lone point."""
    return len(prompts.points) == 1 and prompts.box is None and mask_input is None


def _choose(iou: Tensor, *, ambiguous: bool) -> list[int]:
    """Choose three of SAM's four masks.

    The first one is trained for prompts that leave no doubt, the others for a single
    point; where there is no doubt, the two best of these remain as alternatives.
    """
    if ambiguous:
        return [1, 2, 3]
    others = torch.argsort(iou[1:], descending=True)[: CANDIDATES - 1] + 1
    return [0, *(int(index) for index in others)]
