"""LoRA on single projections of SAM's attention (equation 5 of SpinalSAM-R1).

SAM computes query, key and value with one fused layer, but the paper adapts query and
value only. The fused layer is therefore split into three, with its very weights, and
peft adapts the wanted ones. Merging brings the fused layer back.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.model._native import shield_triton

if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECTIONS = ("q", "k", "v")
DEFAULT_TARGETS = ("q", "v")


class SplitQkv(nn.Module):
    """Query, key and value as three layers in place of one fused layer.

    Parameters
    ----------
    fused : nn.Linear
        Its rows are query, key and value, a third each; they are copied.
    """

    def __init__(self, fused: nn.Linear) -> None:
        super().__init__()
        self.q, self.k, self.v = (
            _linear(weight, bias)
            for weight, bias in zip(
                fused.weight.chunk(3), _chunk_bias(fused.bias), strict=True
            )
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return query, key and value side by side, (..., 3 * dim)."""
        return torch.cat([self.q(tokens), self.k(tokens), self.v(tokens)], dim=-1)


def add_lora(
    encoder: nn.Module,
    rank: int,
    alpha: float | None = None,
    targets: Sequence[str] = DEFAULT_TARGETS,
) -> None:
    """Put LoRA layers into the attention of an image encoder, in place.

    The result of the encoder does not change until the new layers are trained; all
    its other parameters are frozen.

    Parameters
    ----------
    encoder : nn.Module
        SAM's ``ImageEncoderViT``, with its weights.
    rank : int
        Width r of the two factors, at least 1.
    alpha : float or None
        The update is scaled by ``alpha / rank``; None scales by 1.
    targets : sequence of {"q", "k", "v"}
        The projections to adapt.

    Raises
    ------
    InputError
        If the rank or a target is unusable, or the encoder has LoRA already.
    """
    _check(encoder, rank, targets)
    shield_triton()
    from peft import LoraConfig, inject_adapter_in_model

    for block in _blocks(encoder):
        block.attn.qkv = SplitQkv(block.attn.qkv)
    config = LoraConfig(
        r=rank,
        lora_alpha=rank if alpha is None else alpha,  # type: ignore[arg-type]
        target_modules=rf"blocks\.\d+\.attn\.qkv\.[{''.join(targets)}]",
    )
    inject_adapter_in_model(config, encoder)


def has_lora(encoder: nn.Module) -> bool:
    """Whether the attention of an image encoder has LoRA layers."""
    return any(isinstance(block.attn.qkv, SplitQkv) for block in _blocks(encoder))


def merge_lora(encoder: nn.Module) -> None:
    """Add the LoRA update to the weights and fuse the projections again, in place."""
    for block in _blocks(encoder):
        split = block.attn.qkv
        if not isinstance(split, SplitQkv):
            continue
        layers = [_merged(getattr(split, name)) for name in PROJECTIONS]
        weight = torch.cat([layer.weight for layer in layers])
        has_bias = layers[0].bias is not None
        bias = torch.cat([layer.bias for layer in layers]) if has_bias else None
        block.attn.qkv = _linear(weight, bias)


def file_name_of(name: str) -> str:
    """Return the name in adapter files of a parameter inside of peft's layers."""
    return re.sub(r"\.(lora_[AB])\.default\.", r".\1.", name)


def is_lora(name: str) -> bool:
    """Whether a parameter's name is one of a LoRA layer."""
    return ".lora_A." in name or ".lora_B." in name


def _check(encoder: nn.Module, rank: int, targets: Sequence[str]) -> None:
    if rank < 1:
        raise InputError(f"LoRA of rank {rank} is not possible: use 1 or more.")
    unknown = [name for name in targets if name not in PROJECTIONS]
    if unknown or not targets:
        raise InputError(
            f"LoRA cannot be put on {', '.join(unknown) or 'nothing'}: choose among "
            f"{', '.join(PROJECTIONS)}."
        )
    if has_lora(encoder):
        raise InputError("This model has LoRA layers already: load its base again.")


def _blocks(encoder: nn.Module) -> list[Any]:
    return list(encoder.get_submodule("blocks").children())


def _merged(layer: Any) -> nn.Linear:
    """Return the plain layer, with its LoRA update added if there is one."""
    if isinstance(layer, nn.Linear):
        return layer
    layer.merge()
    merged: nn.Linear = layer.get_base_layer()
    return merged


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """Build a layer that owns a copy of the weights."""
    outputs, inputs = weight.shape
    layer = nn.Linear(inputs, outputs, bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer


def _chunk_bias(bias: Tensor | None) -> Sequence[Tensor | None]:
    return (None, None, None) if bias is None else bias.chunk(3)
