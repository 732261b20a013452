"""What the network should answer for crops: dense votes, and masks of prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from training.kinds import KINDS, VOTED, Kind
from training.prompts import SampledPrompt, correct, sample_prompt
from training.store import IGNORED

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from training.crops import Crop

SMALLEST_TARGET = 60
# How often a box is drawn around the body of a vertebra alone, where it is known.
BODY_BOX = 0.4


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
        The part that was meant, the whole structure, all structures of its kind.
    known : Tensor of 0 and 1, shape (B, 3, H, W)
        Pixels that count for each target: unlabelled bone is no part of the structure
        that was meant, but may well be of its kind.
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
            names = np.flatnonzero((areas >= SMALLEST_TARGET) & (KINDS < Kind.OTHER))
            if not len(names):
                continue
            everywhere = np.ones(crop.labels.shape, np.bool_)
            for _ in range(count):
                name = int(rng.choice(names))
                whole = crop.labels == name
                prompt = sample_prompt(whole, rng, body=_body(whole, crop, rng))
                alike = KINDS[crop.labels] == KINDS[name]
                index.append(number)
                prompts.append(prompt)
                targets.append(np.stack([prompt.meant, whole, alike]))
                counts = _known(crop, Kind(KINDS[name]))
                known.append(np.stack([everywhere, everywhere, counts]))
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


def _body(
    whole: NDArray[np.bool_], crop: Crop, rng: np.random.Generator
) -> NDArray[np.bool_] | None:
    """Return the body of a vertebra where a box may be meant for it alone."""
    if crop.bodies is None or rng.random() >= BODY_BOX:
        return None
    body = whole & crop.bodies
    return body if np.count_nonzero(body) >= SMALLEST_TARGET else None


def _known(crop: Crop, kind: Kind) -> NDArray[np.bool_]:
    """Return where it is known whether a pixel is of a kind."""
    labelled: NDArray[np.bool_] = crop.labels != IGNORED
    if kind is Kind.BONE or kind.name.lower() in crop.complete:
        return labelled
    return np.asarray(labelled & (crop.labels > 0))


def dense_targets(crops: list[Crop]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return foreground, known pixels, centres and voting pixels, for `dense_loss`."""
    labels = np.stack([crop.labels for crop in crops])
    foreground = np.stack([KINDS[labels] == kind for kind in VOTED], axis=1)
    known = np.stack([[_known(crop, kind) for kind in VOTED] for crop in crops])
    centres = np.stack([crop.centres[crop.labels] for crop in crops])
    # The canal has no middle in a slice: its pixels vote for where they are.
    rows, cols = np.indices(labels.shape[1:], np.float32)
    canal = (KINDS[labels] == Kind.CANAL)[..., None]
    centres = np.where(canal, np.stack([cols, rows], axis=-1), centres)
    return (
        torch.from_numpy(foreground).float(),
        torch.from_numpy(known).float(),
        torch.from_numpy(centres).permute(0, 3, 1, 2),
        torch.from_numpy((KINDS[labels] < Kind.OTHER)[:, None]).float(),
    )
