"""Work in the thread reaches the annotation that asked for it, and no other."""

from __future__ import annotations

import asyncio
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QObject

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.jobs import PropagationJob
from napari_spinalsam.core.errors import CancelledError, InputError, ModelError
from napari_spinalsam.core.prompts import PointPrompt
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.core.results import SliceMask
from napari_spinalsam.model.backends.base import ModelRecord
from napari_spinalsam.widgets.inference import Predictions
from tests.annotation.conftest import DiscPredictor
from tests.gui.conftest import make_volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.jobs import JobHandle

pytestmark = pytest.mark.gui
L3 = 22


class SlowSession(DiscPredictor):
    """A model whose work goes on when it is told to."""

    record = ModelRecord(ModelIdentity("2" * 64, "slow"), "slow", "none", 1)
    identity = record.identity

    def __init__(self) -> None:
        super().__init__()
        self.waits, self.go_on = Event(), Event()
        self.failure = ""

    def set_volume(self, volume: Any) -> None:
        self.shape = volume.data.shape

    def propagate(self, seeds: Any, **_: Any) -> Iterator[SliceMask]:
        (axis, _), mask = next(iter(seeds.items()))
        for index in range(self.shape[axis]):
            yield SliceMask(axis, index, mask, 1.0)
            self.waits.set()
            self.go_on.wait(10)
            if self.failure:
                raise InputError(self.failure)


@pytest.fixture
def session() -> SlowSession:
    return SlowSession()


@pytest.fixture
def predictions(session: SlowSession, qtbot: QtBot) -> Iterator[Predictions]:
    parent = QObject()
    made = Predictions(parent)
    with qtbot.waitSignal(made.loaded):
        made.load(lambda: session)
    yield made
    session.go_on.set()
    assert made.thread_.stop()


def job(annotation: Annotation, name: str = "L3") -> PropagationJob:
    mask = np.zeros(annotation.geometry.shape[1:], np.bool_)
    mask[5:9, 5:9] = True
    return PropagationJob(name, {(0, 2): mask}, annotation.state.window)


def test_what_a_job_shows_and_tells_stays_with_its_annotation(
    predictions: Predictions, session: SlowSession, qtbot: QtBot
) -> None:
    one, other = Annotation(make_volume()), Annotation(make_volume((5, 20, 20)))
    predictions.follow(one)
    with qtbot.waitSignal(predictions.slice_propagated):
        predictions.submit(job(one))
    shown: list[object] = []
    predictions.slice_propagated.connect(lambda *_: shown.append(_))
    predictions.progress.connect(shown.append)
    predictions.follow(other)
    assert not predictions.has_jobs()
    with qtbot.waitSignal(predictions.job_ended) as told:
        session.go_on.set()
    assert not shown
    assert not other.labels.any()
    assert other.history.undo_names == ()
    assert (one.labels[0] == L3).sum() == 16
    assert one.history.undo_names == ("Propagate L3",)
    assert "This belongs to block, shown before." in told.args[0].sentence


def test_a_failure_reaches_whoever_asked_and_names_the_image_that_was_left(
    predictions: Predictions, session: SlowSession, qtbot: QtBot
) -> None:
    one, other = Annotation(make_volume()), Annotation(make_volume())
    session.failure = "The network stumbled."
    for followed in (other, one):
        predictions.follow(one)
        session.go_on.clear()
        with qtbot.waitSignal(predictions.slice_propagated):
            handle = predictions.submit(job(one))
        if followed is other:
            predictions.follow(other)
        with qtbot.waitSignal(predictions.job_ended) as ended:
            session.go_on.set()
        assert ended.args == [handle]
        assert handle.sentence.startswith("The network stumbled.")
        belongs = "This belongs to block, shown before."
        assert (belongs in handle.sentence) == (followed is other)
        with pytest.raises(InputError, match="The network stumbled"):
            handle.result()


