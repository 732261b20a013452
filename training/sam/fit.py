"""From a configuration and a store to an adapter file: `fit` on a SAM."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_spinalsam.core.errors import InputError, ModelError
from napari_spinalsam.model.weights.adapter_files import AdapterConfig
from napari_spinalsam.model.weights.adapters import save_adapter
from napari_spinalsam.model.weights.identify import Family
from napari_spinalsam.model.weights.loading import (
    build_loaded_sam,
    find_weights,
    read_model,
)
from napari_spinalsam.model.weights.registry import ENTRIES
from training.common.checkpoints import CHECKPOINT, read_state
from training.common.distributed import Processes
from training.common.loop import Loop, take_trained
from training.sam.config import SamConfig, load_sam_config
from training.sam.interactive import InteractiveTask
from training.sam.sampler import SliceSampler
from training.slices.store import SliceStore

if TYPE_CHECKING:
    from napari_spinalsam.model.networks.sam import ParameterCount, SpinalSam

ADAPTER = "adapter.safetensors"
ADAPTER_NOTE = "adapter.json"
# Families whose files cannot be told apart by their content.
SAME_LAYOUT = (Family.SAM_B, Family.MED_SAM)


@dataclass(frozen=True, slots=True, eq=False)
class TrainableSam:
    """A SAM made ready for training.

    Parameters
    ----------
    network : SpinalSam
        With LoRA and CBAM as configured, all else but the mask decoder frozen.
    adapter : AdapterConfig
        What a file with the trained parts says of itself.
    """

    network: SpinalSam
    adapter: AdapterConfig


def build_trainable(config: SamConfig) -> TrainableSam:
    """Load the base and add what is to be trained.

    Raises
    ------
    ModelError
        If the base is not there, damaged, or of another family.
    """
    file = read_model(find_weights(config.base), registered=config.base in ENTRIES)
    wanted = Family(config.family)
    if file.family is not wanted and not {file.family, wanted} <= {*SAME_LAYOUT}:
        raise ModelError(
            f"The base {config.base} is {file.family.label} and the configuration says "
            f"{wanted.label}: set the family or the base right."
        )
    # MedSAM has the network of SAM ViT-B; an adapter sees images as SAM does.
    network_family = Family.SAM_B if wanted is Family.MED_SAM else wanted
    network = build_loaded_sam(replace(file, family=network_family))
    torch.manual_seed(config.fit.seed)
    network.requires_grad_(False)
    if config.lora.rank:
        network.add_lora(config.lora.rank, config.lora.alpha, config.lora.targets)
    if config.cbam.use:
        network.add_attention(config.cbam.ratio)
    network.mask_decoder.requires_grad_(True)
    if config.image_size != network.image_size:
        network.set_image_size(config.image_size)
        network.image_encoder.pos_embed.requires_grad_(False)
    adapter = AdapterConfig(
        base_sha256=file.sha256,
        family=network_family.value,
        rank=config.lora.rank,
        alpha=config.lora.alpha,
        targets=config.lora.targets,
        cbam=config.cbam.use,
        cbam_ratio=config.cbam.ratio,
        decoder=True,
        image_size=config.image_size,
        notes={"base": Path(config.base).name},
    )
    return TrainableSam(network, adapter)


def describe_parameters(counts: tuple[ParameterCount, ...]) -> str:
    """Return what is trained of each part, and the share that is kept."""
    lines = [f"{'part':<16}{'trained':>14}{'all':>14}"]
    lines += [f"{c.part:<16}{c.trainable:>14,}{c.total:>14,}" for c in counts]
    total = sum(count.total for count in counts)
    free = sum(count.trainable for count in counts)
    decoder = sum(c.trainable for c in counts if c.part == "mask_decoder")
    lines.append(f"{'together':<16}{free:>14,}{total:>14,}")
    lines.append(
        f"{100 * (1 - free / total):.2f} % of the parameters are kept; "
        f"{100 * (1 - (free - decoder) / total):.2f} % if the mask decoder is not "
        "counted (the paper says 99.5 % and not of what)"
    )
    return "\n".join(lines)


def fit_sam(config: SamConfig, store_folder: Path, run: Path) -> Path:
    """Train an adapter, or go on training it, and write it into the run's folder.

    Raises
    ------
    InputError
        If the store is not there, or has slices of another size.
    ModelError
        If the base is missing or wrong, or the loss stops being a number.
    """
    if config.fit.threads:
        torch.set_num_threads(config.fit.threads)
    store = SliceStore(store_folder)
    if store.settings.size != config.image_size:
        raise InputError(
            f"The slices of {store_folder} have {store.settings.size} pixels and the "
            f"configuration says {config.image_size}: prepare with --size "
            f"{config.image_size}."
        )
    processes = Processes(config.fit.mixed_precision)
    trainable = build_trainable(config)
    if processes.is_first:
        print(describe_parameters(trainable.network.parameter_counts()), flush=True)
    source = SliceSampler(
        store,
        store.keys("train"),
        batch=config.fit.batch,
        accumulate=config.fit.accumulate,
        seed=config.fit.seed,
        processes=processes.count,
        rank=processes.rank,
    )
    network = trainable.network.to(processes.device)
    adapter = trainable.adapter.model_copy(
        update={
            "window": store.window,
            "pixel_mm": store.pixel_mm,
            "notes": trainable.adapter.notes | _notes(store),
        }
    )
    if processes.is_first:
        run.mkdir(parents=True, exist_ok=True)
        (run / ADAPTER_NOTE).write_text(adapter.model_dump_json(indent=1), "utf-8")
    loop = Loop(
        InteractiveTask(network, config, source, processes),
        processes,
        config,
        run,
        steps=config.fit.steps or config.fit.epochs * source.steps_per_epoch,
        checkpoint_every=config.fit.checkpoint_every,
        log_every=config.fit.log_every,
        seed=config.fit.seed,
        tensorboard=config.fit.tensorboard,
    )
    loop.resume()
    loop.fit()
    if processes.is_first:
        export_adapter(run, run / ADAPTER)
    processes.wait()
    return run / ADAPTER


def export_adapter(run: Path, output: Path) -> None:
    """Write the adapter of a run as its last checkpoint has it.

    Raises
    ------
    ModelError
        If there is no checkpoint, its base is missing or wrong, or the file cannot
        be written.
    """
    state = read_state(run / CHECKPOINT)
    trainable = build_trainable(load_sam_config(run / "config.yaml"))
    take_trained(trainable.network, state["trained"])
    note = AdapterConfig.model_validate_json((run / ADAPTER_NOTE).read_text("utf-8"))
    notes = note.notes | {"steps": str(state["step"])}
    adapter = note.model_copy(update={"notes": notes})
    save_adapter(trainable.network, output, adapter)


def _notes(store: SliceStore) -> dict[str, str]:
    train = store.keys("train")
    return {
        "slices": str(len(train)),
        "scans": str(len({key.case for key in train})),
        "source": str(store.index["source"]),
        "store_sha256": store.digest,
    }
