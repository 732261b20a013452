import numpy as np
import pytest
import torch

from napari_spinalsam.core.intensity import Window
from napari_spinalsam.core.prompts import PointPrompt, Polarity, SlicePrompts
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.model.backends.base import ModelRecord
from napari_spinalsam.model.backends.tiny import TinyBackend, TinySliceEmbedding
from napari_spinalsam.model.networks.tiny import (
    BONE,
    DISC,
    PromptBatch,
    SpinalSamTiny,
    TinyConfig,
    cell_centres,
    prompt_maps,
)
from napari_spinalsam.model.session import SegmentationSession
from tests.model.helpers import TINY_CONFIG, noise, prompts

SPACING = (3.0, 0.7)


@pytest.fixture
def backend(tiny: SpinalSamTiny, record: ModelRecord) -> TinyBackend:
    return TinyBackend(tiny, record, "cpu")


def no_box(count: int) -> torch.Tensor:
    return torch.full((count, 4), torch.nan)


def test_embedding_has_half_the_resolution(tiny: SpinalSamTiny) -> None:
    embedding = tiny.encode(torch.rand(2, 3, 32, 48))
    assert embedding.features.shape == (2, 8, 16, 24)
    assert embedding.kinds.shape == (2, 3, 16, 24)
    assert embedding.centres.shape == (2, 2, 16, 24)


def test_decoder_gives_three_candidates_for_each_prompt_set(
    tiny: SpinalSamTiny,
) -> None:
    embedding = tiny.encode(torch.rand(1, 3, 32, 48)).repeat(torch.tensor([0, 0]))
    batch = PromptBatch(torch.rand(2, 3, 2) * 30, torch.ones(2, 3), no_box(2))
    logits, iou = tiny.decode(embedding, batch)
    assert logits.shape == (2, 3, 16, 24)
    assert iou.shape == (2, 3)
    assert torch.isfinite(logits).all()


def test_padding_points_change_nothing(tiny: SpinalSamTiny) -> None:
    embedding = tiny.encode(torch.rand(1, 3, 32, 32))
    one = PromptBatch(torch.tensor([[[9.0, 9.0]]]), torch.tensor([[1]]), no_box(1))
    padded = PromptBatch(
        torch.tensor([[[9.0, 9.0], [20.0, 3.0]]]), torch.tensor([[1, -1]]), no_box(1)
    )
    torch.testing.assert_close(
        tiny.decode(embedding, one), tiny.decode(embedding, padded)
    )


def test_cell_centres_lie_between_their_pixels() -> None:
    centres = cell_centres(torch.zeros(1, 1, 3, 4))
    assert centres[0, :, 0, 0].tolist() == [0.5, 0.5]
    assert centres[0, :, 2, 3].tolist() == [6.5, 4.5]


def test_crop_counts_centres_from_its_corner(tiny: SpinalSamTiny) -> None:
    embedding = tiny.encode(torch.rand(1, 3, 32, 48))
    part = embedding.crop(slice(2, 10), slice(4, 12))
    moved = part.centres + torch.tensor([8.0, 4.0]).view(2, 1, 1)
    torch.testing.assert_close(moved, embedding.centres[:, :, 2:10, 4:12])


def test_attention_can_be_left_out() -> None:
    plain = SpinalSamTiny(TinyConfig((8, 8, 16, 16), (1, 1, 1, 1), (8, 8, 8), False))
    assert not [name for name in plain.state_dict() if name.startswith("attention")]


def test_untrained_attention_changes_nothing(tiny: SpinalSamTiny) -> None:
    image = torch.rand(1, 3, 32, 32)
    with_attention = tiny.encode(image).features
    tiny.attention = torch.nn.Identity()
    assert torch.equal(tiny.encode(image).features, with_attention)


def test_slice_is_seen_at_square_pixels_of_fixed_size(backend: TinyBackend) -> None:
    embedding = backend.encode(noise(3, 20, 50), SPACING)
    assert embedding.size == (72, 42)  # 60 x 35 mm
    assert embedding.tensors.features.shape[-2:] == (40, 24)


