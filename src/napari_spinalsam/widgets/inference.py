"""The one thread that owns the network: newest request waits, stale ones are dropped.

A thread a click would lose the caches that libraries keep by thread and cost several
times the latency. Loading a model or an image is queued and never dropped; of the
predictions only the newest waits, and of the slices to encode ahead likewise.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from threading import Condition, Event
from typing import TYPE_CHECKING

from qtpy.QtCore import QThread, Signal

from napari_spinalsam.core.errors import SpinalSamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.label_edits import JobStart
    from napari_spinalsam.annotation.ports import CarryJob
    from napari_spinalsam.annotation.requests import PredictionRequest
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.model.session import SegmentationSession

logger = logging.getLogger(__name__)

STOP_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class _Prediction:
    annotation: Annotation
    request: PredictionRequest


@dataclass(frozen=True, slots=True, eq=False)
class _Encoding:
    volume: Volume
    axis: int
    index: int
    window: Window


@dataclass(frozen=True, slots=True, eq=False)
class _Loading:
    build: Callable[[], SegmentationSession]


@dataclass(slots=True, eq=False)
class Carrying:
    """Work on whole objects for one annotation.

    Parameters
    ----------
    annotation : Annotation
        Who asked for it, and gets the result.
    work : CarryJob
        What is to be done.
    start : JobStart
        What the annotation was when it was asked for.
    cancelled : Event
        Set to end this work, and no other, after its present piece.
    failure : str
        Why it failed; empty if it did not.
    """

    annotation: Annotation
    work: CarryJob
    start: JobStart
    cancelled: Event = field(default_factory=Event)
    failure: str = ""


_Job = _Prediction | _Encoding | _Loading | Carrying


class InferenceThread(QThread):
    """Runs the session; results come by signal to the thread that listens.

    Signals
    -------
    loaded(session)
        A model is ready.
    predicted(annotation, request, prediction)
        An answer; the annotation decides whether it is still wanted.
    encoded(axis, index, milliseconds)
        A slice was encoded ahead.
    carried(carrying, item)
        A piece of work on whole objects is done: a slice, or progress.
    carrying_ended(carrying)
        The work is done, was cancelled or failed; what there is can be written. It
        comes once for all work, also such as was cancelled before it began.
    failed(request, Carrying or None, sentence)
        A prediction, work on whole objects, or another job ended in an error.
    working(sentence)
        A job began; the empty string when there is nothing left to do.
    """

    loaded = Signal(object)
    predicted = Signal(object, object, object)
    encoded = Signal(int, int, float)
    carried = Signal(object, object)
    carrying_ended = Signal(object)
    failed = Signal(object, str)
    working = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._condition = Condition()
        self._answered = Event()
        self._loadings: deque[_Loading] = deque()
        self._carryings: deque[Carrying] = deque()
        self._running: Carrying | None = None
        self._prediction: _Prediction | None = None
        self._encoding: _Encoding | None = None
        self._stopping = False
        self._session: SegmentationSession | None = None

    def load(self, build: Callable[[], SegmentationSession]) -> None:
        """Build a session in the thread and use it from then on."""
        with self._condition:
            self._loadings.append(_Loading(build))
            self._condition.notify()

    def predict(self, annotation: Annotation, request: PredictionRequest) -> None:
        """Ask for a prediction, in place of one that still waits."""
        with self._condition:
            self._answered.clear()
            self._prediction = _Prediction(annotation, request)
            self._condition.notify()

    def carry(self, carrying: Carrying) -> None:
        """Work on whole objects, piece by piece, after what was asked for before."""
        with self._condition:
            self._carryings.append(carrying)
            self._condition.notify()

    def settle(self, seconds: float) -> None:
        """Wait so long at most for the newest prediction, before the window draws.

        Drawing holds Python's lock; a mask that takes less time than a drawing is
        there sooner if the drawing waits for it.
        """
        self._answered.wait(seconds)

    def encode(self, volume: Volume, axis: int, index: int, window: Window) -> None:
        """Encode a slice when there is nothing better to do."""
        with self._condition:
            self._encoding = _Encoding(volume, axis, index, window)
            self._condition.notify()

    def cancel(self) -> None:
        """Forget all that waits; a running job ends after its present piece."""
        with self._condition:
            self._drop()

    def stop(self) -> bool:
        """End the thread; return whether it ended in time."""
        with self._condition:
            self._stopping = True
            self._loadings.clear()
            self._drop()
            self._condition.notify()
        try:
            return bool(self.wait(STOP_TIMEOUT_MS))
        except RuntimeError:  # Qt was quicker: its half of this object is gone
            return True

    def _drop(self) -> None:
        """Cancel what waits and what runs; what comes later is not touched."""
        for carrying in (self._running, *self._carryings):
            if carrying is not None:
                carrying.cancelled.set()
        self._prediction = self._encoding = None

    def run(self) -> None:
        """Work until stopped; called by Qt in the new thread."""
        while (job := self._next()) is not None:
            self.working.emit(_describe(job))
            self._attempt(job)
            if not self._waiting():
                self.working.emit("")

    def _attempt(self, job: _Job) -> None:
        """Do a job; an error becomes a signal."""
        asked: PredictionRequest | Carrying | None = None
        if isinstance(job, _Prediction):
            asked = job.request
        elif isinstance(job, Carrying):
            asked = job
        try:
            self._do(job)
        except SpinalSamError as error:
            self.failed.emit(asked, _sentence(error))
        except Exception as error:
            logger.exception("The inference thread met an unexpected error")
            self.failed.emit(asked, _sentence(error))
        if isinstance(job, _Prediction):
            self._answered.set()

    def _next(self) -> _Job | None:
        """Wait for a job: models, predictions, whole objects, encoding ahead."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopping or self._waiting())
            if self._stopping:
                return None
            job: _Job | None
            if self._loadings:
                return self._loadings.popleft()
            if self._prediction is not None:
                job, self._prediction = self._prediction, None
            elif self._carryings:
                job = self._running = self._carryings.popleft()
            else:
                job, self._encoding = self._encoding, None
            return job

    def _waiting(self) -> bool:
        return bool(
            self._loadings or self._prediction or self._carryings or self._encoding
        )

    def _do(self, job: _Job) -> None:
        if isinstance(job, _Loading):
            self._session = job.build()
            self.loaded.emit(self._session)
        elif isinstance(job, Carrying):
            self._carry(job)
        elif isinstance(job, _Prediction):
            request, session = job.request, self._loaded()
            session.set_volume(job.annotation.volume)
            prediction = session.predict(
                request.plane,
                request.prompts,
                window=request.window,
                mask_input=request.mask_input,
                start=request.start,
            )
            self.predicted.emit(job.annotation, request, prediction)
        else:
            session = self._loaded()
            session.set_volume(job.volume)
            milliseconds = session.encode(job.axis, job.index, job.window)
            if milliseconds is not None:
                self.encoded.emit(job.axis, job.index, milliseconds)

    def _loaded(self) -> SegmentationSession:
        if self._session is None:
            raise SpinalSamError("No model is loaded: choose one in the Segment dock.")
        return self._session

    def _carry(self, job: Carrying) -> None:
        """Work until it is done or cancelled; what was done is never lost."""
        try:
            if not job.cancelled.is_set():
                self._carry_on(job)
        except Exception as error:
            job.failure = _sentence(error)
            raise
        finally:
            self._running = None
            self.carrying_ended.emit(job)

    def _carry_on(self, job: Carrying) -> None:
        session = self._loaded()
        session.set_volume(job.annotation.volume)
        for item in job.work.run(session):
            self.carried.emit(job, item)
            if job.cancelled.is_set():
                return
            self._answer_between(job.annotation)

    def _answer_between(self, annotation: Annotation) -> None:
        """Answer a prompt on the same image without waiting for the long job's end."""
        with self._condition:
            waiting = self._prediction
            if waiting is None or waiting.annotation is not annotation:
                return
            self._prediction = None
        self._attempt(waiting)


def _sentence(error: Exception) -> str:
    """Return what an error tells the user."""
    if isinstance(error, SpinalSamError):
        return str(error)
    return f"Unexpected error, please report: {error!r}"


def _describe(job: _Job) -> str:
    if isinstance(job, _Loading):
        return "Loading the model"
    if isinstance(job, _Encoding):
        return f"Encoding slice {job.index}"
    if isinstance(job, Carrying):
        return job.work.step
    return f"Predicting {job.request.structure}"
