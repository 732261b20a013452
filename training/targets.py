"""What the network should answer for crops: dense votes, and masks of prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from training.prompts import SampledPrompt, correct, sample_prompt
from training.store import IGNORED

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from training.crops import Crop

SMALLEST_TARGET = 60


@dataclass(frozen=True, slots=True, eq=False)
class Prompted:
    """Prompts with the image each belongs to and what it should give.

    Parameters
    ----------
    image_index : Tensor of int64, shape (B,)
        Place of each prompt's crop in the batch.
    prompts : list of SampledPrompt
        B prompts.
    targets : Tensor of 0 and 1, shape (B, 3, H, W)
        The part that was meant, the whole structure, all of the spine.
    known : Tensor of 0 and 1, shape (B, 3, H, W)
        Pixels that count for each target: unlabelled bone is no part of the structure
        that was meant, but may well be spine.
    """

    image_index: Tensor
    prompts: list[SampledPrompt]
    targets: Tensor
    known: Tensor

    @classmethod
    def sample(
        cls, crops: list[Crop], count: int, rng: np.random.Generator
    ) -> Prompted | None:
        """Draw prompts for the structures of crops; None if all are too small.

        Parameters
        ----------
        crops : list of Crop
            The batch.
        count : int
            Prompts a crop.
        rng : numpy.random.Generator
            Source of every choice.
        """
        index, prompts, targets, known = [], [], [], []
        for number, crop in enumerate(crops):
            areas = np.bincount(crop.labels.ravel(), minlength=256)
            areas[[0, IGNORED]] = 0
            names = np.flatnonzero(areas >= SMALLEST_TARGET)
            if not len(names):
                continue
            labelled = crop.labels != IGNORED
            spine = (crop.labels > 0) & labelled
            counts = np.stack(
                [np.ones_like(labelled), np.ones_like(labelled), labelled]
            )
            for _ in range(count):
                whole = crop.labels == rng.choice(names)
                prompt = sample_prompt(whole, rng)
                index.append(number)
                prompts.append(prompt)
                targets.append(np.stack([prompt.meant, whole, spine]))
                known.append(counts)
        if not prompts:
            return None
        return cls(
            torch.tensor(index, dtype=torch.long),
            prompts,
            torch.from_numpy(np.stack(targets)).float(),
            torch.from_numpy(np.stack(known)).float(),
        )

    def corrected(
        self, keep: slice, shown: NDArray[Any], rng: np.random.Generator
    ) -> Prompted:
        """Return some of the prompts, each with a point in its largest error.

        Parameters
        ----------
        keep : slice
            Which of the prompts.
        shown : ndarray of bool, shape (b, H, W)
            What the network answered to those.
        rng : numpy.random.Generator
            Source of every choice.
        """
        known = self.known[keep]
        prompts = [
            correct(prompt, mask, here.numpy()[0] > 0, rng)
            for prompt, mask, here in zip(self.prompts[keep], shown, known, strict=True)
        ]
        return Prompted(self.image_index[keep], prompts, self.targets[keep], known)


def dense_targets(crops: list[Crop]) -> tuple[Tensor, Tensor, Tensor]:
    """Return foreground, centres and known pixels of crops, for `dense_loss`."""
    labels = np.stack([crop.labels for crop in crops])
    foreground = (labels > 0) & (labels != IGNORED)
    centres = np.stack([crop.centres[crop.labels] for crop in crops])
    return (
        torch.from_numpy(foreground[:, None]).float(),
        torch.from_numpy(centres).permute(0, 3, 1, 2),
        torch.from_numpy((labels != IGNORED)[:, None]).float(),
    )
