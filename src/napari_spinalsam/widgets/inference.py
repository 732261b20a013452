"""The one thread that owns the network: newest request waits, stale ones are dropped.

A thread a click would lose the caches that libraries keep by thread and cost several
times the latency. Loading a model or an image is queued and never dropped; of the
predictions only the newest waits, and of the slices to encode ahead likewise.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from threading import Condition, Event
from typing import TYPE_CHECKING

from qtpy.QtCore import QEventLoop, QObject, QThread, QTimer, Signal

from napari_spinalsam.annotation.label_edits import JobStart
from napari_spinalsam.core.errors import SpinalSamError
from napari_spinalsam.core.results import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.jobs import Search
    from napari_spinalsam.annotation.ports import CarryJob
    from napari_spinalsam.annotation.requests import PredictionRequest
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.prompts import MaskPrediction
    from napari_spinalsam.core.results import SliceMask
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.model.session import SegmentationSession
    from napari_spinalsam.widgets.controller import SegmentController

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


# Less than anybody notices, and enough for a mask of a slice at hand.
SETTLE_SECONDS = 0.04
STALE = "The prompts changed meanwhile, so the mask that was asked for is not shown."
CANCELLED = "The prediction of the mask was cancelled."
# How soon it is tried again to write what a plan that is being run keeps waiting.
AGAIN_MS = 20


class Predictions(QObject):
    """The PredictionPort of a window; see annotation.predictor.

    Signals
    -------
    loaded(session)
        A model is ready.
    answered()
        The newest request was answered, with a mask or with an error, or cancelled.
    failed(sentence)
        A job of the thread ended in an error.
    working(sentence)
        What the thread does; empty when idle.
    progress(share)
        How far such work has come, 0 to 1, where that is known.
    carried(name, SliceMask)
        A structure is carried to another slice.
    job_ended(CarryJob)
        Such work has ended, and what there was to write is written.
    carrying_ended(sentence)
        Likewise, told to the user.
    job_advanced(CarryJob, sentence)
        What such work does now.
    job_told(CarryJob, sentence, end)
        What came of it, and whether it was "done", "stopped" or "failed".
    request_told(PredictionRequest, sentence)
        A request is over; the sentence is empty if its mask is shown, else says why
        not. It comes once for each request.
    """

    loaded = Signal(object)
    answered = Signal()
    failed = Signal(str)
    working = Signal(str)
    progress = Signal(float)
    carried = Signal(str, object)
    job_ended = Signal(object)
    carrying_ended = Signal(str)
    job_advanced = Signal(object, str)
    job_told = Signal(object, str, str)
    request_told = Signal(object, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.live = True
        self.thread_ = InferenceThread()
        self.thread_.loaded.connect(self.loaded)
        self.thread_.predicted.connect(self._on_predicted)
        self.thread_.failed.connect(self._on_failed)
        self.thread_.working.connect(self.working)
        self.thread_.carried.connect(self._on_carried)
        self.thread_.carrying_ended.connect(self._on_carrying_ended)
        self._annotation: Annotation | None = None
        self._asked: PredictionRequest | None = None
        # What the thread has not ended yet, for this annotation and others.
        self._carryings: list[Carrying] = []
        self.thread_.start()

    def follow(self, annotation: Annotation | None) -> None:
        """Hand previews to this annotation from now on, or to none."""
        self.cancel()
        self._annotation = annotation

    def load(self, build: Callable[[], SegmentationSession]) -> None:
        """Load a model in the thread; `loaded` tells when."""
        self.thread_.load(build)

    def request(self, request: PredictionRequest, *, wait: bool = False) -> bool:
        """Predict in the thread; with `wait`, return once the answer is shown."""
        if self._annotation is None:
            return False
        if self._asked is not None:
            self.request_told.emit(self._asked, STALE)
        self._asked = request
        self.thread_.predict(self._annotation, request)
        if not wait:
            self.thread_.settle(SETTLE_SECONDS)
            return False
        loop = QEventLoop(self)
        self.answered.connect(loop.quit)
        loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        return True

    @property
    def at_once(self) -> bool:
        """Return False: the thread does the work."""
        return False

    def work_ahead(self) -> str:
        """Return the name of the work that was asked for last and has not ended."""
        return self._carryings[-1].work.step if self._carryings else ""

    def carry(self, job: CarryJob) -> bool:
        """Work on whole objects in the thread; see annotation.carrying."""
        if self._annotation is None:
            return False
        start = JobStart.of(self._annotation.state)
        carrying = Carrying(self._annotation, job, start)
        self._carryings.append(carrying)
        self.thread_.carry(carrying)
        return False

    def locate(self, search: Search) -> None:
        """Leave it to who runs the plan; see `PredictionPort.locate`, `Searching`."""

    def is_carrying(self) -> bool:
        """Whether work on whole objects of this annotation is going on."""
        return any(each.annotation is self._annotation for each in self._carryings)

    def worked_on(self) -> list[Annotation]:
        """Return the annotations that the result of such work is still to come to."""
        return [each.annotation for each in self._carryings]

    def is_asked(self) -> bool:
        """Whether the thread still owes an answer to the newest request."""
        return self._asked is not None

    def answer_prompts(self, key: tuple[int, int]) -> None:
        """Ask for a mask, if live, for what the newest step prompts on a slice."""
        if not self.live or self._annotation is None:
            return
        request = self._annotation.live_request(*key)
        if request is not None:
            self.request(request)

    def encode_ahead(self, key: tuple[int, int]) -> None:
        """Encode a slice in the thread when there is nothing better to do."""
        if self._annotation is not None:
            window = self._annotation.state.window
            self.thread_.encode(self._annotation.volume, *key, window)

    def cancel(self) -> None:
        """Drop what waits for the thread, and the answer to what runs."""
        self.thread_.cancel()
        if self._asked is not None:
            self._finish(self._asked, CANCELLED)

    def stop(self) -> None:
        """End the thread, and write what its work has brought by now."""
        if self.thread_.stop():
            for carrying in tuple(self._carryings):
                self._on_carrying_ended(carrying)

    def stop_work(self) -> bool:
        """Stop the work on whole objects of this annotation; say if there was any.

        What is done by now is written, as after `cancel`.
        """
        ours = [each for each in self._carryings if each.annotation is self._annotation]
        for carrying in ours:
            carrying.cancelled.set()
        return bool(ours)

    def _on_predicted(
        self,
        annotation: Annotation,
        request: PredictionRequest,
        prediction: MaskPrediction,
    ) -> None:
        if request is not self._asked:
            return  # told already, when it was replaced or cancelled
        told = ""
        try:
            if not annotation.show_prediction(prediction, request):
                told = STALE
        except SpinalSamError as error:
            told = str(error)
            self.failed.emit(told)
        self._finish(request, told)

    def _on_carried(self, carrying: Carrying, item: SliceMask | Progress) -> None:
        if carrying.annotation is not self._annotation:
            return
        step = carrying.work.step
        if isinstance(item, Progress):
            doing = f"{step}: {item.what}"
            self.progress.emit(item.done)
        else:
            doing = f"{step}: slice {item.index}"
        self.working.emit(doing)
        self.job_advanced.emit(carrying.work, doing)
        if not isinstance(item, Progress):
            self.carried.emit(carrying.work.shown, item)

    def _on_carrying_ended(self, carrying: Carrying) -> None:
        """Write what was done, also into an annotation that was left meanwhile."""
        if carrying not in self._carryings:
            return  # written when the thread was stopped
        annotation, job = carrying.annotation, carrying.work
        if annotation.history.is_grouping:
            # A plan that waits for a mask may still be taken back, with all inside.
            again = partial(self._on_carrying_ended, carrying)
            QTimer.singleShot(AGAIN_MS, again)
            return
        self._carryings.remove(carrying)
        told = [job.outcome()]
        try:
            if masks := job.masks():
                told += annotation.write_masks(
                    masks, job.step, job.model, carrying.start
                )
        except SpinalSamError as error:
            carrying.failure = str(error)
            self.failed.emit(str(error))
        if annotation is not self._annotation:
            told.append(f"This belongs to {annotation.volume.name}, shown before.")
        self.carrying_ended.emit(" ".join(told))
        self.job_ended.emit(job)
        if carrying.failure:
            kept = told if job.masks() else []
            self.job_told.emit(job, " ".join([carrying.failure, *kept]), "failed")
        else:
            end = "stopped" if carrying.cancelled.is_set() else "done"
            self.job_told.emit(job, " ".join(told), end)

    def _on_failed(
        self, asked: PredictionRequest | Carrying | None, sentence: str
    ) -> None:
        """Tell of a failure, unless it is of what nobody waits for any more."""
        if isinstance(asked, Carrying):
            wanted = asked.annotation is self._annotation
            asked = None
        else:
            wanted = asked is None or asked is self._asked
        if wanted:
            self.failed.emit(sentence)
        if asked is not None and asked is self._asked:
            self._finish(asked, sentence)

    def _finish(self, request: PredictionRequest, told: str) -> None:
        """Note the end of the newest request."""
        self._asked = None
        self.answered.emit()
        self.request_told.emit(request, told)


class Searching(QObject):
    """One search on its way; it begins at once.

    Parameters
    ----------
    controller : SegmentController
        Whose image is searched.
    search : Search
        From `Executor.search`.

    Signals
    -------
    ended(found)
        Whether the plan is to run now. Not so if the user pressed Cancel, or another
        image was chosen meanwhile.
    """

    ended = Signal(bool)

    def __init__(self, controller: SegmentController, search: Search) -> None:
        super().__init__(controller)
        self.search = search
        self._controller, self._annotation = controller, controller.annotation
        controller.predictions.job_ended.connect(self._on_job_ended)
        controller.cancelled.connect(self._give_up)
        controller.annotation_changed.connect(self._on_changed)
        controller.predictions.carry(search)

    def _on_job_ended(self, job: object) -> None:
        if job is self.search:
            self._end(True)

    def _on_changed(self) -> None:
        if self._controller.annotation is not self._annotation:
            self._give_up()

    def _give_up(self) -> None:
        self._end(False)

    def _end(self, found: bool) -> None:
        self._controller.predictions.job_ended.disconnect(self._on_job_ended)
        self._controller.cancelled.disconnect(self._give_up)
        self._controller.annotation_changed.disconnect(self._on_changed)
        self.ended.emit(found)
        self.deleteLater()
