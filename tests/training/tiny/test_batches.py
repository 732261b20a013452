"""The batches of a run are the same, whoever draws them and wherever it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from training.tiny.crops import CropBatch, CropBatches, CropFeed, CropSampler
from training.tiny.dataset import load_store

if TYPE_CHECKING:
    from pathlib import Path

    from training.tiny.config import RunConfig

STEPS = 4


@pytest.fixture
def batches(config: RunConfig, store: Path) -> CropBatches:
    scans = load_store(store, [scan.name for scan in config.scans])
    return CropBatches(CropSampler(scans, [1.0, 1.0], config.fit.crop), config.fit)


def same(first: CropBatch, second: CropBatch) -> bool:
    names = ("images", "labels", "centres", "complete")
    return first.step == second.step and all(
        torch.equal(getattr(first, name), getattr(second, name)) for name in names
    )


def test_workers_draw_what_would_be_drawn_without_them(batches: CropBatches) -> None:
    alone, ahead = CropFeed(batches, STEPS, 0), CropFeed(batches, STEPS, 2)
    for step in range(STEPS):
        first, second = alone.draw(step), ahead.draw(step)
        assert same(first, second)
        if first.prompted is not None and second.prompted is not None:
            assert torch.equal(first.prompted.parts, second.prompted.parts)


def test_a_run_that_goes_on_gets_the_batches_of_its_steps(batches: CropBatches) -> None:
    ahead = CropFeed(batches, STEPS, 1)
    later = [ahead.draw(step) for step in (2, 3)]
    first = ahead.draw(0)

    assert [batch.step for batch in later] == [2, 3]
    assert all(same(batch, batches[batch.step]) for batch in later)
    assert same(first, batches[0])


def test_votes_alone_come_first(batches: CropBatches, config: RunConfig) -> None:
    prompted = [batches[step].prompted for step in range(STEPS)]

    assert config.fit.dense_steps == 1
    assert prompted[0] is None
    for each in prompted[1:]:
        assert each is not None
        assert len(each.names) == config.fit.batch * config.fit.prompts_per_crop
