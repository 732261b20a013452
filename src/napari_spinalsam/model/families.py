"""Whose checkpoint it is, told by the names and shapes of its tensors."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from napari_spinalsam.core.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

PATCH_SIZE = 16
# Four tokens answer prompts; semantic models have one for each class and background.
PROMPTABLE_TOKENS = 4
PATCH_KEY = "image_encoder.patch_embed.proj.weight"
TINY_VIT_KEY = "image_encoder.patch_embed.seq.0.c.weight"
TOKENS_KEY = "mask_decoder.mask_tokens.weight"


class Family(StrEnum):
    """Families of networks that are recognised, if not all used."""

    TINY = "spinalsam-tiny"
    SAM_B = "sam_vit_b"
    SAM_L = "sam_vit_l"
    SAM_H = "sam_vit_h"
    SAM_TOY = "sam_toy"
    MED_SAM = "medsam_vit_b"
    SAM_MED_2D = "sam_med2d_vit_b"
    MOBILE_SAM = "mobile_sam"
    LITE_MED_SAM = "lite_medsam"
    SAMED = "samed"
    LORA_ONLY = "lora"
    MA_SAM = "ma_sam"
    TRANSFORMERS = "transformers_sam"
    SEMANTIC = "semantic_sam"
    ADAPTER = "adapter"
    UNKNOWN = "unknown"

    @property
    def label(self) -> str:
        """The name that people know."""
        return TITLES[self]

    @property
    def is_sam(self) -> bool:
        """Whether it is one of the three original SAM networks, or their toy."""
        return self in VIT_SIZES.values()


TITLES = {
    Family.TINY: "spinalsam-tiny",
    Family.SAM_B: "SAM ViT-B",
    Family.SAM_L: "SAM ViT-L",
    Family.SAM_H: "SAM ViT-H",
    Family.SAM_TOY: "toy SAM",
    Family.MED_SAM: "MedSAM",
    Family.SAM_MED_2D: "SAM-Med2D",
    Family.MOBILE_SAM: "MobileSAM",
    Family.LITE_MED_SAM: "LiteMedSAM",
    Family.SAMED: "SAMed",
    Family.LORA_ONLY: "LoRA for SAM, without its base",
    Family.MA_SAM: "MA-SAM",
    Family.TRANSFORMERS: "SAM in the layout of transformers",
    Family.SEMANTIC: "SAM with classes in place of prompts",
    Family.ADAPTER: "adapter of napari-spinalsam",
    Family.UNKNOWN: "unknown",
}
# Rows of the patch embedding and number of blocks.
VIT_SIZES = {
    (768, 12): Family.SAM_B,
    (1024, 24): Family.SAM_L,
    (1280, 32): Family.SAM_H,
    (32, 2): Family.SAM_TOY,
}
# MedSAM has the names and shapes of SAM ViT-B; only its published checksum differs.
MED_SAM_MD5 = "3bb6db55bd0c9ca30b61248bca72f8d6"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What names and shapes say about a checkpoint.

    Parameters
    ----------
    family : Family
        `Family.UNKNOWN` if nothing fits.
    image_size : int or None
        Side of the image in pixels, where the position embedding tells it.
    """

    family: Family
    image_size: int | None = None


def identify(tensors: Mapping[str, Tensor]) -> Fingerprint:
    """Recognise the family of a checkpoint; only names and shapes are looked at.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        Unwrapped, as `read_checkpoint` returns them.
    """
    family = _delta_family(tensors) or _encoder_family(tensors)
    position = tensors.get("image_encoder.pos_embed")
    known = position is not None and position.ndim == 4
    side = PATCH_SIZE * int(position.shape[1]) if known else None  # type: ignore[union-attr]
    return Fingerprint(family, side)


def check_supported(family: Family, name: str) -> None:
    """Refuse families that cannot be loaded as a model.

    Parameters
    ----------
    family : Family
        From `identify`.
    name : str
        Names the file in the error.

    Raises
    ------
    ModelError
        For all but spinalsam-tiny and SAM; the sentence says which family it is.
    """
    if family is Family.TINY or family.is_sam:
        return
    if family is Family.UNKNOWN:
        raise ModelError(
            f"{name} holds no model of a known family: choose a SAM ViT-B, ViT-L or "
            "ViT-H checkpoint or a spinalsam-tiny file."
        )
    if family in (Family.LORA_ONLY, Family.ADAPTER):
        raise ModelError(
            f"{name} is an adapter ({family.label}) and no whole model: load its base "
            "and give this file as the adapter."
        )
    raise ModelError(
        f"{name} is a {family.label} checkpoint, which is not supported: choose a SAM "
        "ViT-B, ViT-L or ViT-H checkpoint or a spinalsam-tiny file."
    )


def _delta_family(tensors: Mapping[str, Tensor]) -> Family | None:
    """Return the family of a file that holds changes of a base, or None."""
    names = tensors.keys()
    if any("_FacTs_" in name or ".adapter_" in name for name in names):
        return Family.MA_SAM
    if any(name.startswith(("w_a_", "w_b_")) for name in names):
        only = all(name.startswith(("w_a_", "w_b_")) for name in names)
        return Family.LORA_ONLY if only else Family.SAMED
    if any(name.endswith((".lora_A.weight", ".lora_B.weight")) for name in names):
        return Family.ADAPTER
    return None


def _encoder_family(tensors: Mapping[str, Tensor]) -> Family:
    if any(name.startswith("vision_encoder.") for name in tensors):
        return Family.TRANSFORMERS
    if TINY_VIT_KEY in tensors:
        kernel = tensors[TINY_VIT_KEY].shape[-1]
        return Family.MOBILE_SAM if kernel == 3 else Family.LITE_MED_SAM
    if any(".Adapter." in name for name in tensors):
        return Family.SAM_MED_2D
    if PATCH_KEY not in tensors:
        tiny = "encoder.stem.0.weight" in tensors and "votes.weight" in tensors
        return Family.TINY if tiny else Family.UNKNOWN
    tokens = tensors.get(TOKENS_KEY)
    if tokens is not None and tokens.shape[0] != PROMPTABLE_TOKENS:
        return Family.SEMANTIC
    start = "image_encoder.blocks."
    blocks = {
        name[len(start) :].split(".")[0] for name in tensors if name.startswith(start)
    }
    rows = int(tensors[PATCH_KEY].shape[0])
    return VIT_SIZES.get((rows, len(blocks)), Family.UNKNOWN)
