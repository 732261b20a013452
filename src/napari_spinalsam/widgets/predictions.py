"""From prompts to previews through the inference thread: one question at a time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QEventLoop, QObject, QTimer, Signal

from napari_spinalsam.annotation.label_edits import JobStart
from napari_spinalsam.core.errors import SpinalSamError
from napari_spinalsam.core.results import Progress
from napari_spinalsam.widgets.inference import Carrying, InferenceThread

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.jobs import Search
    from napari_spinalsam.annotation.ports import CarryJob
    from napari_spinalsam.annotation.requests import PredictionRequest
    from napari_spinalsam.core.prompts import MaskPrediction
    from napari_spinalsam.core.results import SliceMask
    from napari_spinalsam.model.session import SegmentationSession

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
