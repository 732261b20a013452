"""Several processes make the step of one that sees as many slices."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_spinalsam.model.weights.checkpoint import write_toy_sam
from training.common.checkpoints import CHECKPOINT
from training.common.config import save_config
from training.common.distributed import Processes
from training.common.paths import HERE
from training.sam.fit import build_trainable
from training.sam.interactive import InteractiveTask
from training.sam.sampler import SliceSampler
from training.slices.store import SliceStore

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from training.sam.config import SamConfig

PATIENCE_SECONDS = 60


@pytest.fixture
def whole(sam_config: SamConfig) -> SamConfig:
    """One step in which nothing but the slices depends on the process.

    Tight boxes around every structure, each as often as any other.
    """
    values = {"later": 0, "box_share": 1.0, "box_shift": 0, "masks_per_image": 6}
    rounds = sam_config.rounds.model_copy(update=values)
    fit = sam_config.fit.model_copy(update={"steps": 1})
    return sam_config.model_copy(update={"rounds": rounds, "fit": fit})


class Meeting:
    """Takes the tensors of two threads, and gives both the mean."""

    def __init__(self) -> None:
        self._brought: list[Tensor] = []
        self._all_here = Barrier(2)

    def reduce(self, tensor: Tensor, how: str) -> Tensor:
        assert how == "mean"
        self._brought.append(tensor)
        self._all_here.wait(PATIENCE_SECONDS)
        return torch.stack(self._brought).mean(0)


class OneOfTwo(Processes):
    """A process whose other one is a thread."""

    count = 2

    def __init__(self, meeting: Meeting) -> None:
        super().__init__()
        self._accelerator.reduce = meeting.reduce


def build(
    config: SamConfig, source: SliceSampler, processes: Processes
) -> InteractiveTask:
    return InteractiveTask(build_trainable(config).network, config, source, processes)


def gradients(task: InteractiveTask) -> list[Tensor]:
    """Make the first step, and return Adam's first means, a tenth of the gradients."""
    task.train_step(task.source.draw(0), np.random.default_rng(0))
    states = task.optimizer.state_dict()["state"]
    return [states[place]["exp_avg"] for place in sorted(states)]


def alone(config: SamConfig, slices: Path) -> list[Tensor]:
    store = SliceStore(slices)
    source = SliceSampler(store, store.keys("train"), batch=2 * config.fit.batch)
    return gradients(build(config, source, Processes()))


def assert_same(ones: list[Tensor], others: list[Tensor]) -> None:
    for one, other in zip(ones, others, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-3)


def test_two_that_average_their_gradients_make_one_step(
    whole: SamConfig, slices: Path
) -> None:
    store, meeting = SliceStore(slices), Meeting()
    feeds = [
        SliceSampler(store, store.keys("train"), batch=2, processes=2, rank=rank)
        for rank in range(2)
    ]
    tasks = [build(whole, source, OneOfTwo(meeting)) for source in feeds]
    with ThreadPoolExecutor(2) as threads:
        ends = list(threads.map(gradients, tasks))
    assert_same(*ends)
    assert_same(ends[0], alone(whole, slices))


@pytest.mark.heavy
def test_two_processes_of_accelerate_make_one_step(
    whole: SamConfig, slices: Path, tmp_path: Path
) -> None:
    write_toy_sam(tmp_path / "toy.safetensors")
    toy = {"family": "sam_toy", "base": str(tmp_path / "toy.safetensors")}
    whole = whole.model_copy(update=toy)
    save_config(whole, tmp_path / "two.yaml")
    line = [sys.executable, "-m", "accelerate.commands.launch", "--cpu"]
    line += ["--num_processes", "2", "-m", "training", "fit"]
    line += ["--config", str(tmp_path / "two.yaml"), "--store", str(slices)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*line, "--run", str(tmp_path / "two")], check=True, cwd=HERE.parent, env=env
    )
    state = torch.load(tmp_path / "two" / CHECKPOINT, weights_only=True)
    assert state["processes"] == 2
    states = state["optimizer"]["state"]
    both = [states[place]["exp_avg"] for place in sorted(states)]
    assert_same(both, alone(whole, slices))
