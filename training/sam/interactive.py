"""Interactive training of a SAM as in the paper: once all, then the decoder alone.

The first round encodes slices, answers a random point or box, and trains LoRA, CBAM and
the mask decoder. Later rounds take points from the error and the last mask, and train
the mask decoder on the embeddings as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from training.common.losses import IGNORED, dice_loss, focal_loss
from training.sam.prompt_simulation import Asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_spinalsam.model.networks.sam import SpinalSam
    from training.common.distributed import Processes
    from training.sam.config import SamConfig
    from training.sam.sampler import SliceSampler
    from training.slices.store import Slice

# Of SAM's four masks, those that answer a lone point, and those for all else: the ones
# that the plugin chooses from.
AMBIGUOUS, PLAIN = (1, 2, 3), (0, 1, 2, 3)


@dataclass(slots=True, eq=False)
class Exercise:
    """A slice on which K targets are asked for, and how far that has gone.

    Parameters
    ----------
    targets : ndarray of bool, shape (K, rows, cols)
        What the answers should be.
    known : ndarray of bool, shape (rows, cols)
        Pixels whose truth is known.
    asked : Asked
        The prompts of the next round.
    embedding : Tensor, shape (1, C, S/16, S/16)
        The slice as the first round embedded it, cut off from the gradient.
    """

    targets: NDArray[np.bool_]
    known: NDArray[np.bool_]
    asked: Asked
    embedding: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What came back for the K prompt sets of an exercise.

    Parameters
    ----------
    loss : Tensor
        Mean over the K.
    shown : ndarray of bool, shape (K, rows, cols)
        The masks that the plugin would show.
    logits : Tensor, shape (K, 1, S/4, S/4)
        Of these masks, cut off from the gradient.
    iou : float
        Mean true IoU of these masks.
    """

    loss: Tensor
    shown: NDArray[np.bool_]
    logits: Tensor
    iou: float


