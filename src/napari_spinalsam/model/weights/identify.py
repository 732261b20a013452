"""Whose checkpoint it is, whether its tensors fit a network, and putting them in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import torch

from napari_spinalsam.core.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor, nn

PATCH_SIZE = 16
# Four tokens answer prompts; semantic models have one for each class and background.
PROMPTABLE_TOKENS = 4
PATCH_KEY = "image_encoder.patch_embed.proj.weight"
TINY_VIT_KEY = "image_encoder.patch_embed.seq.0.c.weight"
TOKENS_KEY = "mask_decoder.mask_tokens.weight"
# MedSAM has the names and shapes of SAM ViT-B; only its published checksum differs.
MED_SAM_MD5 = "3bb6db55bd0c9ca30b61248bca72f8d6"
SHOWN = 3


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


@dataclass(frozen=True, slots=True)
class ShapeMismatch:
    """A tensor that is in both, in different shapes."""

    name: str
    expected: tuple[int, ...]
    found: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GroupCount:
    """How many tensors of one part match, miss, are too many or have other shapes."""

    group: str
    matched: int = 0
    missing: int = 0
    unexpected: int = 0
    shape_mismatched: int = 0


@dataclass(frozen=True, slots=True)
class ParameterReport:
    """What a network finds of itself in a checkpoint.

    Parameters
    ----------
    matched : tuple of str
        Names that are in both with one shape.
    missing : tuple of str
        Names that the network needs and the file lacks.
    unexpected : tuple of str
        Names that the network does not know.
    shape_mismatched : tuple of ShapeMismatch
        Names that are in both, in different shapes.
    other_dtype : tuple of str
        Matched names that are stored in another number type; they are converted.
    """

    matched: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    shape_mismatched: tuple[ShapeMismatch, ...] = ()
    other_dtype: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether each tensor has its place and each place its tensor."""
        return not (self.missing or self.unexpected or self.shape_mismatched)

    def groups(self) -> tuple[GroupCount, ...]:
        """Return the counts of each part: encoder block, neck, prompt encoder, ..."""
        counted: dict[str, list[int]] = {}
        mismatched = [entry.name for entry in self.shape_mismatched]
        lists = (self.matched, self.missing, self.unexpected, mismatched)
        for column, names in enumerate(lists):
            for name in names:
                counted.setdefault(group_of(name), [0, 0, 0, 0])[column] += 1
        return tuple(GroupCount(group, *counts) for group, counts in counted.items())

    def summary(self) -> str:
        """Return the counts in one line."""
        total = len(self.matched) + len(self.missing) + len(self.shape_mismatched)
        return (
            f"{len(self.matched)} of {total} tensors matched, {len(self.missing)} "
            f"missing, {len(self.unexpected)} unexpected, "
            f"{len(self.shape_mismatched)} of another shape"
        )


def compare(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> ParameterReport:
    """Compare names, shapes and number types; no values are read.

    Parameters
    ----------
    expected : mapping of str to Tensor
        The network's ``state_dict()``, which may lie on the device "meta".
    found : mapping of str to Tensor
        The file's tensors.
    """
    shared = [name for name in expected if name in found]
    fits = [name for name in shared if expected[name].shape == found[name].shape]
    return ParameterReport(
        matched=tuple(fits),
        missing=tuple(name for name in expected if name not in found),
        unexpected=tuple(name for name in found if name not in expected),
        shape_mismatched=tuple(
            ShapeMismatch(name, tuple(expected[name].shape), tuple(found[name].shape))
            for name in shared
            if expected[name].shape != found[name].shape
        ),
        other_dtype=tuple(
            name for name in fits if expected[name].dtype != found[name].dtype
        ),
    )


def load_parameters(
    network: nn.Module, tensors: Mapping[str, Tensor], name: str
) -> ParameterReport:
    """Put a file's tensors into a network, if all fit.

    Parameters
    ----------
    network : nn.Module
        May lie on the device "meta"; it takes the tensors over without a copy.
    tensors : mapping of str to Tensor
        The file's tensors; converted to the network's number types.
    name : str
        Names the file in the error.

    Raises
    ------
    ModelError
        If a tensor is missing, unexpected or of another shape; the network is
        left as it was.
    """
    expected = network.state_dict()
    report = compare(expected, tensors)
    if not report.complete:
        raise ModelError(
            f"{name} does not fit the network ({report.summary()}; {_first(report)}): "
            "choose the checkpoint that belongs to it."
        )
    converted = {
        key: tensor.to(dtype=expected[key].dtype) for key, tensor in tensors.items()
    }
    not_finite = next(
        (key for key, value in converted.items() if not torch.isfinite(value).all()),
        None,
    )
    if not_finite is not None:
        raise ModelError(
            f"{name} holds numbers in {not_finite} that are not finite: get an intact "
            "copy of the file."
        )
    network.load_state_dict(converted, assign=True)
    return report


def group_of(name: str) -> str:
    """Return the part that a tensor belongs to."""
    parts = name.split(".")
    if parts[:2] == ["image_encoder", "blocks"]:
        return ".".join(parts[:3])
    if parts[0] == "image_encoder" or parts[0] == "encoder":
        return ".".join(parts[:2])
    return parts[0]


def _first(report: ParameterReport) -> str:
    """Name the first tensors that do not fit."""
    shapes = [
        f"{entry.name} has {entry.found} in place of {entry.expected}"
        for entry in report.shape_mismatched
    ]
    if shapes:
        return _some(shapes)
    if report.missing:
        return "missing " + _some(report.missing)
    return "unexpected " + _some(report.unexpected)


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = len(listed) - SHOWN
    return ", ".join(listed[:SHOWN]) + (f" and {more} more" if more > 0 else "")
