"""One sentence to a model, one valid reply back, or one sentence about why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import msg
from napari_spinalsam.language.failures import BlankAnswerError, LanguageModelError
from napari_spinalsam.language.instructions import instructions, request
from napari_spinalsam.language.reading import read_reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.actions.replies import Reply
    from napari_spinalsam.language.deadline import Deadline
    from napari_spinalsam.language.reading import Answer
    from napari_spinalsam.language.settings import LanguageSettings, ViewerContext

MOST_QUESTIONS = 3


class ChatModel(Protocol):
    """What is needed of a `client.ModelClient`."""

    def complete(
        self, messages: Sequence[dict[str, str]], deadline: Deadline
    ) -> Answer:
        """Return the model's answer to some messages."""


def ask_model(
    model: ChatModel,
    settings: LanguageSettings,
    text: str,
    context: ViewerContext,
    deadline: Deadline,
) -> Reply:
    """Ask a model what a sentence means.

    A blank answer is asked for once more, and so is one that is no valid reply, then
    with the validator's error and nothing else of the earlier answer.

    Parameters
    ----------
    model : ChatModel
        Whom to ask.
    settings : LanguageSettings
        With the habits of the service.
    text : str
        What the user said.
    context : ViewerContext
        What the tool shows.
    deadline : Deadline
        Shared by all questions.

    Raises
    ------
    LanguageModelError, InputError, CancelledError
        If there is no valid reply; see `ModelClient.complete` and `read_reply`.
    """
    complaint, was_blank = "", False
    for _ in range(MOST_QUESTIONS):
        question = request(text, context, complaint)
        messages = settings.service.messages(instructions(), question)
        answer = model.complete(messages, deadline)
        try:
            return read_reply(answer)
        except BlankAnswerError:
            if was_blank:
                raise
            was_blank = True
        except InputError as error:
            if complaint:
                break
            complaint = str(error)
    raise LanguageModelError(
        msg(
            "The language model gave no valid reply, also when asked "
            "again: say it in other words, or choose another model."
        )
    )
