"""Scribbles, lassos and labels to correct, through both kinds of network."""

import numpy as np
import pytest
import torch
from scipy import ndimage as ndi

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.intensity import Window
from napari_spinalsam.core.prompts import (
    LassoPrompt,
    PointPrompt,
    Polarity,
    ScribblePrompt,
    SlicePrompts,
)
from napari_spinalsam.core.refinement import lasso_region, limit_of, signed_distance
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.model.backends.base import ModelRecord
from napari_spinalsam.model.backends.sam import SamBackend
from napari_spinalsam.model.backends.tiny import TinyBackend
from napari_spinalsam.model.networks.tiny import SpinalSamTiny, TinyConfig
from napari_spinalsam.model.session import SegmentationSession


@pytest.fixture(params=["tiny", "sam"])
def backend(request, record: ModelRecord) -> TinyBackend | SamBackend:
    if request.param == "sam":
        return SamBackend(request.getfixturevalue("network"), record, "cpu")
    torch.manual_seed(0)
    tiny = SpinalSamTiny(TinyConfig((8, 8, 8, 8), (1, 1, 1, 1), (8, 8, 8)))
    torch.nn.init.constant_(tiny.votes.bias, 3.0)  # all is foreground: no empty mask
    return TinyBackend(tiny, record, "cpu")


@pytest.fixture
def session(backend, volume: Volume) -> SegmentationSession:
    session = SegmentationSession(backend)
    session.set_volume(volume)
    return session


def test_logits_of_a_mask_mean_the_same_place_to_the_network(
    session: SegmentationSession, backend, volume: Volume, window: Window
) -> None:
    plane = volume.geometry.plane(0, 2)
    rows, cols = plane.shape
    mask = np.zeros(plane.shape, np.bool_)
    mask[rows // 2 :, : cols // 2] = True
    embedding, _ = session._embed(plane, window)
    low = backend.to_low_res(embedding, np.where(mask, 6, -6).astype(np.float32))
    answer = session.predict(
        plane, SlicePrompts(0, 2, (PointPrompt(3, 3),)), window=window
    )
    assert low.dtype == np.float32
    assert low.shape == answer.low_res_logits.shape[1:]
    # Both networks make the slice isotropic, in the upper left corner of their grid.
    extent = np.array(embedding.size) * low.shape[0] / _side(backend, low)
    top, left = (extent * (0.75, 0.25)).astype(int)
    assert low[top, left] == pytest.approx(6, abs=0.5)
    assert low[int(extent[0] * 0.25), left] == pytest.approx(-6, abs=0.5)
    assert low[top, int(extent[1] * 0.75)] == pytest.approx(-6, abs=0.5)


def _side(backend, low: np.ndarray) -> float:
    """Return the rows of the network's image that its logits cover."""
    return 2.0 * low.shape[0] if isinstance(backend, TinyBackend) else 64.0


def test_the_mask_stays_inside_of_the_lasso(
    session: SegmentationSession, volume: Volume, window: Window
) -> None:
    plane = volume.geometry.plane(1, 5)
    rows, cols = plane.shape
    outline = ((1.0, 2.0), (1.0, cols / 2), (rows - 2.0, cols / 2), (rows - 2.0, 2.0))
    asked = SlicePrompts(1, 5, lasso=LassoPrompt(outline))
    masks = session.predict(plane, asked, window=window).masks
    assert not (masks & ~limit_of(asked, plane)).any()
    region = lasso_region(LassoPrompt(outline), plane.shape)
    assert signed_distance(region, plane.spacing)[masks.any(0)].min() >= -1.0


def test_a_label_is_corrected_where_prompts_point_and_kept_elsewhere(
    session: SegmentationSession, volume: Volume, window: Window
) -> None:
    plane = volume.geometry.plane(0, 2)
    label = np.zeros(plane.shape, np.bool_)
    label[2:6, 2:6] = True
    erase = ScribblePrompt(((1.0, 1.0), (7.0, 7.0)), Polarity.NEGATIVE)
    asked = SlicePrompts(0, 2, scribbles=(erase,))
    with pytest.raises(InputError, match="no positive point"):
        session.predict(plane, asked, window=window)
    answer = session.predict(plane, asked, window=window, start=label)
    for mask in answer.masks:
        regions, count = ndi.label(mask != label)
        touched = {int(regions[at, at]) for at in range(1, 8)} - {0}
        assert touched == set(range(1, count + 1))
    again = session.predict(plane, asked, window=window, start=label)
    assert np.array_equal(answer.masks, again.masks)
