"""Handles of what was submitted: one prediction, one volume job, or a whole plan.

A handle serves whoever asked. Qt connects its signals, a notebook writes
``await handle`` or ``handle.result()``, and the chat tells what it tells.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEventLoop, QObject, QTimer, Signal

from napari_spinalsam.annotation.executor import stages
from napari_spinalsam.annotation.jobs import sentence_of
from napari_spinalsam.core.errors import CancelledError, ModelError, SpinalSamError
from napari_spinalsam.core.messages import Message, msg
from napari_spinalsam.core.results import Progress

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_spinalsam.actions.pointer import AnyAction
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.jobs import Job, Search
    from napari_spinalsam.annotation.outcome import Outcome
    from napari_spinalsam.annotation.requests import PredictionRequest
    from napari_spinalsam.core.results import SliceMask
    from napari_spinalsam.widgets.controller import SegmentController
    from napari_spinalsam.widgets.inference import Predictions


class Handle(QObject):
    """Something that was submitted, until it has ended and after.

    Attributes
    ----------
    doing : Message
        What it does now; empty before it begins.
    progress : float
        How far it has come, 0 to 1, where that is known.
    error : SpinalSamError or None
        Why there is no result; a CancelledError if it was cancelled.

    Signals
    -------
    advanced(sentence)
        What it does now.
    ended()
        It is done, was cancelled or failed. This comes once.
    """

    advanced = Signal(object)
    ended = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.doing, self.progress = Message(), 0.0
        self.error: SpinalSamError | None = None
        self._done = False
        self._value: Any = None

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._done

    @property
    def cancelled(self) -> bool:
        """Whether it ended because it was cancelled."""
        return isinstance(self.error, CancelledError)

    def cancel(self) -> None:
        """End this, and nothing else that was submitted; what is done stays."""
        raise NotImplementedError

    def result(self, timeout: float | None = None) -> Any:
        """Return what came of it, once it has ended; the window goes on meanwhile.

        Parameters
        ----------
        timeout : float or None
            Seconds to wait at most; None waits for as long as it takes.

        Raises
        ------
        CancelledError
            If it was cancelled; what was done by then stays.
        SpinalSamError
            What it failed with.
        ModelError
            If it has not ended after `timeout` seconds; it goes on.
        """
        if not self._done:
            wait_for(timeout, self.ended)
        if not self._done and timeout is None:
            raise ModelError(msg("It had not ended when the program did."))
        if not self._done:
            raise ModelError(
                msg(
                    "It is not done after {seconds:g} s and goes on: wait for longer, "
                    "or cancel it.",
                    seconds=timeout,
                )
            )
        if self.error is not None:
            raise self.error
        return self._value

    def __await__(self) -> Generator[Any, None, Any]:
        """Let the window go on until it has ended; see `result`.

        Other coroutines wait meanwhile: a kernel of Jupyter gives the thread to Qt's
        loop when asyncio's has nothing to do, and does not take it back.
        """
        yield from ()
        return self.result()

    def _advance(self, doing: Message) -> None:
        self.doing = doing
        self.advanced.emit(doing)

    def _end(self, value: Any = None, error: SpinalSamError | None = None) -> None:
        if not self._done:
            self._done, self._value, self.error = True, value, error
            self.ended.emit()


def wait_for(timeout: float | None, *signals: Any, input_too: bool = True) -> None:
    """Let the window go on until a signal comes, or some seconds have passed.

    Parameters
    ----------
    timeout : float or None
        Seconds; None waits for as long as it takes.
    *signals : Signal
        Whichever comes first.
    input_too : bool
        Whether mouse and keys are answered meanwhile.
    """
    loop, timer = QEventLoop(), QTimer()
    for signal in signals:
        signal.connect(loop.quit)
    if timeout is not None:
        timer.setSingleShot(True)
        timer.timeout.connect(loop.quit)
        timer.start(int(1000 * timeout))
    flags = QEventLoop.ProcessEventsFlag
    loop.exec(flags.AllEvents if input_too else flags.ExcludeUserInputEvents)
    for signal in signals:
        signal.disconnect(loop.quit)


class PredictionHandle(Handle):
    """One question to the model; its result is the empty string or why no mask came.

    Parameters
    ----------
    service : Predictions
        Where it was submitted.
    annotation : Annotation
        Who asked, and gets the preview.
    request : PredictionRequest
        The question; it knows the moment at which it was asked.
    """

    def __init__(
        self, service: Predictions, annotation: Annotation, request: PredictionRequest
    ) -> None:
        super().__init__()
        self._service = service
        self.annotation, self.request = annotation, request
        self.token = Event()

    @property
    def sentence(self) -> Message:
        """Why its mask is not shown; empty if it is, or before its end."""
        return Message() if self.error is None else self.error.message

    def cancel(self) -> None:
        """Show no mask for it."""
        self._service.cancel_request(self)

    def finish(self, error: SpinalSamError | None) -> None:
        """Note its end; called by the service."""
        self._end(None, error)


class JobHandle(Handle):
    """One volume job; its result is the sentence that says what came of it.

    Parameters
    ----------
    service : Predictions
        Where it was submitted.
    job : Job
        The work, with its cancel token and its annotation.
    """

    def __init__(self, service: Predictions, job: Job) -> None:
        super().__init__()
        self._service, self.job = service, job

    @property
    def sentence(self) -> Message:
        """What came of it; empty before its end."""
        return self.job.sentence

    def cancel(self) -> None:
        """End this job, and no other; one that waits ends at once."""
        if not self._done:
            self._service.cancel_job(self)

    def advance(self, item: SliceMask | Progress) -> None:
        """Note a piece of work; called by the service."""
        step = self.job.work.step
        if isinstance(item, Progress):
            self.progress = item.done
            self._advance(msg("{step}: {what}", step=step, what=item.what))
        else:
            self._advance(msg("{step}: slice {index}", step=step, index=item.index))

    def finish(self) -> None:
        """Note that the job was written; called by the service."""
        job = self.job
        error: SpinalSamError | None = None
        if job.end == "stopped":
            error = CancelledError(job.sentence)
        elif isinstance(job.error, SpinalSamError):
            error = job.error
        elif job.error is not None:
            error = ModelError(sentence_of(job.error))
        self._end(job.sentence, error)


@dataclass(frozen=True, slots=True)
class Applied:
    """One part of a plan that was applied.

    Parameters
    ----------
    steps : tuple of AnyAction
        The part.
    outcomes : tuple of Outcome
        What came of each step.
    rest : tuple of AnyAction
        What is to be done when the jobs of this part have ended well.
    """

    steps: tuple[AnyAction, ...]
    outcomes: tuple[Outcome, ...]
    rest: tuple[AnyAction, ...]


class PlanHandle(Handle):
    """A plan, submitted whole: search, then run, one undo step.

    What needs the result of a volume job is done when that has ended well, as a step
    of its own. The result is a tuple of Outcome, one for each action.

    Parameters
    ----------
    controller : SegmentController
        Whose annotation it acts on; a plan that waits ends with another image.
    actions : sequence of AnyAction
        The plan.
    hint : str
        A sentence to add to what the status line tells of it.

    Signals
    -------
    searching(PlanHandle, Search)
        Structures are looked for first.
    searched(PlanHandle, Search)
        That is over, and what was looked for is applied now.
    applied(PlanHandle, Applied)
        A part of the plan was applied; its jobs have begun.
    job_ended(JobHandle, rest)
        A job of the plan has ended; the actions that are not done for that.
    refused(PlanHandle, SpinalSamError)
        A part was not applied, and nothing of it was done.
    """

    searching = Signal(object, object)
    searched = Signal(object, object)
    applied = Signal(object, object)
    job_ended = Signal(object, object)
    refused = Signal(object, object)

    def __init__(
        self,
        controller: SegmentController,
        actions: Sequence[AnyAction],
        hint: str = "",
    ) -> None:
        super().__init__()
        self._controller, self._hint = controller, hint
        self._annotation: Annotation | None = None
        self._stages = deque(stages(actions))
        self._stage: tuple[AnyAction, ...] = ()
        self._wanted: Search | None = None
        self._search: JobHandle | None = None
        self._failure: SpinalSamError | None = None
        self._pending: list[Handle] = []
        self.outcomes: tuple[Outcome, ...] = ()

    @property
    def rest(self) -> tuple[AnyAction, ...]:
        """What is still to be applied."""
        return tuple(action for stage in self._stages for action in stage)

    @property
    def jobs(self) -> list[JobHandle]:
        """Its volume jobs that have not ended."""
        return [each for each in self._pending if isinstance(each, JobHandle)]

    @property
    def is_applied(self) -> bool:
        """Whether all of it is applied, though jobs may go on."""
        return not self._stages and not self._stage

    def start(self) -> None:
        """Begin; a plan that needs no search is applied when this returns."""
        self._controller.plans.add(self)
        self._controller.cancelled.connect(self._on_cancelled)
        self._controller.annotation_changed.connect(self._on_changed)
        self._go_on()

    def cancel(self) -> None:
        """End the search and the jobs of this plan, and leave what waits for them."""
        if self._search is not None:
            self._give_up()
            return
        for each in tuple(self._pending):
            each.cancel()

    def _go_on(self) -> None:
        """Apply the next part, after the search that it needs."""
        if self._stage or self._pending:
            return
        if not self._stages:
            self._end(self.outcomes, self._failure)
            return
        self._stage = self._stages.popleft()
        self._annotation = self._controller.annotation
        try:
            self._wanted = self._controller.executor.search(self._stage)
            if self._wanted is not None:
                self._search = self._controller.predictions.submit(self._wanted)
        except SpinalSamError as error:
            self._refuse(error)
            return
        except Exception as error:  # it has ended all the same; napari shows the error
            self._refuse(ModelError(sentence_of(error)))
            raise
        if self._search is None:
            self._apply()
        else:
            self._search.ended.connect(self._on_searched)
            self.searching.emit(self, self._wanted)

    def _on_searched(self) -> None:
        handle, self._search = self._search, None
        if handle is None:
            return  # given up
        if handle.error is not None:
            self._refuse(_not_searched() if handle.cancelled else handle.error)
            return
        self.searched.emit(self, self._wanted)
        self._apply()

    def _apply(self) -> None:
        steps, predictions = self._stage, self._controller.predictions
        try:
            outcomes = self._controller.run(
                *steps, search=self._wanted, hint=self._hint
            )
        except SpinalSamError as error:
            self._refuse(error)
            return
        except Exception as error:  # it has ended all the same; napari shows the error
            self._refuse(ModelError(sentence_of(error)))
            raise
        self._stage = ()
        self._annotation = self._controller.annotation
        self.outcomes += outcomes
        for outcome in outcomes:
            for handle in predictions.handles_of(outcome):
                self._pending.append(handle)
                handle.advanced.connect(self._advance)
                handle.ended.connect(self._on_pending)
        self.applied.emit(self, Applied(steps, outcomes, self.rest))
        self._go_on()

    def _on_pending(self) -> None:
        """Tell of what has ended, and go on with what waited for it."""
        for handle in [each for each in self._pending if each.done]:
            self._pending.remove(handle)
            error = handle.error
            if error is None and self._stages and not self._is_open:
                error = CancelledError(
                    msg("Another image was chosen meanwhile: the rest was not done.")
                )
            self._failure = self._failure or error
            if isinstance(handle, JobHandle):
                rest = () if error is None else self.rest
                if rest:
                    self._stages.clear()
                self.job_ended.emit(handle, rest)
        self._go_on()

    def _on_cancelled(self) -> None:
        """Look for nothing any longer; its jobs are cancelled like all others."""
        if self._search is not None:
            self._give_up()

    def _on_changed(self) -> None:
        if self._search is not None and not self._is_open:
            self._give_up()

    @property
    def _is_open(self) -> bool:
        return self._controller.annotation is self._annotation

    def _give_up(self) -> None:
        search, self._search = self._search, None
        if search is not None:
            search.cancel()
        self._refuse(_not_searched())

    def _refuse(self, error: SpinalSamError) -> None:
        self._stages.clear()
        self._stage = ()
        self.refused.emit(self, error)
        self._end(error=error)

    def _end(self, value: Any = None, error: SpinalSamError | None = None) -> None:
        if self._done:
            return
        self._controller.cancelled.disconnect(self._on_cancelled)
        self._controller.annotation_changed.disconnect(self._on_changed)
        self._controller.plans.discard(self)
        super()._end(value, error)


def _not_searched() -> CancelledError:
    return CancelledError(msg("The search was cancelled; nothing was done."))
