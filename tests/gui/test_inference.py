"""Work in the thread reaches the annotation that asked for it, and no other."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import QObject

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.jobs import PropagationJob
from napari_spinalsam.core.errors import InputError
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

pytestmark = pytest.mark.gui
L3 = 22


class SlowSession(DiscPredictor):
    """A model whose work goes on when it is told to."""

    record = ModelRecord(ModelIdentity("2" * 64, "slow"), "slow", "none", 1)
    identity = record.identity

    def __init__(self) -> None:
        super().__init__()
        self.go_on = Event()
        self.failure = ""

    def set_volume(self, volume: Any) -> None:
        self.shape = volume.data.shape

    def propagate(self, seeds: Any, **_: Any) -> Iterator[SliceMask]:
        (axis, _), mask = next(iter(seeds.items()))
        for index in range(self.shape[axis]):
            yield SliceMask(axis, index, mask, 1.0)
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
    with qtbot.waitSignal(predictions.carried):
        predictions.carry(job(one))
    shown: list[object] = []
    predictions.carried.connect(lambda *_: shown.append(_))
    predictions.progress.connect(shown.append)
    predictions.follow(other)
    assert not predictions.is_carrying()
    with qtbot.waitSignal(predictions.carrying_ended) as told:
        session.go_on.set()
    assert not shown
    assert not other.labels.any()
    assert other.history.undo_names == ()
    assert (one.labels[0] == L3).sum() == 16
    assert one.history.undo_names == ("Propagate L3",)
    assert "This belongs to block, shown before." in told.args[0]


def test_a_failure_is_told_to_whom_it_concerns(
    predictions: Predictions, session: SlowSession, qtbot: QtBot
) -> None:
    one, other = Annotation(make_volume()), Annotation(make_volume())
    failures: list[str] = []
    predictions.failed.connect(failures.append)
    session.failure = "The network stumbled."
    for followed in (other, one):
        predictions.follow(one)
        session.go_on.clear()
        with qtbot.waitSignal(predictions.carried):
            predictions.carry(job(one))
        if followed is other:
            predictions.follow(other)
        with qtbot.waitSignal(predictions.carrying_ended):
            session.go_on.set()
        qtbot.waitUntil(lambda: not predictions.is_carrying())
        if followed is other:
            assert failures == []
    qtbot.waitUntil(lambda: failures == ["The network stumbled."])


def test_cancel_ends_what_was_asked_for_and_nothing_that_comes_later(
    predictions: Predictions, session: SlowSession, qtbot: QtBot
) -> None:
    annotation = Annotation(make_volume())
    predictions.follow(annotation)
    with qtbot.waitSignal(predictions.carried):
        predictions.carry(job(annotation))
    predictions.carry(job(annotation, "L4"))
    predictions.cancel()
    predictions.carry(job(annotation, "L5"))
    ended: list[str] = []
    predictions.carrying_ended.connect(ended.append)
    session.go_on.set()
    qtbot.waitUntil(lambda: len(ended) == 3)
    assert [text.split()[0] for text in ended] == ["L3", "L4", "L5"]
    count = annotation.geometry.shape[0]
    found = [np.count_nonzero(annotation.labels == label) for label in (22, 23, 24)]
    # Two slices of L3 were there when it ended; a voxel belongs to who came first.
    assert found == [2 * 16, 0, 16 * (count - 2)]
    assert not predictions.is_carrying()


def test_a_job_that_ends_within_a_plan_is_written_after_it(
    predictions: Predictions, session: SlowSession, qtbot: QtBot
) -> None:
    annotation = Annotation(make_volume())
    predictions.follow(annotation)
    with qtbot.waitSignal(predictions.carried):
        predictions.carry(job(annotation))
    ended: list[str] = []
    predictions.carrying_ended.connect(ended.append)

    def plan() -> None:
        with annotation.group("Plan"):
            annotation.select_structure("L3")
            with qtbot.waitSignal(predictions.thread_.carrying_ended):
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
    with qtbot.waitSignal(predictions.carried):
        predictions.carry(work)
    predictions.load(SlowSession)
    with qtbot.waitSignals([predictions.carrying_ended, predictions.loaded]):
        session.go_on.set()
    assert work.model is not None
    assert work.model.sha256 == session.identity.sha256
    assert (annotation.labels == L3).any()
