"""Votes of the three planes meet on one grid, in millimetres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_spinalsam.model.backends.base import ModelRecord, VotingBackend
from napari_spinalsam.model.backends.tiny import TinyBackend
from napari_spinalsam.model.networks.tiny import BONE, DISC
from napari_spinalsam.model.volumetric.voting import Region, gather_votes, sagittal_bone
from tests.model.balls import WINDOW, PromptedBalls, VotingBalls, ball, ball_volume
from tests.model.helpers import noise

if TYPE_CHECKING:
    from napari_spinalsam.model.networks.tiny import SpinalSamTiny

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
