"""Crops, batches and paintings repeat by their seed, as the network expects them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from training.tiny.crops import CropBatch, CropBatches, CropLoader, CropSampler
from training.tiny.dataset import load_store
from training.tiny.synthesis import paint_ct, paint_mr

if TYPE_CHECKING:
    from pathlib import Path

    from training.tiny.config import RunConfig

SIZE = 48
STEPS = 4


@pytest.fixture
def sampler(store: Path) -> CropSampler:
    return CropSampler(load_store(store, ["blocks", "painted"]), [1.0, 1.0], SIZE)


def test_the_same_seed_gives_the_same_crop(sampler: CropSampler) -> None:
    first, second, other = (
        sampler.draw(np.random.default_rng(seed)) for seed in (3, 3, 4)
    )

    assert torch.equal(first.image, second.image)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.centres, second.centres)
    assert not torch.equal(first.image, other.image)


def test_crops_have_the_size_and_range_of_the_network(sampler: CropSampler) -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        crop = sampler.draw(rng)
        assert crop.image.shape == (3, SIZE, SIZE)
        assert crop.image.dtype == torch.float32
        assert crop.image.min() >= 0
        assert crop.image.max() <= 1
        assert torch.isfinite(crop.image).all()
        assert crop.labels.shape == (SIZE, SIZE)
        assert set(np.unique(crop.labels)) <= {0, 20, 21, 22}
        assert crop.labels.any(), "a crop lies around a voxel of a structure"


def test_centres_land_inside_of_their_structures(sampler: CropSampler) -> None:
    """The blocks are convex: a centre in view lies on its block, if it is cut there."""
    rng = np.random.default_rng(1)
    checked = 0
    for _ in range(60):
        crop = sampler.draw(rng)
        for value in set(np.unique(crop.labels)) - {0}:
            mask = crop.labels == value
            # Cut by the border or grazed, the middle of what is seen lies elsewhere.
            edge = (
                mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
            )
            if edge or mask.sum() < 150:
                continue
            x, y = crop.centres[value].round().astype(int)
            # A tilted plane beside the middle sees a little less of the block.
            assert mask[max(y - 4, 0) : y + 5, max(x - 4, 0) : x + 5].any()
            checked += 1
    assert checked > 10


def test_weights_choose_the_scan(store: Path) -> None:
    scans = load_store(store, ["blocks", "painted"])
    only_image = CropSampler(scans, [1.0, 0.0], SIZE)
    rng = np.random.default_rng(0)
    contrast = []
    for crop in (only_image.draw(rng) for _ in range(30)):
        shown, bone = crop.image[1].numpy(), crop.labels > 0
        contrast.append(shown[bone].mean() - shown[~bone].mean())

    # Some are painted as MR, where bone may be dark.
    assert np.median(contrast) > 0


def test_painting_repeats_by_its_seed_and_shows_the_labels() -> None:
    labels = np.zeros((3, 64, 64), np.uint8)
    labels[:, 16:48, 20:44] = 22
    first, second = (paint_ct(labels, np.random.default_rng(5)) for _ in range(2))

    assert torch.equal(first, second)
    assert first.shape == (3, 64, 64)
    assert torch.isfinite(first).all()
    contrast = []
    for seed in range(20):
        image = paint_ct(labels, np.random.default_rng(seed))[1].numpy()
        bone = labels[1] > 0
        contrast.append(image[bone].mean() - image[~bone].mean())
    assert np.mean(contrast) > 100, "bone is brighter than what is around it"


def test_painted_neighbours_show_their_own_labels() -> None:
    labels = np.zeros((3, 64, 64), np.uint8)
    labels[1:, 16:48, 20:44] = 22
    bone = labels[1] > 0
    steps = []
    for seed in range(10):
        image = paint_ct(labels, np.random.default_rng(seed)).numpy()
        steps.append(image[2][bone].mean() - image[0][bone].mean())

    assert np.mean(steps) > 100, "bone begins behind the first slice"


def test_painted_neighbours_with_the_same_labels_differ_by_noise_alone() -> None:
    image = paint_ct(np.zeros((3, 64, 64), np.uint8), np.random.default_rng(0))
    difference = (image[0] - image[2]).numpy()

    assert 0 < difference.std() < 100
    assert abs(difference.mean()) < 5


def test_mr_has_any_contrast_and_tells_bodies_from_processes() -> None:
    labels = np.zeros((3, 64, 64), np.uint8)
    labels[:, 16:48, 20:44] = 22
    labels[:, 48:54, 20:44] = 122
    bodies = np.zeros(labels.shape[1:], np.bool_)
    bodies[16:36, 20:44] = True
    contrasts, inside = [], []
    for seed in range(20):
        image = paint_mr(labels, bodies, np.random.default_rng(seed))
        assert image.shape == (3, 64, 64)
        assert torch.isfinite(image).all()
        shown = image[1].numpy()
        bone, background = labels[1] == 22, labels[1] == 0
        contrasts.append(shown[bone].mean() - shown[background].mean())
        inside.append(abs(shown[20:32, 24:40].mean() - shown[40:44, 24:40].mean()))

    assert min(contrasts) < 0 < max(contrasts), "brighter here, darker there"
    assert max(inside) > 100


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
    alone, ahead = CropLoader(batches, STEPS, 0), CropLoader(batches, STEPS, 2)
    compared = 0
    for step in range(STEPS):
        first, second = alone.draw(step), ahead.draw(step)
        assert same(first, second)
        assert (first.prompted is None) == (second.prompted is None)
        if first.prompted is not None and second.prompted is not None:
            assert torch.equal(first.prompted.parts, second.prompted.parts)
            compared += 1
    assert compared


def test_a_run_that_goes_on_gets_the_batches_of_its_steps(batches: CropBatches) -> None:
    ahead = CropLoader(batches, STEPS, 1)
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
