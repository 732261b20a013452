"""Thousands of operations in any order: nothing fails, nothing is lost."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.headless import DirectPrediction
from napari_spinalsam.annotation.label_edits import JobStart
from napari_spinalsam.annotation.provenance import (
    MaskWritten,
    events_of,
)
from napari_spinalsam.annotation.state import LOGITS_KEPT
from napari_spinalsam.annotation.storage.files import open_annotation, save_annotation
from napari_spinalsam.annotation.storage.replay import replay
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.intensity import Window
from napari_spinalsam.core.masks import LabelDelta
from napari_spinalsam.core.prompts import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    Polarity,
    ScribblePrompt,
)
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.core.results import VolumeMask
from napari_spinalsam.core.volume import Volume
from tests.annotation.conftest import DiscPredictor
from tests.annotation.helpers import masks_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_spinalsam.annotation.events import Change
    from napari_spinalsam.annotation.requests import PredictionRequest
    from napari_spinalsam.core.geometry import SlicePlane
    from napari_spinalsam.core.prompts import MaskPrediction, SlicePrompts

OPERATIONS = 2000
ROUND_TRIPS = 8
MEGABYTE = 1e6
# What comes by itself, at a time that nobody chose.
BY_ITSELF = ("pause", "answer_late", "end_job")
NAMES = ("T12", "T13", "L1", "L2", "L3", "L2-L3", "L5-S1", "spinal_canal")


class RefiningDiscs(DiscPredictor):
    """Discs whose sizes depend on all that was asked before, by way of the logits."""

    identity = ModelIdentity("c" * 64, "discs")

    def predict(
        self,
        plane: SlicePlane,
        prompts: SlicePrompts,
        /,
        *,
        window: Window,
        mask_input: NDArray[np.float32] | None = None,
        start: NDArray[np.bool_] | None = None,
    ) -> MaskPrediction:
        before = 0.0 if mask_input is None else float(mask_input.mean())
        before += 0 if start is None else float(start.sum())
        growth = (0.7 * before + prompts.count + window.level) % 3
        self.radii = (1.5 + growth, 2.5 + growth, 4 - growth)
        prediction = super().predict(plane, prompts, window=window)
        logits = np.full((3, 8, 8), growth, np.float32)
        logits += np.arange(3, dtype=np.float32)[:, None, None]
        return replace(prediction, low_res_logits=logits)


class RandomWork:
    """An annotator who does anything at any time.

    Parameters
    ----------
    document : Annotation
        What is worked on.
    rng : numpy.random.Generator
        Decides.
    """

    def __init__(self, document: Annotation, rng: np.random.Generator) -> None:
        self.document, self.rng = document, rng
        self.port = DirectPrediction(document, RefiningDiscs())
        document.use_model(RefiningDiscs.identity)
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.asked: list[Callable[[], object]] = []
        # The newest question that a live window asks by itself.
        self.live: PredictionRequest | None = None
        self.jobs: list[Callable[[], object]] = []
        document.changed.connect(self.ask_live)

    def ask_live(self, change: Change) -> None:
        if change.prompts or change.selection or change.window:
            key = self.some_slice()
            self.live = self.document.live_request(*key) or self.live

    def act(self) -> None:
        """Do one thing; a refusal must change nothing."""
        name = str(self.rng.choice(list(WEIGHTS), p=PROBABILITIES))
        before, labels = self.document.state, self.document.labels.copy()
        undone = self.document.history.redo_names
        try:
            getattr(self, name)()
        except InputError:
            self.refused[name] += 1
            assert self.document.state is before
            np.testing.assert_array_equal(self.document.labels, labels)
        else:
            self.done[name] += 1
        if name in BY_ITSELF:
            assert self.document.history.redo_names == undone

    def pause(self) -> None:
        """Give the live window the time to answer."""
        request, self.live = self.live, None
        if request is not None:
            self.port.request(request)

    def start_job(self) -> None:
        """Begin work on whole objects, which ends at some later time."""
        start = JobStart.of(self.document.state)
        wholes = {}
        for name in self.rng.choice(NAMES, 2, replace=False):
            low = [int(self.rng.integers(n - 1)) for n in self.document.geometry.shape]
            z, y, x = (slice(at, at + 2) for at in low)
            wholes[str(name)] = VolumeMask(
                self.rng.random((2, 2, 2)) < 0.7, (z, y, x), 1
            )
        model = RefiningDiscs.identity
        self.jobs.append(
            lambda: self.document.write_masks(wholes, "Segment", model, start)
        )

    def end_job(self) -> None:
        if self.jobs:
            self.jobs.pop(0)()

    def some_name(self) -> str:
        return str(self.rng.choice(NAMES))

    def some_object(self) -> str:
        names = [entry.name for entry in self.document.state.objects]
        return str(self.rng.choice(names or ["L3"]))

    def some_slice(self) -> tuple[int, int]:
        preview = self.document.state.preview
        if preview is not None and self.rng.random() < 0.7:
            return preview.key
        axis = int(self.rng.integers(3))
        return axis, int(self.rng.integers(self.document.geometry.shape[axis]))

    def some_places(self, key: tuple[int, int], count: int) -> list[float]:
        shape = self.document.geometry.plane(*key).shape
        return [float(self.rng.uniform(0, n - 1)) for n in shape * count]

    def select(self) -> None:
        self.document.select_structure(self.some_name())

    def prompt(self) -> None:
        key = self.some_slice()
        polarity = Polarity.POSITIVE if self.rng.random() < 0.8 else Polarity.NEGATIVE
        point = PointPrompt(*self.some_places(key, 1), polarity)
        self.document.add_point(*key, point)
        if self.document.prompts_at(*key).asks_for_something:
            self.port.request(self.document.prediction_request(*key))

    def box(self) -> None:
        key = self.some_slice()
        self.document.set_box(*key, BoxPrompt(*self.some_places(key, 2)))

    def scribble(self) -> None:
        key = self.some_slice()
        ends = self.some_places(key, 2)
        polarity = Polarity.POSITIVE if self.rng.random() < 0.8 else Polarity.NEGATIVE
        path = ((ends[0], ends[1]), (ends[2], ends[3]))
        self.document.add_scribble(*key, ScribblePrompt(path, polarity))

    def lasso(self) -> None:
        key = self.some_slice()
        at = self.some_places(key, 3)
        outline = ((at[0], at[1]), (at[2], at[3]), (at[4], at[5]))
        self.document.set_lasso(*key, LassoPrompt(outline))

    def predict(self) -> None:
        self.port.request(self.document.prediction_request(*self.some_slice()))

    def ask_for_later(self) -> None:
        request = self.document.prediction_request(*self.some_slice())
        self.asked.append(lambda: self.port.request(request))

    def answer_late(self) -> None:
        if self.asked:
            self.asked.pop(int(self.rng.integers(len(self.asked))))()

    def candidate(self) -> None:
        self.document.next_candidate(int(self.rng.integers(1, 4)))

    def accept(self) -> None:
        self.document.accept()

    def reject(self) -> None:
        self.document.reject()

    def clear(self) -> None:
        clear = (
            self.document.clear_points,
            self.document.clear_boxes,
            self.document.clear_scribbles,
            self.document.clear_lassos,
            self.document.clear_all,
        )
        clear[int(self.rng.integers(len(clear)))]()

    def paint(self) -> None:
        document = self.document
        low = [int(self.rng.integers(n)) for n in document.geometry.shape]
        sides = zip(low, self.rng.integers(1, 5, 3), strict=True)
        box = tuple(slice(start, start + int(size)) for start, size in sides)
        part = document.labels[box]
        label = document.state.object_of(self.some_name()).label
        value = 0 if self.rng.random() < 0.3 else label
        after = np.where(self.rng.random(part.shape) < 0.8, value, part)
        document.paint(LabelDelta.between(document.labels, after.astype(np.uint8), box))

    def load(self) -> None:
        self.document.replace_labels(np.roll(self.document.labels, 1, axis=1))

    def window(self) -> None:
        self.document.set_window(Window(float(self.rng.integers(4)), 100.0))

    def lock(self) -> None:
        self.document.set_locked(self.some_object(), bool(self.rng.random() < 0.15))

    def show(self) -> None:
        self.document.set_visible(self.some_object(), bool(self.rng.random() < 0.5))

    def rename(self) -> None:
        self.document.rename_object(self.some_object(), self.some_name())

    def merge(self) -> None:
        self.document.merge_objects(self.some_object(), self.some_object())

    def delete(self) -> None:
        self.document.delete_object(self.some_object())

    def shift(self) -> None:
        self.document.shift_names(int(self.rng.choice([-1, 1])))

    def next_free(self) -> None:
        self.document.select_structure(self.document.next_free_structure())

    def undo(self) -> None:
        self.document.undo(int(self.rng.integers(1, 6)))

    def redo(self) -> None:
        self.document.redo(int(self.rng.integers(1, 6)))

    def plan(self) -> None:
        with self.document.group("Plan"):
            self.select()
            self.prompt()
            self.undo()
            self.paint()


WEIGHTS = {
    "select": 6,
    "prompt": 30,
    "box": 4,
    "scribble": 4,
    "lasso": 4,
    "predict": 6,
    "ask_for_later": 4,
    "answer_late": 4,
    "candidate": 5,
    "accept": 18,
    "reject": 2,
    "clear": 1,
    "paint": 12,
    "load": 1,
    "window": 1,
    "lock": 4,
    "show": 2,
    "rename": 3,
    "merge": 1,
    "delete": 1,
    "shift": 4,
    "next_free": 1,
    "undo": 6,
    "redo": 5,
    "plan": 2,
    "pause": 20,
    "start_job": 3,
    "end_job": 3,
}
PROBABILITIES = np.array(list(WEIGHTS.values())) / sum(WEIGHTS.values())


def new_document(shape: tuple[int, int, int] = (6, 20, 24)) -> Annotation:
    data = np.random.default_rng(1).normal(0, 300, shape).astype(np.float32)
    geometry = Geometry.from_spacing(shape, (3.0, 1.0, 0.7), (10.0, -4.0, 2.0))
    return Annotation(Volume.from_geometry(data, geometry, "CT", "small"))


def check(document: Annotation) -> None:
    """What holds at any time."""
    state = document.state
    present = set(np.unique(document.labels).tolist()) - {0}
    assert present <= {entry.label for entry in state.objects}
    if state.preview is not None:
        assert state.preview.structure == state.selected


def check_inverse(document: Annotation, rng: np.random.Generator) -> None:
    """Undo and redo lead back to where they came from, both ways."""
    history = document.history
    for there, back in (
        (document.undo, document.redo),
        (document.redo, document.undo),
    ):
        state, labels = document.state, document.labels.copy()
        undone = history.redo_names
        moved = len(there(int(rng.integers(1, 6))))
        assert len(back(moved)) == moved
        assert history.redo_names == undone
        assert document.state == state
        np.testing.assert_array_equal(document.labels, labels)


def test_random_work_is_undone_redone_saved_and_replayed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    document = new_document()
    empty = document.state
    work = RandomWork(document, rng)
    saves = set(rng.choice(OPERATIONS, ROUND_TRIPS, replace=False).tolist())
    path = tmp_path / "case.spinalsam"
    for number in range(OPERATIONS):
        work.act()
        check(document)
        check_inverse(document, rng)
        if number in saves:
            save_annotation(document, path)
            again = open_annotation(path, document.volume)
            assert again.state.objects == document.state.objects
            np.testing.assert_array_equal(again.labels, document.labels)
            labels = replay(path, document.volume, RefiningDiscs())
            np.testing.assert_array_equal(labels, document.labels)
    assert set(work.done) == set(WEIGHTS)

    state, labels = document.state, document.labels.copy()
    steps = len(document.undo(10**6))
    assert steps > OPERATIONS / 4
    assert document.state is empty
    assert not document.labels.any()
    document.redo(10**6)
    assert document.state == state
    np.testing.assert_array_equal(document.labels, labels)


def test_memory_grows_little() -> None:
    work = RandomWork(new_document(), np.random.default_rng(2))
    part = 4
    tracemalloc.start()
    for _ in range(OPERATIONS // part):
        work.act()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used * part < 200 * MEGABYTE


def test_predictions_of_a_long_day_need_little_memory() -> None:
    document = new_document((4, 512, 512))
    document.select_structure("L3")
    answer = masks_for(document, (512, 512))

    def click(number: int) -> None:
        document.add_point(0, 1, PointPrompt(200, number))
        document.show_prediction(answer, document.prediction_request(0, 1))

    click(0)
    first = document.state.preview
    predictions = LOGITS_KEPT + 8
    tracemalloc.start()
    for number in range(predictions):
        click(number)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / predictions < 0.02 * MEGABYTE  # an unpacked mask is 0.26
    document.undo(predictions)
    assert first is not None
    assert document.state.preview is first
    np.testing.assert_array_equal(first.mask, answer.masks[0])
    # Too long ago to be refined: the next mask is asked for from all prompts.
    document.add_point(0, 1, PointPrompt(200, 300))
    request = document.prediction_request(0, 1)
    assert request.mask_input is None
    assert request.earlier == ()


def test_the_random_work_records_masks_and_strokes() -> None:
    work = RandomWork(new_document(), np.random.default_rng(3))
    for _ in range(300):
        work.act()
    kinds = Counter(type(e) for e in events_of(work.document.state.record))
    assert kinds[MaskWritten] > 5
    assert len(kinds) == 3
