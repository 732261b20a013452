"""The loop of a run: steps, log, checkpoints, and going on exactly after a kill.

Nothing random is kept in a checkpoint, for nothing random goes from one step into the
next: each step of each process seeds its own generators, and the slices of a step
follow from its number.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from time import perf_counter
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
import torch

from napari_spinalsam.core.errors import InputError, ModelError
from training.common.checkpoints import CHECKPOINT, read_state, trained, write_state
from training.common.config import save_config
from training.common.logger import Journal, plot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydantic import BaseModel
    from torch import nn

    from training.common.distributed import Processes

logger = logging.getLogger(__name__)

# Share of a step's time that went to waiting for its slices.
LOADING = "loading"
Batch = TypeVar("Batch")
Dealt = TypeVar("Dealt", covariant=True)


class BatchSource(Protocol[Dealt]):
    """What deals out the slices of each step."""

    def draw(self, step: int) -> Dealt:
        """Return the slices of a step, counted from 0; the same ones each time."""
        ...


class Task(Protocol[Batch]):
    """What a loop trains."""

    @property
    def columns(self) -> Sequence[str]:
        """Names of the figures of a step."""
        ...

    @property
    def network(self) -> nn.Module:
        """What is trained; frozen parameters are not written to checkpoints."""
        ...

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """What makes the steps."""
        ...

    @property
    def source(self) -> BatchSource[Batch]:
        """What deals out the slices of each step."""
        ...

    def train_step(self, batch: Batch, rng: np.random.Generator) -> dict[str, float]:
        """Make one step on slices and return its figures, of which one is the loss.

        Raises
        ------
        FloatingPointError
            If the loss or a gradient is not a number; the weights stay.
        """
        ...


class Loop(Generic[Batch]):
    """Trains a task in the folder of a run.

    Parameters
    ----------
    task : Task
        Network and optimiser; what is frozen is not written.
    processes : Processes
        This one and the others.
    config : BaseModel
        Written beside the checkpoint; another one does not go on with it.
    run : Path
        Folder of the run.
    steps, checkpoint_every, log_every, seed : int
        Steps in all, between checkpoints and between rows of the log; seed.
    tensorboard : bool
        Whether figures are written for TensorBoard as well.
    """

    def __init__(
        self,
        task: Task[Batch],
        processes: Processes,
        config: BaseModel,
        run: Path,
        *,
        steps: int,
        checkpoint_every: int,
        log_every: int,
        seed: int,
        tensorboard: bool = False,
    ) -> None:
        self.task, self.processes, self.run = task, processes, run
        self._config, self.steps, self._seed = config, steps, seed
        self._checkpoint_every, self._log_every = checkpoint_every, log_every
        self._tensorboard = tensorboard
        self.step = 0
        self._seconds = self._loading_seconds = 0.0

    @property
    def checkpoint(self) -> Path:
        """The file that a killed run goes on from."""
        return self.run / CHECKPOINT

    def resume(self) -> bool:
        """Take up the last checkpoint, if there is one.

        Raises
        ------
        ModelError
            If it is damaged, of another configuration, or of another number of
            processes, which would see other slices.
        """
        if not self.checkpoint.exists():
            return False
        state = read_state(self.checkpoint)
        if state["config"] != self._config.model_dump_json():
            raise ModelError(
                f"{self.checkpoint} was made with another configuration: give the run "
                "a folder of its own, or use the configuration beside it."
            )
        if state["processes"] != self.processes.count:
            raise ModelError(
                f"{self.checkpoint} was made by {state['processes']} processes and "
                f"there are {self.processes.count}: go on with as many."
            )
        take_trained(self.task.network, state["trained"])
        self.task.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        return True

    def save(self) -> None:
        """Write the checkpoint, by the first process; a kill leaves the old one."""
        if self.processes.is_first:
            self.run.mkdir(parents=True, exist_ok=True)
            state = {
                "config": self._config.model_dump_json(),
                "trained": trained(self.task.network),
                "optimizer": self.task.optimizer.state_dict(),
                "step": self.step,
                "processes": self.processes.count,
            }
            write_state(state, self.checkpoint)
        self.processes.wait()

    def fit(self) -> None:
        """Run all steps that are left.

        Raises
        ------
        ModelError
            If the loss stops being a number; the last checkpoint stays.
        """
        if self.processes.is_first:
            self.run.mkdir(parents=True, exist_ok=True)
        if self.step and self.processes.is_first:
            logger.info("going on after step %d of %d", self.step, self.steps)
        with ExitStack() as stack:
            note = self._open_log(stack)
            while self.step < self.steps:
                note(self.step + 1, self._one_step())
                self.step += 1
                if self.step % self._checkpoint_every == 0:
                    self.save()
        self.save()
        if self.processes.is_first:
            plot(self.run)
            self._tell_loading()

    def _one_step(self) -> dict[str, float]:
        rng = np.random.default_rng([self._seed, self.step, self.processes.rank])
        torch.manual_seed(int(rng.integers(2**62)))
        began = perf_counter()
        batch = self.task.source.draw(self.step)
        loading = perf_counter() - began
        try:
            figures = self.task.train_step(batch, rng)
        except FloatingPointError:
            raise ModelError(
                f"The loss is not a number at step {self.step + 1}: train in another "
                f"folder with a lower learning rate; {self.checkpoint} stays as it was."
            ) from None
        seconds = perf_counter() - began
        self._seconds += seconds
        self._loading_seconds += loading
        return figures | {LOADING: loading / seconds}

    def _tell_loading(self) -> None:
        if self._seconds:
            logger.info(
                "%.1f %% of the time of a step went to waiting for slices",
                100 * self._loading_seconds / self._seconds,
            )

    def _open_log(self, stack: ExitStack) -> Any:
        """Return what takes the figures of a step; nothing but in the first process."""
        if not self.processes.is_first:
            return _forget
        save_config(self._config, self.run / "config.yaml")
        journal = stack.enter_context(
            Journal(
                self.run,
                self.step,
                self.steps,
                self._log_every,
                (*self.task.columns, LOADING),
            )
        )
        if not self._tensorboard:
            return journal.note
        board = stack.enter_context(open_board(self.run))

        def note(step: int, figures: Mapping[str, float]) -> None:
            journal.note(step, figures)
            for name, value in figures.items():
                board.add_scalar(name, value, step)

        return note


def take_trained(network: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put what `trained` returned into a network of the same kind.

    Raises
    ------
    ModelError
        If the names differ.
    """
    if tensors.keys() != trained(network).keys():
        raise ModelError(
            "The checkpoint holds other parts than the network that is trained: use "
            "the configuration beside it."
        )
    network.load_state_dict(tensors, strict=False)


def open_board(run: Path) -> Any:
    """Open a writer for TensorBoard.

    Raises
    ------
    InputError
        If TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "The configuration asks for TensorBoard, which is not installed: run "
            "`pip install tensorboard`, or set tensorboard to false."
        ) from None
    return SummaryWriter(run / "tensorboard")


def _forget(step: int, figures: Mapping[str, float]) -> None:
    """Take figures of a process that does not write."""
