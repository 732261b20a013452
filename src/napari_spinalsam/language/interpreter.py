"""Understands one sentence: the offline parser first, then perhaps a language model."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from napari_spinalsam.actions.models import ACTION_CLASS, ActionClass
from napari_spinalsam.actions.replies import Plan, Refuse
from napari_spinalsam.core.errors import CancelledError, SpinalSamError
from napari_spinalsam.language.llm.client import ModelClient
from napari_spinalsam.language.llm.errors import Deadline, LanguageModelError
from napari_spinalsam.language.llm.prompt import ChatModel, ask_model
from napari_spinalsam.language.llm.settings import LanguageSettings, ViewerContext
from napari_spinalsam.language.parser.offline import parse_offline
from napari_spinalsam.language.parser.safety import forbids, guarded, screen
from napari_spinalsam.language.privacy import held_back, patient_data_in
from napari_spinalsam.language.questions import language_of, refuse

if TYPE_CHECKING:
    from threading import Event

    from napari_spinalsam.actions.replies import Clarify, Reply

OFFLINE = "offline"
_NEEDS_A_YES = (ActionClass.DESTRUCTIVE, ActionClass.WRITE)


@dataclass(frozen=True, slots=True)
class Understanding:
    """What a sentence means, and who says so.

    Parameters
    ----------
    reply : Plan, Clarify or Refuse
        What to do, to ask or to say.
    source : str
        "offline", or the id of the model.
    parse_seconds, model_seconds : float
        Time spent by the offline parser and waiting for the model.
    needs_confirmation : bool
        Whether the plan is to be shown before it runs: it is a model's, or it removes
        or writes something.
    failure : str
        Why the model, though switched on, has no part in this; empty if nothing failed.
    """

    reply: Reply
    source: str
    parse_seconds: float
    model_seconds: float = 0.0
    needs_confirmation: bool = False
    failure: str = ""

    @property
    def seconds(self) -> float:
        """Time until it was understood."""
        return self.parse_seconds + self.model_seconds


class Interpreter:
    """Turns sentences into replies; keeps nothing between two of them.

    A model is asked only if it is switched on, and never about a sentence that the
    offline parser refuses for what it says, such as a negation, a path or code.

    Parameters
    ----------
    settings : LanguageSettings
        Whether and how a model is asked.
    client : ChatModel, optional
        Whom to ask; by default the server of the settings.
    """

    def __init__(
        self, settings: LanguageSettings, client: ChatModel | None = None
    ) -> None:
        self._settings = settings
        self._client = client or ModelClient(settings)

    def asks_model(self, text: str) -> bool:
        """Whether `understand` waits for a model; what it does not is quick."""
        return self._is_for_the_model(text, parse_offline(text))

    def understand(
        self, text: str, context: ViewerContext, *, cancel: Event | None = None
    ) -> Understanding:
        """Return what a sentence means.

        Parameters
        ----------
        text : str
            What the user said.
        context : ViewerContext
            What a model may know of the viewer.
        cancel : threading.Event, optional
            Set from any thread to stop waiting for the model.

        Raises
        ------
        CancelledError
            If the user cancelled. All other failures of the model are told in the
            result, beside what the offline parser makes of the sentence.
        """
        began = perf_counter()
        offline = parse_offline(text)
        parsed = perf_counter()
        if not self._is_for_the_model(text, offline):
            return _understanding(offline, OFFLINE, parsed - began)
        reply, source, failure = offline, OFFLINE, ""
        if question := self._held_back(text):
            if _is_not_understood(text, offline):
                reply = question
            else:
                failure = question.question
        else:
            try:
                reply, source = self._ask(text, context, cancel), self._settings.model
            except CancelledError:
                raise
            except SpinalSamError as error:
                failure = error.message
        waited = perf_counter() - parsed
        return _understanding(reply, source, parsed - began, waited, failure)

    def _is_for_the_model(self, text: str, offline: Reply) -> bool:
        if not self._settings.enabled or screen(text) or forbids(text):
            return False
        if _is_not_understood(text, offline):
            return True
        is_first = self._settings.order == "model_first"
        return is_first and not isinstance(offline, Refuse)

    def _held_back(self, text: str) -> Clarify | None:
        """Return the question back for a sentence that must not leave the computer."""
        language = language_of(text)
        if self._settings.is_remote and (found := patient_data_in(text, language)):
            return held_back(found, self._settings.host, language)
        return None

    def _ask(self, text: str, context: ViewerContext, cancel: Event | None) -> Reply:
        deadline = Deadline(self._settings, cancel)
        reply = ask_model(self._client, self._settings, text, context, deadline)
        return guarded(reply, text, language_of(text))


def parse_with_model(text: str, settings: LanguageSettings) -> Reply:
    """Return what the model makes of a sentence, asked first.

    Parameters
    ----------
    text : str
        The sentence; nothing is said about a viewer.
    settings : LanguageSettings
        Whom to ask; whether the model is switched on does not matter.

    Raises
    ------
    LanguageModelError
        If the model failed; the sentence says why.
    """
    chosen = settings.model_copy(update={"enabled": True, "order": "model_first"})
    understanding = Interpreter(chosen).understand(text, ViewerContext())
    if understanding.failure:
        raise LanguageModelError(understanding.failure)
    return understanding.reply


def _is_not_understood(text: str, offline: Reply) -> bool:
    """Tell whether the offline parser has no rule for a sentence.

    All its other refusals, and its questions, are about what the sentence says.
    """
    return offline == refuse("outside", language_of(text))


def _understanding(
    reply: Reply,
    source: str,
    parse_seconds: float,
    model_seconds: float = 0.0,
    failure: str = "",
) -> Understanding:
    """Return an understanding, with whether its plan is to be confirmed."""
    needs_confirmation = isinstance(reply, Plan) and (
        source != OFFLINE
        or any(ACTION_CLASS[step.action] in _NEEDS_A_YES for step in reply.steps)
    )
    return Understanding(
        reply, source, parse_seconds, model_seconds, needs_confirmation, failure
    )
