"""The interactive training loop: dense votes, prompts, corrections from the error."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from napari_spinalsam.core.errors import ModelError
from training.checkpoints import (
    CHECKPOINT,
    build_network,
    read_state,
    with_long_ints,
    without_long_ints,
    write_state,
)
from training.config import RunConfig, save_config
from training.crops import CropSampler
from training.journal import Journal, plot
from training.losses import dense_loss, mask_loss
from training.prompts import to_batch
from training.store import load_store
from training.targets import Prompted, dense_targets

if TYPE_CHECKING:
    from torch import Tensor

    from napari_spinalsam.model.tiny import SpinalSamTiny, TinyEmbedding

WARM_UP_STEPS = 100
# What grew when discs and canal joined the votes.
MAY_BE_SMALLER = ("votes.weight", "votes.bias", "decoder.enter.0.0.weight")


class Trainer:
    """Owns network, optimiser and random state of one run.

    Parameters
    ----------
    config : RunConfig
        What to train on and how.
    store : Path
        Folder written by `prepare`.
    run : Path
        Folder for checkpoints, log and configuration.
    """

    def __init__(self, config: RunConfig, store: Path, run: Path) -> None:
        self.config, self.run = config, run
        if config.fit.threads:
            torch.set_num_threads(config.fit.threads)
        torch.set_flush_denormal(True)
        torch.manual_seed(config.fit.seed)
        self.rng = np.random.default_rng(config.fit.seed)
        scans = load_store(store, [scan.name for scan in config.scans])
        weights = [scan.weight for scan in config.scans]
        self.sampler = CropSampler(scans, weights, config.fit.crop)
        self.model = build_network(config)
        if config.fit.start_from is not None:
            _take_over(self.model, Path(config.fit.start_from))
        self.model.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=config.fit.learning_rate,
            weight_decay=config.fit.weight_decay,
        )
        self.step = 0
        run.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint(self) -> Path:
        """The file that a killed run goes on from."""
        return self.run / CHECKPOINT

    def resume(self) -> bool:
        """Take up the last checkpoint, if there is one; the run then goes on exactly.

        Raises
        ------
        ModelError
            If the checkpoint belongs to another configuration, or is damaged.
        """
        if not self.checkpoint.exists():
            return False
        state = read_state(self.checkpoint)
        if state["config"] != self.config.model_dump_json():
            raise ModelError(
                f"{self.checkpoint} was made with another configuration: give the run "
                "a folder of its own, or use the configuration beside it."
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["torch_rng"])
        self.rng.bit_generator.state = with_long_ints(state["numpy_rng"])
        self.step = state["step"]
        return True

    def save(self) -> None:
        """Write the checkpoint; a kill meanwhile leaves the old one."""
        state = {
            "config": self.config.model_dump_json(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "torch_rng": torch.get_rng_state(),
            "numpy_rng": without_long_ints(self.rng.bit_generator.state),
            "step": self.step,
        }
        write_state(state, self.checkpoint)

    def fit(self) -> None:
        """Run all steps that are left, with a log, checkpoints and a picture.

        Raises
        ------
        ModelError
            If the loss stops being a number; the last checkpoint stays.
        """
        fit = self.config.fit
        save_config(self.config, self.run / "config.yaml")
        with Journal(self.run, self.step, fit.steps, fit.log_every) as journal:
            while self.step < fit.steps:
                figures = self.train_step()
                journal.note(self.step, figures)
                if self.step % fit.checkpoint_every == 0:
                    self.save()
        self.save()
        if journal.has_rows:
            plot(self.run)

    def train_step(self) -> dict[str, float]:
        """Make one optimisation step and return its figures.

        Raises
        ------
        ModelError
            If the loss or its gradient is not a number; the weights stay.
        """
        fit = self.config.fit
        for group in self.optimizer.param_groups:
            group["lr"] = fit.learning_rate * _schedule(self.step, fit.steps)
        self.model.train()
        crops = [self.sampler.draw(self.rng) for _ in range(fit.batch)]
        images = torch.stack([crop.image for crop in crops])
        embedding = self.model.encode(images.to(memory_format=torch.channels_last))
        dense = dense_loss(embedding, *dense_targets(crops))
        figures = {"dense": dense.item()}
        loss = dense
        if self.step >= fit.dense_steps:
            prompted = Prompted.sample(crops, fit.prompts_per_crop, self.rng)
            if prompted is not None:
                masks, more = self._prompt_rounds(embedding, prompted)
                loss, figures = dense + masks, figures | more
        self.optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), fit.clip_norm)
        if not math.isfinite(loss.item()) or not math.isfinite(norm.item()):
            raise ModelError(
                f"The loss is not a number at step {self.step + 1}: train in another "
                f"folder with a lower learning rate; {self.checkpoint} stays as it was."
            )
        self.optimizer.step()
        self.step += 1
        return {"loss": loss.item(), **figures}

    def _prompt_rounds(
        self, embedding: TinyEmbedding, prompted: Prompted
    ) -> tuple[Tensor, dict[str, float]]:
        """Answer prompts, then correct; later rounds teach the decoder alone."""
        chosen = embedding.repeat(prompted.image_index)
        total = embedding.features.new_zeros(())
        figures: dict[str, float] = {}
        mask_input = None
        for turn in range(1 + self.config.fit.correction_rounds):
            low, predicted = self.model.decode(
                chosen, to_batch(prompted.prompts, mask_input)
            )
            logits = F.interpolate(
                low, scale_factor=2.0, mode="bilinear", align_corners=False
            )
            loss, iou = mask_loss(logits, predicted, prompted.targets, prompted.known)
            total = total + loss * (1.0 if turn == 0 else 0.5)
            figures[f"iou{turn}"] = iou[:, 0].mean().item()
            if turn < self.config.fit.correction_rounds:
                keep = slice(None, None, 2)
                best = predicted[keep].argmax(1)
                rows = torch.arange(len(best))
                mask_input = low.detach()[keep][rows, best][:, None]
                shown = (logits.detach()[keep][rows, best] > 0).numpy()
                prompted = prompted.corrected(keep, shown, self.rng)
                chosen = embedding.detach().repeat(prompted.image_index)
        return total, figures


def _take_over(model: SpinalSamTiny, run: Path) -> None:
    """Load the weights of a finished run whose network is the same or lacks parts.

    Residual blocks that it lacks stay identities; votes for discs and canal that it
    lacks start at random, and weigh nothing in the decoder.

    Raises
    ------
    ModelError
        If that run's network differs in anything else.
    """
    before: dict[str, Tensor] = read_state(run / CHECKPOINT)["model"]
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
