"""SAM with the paper's attention module between its encoder and its decoder.

The parts are those of the segment-anything package; names of parameters are the ones
of SAM's checkpoints, with `attention` (CBAM) besides. Coordinates are SAM's (x, y).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_spinalsam.core.errors import InputError, ModelError
from napari_spinalsam.model._native import shield_triton
from napari_spinalsam.model.networks import lora
from napari_spinalsam.model.networks.cbam import CBAM, CBAM_RATIO
from napari_spinalsam.model.networks.toy import build_toy_sam

if TYPE_CHECKING:
    from collections.abc import Sequence

PATCH_SIZE = 16
BUILDERS = {"sam_vit_b": "vit_b", "sam_vit_l": "vit_l", "sam_vit_h": "vit_h"}
TOY_FAMILY = "sam_toy"
# Of natural images, 0..255; never stored in checkpoints.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """How many numbers of one part of a network are trained.

    Parameters
    ----------
    part : str
        Name of the part; LoRA layers count as ``"lora"``.
    trainable, total : int
        Numbers, not tensors.
    """

    part: str
    trainable: int
    total: int


class SpinalSam(nn.Module):
    """Image encoder, optional CBAM, prompt encoder and mask decoder.

    An untrained CBAM and untrained LoRA layers leave the answers of the base as they
    are.

    Parameters
    ----------
    image_encoder, prompt_encoder, mask_decoder : nn.Module
        The parts of segment-anything.
    cbam : bool
        Whether the attention module stands between encoder and decoder.
    """

    pixel_mean: Tensor
    pixel_std: Tensor
    image_encoder: Any
    prompt_encoder: Any
    mask_decoder: Any

    def __init__(
        self,
        image_encoder: nn.Module,
        prompt_encoder: nn.Module,
        mask_decoder: nn.Module,
        *,
        cbam: bool = False,
    ) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.attention: nn.Module = nn.Identity()
        self.prompt_encoder = prompt_encoder
        self.mask_decoder = mask_decoder
        for name, values in (("pixel_mean", PIXEL_MEAN), ("pixel_std", PIXEL_STD)):
            constant = torch.tensor(values, device="cpu").view(3, 1, 1)
            self.register_buffer(name, constant, persistent=False)
        if cbam:
            self.add_attention()

    @property
    def image_size(self) -> int:
        """Side of the square image that the encoder takes, in pixels."""
        return int(self.image_encoder.img_size)

    @property
    def has_attention(self) -> bool:
        """Whether the CBAM is there."""
        return isinstance(self.attention, CBAM)

    @property
    def has_lora(self) -> bool:
        """Whether the encoder has LoRA layers."""
        return lora.has_lora(self.image_encoder)

    def add_attention(self, ratio: int = CBAM_RATIO, *, signed: bool = False) -> None:
        """Put an untrained CBAM between encoder and decoder.

        Parameters
        ----------
        ratio : int
            Reduction of its channel perceptron.
        signed : bool
            Whether its share has the form of older files.
        """
        device = next(self.image_encoder.parameters()).device
        channels = self.image_encoder.neck[0].out_channels
        self.attention = CBAM(channels, ratio, signed=signed).to(device)

    def add_lora(
        self,
        rank: int,
        alpha: float | None = None,
        targets: Sequence[str] = lora.DEFAULT_TARGETS,
    ) -> None:
        """Put LoRA layers into the encoder and freeze the rest of it.

        See `lora.add_lora`. The prompt encoder is frozen as well; decoder and CBAM
        stay trainable.
        """
        lora.add_lora(self.image_encoder, rank, alpha, targets)
        self.prompt_encoder.requires_grad_(False)

    def merge_lora(self) -> None:
        """Add the LoRA layers to the weights, which makes the encoder plain again."""
        lora.merge_lora(self.image_encoder)

    def set_image_size(self, size: int) -> None:
        """Make the network take smaller or larger images.

        Position embeddings are interpolated; the relative ones are by the encoder.

        Parameters
        ----------
        size : int
            Side in pixels, a multiple of 16.

        Raises
        ------
        InputError
            If the size is no positive multiple of 16.
        """
        if size < PATCH_SIZE or size % PATCH_SIZE:
            raise InputError(
                f"The model cannot take images of {size} pixels: use a multiple of "
                f"{PATCH_SIZE}."
            )
        side = size // PATCH_SIZE
        encoder, prompt_encoder = self.image_encoder, self.prompt_encoder
        if encoder.pos_embed is not None and encoder.pos_embed.shape[1] != side:
            resized = F.interpolate(
                encoder.pos_embed.detach().permute(0, 3, 1, 2),
                size=(side, side),
                mode="bicubic",
                align_corners=False,
            )
            encoder.pos_embed = nn.Parameter(resized.permute(0, 2, 3, 1).contiguous())
        encoder.img_size = size
        prompt_encoder.input_image_size = (size, size)
        prompt_encoder.image_embedding_size = (side, side)
        prompt_encoder.mask_input_size = (4 * side, 4 * side)

    def preprocess(self, image: Tensor) -> Tensor:
        """Normalise images and pad them at the bottom and the right with zeros.

        Parameters
        ----------
        image : Tensor, shape (B, 3, h, w)
            0..255, the longer side being the image size.
        """
        normalised = (image - self.pixel_mean) / self.pixel_std
        height, width = image.shape[-2:]
        side = self.image_size
        return F.pad(normalised, (0, side - width, 0, side - height))

    def encode(self, image: Tensor) -> Tensor:
        """Embed preprocessed images (B, 3, S, S) as (B, C, S/16, S/16) (equation 2)."""
        embedding: Tensor = self.attention(self.image_encoder(image))
        return embedding

    def decode(
        self,
        embedding: Tensor,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None = None,
        mask_input: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Answer B prompt sets on one embedded image (equation 6).

        Parameters
        ----------
        embedding : Tensor, shape (1, C, S/16, S/16)
        points : (Tensor (B, N, 2), Tensor (B, N)) or None
            (x, y) pixels of the image, whole numbers being pixel centres; 1 for
            positive, 0 for negative.
        boxes : Tensor, shape (B, 4), or None
            x_min, y_min, x_max, y_max.
        mask_input : Tensor, shape (B, 1, S/4, S/4), or None
            Logits of an earlier answer.

        Returns
        -------
        logits : Tensor, shape (B, 4, S/4, S/4)
            The mask for prompts that leave no doubt, and three for those that do.
        predicted_iou : Tensor, shape (B, 4)
        """
        sparse, dense = self.prompt_encoder(points, boxes, mask_input)
        logits, iou = self.mask_decoder.predict_masks(
            image_embeddings=embedding,
            image_pe=self.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )
        return logits, iou

    def parameter_counts(self) -> tuple[ParameterCount, ...]:
        """Return what is trained and what is there, for each part."""
        counts: dict[str, list[int]] = {}
        for name, parameter in self.named_parameters():
            part = "lora" if lora.is_lora(name) else name.split(".")[0]
            count = counts.setdefault(part, [0, 0])
            count[0] += parameter.numel() if parameter.requires_grad else 0
            count[1] += parameter.numel()
        return tuple(ParameterCount(part, *count) for part, count in counts.items())


def build_sam(
    family: str, image_size: int | None = None, *, cbam: bool = False
) -> SpinalSam:
    """Build a network with random weights.

    Inside of ``torch.device("meta")`` it takes neither time nor memory.

    Parameters
    ----------
    family : {"sam_vit_b", "sam_vit_l", "sam_vit_h", "sam_toy"}
    image_size : int, optional
        Side in pixels, a multiple of 16; without it that of the checkpoints, 1024.
    cbam : bool
        Whether the attention module stands between encoder and decoder.

    Raises
    ------
    ModelError
        If the family is unknown.
    InputError
        If the image size is no positive multiple of 16.
    """
    if family not in (*BUILDERS, TOY_FAMILY):
        raise ModelError(
            f"There is no SAM of the family {family!r}: use one of "
            f"{', '.join(BUILDERS)}."
        )
    shield_triton()
    from segment_anything import sam_model_registry

    if family == TOY_FAMILY:
        sam = build_toy_sam()
    else:
        sam = sam_model_registry[BUILDERS[family]]()
    network = SpinalSam(
        sam.image_encoder, sam.prompt_encoder, sam.mask_decoder, cbam=cbam
    )
    if image_size is not None:
        network.set_image_size(image_size)
    return network.eval()
