"""From a sentence to what is done: understand, ask back or preview, run, tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Literal, cast

from qtpy.QtCore import QObject, Signal

from napari_spinalsam.actions.describe import describe, description
from napari_spinalsam.actions.models import ACTION_TYPES, ActionClass, Cancel
from napari_spinalsam.actions.replies import Clarify, Plan, Refuse, parse_action
from napari_spinalsam.annotation.jobs import sentence_of
from napari_spinalsam.annotation.operations import predicted
from napari_spinalsam.core.anatomy import Plane, listed
from napari_spinalsam.core.errors import CancelledError, SpinalSamError
from napari_spinalsam.core.messages import join, msg, msgc, render
from napari_spinalsam.core.prompts import SlicePrompts
from napari_spinalsam.language.interpreter import OFFLINE, Interpreter
from napari_spinalsam.language.llm.settings import ViewerContext
from napari_spinalsam.language.parser.offline import parse_offline
from napari_spinalsam.language.questions import language_of
from napari_spinalsam.widgets.jobs import PlanHandle
from napari_spinalsam.widgets.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_spinalsam.actions.models import Action
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.jobs import Search
    from napari_spinalsam.annotation.outcome import Outcome
    from napari_spinalsam.annotation.requests import PredictionRequest
    from napari_spinalsam.annotation.state import State
    from napari_spinalsam.core.messages import Language, Message
    from napari_spinalsam.language.interpreter import Understanding
    from napari_spinalsam.language.llm.settings import LanguageSettings
    from napari_spinalsam.widgets.controller import SegmentController
    from napari_spinalsam.widgets.jobs import Applied, JobHandle, PredictionHandle


# The client looks at its cancel token more often than that.
STOP_SECONDS = 3.0
Kind = Literal["outcome", "plan", "question", "refusal", "error"]
CANCELLED = msg("Cancelled; nothing was done.")
STILL_ANSWERING = msg("Wait for the answer to the sentence before, or cancel it.")
VOID = msg(
    "Something has changed since this was asked, so nothing was done: say it again."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the chat says next.

    Parameters
    ----------
    text : str
        Plain text.
    kind : str
        Outcome, plan to confirm, question, refusal or error.
    detail : str
        Where the answer comes from and how long it took.
    choices : dict of str to callable
        Buttons to offer, and what each does.
    """

    text: str
    kind: Kind
    detail: str = ""
    choices: dict[str, Callable[[], None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What a confirmation or a choice was asked for, and in which state.

    Parameters
    ----------
    annotation : Annotation or None
        What was open.
    state : State or None
        How it was.
    place : tuple of int or None
        The slice shown, where the steps act on it.
    """

    annotation: Annotation | None
    state: State | None
    place: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Begun:
    """What a sentence asked the model: for which image, in which language."""

    annotation: Annotation | None
    language: Language


class Conversation(QObject):
    """Holds the talk of one Chat dock.

    Parameters
    ----------
    controller : callable
        Returns the controller of the viewer's Segment dock, opening it if need be.
    settings : callable
        Returns the language settings as they are now.

    Signals
    -------
    answered(Answer)
        Something to show.
    waiting(sentence)
        What is waited for: a language model, a search, or work that a sentence began;
        empty when it is over.
    voided()
        The choices offered last can no longer be made.
    """

    answered = Signal(object)
    waiting = Signal(str)
    voided = Signal()

    def __init__(
        self,
        controller: Callable[[], SegmentController],
        settings: Callable[[], LanguageSettings],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._controller, self._settings = controller, settings
        self._worker: Worker | None = None
        self._cancel = Event()
        self._searching: PlanHandle | None = None
        self._language: Language = "en"
        self._asked: _Asked | None = None
        # What sentences began: the language of each, and where its plan comes from.
        self._plans: dict[PlanHandle, tuple[Language, str]] = {}
        self._jobs: dict[JobHandle, Language] = {}
        self._requests: dict[PredictionRequest, _Begun] = {}
        self._followed: SegmentController | None = None

    def say(self, text: str) -> None:
        """Understand a sentence and act on it, or answer it."""
        language = language_of(text)
        was_asked = self._asked is not None
        self._void()
        stops = _stops(text)
        if self._worker is not None or self._searching is not None:
            if stops:
                self.cancel()
            else:
                self.answered.emit(Answer(render(STILL_ANSWERING, language), "error"))
            return
        self._language = language
        if stops and was_asked and not self._jobs:
            self._decline()
            return
        settings = self._settings()
        interpreter = Interpreter(settings)
        context = viewer_context(self._controller())
        if not interpreter.asks_model(text):
            self._on_understood(interpreter.understand(text, context))
            return
        # The network is used here and nowhere else.
        self._cancel = Event()
        ask = partial(interpreter.understand, text, context, cancel=self._cancel)
        self._worker = Worker(ask)
        self._worker.returned.connect(self._on_understood)
        self._worker.errored.connect(self._on_failed)
        self._worker.finished.connect(self._on_asked)
        asking = msg("Asking {model} …", model=settings.model)
        self.waiting.emit(render(asking, language))
        self._worker.start()

    @property
    def tells_work(self) -> bool:
        """Whether what goes on was begun by a sentence, which `waiting` tells."""
        return bool(self._jobs)

    def cancel(self) -> None:
        """Stop asking the language model, searching, and what a sentence began."""
        self._cancel.set()
        if self._searching is not None or self._jobs:
            self._controller().cancel()

    def close(self) -> None:
        """End the worker, if one is at work; what is looked for is not run."""
        for plan in self._plans:
            for signal in (plan.searched, plan.applied, plan.job_ended, plan.refused):
                signal.disconnect()
        self._plans.clear()
        self._jobs.clear()
        if self._searching is not None:
            self._searching.cancel()
            self._searching = None
        self._cancel.set()
        if self._worker is not None:
            self._worker.wait(STOP_SECONDS)

    def run(self, steps: Sequence[Action], detail: str = "") -> None:
        """Submit a plan whole, and tell what comes of it, part by part."""
        controller = self._controller()
        self._follow(controller)
        plan = PlanHandle(controller, steps)
        self._plans[plan] = self._language, detail
        plan.searching.connect(self._on_searching)
        plan.searched.connect(self._on_searched)
        plan.applied.connect(self._on_applied)
        plan.job_ended.connect(self._on_job_ended)
        plan.refused.connect(self._on_refused)
        plan.ended.connect(self._forget_ended)
        plan.start()

    def _on_searching(self, plan: PlanHandle, search: Search) -> None:
        self._searching = plan
        language, _ = self._plans[plan]
        searching = msg("Looking for {names} …", names=listed(search.names))
        self.waiting.emit(render(searching, language))

    def _on_searched(self, plan: PlanHandle, search: Search) -> None:
        self._end_search()
        if search.failure:
            self._tell_error(search.failure, language=self._plans[plan][0])

    def _end_search(self) -> None:
        self._searching = None
        self.waiting.emit("")

    def _on_refused(self, plan: PlanHandle, error: SpinalSamError) -> None:
        if plan is self._searching:
            self._end_search()
        language, detail = self._plans[plan]
        if isinstance(error, CancelledError):
            self._decline(language)
        else:
            self._tell_error(error.message, detail, language)

    def _on_applied(self, plan: PlanHandle, part: Applied) -> None:
        """Tell, step by step, what came of a part of a plan, and follow its jobs."""
        language, detail = self._plans[plan]
        # A sentence asks for no pointer actions.
        steps = cast("tuple[Action, ...]", part.steps)
        rest = cast("tuple[Action, ...]", part.rest)
        lines = [
            f"› {describe(step, language)}\n{_outcome_text(outcome, language)}"
            for step, outcome in zip(steps, part.outcomes, strict=True)
        ]
        if rest:
            afterwards = msg("Afterwards: {steps}.", steps=_steps(rest))
            lines.append(render(afterwards, language))
        self.answered.emit(Answer("\n".join(lines), "outcome", detail))
        self._plans[plan] = language, ""  # what follows was not asked again
        for job in plan.jobs:
            self._jobs[job] = language
            job.advanced.connect(self._on_advanced)
        begun = _Begun(self._open_annotation(), language)
        asked = [o.request for o in part.outcomes if o.request is not None]
        self._requests |= dict.fromkeys(asked, begun)

    def _forget_ended(self) -> None:
        self._plans = {
            plan: told for plan, told in self._plans.items() if not plan.done
        }

    def _follow(self, controller: SegmentController) -> None:
        """Hear of masks that a sentence asked for, and of every change."""
        if controller is self._followed:
            return
        self._followed = controller
        controller.predictions.request_ended.connect(self._on_request_ended)
        controller.annotation_changed.connect(self._on_changed)

    def _on_advanced(self, doing: Message) -> None:
        if self._jobs and self._worker is None and self._searching is None:
            language = next(iter(self._jobs.values()))  # the oldest runs
            self.waiting.emit(render(doing, language))

    def _on_job_ended(self, job: JobHandle, left: tuple[Action, ...]) -> None:
        """Tell what came of work that a sentence began, and what is not done then."""
        language = self._jobs.pop(job)
        if not self._jobs and self._worker is None and self._searching is None:
            self.waiting.emit("")
        lines = [
            f"› {render(job.job.work.step, language)}",
            render(job.sentence, language),
        ]
        if left:
            undone = msg("Not done after that: {steps}.", steps=_steps(left))
            lines.append(render(undone, language))
        kind: Kind = "error" if job.job.end == "failed" else "outcome"
        self.answered.emit(Answer("\n".join(lines), kind))

    def _on_request_ended(self, handle: PredictionHandle) -> None:
        """Tell which mask came, or why none did."""
        begun, failure = self._requests.pop(handle.request, None), handle.sentence
        annotation = self._open_annotation()
        if begun is None or annotation is None or annotation is not begun.annotation:
            return
        if failure:
            told = render(failure, begun.language)
            self.answered.emit(Answer(told, "error"))
        elif (preview := annotation.state.preview) is not None:
            told = render(predicted(preview).text, begun.language)
            self.answered.emit(Answer(told, "outcome"))

    def _offer(
        self, choices: dict[str, Callable[[], None]], *, here: bool = False
    ) -> dict[str, Callable[[], None]]:
        """Bind choices to the state in which they are offered, and the slice if so."""
        controller = self._controller()
        self._follow(controller)
        asked = _state_of(controller, here=here)
        self._asked = asked
        return {
            text: partial(self._choose, asked, act) for text, act in choices.items()
        }

    def _choose(self, asked: _Asked, act: Callable[[], None]) -> None:
        """Do what was chosen, unless anything has changed since it was offered."""
        if asked is not self._asked or not self._holds(asked):
            self._void()
            self.answered.emit(Answer(render(VOID, self._language), "refusal"))
            return
        self._asked = None
        act()

    def _open_annotation(self) -> Annotation | None:
        """Return what is open in the dock that is followed; this opens none."""
        return None if self._followed is None else self._followed.annotation

    def _holds(self, asked: _Asked) -> bool:
        if self._followed is None:
            return False
        now = _state_of(self._followed, here=asked.place is not None)
        return (
            now.annotation is asked.annotation
            and now.state is asked.state
            and now.place == asked.place
        )

    def _void(self) -> None:
        """End the offer that was made last, if one is open."""
        if self._asked is not None:
            self._asked = None
            self.voided.emit()

    def _on_changed(self) -> None:
        if self._asked is not None and not self._holds(self._asked):
            self._void()

    def _on_understood(self, understanding: Understanding) -> None:
        language, reply = self._language, understanding.reply
        source = understanding.source
        source = render(msg("offline"), language) if source == OFFLINE else source
        detail = f"{source} · {_duration(understanding.seconds)}"
        if understanding.failure:
            self._tell_error(understanding.failure)
        if isinstance(reply, Clarify):
            choices = self._offer(dict(map(self._option, reply.options)))
            self.answered.emit(Answer(reply.question, "question", detail, choices))
        elif isinstance(reply, Refuse):
            self.answered.emit(Answer(reply.reason, "refusal", detail))
        elif understanding.needs_confirmation:
            steps = reply.steps
            choices = self._offer(
                {
                    render(msgc("button", "Run"), language): lambda: self.run(steps),
                    render(msgc("button", "Cancel"), language): self._decline,
                },
                here=any(step.action_class is ActionClass.EDIT for step in steps),
            )
            self.answered.emit(Answer(self._numbered(steps), "plan", detail, choices))
        else:
            self.run(reply.steps, detail)

    def _option(self, option: str) -> tuple[str, Callable[[], None]]:
        """Return a button for an option: the name of an action, or a sentence."""
        if option in ACTION_TYPES:
            action = parse_action({"action": option})
            return describe(action, self._language), lambda: self.run([action])
        return option, lambda: self.say(option)

    def _numbered(self, steps: Sequence[Action]) -> str:
        return "\n".join(
            f"{number}. {describe(step, self._language)}"
            for number, step in enumerate(steps, 1)
        )

    def _decline(self, language: Language | None = None) -> None:
        told = render(CANCELLED, language or self._language)
        self.answered.emit(Answer(told, "refusal"))

    def _tell_error(
        self, sentence: str, detail: str = "", language: Language | None = None
    ) -> None:
        told = render(sentence, language or self._language)
        self.answered.emit(Answer(told, "error", detail))

    def _on_failed(self, error: Exception) -> None:
        self._tell_error(sentence_of(error))

    def _on_asked(self) -> None:
        self._worker = None
        if self._searching is None:
            self.waiting.emit("")


def _steps(steps: Sequence[Action]) -> Message:
    """Name some steps in a sentence."""
    return join(map(description, steps), "; ")


def _stops(text: str) -> bool:
    """Whether a sentence only asks to stop."""
    reply = parse_offline(text)
    return isinstance(reply, Plan) and reply.steps == (Cancel(),)


def _state_of(controller: SegmentController, *, here: bool) -> _Asked:
    """Return what is open and how it is, with the slice shown if that matters."""
    annotation = controller.annotation
    if annotation is None:
        return _Asked(None, None)
    place = None
    if here and controller.viewer.dims.ndisplay == 2:
        place = controller.view.current_slice()
    return _Asked(annotation, annotation.state, place)


def viewer_context(controller: SegmentController) -> ViewerContext:
    """Return the few numbers about the viewer that a language model may see."""
    annotation = controller.annotation
    if annotation is None or controller.viewer.dims.ndisplay != 2:
        return ViewerContext()
    state = annotation.state
    axis, index = controller.view.current_slice()
    prompts = SlicePrompts(axis, index)
    if state.selected is not None:
        prompts = annotation.prompts_at(axis, index)
    return ViewerContext(
        plane=Plane.of_axis(axis),
        slice_index=index,
        slice_count=annotation.geometry.shape[axis],
        points=len(prompts.points),
        boxes=int(prompts.box is not None),
        has_preview=state.preview is not None,
        has_reference=annotation.reference is not None,
        selected=state.selected,
    )


def _outcome_text(outcome: Outcome, language: Language) -> str:
    if outcome.data is None:
        return render(outcome.text, language)
    return outcome.data.as_text(language)


def _duration(seconds: float) -> str:
    return f"{1e3 * seconds:.1f} ms" if seconds < 0.1 else f"{seconds:.1f} s"
