"""Adapter files: what training changed of a SAM, kept apart from its base."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError
from torch import Tensor

from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.model.networks import lora
from napari_spinalsam.model.networks.cbam import is_signed
from napari_spinalsam.model.weights.adapter_files import FORMAT, VERSION, AdapterConfig
from napari_spinalsam.model.weights.checkpoint import (
    digest_of,
    read_checkpoint,
    write_safetensors,
)
from napari_spinalsam.model.weights.identify import VIT_SIZES, Family, compare

if TYPE_CHECKING:
    from pathlib import Path

    from napari_spinalsam.model.networks.sam import SpinalSam

SHOWN_DIGITS = 12
SAMED_NAME = re.compile(r"w_([ab])_(\d+)")


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter that was read.

    Parameters
    ----------
    name : str
        Stem of its file.
    config : AdapterConfig
        What it changes.
    tensors : dict of str to Tensor
        By the names of the network, without peft's adapter name.
    sha256 : str
        Of its file, hexadecimal; empty if it is not known.
    """

    name: str
    config: AdapterConfig
    tensors: dict[str, Tensor]
    sha256: str = ""


def adapter_state(network: SpinalSam, config: AdapterConfig) -> dict[str, Tensor]:
    """Return the tensors of a network that an adapter of this kind holds."""
    starts = ["attention."] * config.cbam + ["mask_decoder."] * config.decoder
    return {
        lora.file_name_of(name): tensor
        for name, tensor in network.state_dict().items()
        if (config.rank and lora.is_lora(name)) or name.startswith(tuple(starts))
    }


def save_adapter(network: SpinalSam, path: Path, config: AdapterConfig) -> None:
    """Write what training changed.

    Parameters
    ----------
    network : SpinalSam
        With LoRA layers, CBAM or decoder as the config says.
    path : Path
        A .safetensors file; replaced as a whole if it exists.
    config : AdapterConfig
        Its base checksum is that of the file the training began with.

    Raises
    ------
    ModelError
        If the network has not what the config says, or the file cannot be written.
    """
    if bool(config.rank) != network.has_lora or config.cbam != network.has_attention:
        raise ModelError(
            "The network has not the LoRA layers or the attention module that the "
            "adapter's description tells of: describe what was trained."
        )
    tensors = {
        name: tensor.detach().cpu()
        for name, tensor in adapter_state(network, config).items()
    }
    metadata = {"format": FORMAT, "config": config.model_dump_json()}
    write_safetensors(tensors, path, metadata)


def read_adapter(path: Path) -> Adapter:
    """Read an adapter of ours, or LoRA weights with the names of SAMed.

    Raises
    ------
    ModelError
        If the file cannot be read, is no adapter or is not complete.
    """
    checkpoint = read_checkpoint(path)
    if checkpoint.metadata.get("format") == FORMAT:
        config = _read_config(checkpoint.metadata.get("config", ""), path.name)
        return Adapter(path.stem, config, checkpoint.tensors, digest_of(path))
    if all(SAMED_NAME.fullmatch(name) for name in checkpoint.tensors):
        return _from_samed(checkpoint.tensors, path)
    raise ModelError(
        f"{path.name} is no adapter: choose a file written by napari-spinalsam or "
        "LoRA weights named w_a_000, w_b_000 and so on."
    )


def apply_adapter(
    network: SpinalSam, adapter: Adapter, *, family: str, base_sha256: str
) -> None:
    """Put an adapter on its base, in place.

    Parameters
    ----------
    network : SpinalSam
        The base with its weights and nothing besides.
    adapter : Adapter
        From `read_adapter`.
    family, base_sha256 : str
        Of the base.

    Raises
    ------
    ModelError
        If the adapter was made for another base, or its tensors do not fit; the
        network's answers are then as before.
    """
    config = adapter.config
    _check_base(adapter, family, base_sha256)
    if network.has_lora or network.has_attention:
        raise ModelError(
            f"The model has an adapter already: load its base again before "
            f"{adapter.name}."
        )
    if config.rank:
        network.add_lora(config.rank, config.alpha, config.targets)
    if config.cbam:
        network.add_attention(config.cbam_ratio, signed=is_signed(adapter.tensors))
    places = adapter_state(network, config)
    report = compare(places, adapter.tensors)
    if not report.complete:
        raise ModelError(
            f"The adapter {adapter.name} does not fit its base ({report.summary()}): "
            "get an intact copy of the file."
        )
    with torch.no_grad():
        for name, place in places.items():
            place.copy_(adapter.tensors[name])
    if config.image_size != network.image_size:
        network.set_image_size(config.image_size)


def _check_base(adapter: Adapter, family: str, base_sha256: str) -> None:
    config = adapter.config
    if config.family != family:
        raise ModelError(
            f"The adapter {adapter.name} is for {config.family} and the loaded base is "
            f"{family}: load a base of the family {config.family}."
        )
    if config.base_sha256 and config.base_sha256 != base_sha256:
        raise ModelError(
            f"The adapter {adapter.name} was made for the base "
            f"{config.base_sha256[:SHOWN_DIGITS]}... and the loaded base is "
            f"{base_sha256[:SHOWN_DIGITS]}...: load the base that it was made for."
        )


def _read_config(text: str, name: str) -> AdapterConfig:
    try:
        version = json.loads(text).get("version")
        if version != VERSION:
            raise ModelError(
                f"The adapter {name} has the version {version} and this program reads "
                f"version {VERSION}: update napari-spinalsam or the adapter."
            )
        return AdapterConfig.model_validate_json(text)
    except (ValidationError, ValueError, AttributeError):
        raise ModelError(
            f"The adapter {name} does not say what it changes: save it again."
        ) from None


def _from_samed(tensors: dict[str, Tensor], path: Path) -> Adapter:
    """Rename SAMed's LoRA weights: q and v of each block in turn, scaled by 1."""
    blocks = len(tensors) // 4
    wanted = {f"w_{side}_{i:03d}" for side in "ab" for i in range(2 * blocks)}
    missing = sorted(wanted - tensors.keys())
    if len(tensors) % 4 or missing or not blocks:
        raise ModelError(
            f"{path.name} is not complete: it holds {len(tensors)} LoRA tensors, not "
            "two pairs with running numbers for each block; get the whole file."
        )
    rank, width = tensors["w_a_000"].shape
    family = VIT_SIZES.get((width, blocks), Family.UNKNOWN)
    renamed = {}
    for i in range(2 * blocks):
        start = f"image_encoder.blocks.{i // 2}.attn.qkv.{'qv'[i % 2]}"
        renamed[f"{start}.lora_A.weight"] = tensors[f"w_a_{i:03d}"]
        renamed[f"{start}.lora_B.weight"] = tensors[f"w_b_{i:03d}"]
    config = AdapterConfig(base_sha256="", family=family.value, rank=rank)
    return Adapter(path.stem, config, renamed, digest_of(path))