def test_cancel_ends_what_was_asked_for_and_nothing_that_comes_later(
    predictions: Predictions, session: SlowSession, qtbot: QtBot
) -> None:
    annotation = Annotation(make_volume())
    predictions.follow(annotation)
    ended: list[str] = []
    predictions.job_ended.connect(lambda each: ended.append(each.sentence))
    with qtbot.waitSignal(predictions.slice_propagated):
        first = predictions.submit(job(annotation))
    waiting = predictions.submit(job(annotation, "L4"))
    assert session.waits.wait(5)  # for its second slice
    predictions.cancel()
    assert (first.done, waiting.done) == (False, True)  # it has not begun
    last = predictions.submit(job(annotation, "L5"))
    session.go_on.set()
    assert last.result(10) == ended[-1]
    assert [text.split()[0] for text in ended] == ["L4", "L3", "L5"]
    assert [each.cancelled for each in (first, waiting, last)] == [True, True, False]
    count = annotation.geometry.shape[0]
    found = [np.count_nonzero(annotation.labels == label) for label in (22, 23, 24)]
    # Two slices of L3 were there when it ended; a voxel belongs to who came first.
    assert found == [2 * 16, 0, 16 * (count - 2)]
    assert not predictions.has_jobs()


def test_a_handle_cancels_its_own_job_and_no_other(
    predictions: Predictions, session: SlowSession, qtbot: QtBot
) -> None:
    annotation = Annotation(make_volume())
    predictions.follow(annotation)
    with qtbot.waitSignal(predictions.slice_propagated):
        first = predictions.submit(job(annotation))
    second = predictions.submit(job(annotation, "L4"))
    third = predictions.submit(job(annotation, "L5"))
    doing: list[str] = []
    third.advanced.connect(doing.append)
    assert (first.doing, third.doing) == ("Propagate L3: slice 0", "")

    second.cancel()
    assert second.done  # it never comes back
    with pytest.raises(CancelledError, match="L4 is propagated through 0 slices"):
        second.result()
    first.cancel()
    with pytest.raises(ModelError, match=r"not done after 0\.05 s and goes on"):
        third.result(0.05)
    session.go_on.set()

    count = annotation.geometry.shape[0]
    assert third.result(10) == (
        f"L5 is propagated through {count} slices before it was stopped."
    )
    assert first.cancelled
    assert len(doing) == count
    assert doing[-1] == third.doing == f"Propagate L5: slice {count - 1}"
    assert set(np.unique(annotation.labels)) == {0, 22, 24}
    second.cancel()
    first.cancel()  # too late for both, and for whatever runs now
    again = predictions.submit(job(annotation, "L1"))
    again.result(10)
    assert not again.cancelled


def test_a_handle_can_be_awaited_while_the_window_goes_on(
    predictions: Predictions, session: SlowSession, qtbot: QtBot
) -> None:
    annotation = Annotation(make_volume())
    predictions.follow(annotation)

    async def wait(handle: JobHandle) -> str:
        return await handle

    handle = predictions.submit(job(annotation))
    handle.advanced.connect(session.go_on.set)
    assert asyncio.run(wait(handle)) == handle.sentence
    assert (annotation.labels == L3).any()

    session.failure = "The network stumbled."
    with pytest.raises(InputError, match="The network stumbled"):
        asyncio.run(wait(predictions.submit(job(annotation))))


def test_a_job_that_ends_within_a_plan_is_written_after_it(
    predictions: Predictions, session: SlowSession, qtbot: QtBot
) -> None:
    annotation = Annotation(make_volume())
    predictions.follow(annotation)
    with qtbot.waitSignal(predictions.slice_propagated):
        predictions.submit(job(annotation))
    ended: list[object] = []
    predictions.job_ended.connect(ended.append)

    def plan() -> None:
        with annotation.group("Plan"):
            annotation.select_structure("L3")
            with qtbot.waitSignal(predictions.thread_.job_ended):
                session.go_on.set()
            annotation.add_point(0, 1, PointPrompt(900, 900))

    with pytest.raises(InputError):
        plan()
    qtbot.waitUntil(lambda: len(ended) == 1)
    assert (annotation.labels == L3).any()
    assert annotation.history.undo_names == ("Propagate L3",)


def test_a_job_keeps_its_model_though_another_is_loaded(
    predictions: Predictions, session: SlowSession, qtbot: QtBot
) -> None:
    annotation = Annotation(make_volume())
    predictions.follow(annotation)
    work = job(annotation)
    with qtbot.waitSignal(predictions.slice_propagated):
        predictions.submit(work)
    predictions.load(SlowSession)
    with qtbot.waitSignals([predictions.job_ended, predictions.loaded]):
        session.go_on.set()
    assert work.model is not None
    assert work.model.sha256 == session.identity.sha256
    assert (annotation.labels == L3).any()
