"""The one thread that owns the network: newest request waits, stale ones are dropped.

A thread a click would lose the caches that libraries keep by thread and cost several
times the latency. Loading a model or an image is queued and never dropped; of the
predictions only the newest waits, and of the slices to encode ahead likewise.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from functools import partial
from threading import Condition, Event
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QThread, QTimer, Signal

from napari_spinalsam.annotation.jobs import Job, sentence_of
from napari_spinalsam.core.errors import (
    CancelledError,
    InputError,
    ModelError,
    SpinalSamError,
)
from napari_spinalsam.core.messages import join, msg
from napari_spinalsam.core.results import Progress
from napari_spinalsam.widgets.jobs import (
    JobHandle,
    PredictionHandle,
    wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.jobs import Search
    from napari_spinalsam.annotation.outcome import Outcome
    from napari_spinalsam.annotation.ports import VolumeJob
    from napari_spinalsam.annotation.requests import PredictionRequest
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.messages import Message
    from napari_spinalsam.core.prompts import MaskPrediction
    from napari_spinalsam.core.results import SliceMask
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.model.session import SegmentationSession
    from napari_spinalsam.widgets.jobs import Handle

logger = logging.getLogger(__name__)

STOP_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class _Prediction:
    annotation: Annotation
    request: PredictionRequest
    token: Event


@dataclass(frozen=True, slots=True, eq=False)
class _Encoding:
    volume: Volume
    axis: int
    index: int
    window: Window


@dataclass(frozen=True, slots=True, eq=False)
class _Loading:
    build: Callable[[], SegmentationSession]


_Task = _Prediction | _Encoding | _Loading | Job


class InferenceThread(QThread):
    """Runs the session; results come by signal to the thread that listens.

    Signals
    -------
    loaded(session)
        A model is ready.
    predicted(request, prediction)
        An answer; the annotation decides whether it is still wanted.
    encoded(axis, index, milliseconds)
        A slice was encoded ahead.
    advanced(Job, item)
        A piece of a volume job is done: a slice, or progress.
    job_ended(Job)
        The job is done, was cancelled or failed; what there is can be written. It
        comes once for each job that was not withdrawn.
    failed(request or None, sentence)
        A prediction, or loading or encoding, ended in an error.
    working(sentence)
        A task began; the empty string when there is nothing left to do.
    """

    loaded = Signal(object)
    predicted = Signal(object, object)
    encoded = Signal(int, int, float)
    advanced = Signal(object, object)
    job_ended = Signal(object)
    failed = Signal(object, object)
    working = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._condition = Condition()
        self._answered = Event()
        self._loadings: deque[_Loading] = deque()
        self._jobs: deque[Job] = deque()
        self._prediction: _Prediction | None = None
        self._encoding: _Encoding | None = None
        self._stopping = False
        self._session: SegmentationSession | None = None

    def load(self, build: Callable[[], SegmentationSession]) -> None:
        """Build a session in the thread and use it from then on."""
        with self._condition:
            self._loadings.append(_Loading(build))
            self._condition.notify()

    def predict(
        self, annotation: Annotation, request: PredictionRequest, token: Event
    ) -> None:
        """Ask for a prediction, in place of one that still waits.

        Parameters
        ----------
        annotation : Annotation
            Who asks.
        request : PredictionRequest
            The question.
        token : Event
            Set when the answer is not wanted any more.
        """
        with self._condition:
            self._answered.clear()
            self._prediction = _Prediction(annotation, request, token)
            self._condition.notify()

    def submit(self, job: Job) -> None:
        """Run a volume job, piece by piece, after those submitted before."""
        with self._condition:
            self._jobs.append(job)
            self._condition.notify()

    def withdraw(self, job: Job) -> bool:
        """Take a job back that has not begun; return whether that was so."""
        with self._condition:
            if job not in self._jobs:
                return False
            self._jobs.remove(job)
            return True

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

    def forget(self) -> None:
        """Forget the prediction and the slice that wait."""
        with self._condition:
            self._prediction = self._encoding = None

    def stop(self) -> bool:
        """End the thread; return whether it ended in time.

        The job that runs ends after its present piece.
        """
        with self._condition:
            self._stopping = True
            self._prediction = self._encoding = None
            for waiting in (self._loadings, self._jobs):
                waiting.clear()
            self._condition.notify()
        try:
            return bool(self.wait(STOP_TIMEOUT_MS))
        except RuntimeError:  # Qt was quicker: its half of this object is gone
            return True

    def run(self) -> None:
        """Work until stopped; called by Qt in the new thread."""
        while (task := self._next()) is not None:
            self.working.emit(_describe(task))
            self._attempt(task)
            if not self._waiting():
                self.working.emit("")

    def _attempt(self, task: _Task) -> None:
        """Do a task; an error becomes a signal, or the end of its job."""
        try:
            self._do(task)
        except Exception as error:  # the edge of the thread: told to whoever asked
            if not isinstance(error, SpinalSamError):
                logger.exception("The inference thread met an unexpected error")
            if isinstance(task, Job):
                task.error = error
            else:
                asked = task.request if isinstance(task, _Prediction) else None
                self.failed.emit(asked, sentence_of(error))
        if isinstance(task, _Prediction):
            with self._condition:
                if self._prediction is None:  # else a newer one waits
                    self._answered.set()
        elif isinstance(task, Job):
            self.job_ended.emit(task)

    def _next(self) -> _Task | None:
        """Wait for a task: models, predictions, volume jobs, encoding ahead."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopping or self._waiting())
            if self._stopping:
                return None
            task: _Task | None
            if self._loadings:
                return self._loadings.popleft()
            if self._prediction is not None:
                task, self._prediction = self._prediction, None
            elif self._jobs:
                task = self._jobs.popleft()
            else:
                task, self._encoding = self._encoding, None
            return task

    def _waiting(self) -> bool:
        return bool(self._loadings or self._prediction or self._jobs or self._encoding)

    def _do(self, task: _Task) -> None:
        if isinstance(task, _Loading):
            self._session = task.build()
            self.loaded.emit(self._session)
        elif isinstance(task, Job):
            self._run_job(task)
        elif isinstance(task, _Prediction):
            self._predict(task)
        else:
            session = self._loaded()
            session.set_volume(task.volume)
            milliseconds = session.encode(task.axis, task.index, task.window)
            if milliseconds is not None:
                self.encoded.emit(task.axis, task.index, milliseconds)

    def _predict(self, task: _Prediction) -> None:
        if task.token.is_set():
            return
        request, session = task.request, self._loaded()
        session.set_volume(task.annotation.volume)
        prediction = session.predict(
            request.plane,
            request.prompts,
            window=request.window,
            mask_input=request.mask_input,
            start=request.start,
        )
        self.predicted.emit(request, prediction)

    def _loaded(self) -> SegmentationSession:
        if self._session is None:
            raise SpinalSamError(
                msg("No model is loaded: choose one in the Segment dock.")
            )
        return self._session

    def _run_job(self, job: Job) -> None:
        """Work until it is done, cancelled, or the thread is to end."""
        if job.token.is_set():
            return
        session = self._loaded()
        session.set_volume(job.annotation.volume)
        for item in job.run(session):
            self.advanced.emit(job, item)
            if self._stopping:
                job.cancel()
            elif not job.token.is_set():
                self._answer_between(job.annotation)

    def _answer_between(self, annotation: Annotation) -> None:
        """Answer a prompt on the same image without waiting for the long job's end."""
        with self._condition:
            waiting = self._prediction
            if waiting is None or waiting.annotation is not annotation:
                return
            self._prediction = None
        self._attempt(waiting)


