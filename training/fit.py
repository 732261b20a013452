"""The interactive training loop: dense votes, prompts, corrections from the error."""

from __future__ import annotations

import csv
import logging
import math
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from napari_spinalsam.core.errors import InputError, ModelError
from napari_spinalsam.model.tiny import SpinalSamTiny, TinyEmbedding
from napari_spinalsam.model.tiny_encoder import TinyConfig
from training.config import RunConfig, save_config
from training.crops import Crop, CropSampler
from training.losses import dense_loss, mask_loss
from training.prompts import SampledPrompt, correct, sample_prompt, to_batch
from training.store import IGNORED, load_store

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

logger = logging.getLogger(__name__)

SMALLEST_TARGET = 60
WARM_UP_STEPS = 100


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
        self.model = SpinalSamTiny(TinyConfig(**config.model.model_dump()))
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
        return self.run / "checkpoint.pt"

    def resume(self) -> bool:
        """Take up the last checkpoint, if there is one; the run then goes on exactly.

        Raises
        ------
        ModelError
            If the checkpoint belongs to another configuration.
        """
        if not self.checkpoint.exists():
            return False
        state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        if state["config"] != self.config.model_dump_json():
            raise ModelError(
                f"{self.checkpoint} was made with another configuration: give the run "
                "a folder of its own, or use the configuration beside it."
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["torch_rng"])
        self.rng.bit_generator.state = _as_ints(state["numpy_rng"])
        self.step = state["step"]
        return True

    def save(self) -> None:
        """Write the checkpoint in one move, so that a kill leaves the old or the new."""
        state = {
            "config": self.config.model_dump_json(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "torch_rng": torch.get_rng_state(),
            "numpy_rng": _as_strings(self.rng.bit_generator.state),
            "step": self.step,
        }
        unfinished = self.checkpoint.with_suffix(".part")
        torch.save(state, unfinished)
        os.replace(unfinished, self.checkpoint)

    def fit(self) -> None:
        """Run all steps that are left, with log lines and checkpoints.

        Raises
        ------
        ModelError
            If the loss stops being a number; the last checkpoint stays.
        """
        save_config(self.config, self.run / "config.yaml")
        log = self.run / "log.csv"
        began = time.perf_counter()
        sums: dict[str, float] = {}
        while self.step < self.config.fit.steps:
            for name, value in self.train_step().items():
                sums[name] = sums.get(name, 0.0) + value / self.config.fit.log_every
            if not math.isfinite(sums["loss"]):
                raise ModelError(
                    f"The loss is not a number at step {self.step}: lower the learning "
                    f"rate and go on from {self.checkpoint}."
                )
            if self.step % self.config.fit.log_every == 0:
                sums["seconds"] = (time.perf_counter() - began) / self.config.fit.log_every
                _append(log, {"step": self.step, **sums})
                logger.info(
                    "step %d/%d %s",
                    self.step,
                    self.config.fit.steps,
                    " ".join(f"{name} {value:.3f}" for name, value in sums.items()),
                )
                sums, began = {}, time.perf_counter()
            if self.step % self.config.fit.checkpoint_every == 0:
                self.save()
        self.save()

    def train_step(self) -> dict[str, float]:
        """Make one optimisation step and return its figures."""
        fit = self.config.fit
        for group in self.optimizer.param_groups:
            group["lr"] = fit.learning_rate * _schedule(self.step, fit.steps)
        self.model.train()
        crops = [self.sampler.draw(self.rng) for _ in range(fit.batch)]
        images = torch.stack([crop.image for crop in crops])
        embedding = self.model.encode(images.to(memory_format=torch.channels_last))
        dense = dense_loss(embedding, *_dense_targets(crops))
        figures = {"dense": dense.item()}
        loss = dense
        if self.step >= fit.dense_steps:
            prompted = _Prompted.sample(crops, fit.prompts_per_crop, self.rng)
            masks, more = self._prompt_rounds(embedding, prompted)
            loss, figures = dense + masks, figures | more
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), fit.clip_norm)
        self.optimizer.step()
        self.step += 1
        return {"loss": loss.item(), **figures}

    def _prompt_rounds(
        self, embedding: TinyEmbedding, prompted: _Prompted
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


class _Prompted:
    """Sampled prompts with the image each belongs to and what it should give."""

    def __init__(
        self,
        image_index: Tensor,
        prompts: list[SampledPrompt],
        targets: Tensor,
        known: Tensor,
    ) -> None:
        self.image_index, self.prompts = image_index, prompts
        self.targets, self.known = targets, known

    @classmethod
    def sample(
        cls, crops: list[Crop], count: int, rng: np.random.Generator
    ) -> _Prompted:
        index, prompts, targets, known = [], [], [], []
        for number, crop in enumerate(crops):
            areas = np.bincount(crop.labels.ravel(), minlength=256)
            areas[[0, IGNORED]] = 0
            names = np.flatnonzero(areas >= SMALLEST_TARGET)
            if not len(names):
                continue
            spine = (crop.labels > 0) & (crop.labels != IGNORED)
            for _ in range(count):
                whole = crop.labels == rng.choice(names)
                prompt = sample_prompt(whole, rng)
                index.append(number)
                prompts.append(prompt)
                targets.append(np.stack([prompt.meant, whole, spine]))
                known.append(np.ones((1, *whole.shape), bool))
        return cls(
            torch.tensor(index, dtype=torch.long),
            prompts,
            torch.from_numpy(np.stack(targets)).float(),
            torch.from_numpy(np.stack(known)).float(),
        )

    def corrected(
        self, keep: slice, shown: np.ndarray[Any, Any], rng: np.random.Generator
    ) -> _Prompted:
        known = self.known[keep]
        prompts = [
            correct(prompt, mask, here.numpy()[0] > 0, rng)
            for prompt, mask, here in zip(self.prompts[keep], shown, known, strict=True)
        ]
        return _Prompted(self.image_index[keep], prompts, self.targets[keep], known)


def _dense_targets(crops: list[Crop]) -> tuple[Tensor, Tensor, Tensor]:
    labels = np.stack([crop.labels for crop in crops])
    foreground = (labels > 0) & (labels != IGNORED)
    centres = np.stack([crop.centres[crop.labels] for crop in crops])
    return (
        torch.from_numpy(foreground[:, None]).float(),
        torch.from_numpy(centres).permute(0, 3, 1, 2),
        torch.from_numpy((labels != IGNORED)[:, None]).float(),
    )


def _schedule(step: int, steps: int) -> float:
    """Return the share of the learning rate: warm-up, then cosine to zero."""
    warm = min(1.0, (step + 1) / min(WARM_UP_STEPS, max(steps // 10, 1)))
    return warm * 0.5 * (1 + math.cos(math.pi * step / steps))


def _append(path: Path, row: dict[str, float]) -> None:
    names = ["step", "loss", "dense", "iou0", "iou1", "seconds"]
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore", restval="")
        if new:
            writer.writeheader()
        writer.writerow(row)


def _as_strings(state: Any) -> Any:
    """Turn a generator's state into what a safe load accepts (its ints are 128 bit)."""
    if isinstance(state, dict):
        return {name: _as_strings(value) for name, value in state.items()}
    return f"int:{state}" if isinstance(state, int) else state


def _as_ints(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: _as_ints(value) for name, value in state.items()}
    if isinstance(state, str) and state.startswith("int:"):
        return int(state[4:])
    return state


def require_store(store: Path) -> None:
    """Refuse a folder that `prepare` has not written."""
    if not (store / "store.json").exists():
        raise InputError(
            f"{store} holds no prepared scans: run `python -m training prepare` first."
        )
