"""From a sentence to what is done: understand, ask back or preview, run, tell."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from qtpy.QtCore import QObject, Signal

from napari_spinalsam.core.actions import ACTION_TYPES
from napari_spinalsam.core.descriptions import describe
from napari_spinalsam.core.errors import CancelledError, SpinalSamError
from napari_spinalsam.core.geometry import Plane
from napari_spinalsam.core.prompts import SlicePrompts
from napari_spinalsam.core.replies import Clarify, Refuse, parse_action
from napari_spinalsam.language.answers import in_language
from napari_spinalsam.language.interpreter import Interpreter
from napari_spinalsam.language.settings import ViewerContext
from napari_spinalsam.language.wording import language_of
from napari_spinalsam.widgets.asking import AskingThread
from napari_spinalsam.widgets.searching import Searching

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_spinalsam.annotation.ports import Outcome
    from napari_spinalsam.annotation.searching import Search
    from napari_spinalsam.core.actions import Action
    from napari_spinalsam.language.interpreter import Understanding
    from napari_spinalsam.language.settings import LanguageSettings
    from napari_spinalsam.widgets.controller import SegmentController

Language = Literal["en", "zh"]
Kind = Literal["outcome", "plan", "question", "refusal", "error"]
WORDS = {
    "en": {
        "run": "Run",
        "cancel": "Cancel",
        "cancelled": "Cancelled; nothing was done.",
        "busy": "Wait for the answer to the sentence before, or cancel it.",
        "offline": "offline",
        "asking": "Asking {} …",
        "searching": "Looking for {} …",
    },
    "zh": {
        "run": "执行",
        "cancel": "取消",
        "cancelled": "已取消，没有执行任何操作。",
        "busy": "请等待上一句的回答，或先取消。",
        "offline": "离线",
        "asking": "正在询问 {} …",
        "searching": "正在寻找 {} …",
    },
}


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
        What is waited for, a language model or a search; empty when it is over.
    """

    answered = Signal(object)
    waiting = Signal(str)

    def __init__(
        self,
        controller: Callable[[], SegmentController],
        settings: Callable[[], LanguageSettings],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._controller, self._settings = controller, settings
        self._thread: AskingThread | None = None
        self._searching: Searching | None = None
        self._language: Language = "en"

    def say(self, text: str) -> None:
        """Understand a sentence and act on it, or answer it."""
        language = language_of(text)
        if self._thread is not None or self._searching is not None:
            self.answered.emit(Answer(WORDS[language]["busy"], "error"))
            return
        self._language = language
        settings = self._settings()
        interpreter = Interpreter(settings)
        context = viewer_context(self._controller())
        if not interpreter.asks_model(text):
            self._on_understood(interpreter.understand(text, context))
            return
        self._thread = AskingThread(interpreter, text, context, self)
        self._thread.understood.connect(self._on_understood)
        self._thread.failed.connect(self._tell_error)
        self._thread.finished.connect(self._on_thread_finished)
        self.waiting.emit(WORDS[language]["asking"].format(settings.model))
        self._thread.start()

    def cancel(self) -> None:
        """Stop asking the language model, or looking for structures."""
        if self._thread is not None:
            self._thread.cancel()
        if self._searching is not None:
            self._controller().cancel()

    def close(self) -> None:
        """End the thread, if one is at work; what is looked for is not run."""
        if self._searching is not None:
            self._searching.ended.disconnect()
        if self._thread is not None:
            self._thread.cancel()
            self._thread.wait()

    def run(self, steps: Sequence[Action], detail: str = "") -> None:
        """Apply a plan, after the search that it needs, and tell what came of it."""
        controller = self._controller()
        try:
            search = controller.executor.search(steps)
        except SpinalSamError as error:
            self._tell_error(str(error), detail)
            return
        if search is None:
            self._apply(steps, detail)
            return
        names = ", ".join(search.names)
        self.waiting.emit(WORDS[self._language]["searching"].format(names))
        self._searching = Searching(controller, search)
        self._searching.ended.connect(partial(self._on_searched, search, steps, detail))

    def _on_searched(
        self, search: Search, steps: Sequence[Action], detail: str, found: bool
    ) -> None:
        self._searching = None
        self.waiting.emit("")
        if not found:
            self._decline()
            return
        if search.failure:
            self._tell_error(search.failure)
        self._apply(steps, detail, search)

    def _apply(
        self, steps: Sequence[Action], detail: str, search: Search | None = None
    ) -> None:
        """Apply a plan and tell, step by step, what came of it."""
        try:
            outcomes = self._controller().run(*steps, search=search)
        except CancelledError:
            self._decline()
        except SpinalSamError as error:
            self._tell_error(str(error), detail)
        else:
            lines = [
                f"› {describe(step, self._language)}\n{_told(outcome, self._language)}"
                for step, outcome in zip(steps, outcomes, strict=True)
            ]
            self.answered.emit(Answer("\n".join(lines), "outcome", detail))

    def _on_understood(self, understanding: Understanding) -> None:
        words, reply = WORDS[self._language], understanding.reply
        source = understanding.source
        source = words["offline"] if source == "offline" else source
        detail = f"{source} · {_duration(understanding.seconds)}"
        if understanding.failure:
            self._tell_error(understanding.failure)
        if isinstance(reply, Clarify):
            choices = dict(map(self._option, reply.options))
            self.answered.emit(Answer(reply.question, "question", detail, choices))
        elif isinstance(reply, Refuse):
            self.answered.emit(Answer(reply.reason, "refusal", detail))
        elif understanding.needs_confirmation:
            steps = reply.steps
            choices = {
                words["run"]: lambda: self.run(steps),
                words["cancel"]: self._decline,
            }
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

    def _decline(self) -> None:
        self.answered.emit(Answer(WORDS[self._language]["cancelled"], "refusal"))

    def _tell_error(self, sentence: str, detail: str = "") -> None:
        told = in_language(sentence, self._language)
        self.answered.emit(Answer(told, "error", detail))

    def _on_thread_finished(self) -> None:
        self._thread = None
        if self._searching is None:
            self.waiting.emit("")


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


def _told(outcome: Outcome, language: Language) -> str:
    report = outcome.data
    if report is None:
        return in_language(outcome.text, language)
    return replace(
        report,
        title=in_language(report.title, language),
        columns=tuple(in_language(column, language) for column in report.columns),
    ).as_text()


def _duration(seconds: float) -> str:
    return f"{1e3 * seconds:.1f} ms" if seconds < 0.1 else f"{seconds:.1f} s"