def _describe(task: _Task) -> str:
    if isinstance(task, _Loading):
        return "Loading the model"
    if isinstance(task, _Encoding):
        return f"Encoding slice {task.index}"
    if isinstance(task, Job):
        return task.work.step
    return f"Predicting {task.request.structure}"


# Less than anybody notices, and enough for a mask of a slice at hand.
SETTLE_SECONDS = 0.04
STALE = msg(
    "The prompts changed meanwhile, so the mask that was asked for is not shown."
)
CANCELLED = msg("The prediction of the mask was cancelled.")
# How soon it is tried again to write what a plan that is being run keeps waiting.
AGAIN_MS = 20


class Predictions(QObject):
    """The inference service of a window, its `PredictionPort`.

    What is submitted is known by its own handle, and its result goes to the annotation
    that asked, whichever is open by then.

    Signals
    -------
    loaded(session)
        A model is ready.
    failed(sentence)
        Loading, encoding, or the newest request ended in an error.
    working(sentence)
        What the thread does for the open annotation; empty when idle.
    progress(share)
        How far a volume job has come, 0 to 1, where that is known.
    slice_propagated(name, SliceMask)
        A structure of the open annotation is propagated to another slice.
    job_ended(JobHandle)
        A volume job has ended, and what there was to write is written.
    request_ended(PredictionHandle)
        A request is over: its mask is shown, or its sentence says why not. It comes
        once for each request.
    """

    loaded = Signal(object)
    failed = Signal(str)
    working = Signal(str)
    progress = Signal(float)
    slice_propagated = Signal(str, object)
    job_ended = Signal(object)
    request_ended = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.live = True
        self.thread_ = InferenceThread()
        self.thread_.loaded.connect(self.loaded)
        self.thread_.predicted.connect(self._on_predicted)
        self.thread_.failed.connect(self._on_failed)
        self.thread_.working.connect(self.working)
        self.thread_.advanced.connect(self._on_advanced)
        self.thread_.job_ended.connect(self._on_job_ended)
        self._annotation: Annotation | None = None
        self._asked: PredictionHandle | None = None
        # What has not ended yet, for this annotation and others, the oldest first.
        self._jobs: dict[Job, JobHandle] = {}
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
        handle = self.ask(request)
        if not wait:
            self.thread_.settle(SETTLE_SECONDS)
            return False
        if not handle.done:
            wait_for(None, handle.ended, input_too=False)
        return True

    def ask(self, request: PredictionRequest) -> PredictionHandle:
        """Predict in the thread, in place of a request that is not answered yet.

        Raises
        ------
        InputError
            If no annotation is open.
        """
        handle = PredictionHandle(self, self._open_annotation(), request)
        if self._asked is not None:
            self._finish(self._asked, InputError(STALE))
        self._asked = handle
        self.thread_.predict(handle.annotation, request, handle.token)
        return handle

    @property
    def at_once(self) -> bool:
        """Return False: the thread does the work."""
        return False

    def work_ahead(self) -> str:
        """Return the name of the job that was submitted last and has not ended."""
        return next(reversed(self._jobs)).work.step if self._jobs else ""

    def submit(self, work: VolumeJob) -> JobHandle:
        """Work on whole objects in the thread, for the annotation that is open now.

        Raises
        ------
        InputError
            If no annotation is open.
        """
        job = Job.of(self._open_annotation(), work)
        handle = self._jobs[job] = JobHandle(self, job)
        self.thread_.submit(job)
        return handle

    def locate(self, search: Search) -> None:
        """Leave it to the plan; see `PredictionPort.locate`, `jobs.PlanHandle`."""

    def handles_of(self, outcome: Outcome) -> list[Handle]:
        """Return what an action has begun and has not ended."""
        found: list[Handle] = [
            handle for job, handle in self._jobs.items() if job.work is outcome.job
        ]
        if self._asked is not None and self._asked.request is outcome.request:
            found.append(self._asked)
        return found

    def has_jobs(self) -> bool:
        """Whether volume jobs of this annotation wait or run."""
        return any(job.annotation is self._annotation for job in self._jobs)

    def worked_on(self) -> list[Annotation]:
        """Return the annotations that the result of a job is still to come to."""
        return [job.annotation for job in self._jobs]

    @property
    def asked(self) -> PredictionHandle | None:
        """The newest request, while the thread owes an answer to it."""
        return self._asked

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
        """Cancel all that was submitted by now, and nothing that comes later."""
        self.thread_.forget()
        for handle in tuple(self._jobs.values()):
            handle.cancel()
        if self._asked is not None:
            self._asked.cancel()

    def cancel_job(self, handle: JobHandle) -> None:
        """End a job after its present piece, or at once if it has not begun."""
        handle.job.cancel()
        if self.thread_.withdraw(handle.job):
            self._on_job_ended(handle.job)

    def cancel_request(self, handle: PredictionHandle) -> None:
        """Answer a request no more."""
        handle.token.set()
        if handle is self._asked:
            self._finish(handle, CancelledError(CANCELLED))

    def stop(self) -> None:
        """End the thread, and write what its jobs have brought by now."""
        for job in self._jobs:
            job.cancel()
        if self.thread_.stop():
            for job in tuple(self._jobs):
                self._on_job_ended(job)

    def stop_work(self) -> bool:
        """Cancel the jobs of this annotation; say if there were any.

        What is done by now is written, as after `cancel`.
        """
        jobs = self._jobs.items()
        ours = [handle for job, handle in jobs if job.annotation is self._annotation]
        for handle in ours:
            handle.cancel()
        return bool(ours)

    def _open_annotation(self) -> Annotation:
        if self._annotation is None:
            raise InputError(
                msg("There is no image: open one, or the sample CT, first.")
            )
        return self._annotation

    def _on_predicted(
        self, request: PredictionRequest, prediction: MaskPrediction
    ) -> None:
        handle = self._asked
        if handle is None or request is not handle.request:
            return  # told already, when it was replaced or cancelled
        problem: SpinalSamError | None = None
        try:
            if not handle.annotation.show_prediction(prediction, request):
                problem = InputError(STALE)
        except SpinalSamError as error:
            problem = error
            self.failed.emit(error.message)
        except Exception as error:
            # A view failed: whoever waits must hear of it, and napari shows the error.
            self._finish(handle, ModelError(sentence_of(error)))
            raise
        self._finish(handle, problem)

    def _on_advanced(self, job: Job, item: SliceMask | Progress) -> None:
        """Tell how a job goes: to its handle, and in the dock that shows its image."""
        handle = self._jobs.get(job)
        if handle is None:
            return  # written when the thread was stopped
        handle.advance(item)
        if job.annotation is not self._annotation:
            return
        self.working.emit(handle.doing)
        if isinstance(item, Progress):
            self.progress.emit(item.done)
        else:
            self.slice_propagated.emit(job.work.shown, item)

    def _on_job_ended(self, job: Job) -> None:
        """Write what was done, also into an annotation that was left meanwhile."""
        if job not in self._jobs:
            return  # written when the thread was stopped
        if job.annotation.history.is_grouping:
            # A plan that waits for a mask may still be taken back, with all inside.
            QTimer.singleShot(AGAIN_MS, partial(self._on_job_ended, job))
            return
        handle = self._jobs.pop(job)
        job.write()
        if job.annotation is not self._annotation:
            name = job.annotation.volume.name
            belongs = msg("This belongs to {image}, shown before.", image=name)
            job.sentence = join([job.sentence, belongs])
        self.job_ended.emit(handle)
        handle.finish()

    def _on_failed(self, request: PredictionRequest | None, sentence: Message) -> None:
        """Tell of a failure, unless it is of what nobody waits for any more."""
        handle = self._asked
        if request is None:
            self.failed.emit(sentence)
        elif handle is not None and request is handle.request:
            self.failed.emit(sentence)
            self._finish(handle, ModelError(sentence))

    def _finish(self, handle: PredictionHandle, error: SpinalSamError | None) -> None:
        """Note the end of the newest request."""
        self._asked = None
        handle.finish(error)
        self.request_ended.emit(handle)