class InteractiveTask:
    """Trains what is not frozen of a SAM on slices.

    Parameters
    ----------
    network : SpinalSam
        On the device of the processes.
    config : SamConfig
        Rounds and weights of the loss.
    source : SliceSampler
        The slices.
    processes : Processes
        This one and the others.
    """

    columns = ("loss", "loss_later", "iou_first", "iou_last")

    def __init__(
        self,
        network: SpinalSam,
        config: SamConfig,
        source: SliceSampler,
        processes: Processes,
    ) -> None:
        self.network, self.source = network, source
        self._config, self._processes = config, processes
        trainable = [p for p in network.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(trainable, lr=config.fit.learning_rate)

    def train_step(
        self, passes: Sequence[Sequence[Slice]], rng: np.random.Generator
    ) -> dict[str, float]:
        """Make one round on new slices and all later ones, each a step of Adam."""
        self.network.train()
        exercises, loss, iou = self.first_round(passes, rng)
        later, last = [], iou
        rounds = self._config.rounds
        alone = set()
        if rounds.mask_only and rounds.later >= 3:
            alone = {int(rng.integers(1, rounds.later - 1)), rounds.later - 1}
        for turn in range(rounds.later):
            one, last = self.later_round(exercises, turn in alone, rng)
            later.append(one)
        return {
            "loss": loss,
            "loss_later": float(np.mean(later)) if later else loss,
            "iou_first": iou,
            "iou_last": last,
        }

    def first_round(
        self, passes: Sequence[Sequence[Slice]], rng: np.random.Generator
    ) -> tuple[list[Exercise], float, float]:
        """Ask for the first time and train all that is not frozen.

        Returns
        -------
        exercises : list of Exercise
            With the prompts of the next round.
        loss, iou : float
            Means over the slices.
        """
        done: list[tuple[Exercise, Answer]] = []
        count = sum(len(slices) for slices in passes)
        for slices in passes:
            exercises = [self._begin(each, rng) for each in slices]
            embeddings = self._encode(slices)
            for exercise, embedding in zip(exercises, embeddings, strict=True):
                exercise.embedding = embedding[None].detach()
            answers = [
                self._answer(exercise, embedding[None], exercise.asked)
                for exercise, embedding in zip(exercises, embeddings, strict=True)
            ]
            torch.stack([answer.loss for answer in answers]).sum().div(count).backward()
            done += zip(exercises, answers, strict=True)
        return [each for each, _ in done], *self._finish(done, rng)

    def later_round(
        self, exercises: Sequence[Exercise], mask_alone: bool, rng: np.random.Generator
    ) -> tuple[float, float]:
        """Ask again and train the mask decoder alone.

        Parameters
        ----------
        exercises : sequence of Exercise
            With prompts; they get those of the next round.
        mask_alone : bool
            Whether the last mask is all that is shown.
        rng : numpy.random.Generator
            Source of every choice.

        Returns
        -------
        loss, iou : float
            Means over the slices.
        """
        done = []
        for exercise in exercises:
            asked = exercise.asked.mask_alone() if mask_alone else exercise.asked
            answer = self._answer(exercise, exercise.embedding, asked)
            (answer.loss / len(exercises)).backward()
            done.append((exercise, answer))
        return self._finish(done, rng)

    def _begin(self, piece: Slice, rng: np.random.Generator) -> Exercise:
        chosen = rng.permutation(piece.row.targets)
        count = self._config.rounds.masks_per_image
        chosen = np.resize(chosen, count)
        targets = piece.labels == chosen[:, None, None]
        asked = Asked.first(targets, self._config.rounds, rng)
        return Exercise(targets, piece.labels != IGNORED, asked)

    def _encode(self, slices: Sequence[Slice]) -> Tensor:
        images = [
            self.network.preprocess(
                torch.from_numpy(each.image)
                .to(self._processes.device, torch.float32)
                .expand(1, 3, -1, -1)
            )
            for each in slices
        ]
        with self._processes.autocast():
            embeddings = self.network.encode(torch.cat(images))
        return embeddings.float()

    def _answer(
        self, exercise: Exercise, embedding: Tensor | None, asked: Asked
    ) -> Answer:
        device = self._processes.device
        points = boxes = None
        if asked.points is not None and asked.labels is not None:
            points = (
                torch.from_numpy(asked.points).to(device),
                torch.from_numpy(asked.labels).to(device),
            )
        if asked.boxes is not None:
            boxes = torch.from_numpy(asked.boxes).to(device)
        logits, predicted = self.network.decode(
            embedding,  # type: ignore[arg-type]
            points,
            boxes,
            asked.mask_input,
        )
        candidates = list(AMBIGUOUS if asked.is_ambiguous else PLAIN)
        return self._judge(exercise, logits[:, candidates], predicted[:, candidates])

    def _judge(self, exercise: Exercise, logits: Tensor, predicted: Tensor) -> Answer:
        """Weigh candidates (K, n, S/4, S/4); the most trusted gets the mask loss."""
        fit, side = self._config.fit, self.network.image_size
        rows, cols = exercise.known.shape
        device = logits.device
        target = torch.from_numpy(exercise.targets).to(device, torch.float32)
        known = torch.from_numpy(exercise.known).to(device, torch.float32)
        known = known.expand_as(target)
        every = F.interpolate(
            logits, (side, side), mode="bilinear", align_corners=False
        )
        every = every[:, :, :rows, :cols]
        best = predicted.detach().argmax(1)
        which = torch.arange(len(best), device=device)
        chosen = every[which, best]
        true = _iou(every.detach() > 0, target[:, None] > 0, known[:, None] > 0)
        loss = (
            fit.focal_weight * focal_loss(chosen, target, known)
            + fit.dice_weight * dice_loss(chosen, target, known)
            + fit.iou_weight * (predicted - true).pow(2).mean(1)
        ).mean()
        return Answer(
            loss,
            (chosen.detach() > 0).cpu().numpy(),
            logits.detach()[which, best][:, None],
            float(true[which, best].mean()),
        )

    def _finish(
        self, done: Sequence[tuple[Exercise, Answer]], rng: np.random.Generator
    ) -> tuple[float, float]:
        """Make the step, and choose the prompts of the next round."""
        loss = torch.stack([answer.loss.detach() for _, answer in done]).mean()
        self._processes.step(self.optimizer, loss)
        for exercise, answer in done:
            exercise.asked = exercise.asked.corrected(
                answer.shown,
                exercise.targets,
                exercise.known,
                answer.logits,
                self._config.rounds,
                rng,
            )
        return loss.item(), float(np.mean([answer.iou for _, answer in done]))


def _iou(masks: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Return the IoU of masks (K, n, rows, cols) with (K, 1, rows, cols), (K, n)."""
    overlap = (masks & target & known).flatten(2).sum(-1)
    union = ((masks | target) & known).flatten(2).sum(-1)
    return overlap / union.clamp(min=1)
