"""What the network should answer for crops: dense votes, and masks of prompts.

Worker processes sample what takes thought (`PromptedCrops.sample`); everything that
follows from the labels is made from them on the device that trains.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_spinalsam.model.networks.tiny import EMBEDDING_STRIDE, PromptBatch
from training.common.losses import IGNORED
from training.common.prompts import sample_prompt
from training.tiny.dataset import KINDS, VOTED, Kind, choose

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from training.tiny.crops import Crop

SMALLEST_TARGET = 60
# How often a box is drawn around the body of a vertebra alone, where it is known.
BODY_BOX = 0.4
_KINDS = torch.from_numpy(KINDS)


@dataclass(frozen=True, slots=True, eq=False)
class PromptedCrops:
    """P prompts on a batch of crops, and what each means.

    Parameters
    ----------
    image_index : Tensor of int64, shape (P,)
        Place of each prompt's crop in the batch.
    names : Tensor of int64, shape (P,)
        Label of the structure that is prompted.
    prompts : PromptBatch
        The prompts.
    parts : Tensor of uint8, shape (P, H, W)
        Number of the separate part of what may be meant, from 1 up; zero elsewhere.
    chosen : Tensor of bool, shape (P, MAX_PARTS + 1)
        Which parts are meant: all for a box, those that hold a point for clicks.
    grows : Tensor of bool, shape (P,)
        Whether another click adds the part that it hits, as it does without a box.
    """

    image_index: Tensor
    names: Tensor
    prompts: PromptBatch
    parts: Tensor
    chosen: Tensor
    grows: Tensor

    @classmethod
    def sample(
        cls, crops: list[Crop], count: int, rng: np.random.Generator
    ) -> PromptedCrops | None:
        """Draw prompts for the structures of crops; None if all are too small.

        Parameters
        ----------
        crops : list of Crop
            The batch.
        count : int
            Prompts a crop, more of some where others show nothing.
        rng : numpy.random.Generator
            Source of every choice.
        """
        shown = []
        for crop in crops:
            areas = np.bincount(crop.labels.ravel(), minlength=256)
            shown.append(
                np.flatnonzero((areas >= SMALLEST_TARGET) & (KINDS < Kind.OTHER))
            )
        fit = [number for number, names in enumerate(shown) if len(names)]
        if not fit:
            return None
        # Always as many, so that a GPU meets one shape of batch.
        index = [fit[n % len(fit)] for n in range(count * len(crops))]
        named, drawn = [], []
        for number in index:
            name = choose(shown[number], rng)
            whole = crops[number].labels == name
            body = _body(whole, crops[number], rng)
            named.append(name)
            drawn.append(sample_prompt(whole, rng, body=body))
        boxes = np.stack([prompt.box for prompt in drawn])
        return cls(
            torch.tensor(index),
            torch.tensor(named),
            PromptBatch(
                torch.from_numpy(np.stack([prompt.points for prompt in drawn])),
                torch.from_numpy(np.stack([prompt.labels for prompt in drawn])),
                torch.from_numpy(boxes),
            ),
            torch.from_numpy(np.stack([prompt.parts for prompt in drawn])),
            torch.from_numpy(np.stack([prompt.chosen for prompt in drawn])),
            torch.from_numpy(np.isnan(boxes).any(1)),
        )

    @property
    def meant(self) -> Tensor:
        """The pixels that each prompt means, bool, shape (P, H, W)."""
        flat = self.parts.flatten(1).long()
        return self.chosen.gather(1, flat).view_as(self.parts)

    def targets(self, labels: Tensor, complete: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the candidates should be, and which of their pixels count.

        Parameters
        ----------
        labels : Tensor of uint8, shape (B, H, W)
            Of the crops.
        complete : Tensor of bool, shape (B, 3)
            Which kinds are labelled wherever they are seen.

        Returns
        -------
        targets : Tensor of 0 and 1, shape (P, 3, H, W)
            What was meant, the whole structure, all structures of its kind.
        known : Tensor of 0 and 1, shape (P, 3, H, W)
            Unlabelled bone is no part of the structure that was meant, but may well
            be of its kind.
        """
        here = labels[self.image_index].long()
        kinds = _KINDS.to(here.device).long()
        kind = kinds[self.names]
        whole = here == self.names[:, None, None]
        alike = kinds[here] == kind[:, None, None]
        every = complete[self.image_index].gather(1, kind[:, None])[..., None]
        counts = (here != IGNORED) & (every | (here > 0))
        everywhere = torch.ones_like(counts)
        return (
            torch.stack([self.meant, whole, alike], dim=1).float(),
            torch.stack([everywhere, everywhere, counts], dim=1).float(),
        )

    def some(self, keep: slice) -> PromptedCrops:
        """Return some of the prompts."""
        return PromptedCrops(
            self.image_index[keep],
            self.names[keep],
            PromptBatch(
                self.prompts.point_coords[keep],
                self.prompts.point_labels[keep],
                self.prompts.boxes[keep],
            ),
            self.parts[keep],
            self.chosen[keep],
            self.grows[keep],
        )

    def to(self, device: torch.device) -> PromptedCrops:
        """Return the same on a device."""
        prompts = PromptBatch(
            self.prompts.point_coords.to(device, non_blocking=True),
            self.prompts.point_labels.to(device, non_blocking=True),
            self.prompts.boxes.to(device, non_blocking=True),
        )
        return replace(
            self,
            image_index=self.image_index.to(device, non_blocking=True),
            names=self.names.to(device, non_blocking=True),
            prompts=prompts,
            parts=self.parts.to(device, non_blocking=True),
            chosen=self.chosen.to(device, non_blocking=True),
            grows=self.grows.to(device, non_blocking=True),
        )