def test_very_large_slice_is_seen_coarser(
    backend: TinyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_spinalsam.model.backends.tiny.MAX_PIXELS", 48)
    assert backend.encode(noise(3, 60, 90), (1.0, 1.0)).size == (32, 48)


def test_pixel_centres_of_slice_and_image_agree(tiny: SpinalSamTiny) -> None:
    tensors = tiny.encode(torch.rand(1, 3, 64, 48))
    embedding = TinySliceEmbedding((20, 50), (60, 35), tensors)
    corners = np.array([[-0.5, -0.5], [19.5, 49.5]])
    expected = [[-0.5, -0.5], [34.5, 59.5]]
    np.testing.assert_allclose(embedding.to_model(corners), expected, atol=1e-5)
    assert embedding.nbytes == 4 * 32 * 24 * (8 + 3 + 2)


@pytest.mark.parametrize(
    "given",
    [
        prompts((5, 6)),
        prompts(box=(2, 3, 15, 40)),
        prompts((5, 6), box=(2, 3, 15, 40)),
        prompts((5, 6)).with_point(PointPrompt(15, 2, Polarity.NEGATIVE)),
    ],
)
def test_any_prompt_gives_candidates_on_the_grid_of_the_slice(
    backend: TinyBackend, given: SlicePrompts
) -> None:
    embedding = backend.encode(noise(3, 20, 50), SPACING)
    masks, iou, logits = backend.decode(embedding, given, None)
    assert masks.shape == (3, 20, 50)
    assert masks.dtype == np.bool_
    assert iou.shape == (3,)
    assert logits.shape == (3, 40, 24)
    again, _, _ = backend.decode(embedding, given, logits[1])
    assert again.shape == masks.shape


def test_decoder_looks_only_around_the_prompt_of_a_large_slice(
    backend: TinyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_spinalsam.model.backends.tiny.WINDOW_PIXELS", 32)
    monkeypatch.setattr("napari_spinalsam.model.backends.tiny.MARGIN_PIXELS", 8)
    embedding = backend.encode(noise(3, 96, 96), (1.0, 1.0))
    masks, _, logits = backend.decode(embedding, prompts((80, 80)), None)
    assert (logits[:, :30, :30] == -10).all()
    assert not masks[:, :60, :60].any()


@pytest.mark.parametrize("config", [TINY_CONFIG, TinyConfig()])
def test_session_predicts_with_every_size_of_the_network(
    config: TinyConfig, record: ModelRecord, volume: Volume, window: Window
) -> None:
    session = SegmentationSession(TinyBackend(SpinalSamTiny(config), record, "cpu"))
    session.set_volume(volume)
    plane = volume.geometry.plane(2, 3)
    given = SlicePrompts(2, 3, (PointPrompt(2, 20),))
    answer = session.predict(plane, given, window=window)
    assert answer.masks.shape == (3, *plane.shape)
    assert (np.diff(answer.predicted_iou) <= 0).all()


def test_the_first_point_says_what_is_meant_and_later_ones_do_not_turn_it() -> None:
    kinds = torch.full((1, 3, 16, 16), -4.0)
    kinds[:, BONE, :8] = 4.0
    kinds[:, DISC, 8:] = 4.0
    centres = torch.zeros(1, 2, 16, 16)
    centres[:, 1] = torch.where(torch.arange(16)[:, None] < 8, 8.0, 24.0)
    # One in the bone, two on the disc below that border.
    points = torch.tensor([[[16.0, 6.0], [10.0, 18.0], [20.0, 18.0]]])

    def prior(order: list[int]) -> torch.Tensor:
        labels = torch.ones(1, 3, dtype=torch.long)
        boxes = torch.full((1, 4), torch.nan)
        batch = PromptBatch(points[:, order], labels, boxes)
        return prompt_maps(kinds, centres, batch)[1][0, 2]

    bone_first, disc_first = prior([0, 1, 2]), prior([1, 2, 0])
    assert (bone_first[:8] > 0).all()
    assert (bone_first[8:] < 0).all()
    assert (disc_first[8:] > 0).all()
