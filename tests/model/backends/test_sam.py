from typing import Any

import numpy as np
import pytest
import torch

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.intensity import Window
from napari_spinalsam.core.prompts import PointPrompt, Polarity, SlicePrompts
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.model.backends.base import ModelRecord
from napari_spinalsam.model.backends.sam import (
    SamBackend,
    SamSliceEmbedding,
    image_size,
)
from napari_spinalsam.model.networks.sam import SpinalSam
from napari_spinalsam.model.session import SegmentationSession
from tests.model.helpers import noise, prompts

SPACING = (3.0, 0.7)


@pytest.fixture
def backend(network: SpinalSam, record: ModelRecord) -> SamBackend:
    return SamBackend(network, record, "cpu")


@pytest.fixture
def embedding(backend: SamBackend) -> SamSliceEmbedding:
    return backend.encode(noise(3, 20, 50), SPACING)


@pytest.mark.parametrize(
    ("shape", "spacing", "expected"),
    [
        ((64, 64), (1.0, 1.0), (64, 64)),
        ((20, 50), (3.0, 0.7), (64, 37)),
        ((512, 512), (0.5, 0.5), (64, 64)),
        ((10, 100), (1.0, 1.0), (6, 64)),
        ((1, 900), (1.0, 1.0), (1, 64)),
    ],
)
def test_longer_side_in_millimetres_fills_the_image(
    shape: tuple[int, int], spacing: tuple[float, float], expected: tuple[int, int]
) -> None:
    assert image_size(shape, spacing, 64) == expected


def test_pixels_of_the_image_are_square_and_centres_stay_centres() -> None:
    embedding = SamSliceEmbedding((20, 50), (64, 37), torch.zeros(1))
    corners = np.array([[-0.5, -0.5], [19.5, 49.5], [9.5, 24.5]])
    expected = [[-0.5, -0.5], [36.5, 63.5], [18.0, 31.5]]
    np.testing.assert_allclose(embedding.to_model(corners), expected, atol=1e-5)


def test_only_the_middle_slice_is_seen(backend: SamBackend) -> None:
    stack = noise(3, 20, 50)
    other = stack.copy()
    other[[0, 2]] = 0.0
    first, second = (backend.encode(each, SPACING).features for each in (stack, other))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    "given",
    [
        prompts((5, 6)),
        prompts((5, 6), (9, 30)),
        prompts(box=(2, 3, 15, 40)),
        prompts((5, 6), box=(2, 3, 15, 40)),
        prompts((5, 6)).with_point(PointPrompt(15, 2, Polarity.NEGATIVE)),
    ],
)
def test_any_prompt_gives_three_candidates_on_the_grid_of_the_slice(
    backend: SamBackend, embedding: SamSliceEmbedding, given: SlicePrompts
) -> None:
    masks, iou, logits = backend.decode(embedding, given, None)
    assert masks.shape == (3, 20, 50)
    assert masks.dtype == np.bool_
    assert iou.shape == (3,)
    assert iou.dtype == np.float32
    assert ((iou >= 0) & (iou <= 1)).all()
    assert logits.shape == (3, 16, 16)
    assert logits.dtype == np.float32


def test_every_candidate_can_be_refined(
    backend: SamBackend, embedding: SamSliceEmbedding
) -> None:
    given = prompts((5, 6))
    _, _, logits = backend.decode(embedding, given, None)
    _, _, again = backend.decode(embedding, given, logits[2])
    assert again.shape == logits.shape
    assert not np.allclose(again, logits)


def test_mask_input_of_another_model_is_refused(
    backend: SamBackend, embedding: SamSliceEmbedding
) -> None:
    with pytest.raises(InputError, match=r"\(8, 8\).*\(16, 16\)"):
        backend.decode(embedding, prompts((5, 6)), np.zeros((8, 8), np.float32))


def test_unambiguous_prompts_offer_the_single_mask_first(
    backend: SamBackend,
    embedding: SamSliceEmbedding,
    network: SpinalSam,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def drawn(*_: Any) -> tuple[torch.Tensor, torch.Tensor]:
        logits = torch.arange(4.0).view(1, 4, 1, 1).expand(1, 4, 16, 16)
        return logits, torch.tensor([[0.1, 0.2, 1.4, 0.3]])

    monkeypatch.setattr(network, "decode", drawn)
    _, iou, logits = backend.decode(embedding, prompts((5, 6)), None)
    np.testing.assert_array_equal(logits[:, 0, 0], [1, 2, 3])
    np.testing.assert_allclose(iou, [0.2, 1.0, 0.3])
    _, _, logits = backend.decode(embedding, prompts((5, 6), (7, 7)), None)
    np.testing.assert_array_equal(logits[:, 0, 0], [0, 2, 3])


@pytest.mark.parametrize("at", [(4.0, 14.0), (10.0, 36.0), (16.0, 25.0)])
def test_mask_lies_where_the_network_drew_it(
    backend: SamBackend,
    embedding: SamSliceEmbedding,
    network: SpinalSam,
    monkeypatch: pytest.MonkeyPatch,
    at: tuple[float, float],
) -> None:
    def around_the_point(
        _: torch.Tensor, points: tuple[torch.Tensor, torch.Tensor], *__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        x, y = points[0][0, 0] / 4 - 0.375  # from pixels to cells of four pixels
        rows, cols = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
        away = ((rows - y) ** 2 + (cols - x) ** 2).sqrt()
        return (2 - away).expand(1, 4, 16, 16), torch.full((1, 4), 0.5)

    monkeypatch.setattr(network, "decode", around_the_point)
    masks, _, _ = backend.decode(embedding, prompts(at), None)
    centre = np.argwhere(masks[0]).mean(0)
    np.testing.assert_allclose(centre, at, atol=1.0)
    assert masks[0][round(at[0]), round(at[1])]


def test_box_reaches_the_network_as_x_and_y(
    backend: SamBackend,
    embedding: SamSliceEmbedding,
    network: SpinalSam,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[torch.Tensor] = []

    def listening(*given: Any) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(given[2])
        return torch.zeros(1, 4, 16, 16), torch.zeros(1, 4)

    monkeypatch.setattr(network, "decode", listening)
    backend.decode(embedding, prompts(box=(-0.5, -0.5, 19.5, 49.5)), None)
    expected = torch.tensor([[-0.5, -0.5, 36.5, 63.5]])
    torch.testing.assert_close(seen[0], expected, atol=1e-4, rtol=0)


def test_lora_is_merged_for_serving(network: SpinalSam, record: ModelRecord) -> None:
    network.add_lora(2)
    SamBackend(network, record, "cpu")
    assert not network.has_lora


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_session_predicts_in_every_plane(
    backend: SamBackend, volume: Volume, window: Window, axis: int
) -> None:
    session = SegmentationSession(backend)
    session.set_volume(volume)
    plane = volume.geometry.plane(axis, 3)
    given = SlicePrompts(axis, 3, (PointPrompt(2, 2),))
    first = session.predict(plane, given, window=window)
    again = session.predict(
        plane, given, window=window, mask_input=first.low_res_logits[0]
    )
    assert first.masks.shape == again.masks.shape == (3, *plane.shape)
    assert again.encode_ms is None
