"""Regions on cubic cells, and the votes of three planes in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.intensity import Window
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.model.backends.base import ModelRecord, VotingBackend
from napari_spinalsam.model.backends.tiny import TinyBackend
from napari_spinalsam.model.networks.tiny import BONE, DISC
from napari_spinalsam.model.volumetric.voting import Region, gather_votes, sagittal_bone
from tests.model.balls import WINDOW, PromptedBalls, VotingBalls, ball, ball_volume
from tests.model.helpers import noise

if TYPE_CHECKING:
    from napari_spinalsam.model.networks.tiny import SpinalSamTiny

SPACING = (3.0, 0.7, 1.2)
SHAPE = (12, 50, 40)
GEOMETRY = Geometry.from_spacing(SHAPE, SPACING)
REGION_WINDOW = Window(level=0.5, width=1.0)


def region(low: tuple[float, ...], high: tuple[float, ...]) -> Region:
    return Region.around(GEOMETRY, low, high, pixel_mm=1.0)


def test_the_box_holds_both_positions() -> None:
    assert region((6, 7, 12), (12, 14, 24)).box == (
        slice(2, 5),
        slice(10, 21),
        slice(10, 21),
    )


def test_the_box_ends_with_the_volume() -> None:
    everything = tuple(slice(0, n) for n in SHAPE)
    assert region((-50, -50, -50), (900, 900, 900)).box == everything
    beyond = region((900, 900, 900), (950, 950, 950))
    assert beyond.shape == (1, 1, 1)


def test_cells_are_two_pixels_wide_and_fill_the_box() -> None:
    here = region((0, 0, 0), (900, 900, 900))
    assert here.cells == (18, 18, 24)
    assert here.cell_mm == pytest.approx(2.0, rel=0.05)
    assert here.cell_mm * here.cells == pytest.approx(np.array(SHAPE) * SPACING)


def test_positions_and_cells_agree_on_the_middle_of_a_voxel() -> None:
    here = region((6, 7, 12), (30, 30, 40))
    first_voxel = np.array([2 * 3.0, 10 * 0.7, 10 * 1.2])
    half_a_voxel = np.array(SPACING) / here.cell_mm / 2
    assert here.to_cells(first_voxel) == pytest.approx(half_a_voxel - 0.5)


def test_a_ramp_survives_the_way_to_pixels_and_back() -> None:
    data = np.indices(SHAPE)[1].astype(np.float32) / 49
    here = region((0, 0, 0), (900, 900, 900))
    image = here.image(Volume.from_geometry(data, GEOMETRY), REGION_WINDOW)
    assert image.shape == tuple(2 * n for n in here.cells)
    z, y, x = here.cells
    cells = image.numpy().reshape(z, 2, y, 2, x, 2).mean((1, 3, 5))
    back = here.to_voxels(cells, here.box)
    assert back.shape == SHAPE
    inside = slice(4, -4)
    np.testing.assert_allclose(back[:, inside], data[:, inside], atol=0.02)


def test_a_part_of_the_voxels_is_the_same_as_in_the_whole() -> None:
    here = region((3, 7, 6), (30, 30, 40))
    cells = np.random.default_rng(0).random(here.cells, np.float32)
    part = (slice(3, 6), slice(12, 30), slice(11, 20))
    whole = here.to_voxels(cells, here.box)
    inner = tuple(
        slice(a.start - b.start, a.stop - b.start)
        for a, b in zip(part, here.box, strict=True)
    )
    np.testing.assert_allclose(here.to_voxels(cells, part), whole[inner], atol=1e-5)


def test_the_voxels_of_cells_hold_them_with_room_and_end_with_the_region() -> None:
    here = region((0, 0, 0), (900, 900, 900))
    cells = (slice(4, 6), slice(0, 3), slice(20, 24))
    for axis, side in enumerate(here.voxels(cells)):
        low, high = cells[axis].start, cells[axis].stop
        edges = np.array([low, high]) * here.cell_mm[axis] / SPACING[axis] - 0.5
        assert 0 <= side.start <= max(edges[0], 0)
        assert side.stop - 1 >= min(edges[1], SHAPE[axis] - 1)
    assert here.voxels(cells)[1].start == 0
    assert here.voxels(cells)[2].stop == SHAPE[2]


def test_one_slice_is_a_region_too() -> None:
    thin = Geometry.from_spacing((1, 30, 30), (0.5, 1, 1))
    here = Region.around(thin, (0, 0, 0), (0, 29, 29), 1.0)
    assert here.cells == (1, 15, 15)
    values = np.ones(here.cells, np.float32)
    assert here.to_voxels(values, here.box).shape == (1, 30, 30)


CENTRE = (40.0, 24.0, 30.0)


@pytest.fixture
def backend(tiny: SpinalSamTiny, record: ModelRecord) -> TinyBackend:
    return TinyBackend(tiny, record, "cpu")


def test_every_bright_cell_votes_for_the_middle_of_its_ball() -> None:
    volume = ball_volume([CENTRE])
    region = Region.around(volume.geometry, (0, 0, 0), (900, 900, 900), 1.0)
    steps = gather_votes(VotingBalls(), volume, region, WINDOW)
    done = []
    while True:
        try:
            done.append(next(steps))
        except StopIteration as end:
            field = end.value
            break
    assert done == sorted(done)
    assert done[-1] == pytest.approx(1)
    bright = field.foreground > 0
    found = region.to_voxels(field.foreground, region.box) > 0
    assert (found == ball(CENTRE)).mean() > 0.98
    votes = field.centres[:, field.foreground == 6]
    np.testing.assert_allclose(votes.mean(1), CENTRE, atol=0.5)
    np.testing.assert_allclose(votes.std(1), 0, atol=0.5)
    assert bright.sum() * np.prod(region.cell_mm) == pytest.approx(3050, rel=0.15)


def test_a_sagittal_slice_shows_the_bone_in_its_middle() -> None:
    volume = ball_volume([CENTRE])
    inside = Region.around(volume.geometry, (0, 0, 27), (90, 90, 33), 1.0)
    outside = Region.around(volume.geometry, (0, 0, 3), (90, 90, 9), 1.0)
    assert sagittal_bone(VotingBalls(), volume, inside, WINDOW).any()
    assert not sagittal_bone(VotingBalls(), volume, outside, WINDOW).any()


def test_the_bundled_network_votes_and_a_prompted_one_need_not(
    backend: TinyBackend,
) -> None:
    assert isinstance(backend, VotingBackend)
    assert not isinstance(PromptedBalls(), VotingBackend)


@pytest.mark.parametrize("size", [(32, 48), (30, 42)])
def test_votes_are_those_of_the_embedding_as_row_and_column(
    backend: TinyBackend, size: tuple[int, int]
) -> None:
    images = noise(2, 3, *size)
    votes = backend.votes(images)
    rows, cols = size[0] // 2, size[1] // 2
    assert votes.foreground.shape == (2, rows, cols)
    assert votes.centres.shape == (2, 2, rows, cols)
    embedding = backend.encode(images[1], (backend.pixel_mm,) * 2).tensors
    x, y = embedding.centres[0, :, :rows, :cols]
    np.testing.assert_allclose(votes.centres[1, 0], y, atol=1e-4)
    np.testing.assert_allclose(votes.centres[1, 1], x, atol=1e-4)
    for logits, kind in ((votes.foreground, BONE), (votes.discs, DISC)):
        torch.testing.assert_close(
            torch.from_numpy(logits[1]),
            embedding.kinds[0, kind, :rows, :cols],
            atol=1e-4,
            rtol=0,
        )
