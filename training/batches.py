"""Batches of crops, drawn ahead by worker processes while the network computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from training.targets import PromptedCrops, complete_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from training.config import FitConfig
    from training.crops import CropSampler

# Batches that wait for each worker process.
AHEAD = 4


@dataclass(frozen=True, slots=True, eq=False)
class CropBatch:
    """What one step trains on.

    Parameters
    ----------
    step : int
        Number of the step, from 0.
    images : Tensor, shape (B, 3, H, W)
        Slices between their neighbours, 0..1.
    labels : Tensor of uint8, shape (B, H, W)
        Structure of each pixel; 255 where nobody knows.
    centres : Tensor, shape (B, 256, 2)
        In-plane centre (x, y) of each structure.
    complete : Tensor of bool, shape (B, 3)
        Which of bone, discs and canal are labelled wherever they are seen.
    prompted : PromptedCrops or None
        The prompts of the first round; None where votes alone are learnt.
    """

    step: int
    images: Tensor
    labels: Tensor
    centres: Tensor
    complete: Tensor
    prompted: PromptedCrops | None

    def to(self, device: torch.device) -> CropBatch:
        """Return the same on a device, images with their channels last."""
        images = self.images.to(device, non_blocking=True)
        return CropBatch(
            self.step,
            images.contiguous(memory_format=torch.channels_last),
            self.labels.to(device, non_blocking=True),
            self.centres.to(device, non_blocking=True),
            self.complete.to(device, non_blocking=True),
            None if self.prompted is None else self.prompted.to(device),
        )


class CropBatches(Dataset[CropBatch]):
    """The batch of each step, a function of the seed and the step alone."""

    def __init__(self, sampler: CropSampler, config: FitConfig) -> None:
        self._sampler, self._config = sampler, config

    def __getitem__(self, step: int) -> CropBatch:
        """Draw the batch of a step."""
        config = self._config
        rng = np.random.default_rng([config.seed, step])
        crops = [self._sampler.draw(rng) for _ in range(config.batch)]
        prompted = None
        if step >= config.dense_steps:
            prompted = PromptedCrops.sample(crops, config.prompts_per_crop, rng)
        return CropBatch(
            step,
            torch.stack([crop.image for crop in crops]),
            torch.from_numpy(np.stack([crop.labels for crop in crops])),
            torch.from_numpy(np.stack([crop.centres for crop in crops])),
            torch.tensor([complete_kinds(crop) for crop in crops]),
            prompted,
        )


class CropFeed:
    """Deals out batches in the order of the steps, from any step on.

    Parameters
    ----------
    batches : CropBatches
        What is dealt out.
    steps : int
        Steps of the run.
    workers : int
        Processes that draw ahead; with none, the batch is drawn when it is wanted.
    """

    def __init__(self, batches: CropBatches, steps: int, workers: int) -> None:
        self._batches, self._steps, self._workers = batches, steps, workers
        self._ahead: Iterator[CropBatch] | None = None
        self._next = 0

    def draw(self, step: int) -> CropBatch:
        """Return the batch of a step."""
        if not self._workers:
            return self._batches[step]
        if self._ahead is None or step != self._next:
            loader = DataLoader(
                self._batches,
                sampler=range(step, self._steps),
                batch_size=None,
                num_workers=self._workers,
                prefetch_factor=AHEAD,
            )
            self._ahead = iter(loader)
        self._next = step + 1
        return next(self._ahead)