def _body(
    whole: NDArray[np.bool_], crop: Crop, rng: np.random.Generator
) -> NDArray[np.bool_] | None:
    """Return the body of a vertebra where a box may be meant for it alone."""
    if crop.bodies is None or rng.random() >= BODY_BOX:
        return None
    body = whole & crop.bodies
    return body if np.count_nonzero(body) >= SMALLEST_TARGET else None


def complete_kinds(crop: Crop) -> list[bool]:
    """Return which of bone, discs and canal are labelled wherever they are seen."""
    named = {Kind[name.upper()] for name in crop.complete}
    return [kind is Kind.BONE or kind in named for kind in VOTED]


def dense_targets(
    labels: Tensor, centres: Tensor, complete: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what the votes should be, for `dense_loss`.

    Parameters
    ----------
    labels : Tensor of uint8, shape (B, H, W)
        Of the crops.
    centres : Tensor, shape (B, 256, 2)
        In-plane centre (x, y) of each structure.
    complete : Tensor of bool, shape (B, 3)
        Which kinds are labelled wherever they are seen.

    Returns
    -------
    foreground : Tensor of 0 and 1, shape (B, 3, H, W)
        Pixels of bone, discs and canal.
    known : Tensor of 0 and 1, shape (B, 3, H, W)
        Pixels that count for each of them.
    centres : Tensor, shape (B, 2, H/2, W/2)
        Centre (x, y) of the structure of each cell.
    voting : Tensor of 0 and 1, shape (B, 1, H/2, W/2)
        Cells of any structure.
    """
    names = labels.long()
    kinds = _KINDS.to(labels.device)[names]
    foreground = torch.stack([kinds == int(kind) for kind in VOTED], dim=1)
    seen = (names != IGNORED)[:, None]
    known = seen & (complete[:, :, None, None] | (names > 0)[:, None])
    cells = slice(None, None, EMBEDDING_STRIDE)
    named, kinds = names[:, cells, cells], kinds[:, cells, cells]
    batch = torch.arange(len(labels), device=labels.device)[:, None, None]
    aims = centres[batch, named].permute(0, 3, 1, 2)
    # The canal has no middle in a slice: its pixels vote for where they are.
    rows, cols = (torch.arange(0, n, EMBEDDING_STRIDE) for n in labels.shape[1:])
    y, x = torch.meshgrid(rows, cols, indexing="ij")
    here = torch.stack([x, y]).to(aims)
    canal = (kinds == int(Kind.CANAL))[:, None]
    return (
        foreground.float(),
        known.float(),
        torch.where(canal, here, aims),
        (kinds < int(Kind.OTHER))[:, None].float(),
    )
