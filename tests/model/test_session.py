from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.intensity import Window
from napari_spinalsam.core.prompts import PointPrompt, Polarity, SlicePrompts
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.model.backends.base import ModelRecord, pick_device
from napari_spinalsam.model.session import SegmentationSession, embedding_cache
from tests.model.helpers import SPACING, prompts


@dataclass(frozen=True)
class Stack:
    stack: Any
    spacing: tuple[float, float]

    @property
    def nbytes(self) -> int:
        return int(self.stack.nbytes)


@dataclass
class ListeningBackend:
    """Notes what it is asked; candidate 1 is trusted most."""

    record: ModelRecord = field(
        default_factory=lambda: ModelRecord(ModelIdentity("", "fake"), "none", "", 0)
    )
    device: str = "cpu"
    encoded: list[Stack] = field(default_factory=list)
    mask_inputs: list[Any] = field(default_factory=list)

    def encode(self, stack: Any, spacing: tuple[float, float]) -> Stack:
        self.encoded.append(Stack(stack, spacing))
        return self.encoded[-1]

    def decode(self, embedding: Stack, given: SlicePrompts, mask_input: Any) -> Any:
        self.mask_inputs.append(mask_input)
        shape = embedding.stack.shape[1:]
        masks = np.zeros((3, *shape), bool)
        for i in range(3):
            masks[i, i] = True
        logits = np.arange(3, dtype=np.float32)[:, None, None] * np.ones((3, 4, 4))
        return masks, np.array([0.2, 0.9, 0.5], np.float32), logits.astype(np.float32)


@pytest.fixture
def backend() -> ListeningBackend:
    return ListeningBackend()


@pytest.fixture
def session(backend: ListeningBackend, volume: Volume) -> SegmentationSession:
    session = SegmentationSession(backend)
    session.set_volume(volume)
    return session


def predict(session: SegmentationSession, window: Window, **options: Any) -> Any:
    assert session.volume is not None
    plane = session.volume.geometry.plane(0, 2)
    return session.predict(plane, prompts((5, 6)), window=window, **options)


def test_slice_is_encoded_once_for_many_prompts(
    session: SegmentationSession, backend: ListeningBackend, window: Window
) -> None:
    first, second = predict(session, window), predict(session, window)
    assert len(backend.encoded) == 1
    assert first.encode_ms is not None
    assert second.encode_ms is None


def test_another_window_is_another_embedding(
    session: SegmentationSession, backend: ListeningBackend, window: Window
) -> None:
    predict(session, window)
    predict(session, replace(window, width=0.5))
    assert len(backend.encoded) == 2


def test_another_volume_forgets_the_embeddings(
    session: SegmentationSession, volume: Volume, window: Window
) -> None:
    session.encode(0, 2, window)
    assert session.is_encoded(0, 2, window)
    session.set_volume(volume)
    assert session.is_encoded(0, 2, window)
    session.set_volume(replace(volume, name="another"))
    assert not session.is_encoded(0, 2, window)


def test_candidates_come_by_predicted_iou_with_their_logits(
    session: SegmentationSession, window: Window
) -> None:
    answer = predict(session, window)
    np.testing.assert_allclose(answer.predicted_iou, [0.9, 0.5, 0.2])
    np.testing.assert_array_equal(answer.low_res_logits[:, 0, 0], [1, 2, 0])
    assert [int(np.flatnonzero(mask.any(1))[0]) for mask in answer.masks] == [1, 2, 0]


def test_mask_input_reaches_the_network(
    session: SegmentationSession, backend: ListeningBackend, window: Window
) -> None:
    logits = predict(session, window).low_res_logits[0]
    predict(session, window, mask_input=logits)
    assert backend.mask_inputs[-1] is logits


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_stack_is_windowed_and_has_the_spacing_of_its_plane(
    session: SegmentationSession,
    backend: ListeningBackend,
    volume: Volume,
    axis: int,
) -> None:
    session.encode(axis, 3, Window(level=0.5, width=0.2))
    stack = backend.encoded[0].stack
    plane = volume.geometry.plane(axis, 3)
    assert stack.shape == (3, *plane.shape)
    assert backend.encoded[0].spacing == pytest.approx(plane.spacing)
    expected = np.clip((plane.take(volume.data) - 0.4) / 0.2, 0, 1)
    np.testing.assert_allclose(stack[1], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("axis", "index", "neighbours"),
    [
        (0, 2, (1, 3)),
        (1, 10, (8, 12)),
        (2, 10, (6, 14)),
        (0, 0, (0, 1)),
        (0, 5, (4, 5)),
    ],
)
def test_neighbours_are_taken_at_a_distance_in_millimetres(
    session: SegmentationSession,
    backend: ListeningBackend,
    volume: Volume,
    axis: int,
    index: int,
    neighbours: tuple[int, int],
) -> None:
    assert volume.geometry.spacing == pytest.approx(SPACING)
    session.encode(axis, index, Window(level=0.5, width=1.0))
    stack = backend.encoded[0].stack
    for place, at in zip((0, 2), neighbours, strict=True):
        expected = volume.geometry.plane(axis, at).take(volume.data)
        np.testing.assert_allclose(stack[place], expected, atol=1e-5)


def test_prompts_that_ask_for_nothing_are_refused(
    session: SegmentationSession, volume: Volume, window: Window
) -> None:
    negative = SlicePrompts(0, 2, (PointPrompt(1, 1, Polarity.NEGATIVE),))
    with pytest.raises(InputError, match="no positive point and no box"):
        session.predict(volume.geometry.plane(0, 2), negative, window=window)


def test_prompt_outside_of_the_slice_is_refused_before_encoding(
    session: SegmentationSession,
    backend: ListeningBackend,
    volume: Volume,
    window: Window,
) -> None:
    plane = volume.geometry.plane(0, 2)
    with pytest.raises(InputError, match="outside"):
        session.predict(plane, prompts((5, 50)), window=window)
    assert not backend.encoded


def test_session_without_a_volume_says_so(
    backend: ListeningBackend, window: Window
) -> None:
    with pytest.raises(InputError, match="no image"):
        SegmentationSession(backend).encode(0, 0, window)


def test_unknown_device_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"'tpu'.*auto, cpu, cuda, mps"):
        pick_device("tpu")


def test_absent_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match="'cuda' is not available"):
        pick_device("cuda")
    assert pick_device("cpu") == "cpu"


@dataclass(frozen=True)
class Bytes:
    nbytes: int


def test_least_recently_used_leaves_first() -> None:
    cache = embedding_cache(20)
    cache["a"] = Bytes(10)
    cache["b"] = Bytes(10)
    cache.get("a")
    cache["c"] = Bytes(10)
    assert cache.get("b") is None
    assert cache.get("a") is not None
    assert cache.get("c") is not None


def test_newest_stays_even_above_the_budget() -> None:
    cache = embedding_cache(5)
    cache["a"] = Bytes(3)
    cache["b"] = Bytes(50)
    assert len(cache) == 1
    assert cache.get("b") == Bytes(50)


def test_replacing_an_entry_counts_its_bytes_once() -> None:
    cache = embedding_cache(20)
    for _ in range(5):
        cache["a"] = Bytes(10)
    cache["b"] = Bytes(10)
    assert len(cache) == 2


def test_cleared_cache_is_empty_and_usable() -> None:
    cache = embedding_cache(20)
    cache["a"] = Bytes(15)
    cache.clear()
    assert len(cache) == 0
    cache["b"] = Bytes(15)
    assert cache.get("b") is not None
