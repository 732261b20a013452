"""Training of the bundled network: dense votes, prompts, corrections from the error."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from napari_spinalsam.core.errors import InputError, ModelError
from training.common.checkpoints import CHECKPOINT, read_state
from training.common.distributed import Processes
from training.common.logger import COLUMNS
from training.common.loop import Loop
from training.common.losses import dense_loss, mask_loss
from training.tiny.corrections import corrected
from training.tiny.crops import CropBatch, CropBatches, CropLoader, CropSampler
from training.tiny.dataset import load_store
from training.tiny.network import build_network
from training.tiny.targets import PromptedCrops, dense_targets

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from napari_spinalsam.model.networks.tiny import SpinalSamTiny, TinyEmbedding
    from training.tiny.config import FitConfig, RunConfig

WARM_UP_STEPS = 100
# What grew when discs and canal joined the votes.
MAY_BE_SMALLER = ("votes.weight", "votes.bias", "decoder.enter.0.0.weight")


class TinyTask:
    """Teaches the bundled network; what a loop runs.

    Parameters
    ----------
    network : SpinalSamTiny
        On the device of the processes.
    config : FitConfig
        The course of the optimisation.
    source : CropLoader
        What deals out the crops.
    processes : Processes
        This one, and how exactly it computes.
    """

    columns = COLUMNS

    def __init__(
        self,
        network: SpinalSamTiny,
        config: FitConfig,
        source: CropLoader,
        processes: Processes,
    ) -> None:
        self.network, self.source = network, source
        self._config, self._processes = config, processes
        self.optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
        )

    def train_step(
        self, batch: CropBatch, rng: np.random.Generator
    ) -> dict[str, float]:
        """Make one step on crops; see Task. Random choices are torch's."""
        config = self._config
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * _schedule(batch.step, config.steps)
        self.network.train()
        batch = batch.to(self._processes.device)
        with self._processes.autocast():
            embedding = self.network.encode(batch.images)
        votes = dense_targets(batch.labels, batch.centres, batch.complete)
        loss = dense_loss(embedding, *votes)
        figures = {"dense": loss.detach()}
        if batch.prompted is not None:
            masks, more = self._prompt_rounds(embedding, batch, batch.prompted)
            loss, figures = loss + masks, figures | more
        loss.backward()
        self._processes.step(self.optimizer, loss, config.clip_norm)
        return {"loss": loss.item()} | {n: v.item() for n, v in figures.items()}

    def _prompt_rounds(
        self, embedding: TinyEmbedding, batch: CropBatch, prompted: PromptedCrops
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Answer prompts, then correct; later rounds teach the decoder alone."""
        chosen = embedding.repeat(prompted.image_index)
        total = embedding.kinds.new_zeros(())
        figures: dict[str, Tensor] = {}
        rounds = self._config.correction_rounds
        for turn in range(1 + rounds):
            with self._processes.autocast():
                low, predicted = self.network.decode(chosen, prompted.prompts)
            logits = F.interpolate(
                low, scale_factor=2.0, mode="bilinear", align_corners=False
            )
            targets = prompted.targets(batch.labels, batch.complete)
            loss, iou = mask_loss(logits, predicted.float(), *targets)
            total = total + loss * (1.0 if turn == 0 else 0.5)
            figures[f"iou{turn}"] = iou[:, 0].mean()
            if turn < rounds:
                # Half of the prompts are corrected, in all later rounds.
                keep = slice(None, None, 2 if turn == 0 else 1)
                best = predicted[keep].argmax(1)
                each = torch.arange(len(best), device=best.device)
                shown = logits.detach()[keep][each, best] > 0
                before = low.detach()[keep][each, best][:, None]
                prompted = corrected(prompted.some(keep), shown, before)
                chosen = embedding.detach().repeat(prompted.image_index)
        return total, figures


def build_loop(config: RunConfig, store: Path, run: Path) -> Loop[CropBatch]:
    """Return the loop of a run, at its beginning.

    Parameters
    ----------
    config : RunConfig
        What to train on and how.
    store : Path
        Folder written by `prepare`.
    run : Path
        Folder for checkpoints, log and configuration.

    Raises
    ------
    InputError
        If a scan is not in the store, or there are several processes.
    ModelError
        If the run to start from has another network.
    """
    fit = config.fit
    if fit.threads:
        torch.set_num_threads(fit.threads)
    torch.set_flush_denormal(True)
    torch.backends.cudnn.benchmark = True
    processes = Processes(fit.mixed_precision)
    if processes.count > 1:
        raise InputError(
            f"There are {processes.count} processes: the bundled network trains in "
            "one; start it without `accelerate launch`, with more `workers`."
        )
    scans = load_store(store, [scan.name for scan in config.scans])
    weights = [scan.weight for scan in config.scans]
    batches = CropBatches(CropSampler(scans, weights, fit.crop), fit)
    torch.manual_seed(fit.seed)
    network = build_network(config)
    if fit.start_from is not None:
        _take_over(network, Path(fit.start_from))
    network.to(processes.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Loop(
        TinyTask(network, fit, CropLoader(batches, fit.steps, fit.workers), processes),
        processes,
        config,
        run,
        steps=fit.steps,
        checkpoint_every=fit.checkpoint_every,
        log_every=fit.log_every,
        seed=fit.seed,
    )


def fit_tiny(config: RunConfig, store: Path, run: Path) -> None:
    """Train the bundled network, or go on training it; see `build_loop`.

    Raises
    ------
    ModelError
        If the loss stops being a number; the last checkpoint stays.
    """
    loop = build_loop(config, store, run)
    loop.resume()
    loop.fit()


def _take_over(model: SpinalSamTiny, run: Path) -> None:
    """Load the weights of a finished run whose network is the same or lacks parts.

    Residual blocks that it lacks stay identities; votes for discs and canal that it
    lacks start at random, and weigh nothing in the decoder.

    Raises
    ------
    ModelError
        If that run's network differs in anything else.
    """
    before: dict[str, Tensor] = read_state(run / CHECKPOINT)["trained"]
    own = model.state_dict()
    strange = [
        name
        for name, tensor in before.items()
        if name not in own
        or (own[name].shape != tensor.shape and name not in MAY_BE_SMALLER)
    ]
    lacking = [
        name
        for name in own
        if name not in before and not name.startswith("encoder.stages.")
    ]
    if strange or lacking:
        raise ModelError(
            f"The network of {run} has other parts ({(strange + lacking)[0]}): start "
            "from a run whose widths are those of this configuration."
        )
    for name, tensor in before.items():
        if tensor.ndim == 0:
            own[name].copy_(tensor)
            continue
        own[name][: len(tensor)] = 0
        own[name][tuple(slice(length) for length in tensor.shape)] = tensor
    model.load_state_dict(own)


def _schedule(step: int, steps: int) -> float:
    """Return the share of the learning rate: warm-up, then cosine to zero."""
    warm = min(1.0, (step + 1) / min(WARM_UP_STEPS, max(steps // 10, 1)))
    return warm * 0.5 * (1 + math.cos(math.pi * step / steps))
