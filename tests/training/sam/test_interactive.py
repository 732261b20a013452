"""A real small SAM learns: first all that is trainable, then the decoder alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from training.common.distributed import Processes
from training.sam.fit import build_trainable, describe_parameters
from training.sam.interactive import InteractiveTask
from training.sam.sampler import SliceSampler
from training.slices.store import SliceStore

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from training.sam.config import SamConfig


def build(config: SamConfig, slices: Path, **feeding: int) -> InteractiveTask:
    store = SliceStore(slices)
    source = SliceSampler(store, store.keys("train"), batch=config.fit.batch, **feeding)
    processes = Processes(config.fit.mixed_precision)
    return InteractiveTask(build_trainable(config).network, config, source, processes)


def changed(config: SamConfig, part: str, **values: object) -> SamConfig:
    updated = getattr(config, part).model_copy(update=values)
    return config.model_copy(update={part: updated})


def weights(task: InteractiveTask) -> dict[str, Tensor]:
    return {name: each.clone() for name, each in task.network.state_dict().items()}


def moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    """Return the parts of which a bit differs."""
    names = (n for n in before if not torch.equal(before[n], after[n]))
    return {"lora" if "lora_" in name else name.split(".")[0] for name in names}


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def train_step(task: InteractiveTask, step: int) -> dict[str, float]:
    return task.train_step(task.source.draw(step), rng())


def test_loss_falls(sam_config: SamConfig, slices: Path) -> None:
    config = changed(sam_config, "rounds", later=2)
    task = build(changed(config, "fit", learning_rate=4e-3), slices)
    figures = [train_step(task, step) for step in range(20)]
    first, last = (
        np.mean([each["loss"] + each["loss_later"] for each in part])
        for part in (figures[:3], figures[-3:])
    )
    assert last < 0.8 * first


def test_frozen_parameters_stay_bit_for_bit(
    sam_config: SamConfig, slices: Path
) -> None:
    task = build(sam_config, slices)
    frozen = {
        n for n, each in task.network.named_parameters() if not each.requires_grad
    }
    before = weights(task)
    for step in range(2):
        train_step(task, step)
    after = weights(task)

    assert frozen
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert moved(before, after) == {"lora", "attention", "mask_decoder"}


def test_later_rounds_change_the_decoder_alone(
    sam_config: SamConfig, slices: Path
) -> None:
    task = build(sam_config, slices)
    store = SliceStore(slices)
    batch = [[store.read(key) for key in store.keys("train")[:2]]]
    start = weights(task)
    exercises, _, _ = task.first_round(batch, rng())
    # LoRA's second factor starts at zero, and so does the gate of CBAM: what is
    # before them moves from the second step on.
    middle = weights(task)
    assert {"lora", "attention", "mask_decoder"} == moved(start, middle)
    for alone in (False, True):
        task.later_round(exercises, alone, rng())
    assert moved(middle, weights(task)) == {"mask_decoder"}


def test_without_lora_and_cbam_only_the_decoder_is_trained(
    sam_config: SamConfig, slices: Path
) -> None:
    config = changed(changed(sam_config, "lora", rank=0), "cbam", use=False)
    task = build(changed(config, "rounds", later=0), slices)
    before = weights(task)
    train_step(task, 0)
    assert moved(before, weights(task)) == {"mask_decoder"}


def test_accumulated_passes_give_the_step_of_one_large_pass(
    sam_config: SamConfig, slices: Path
) -> None:
    store = SliceStore(slices)
    four = [store.read(key) for key in store.keys("train")[:4]]
    ends = []
    for passes in ([four], [four[:2], four[2:]]):
        task = build(sam_config, slices)
        task.first_round(passes, rng())
        ends.append(weights(task))
    for name, tensor in ends[0].items():
        torch.testing.assert_close(ends[1][name], tensor, atol=1e-4, rtol=1e-3)


def test_half_precision_learns_too(sam_config: SamConfig, slices: Path) -> None:
    task = build(changed(sam_config, "fit", mixed_precision="bf16"), slices)
    before = weights(task)
    figures = train_step(task, 0)
    assert np.isfinite(list(figures.values())).all()
    assert moved(before, weights(task)) == {"lora", "attention", "mask_decoder"}
    assert {p.dtype for p in task.network.parameters()} == {torch.float32}


def test_the_share_that_is_kept_is_told(sam_config: SamConfig) -> None:
    network = build_trainable(sam_config).network
    told = describe_parameters(network.parameter_counts())
    total = sum(p.numel() for p in network.parameters())
    free = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert f"{100 * (1 - free / total):.2f} % of the parameters are kept" in told
    # Two blocks, query and value, two factors of 2 x 32 numbers.
    assert f"{'lora':<16}{2 * 2 * 2 * 2 * 32:>14,}" in told


@pytest.mark.parametrize("processes", [1, 3])
def test_an_epoch_shows_every_slice_and_the_next_another_order(
    processes: int, slices: Path
) -> None:
    store = SliceStore(slices)
    keys = store.keys("train")
    feeds = [
        SliceSampler(store, keys, batch=2, accumulate=2, processes=processes, rank=rank)
        for rank in range(processes)
    ]
    steps = feeds[0].steps_per_epoch
    epochs = [
        [
            key
            for step in range(epoch * steps, (epoch + 1) * steps)
            for source in feeds
            for key in source.keys_of(step)
        ]
        for epoch in range(2)
    ]
    for epoch in epochs:
        assert set(epoch) == set(keys)
        assert len(epoch) < len(keys) + 4 * processes
    assert epochs[0] != epochs[1]
