"""What can go wrong with a language model, said with the remedy, and the time limit."""

from __future__ import annotations

import socket
import ssl
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING

from napari_spinalsam.core.errors import CancelledError, SpinalSamError
from napari_spinalsam.core.messages import msg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_spinalsam.core.messages import Message
    from napari_spinalsam.language.llm.settings import LanguageSettings

WORTH_A_RETRY = (429, 500, 503)


class LanguageModelError(SpinalSamError):
    """A language model that could not be asked or gave no usable answer.

    Parameters
    ----------
    sentence : str
        What happened and what to do.
    is_passing : bool
        Whether asking again at once may help.
    """

    def __init__(self, sentence: str, *, is_passing: bool = False) -> None:
        super().__init__(sentence)
        self.is_passing = is_passing


class BlankAnswerError(LanguageModelError):
    """An answer without content."""

    def __init__(self) -> None:
        super().__init__(
            msg(
                "The language model answered with nothing: say it in other words, or "
                "choose another model."
            )
        )


def status_failure(status: int, settings: LanguageSettings) -> LanguageModelError:
    """Tell of an HTTP status that is no success."""
    told = _status_in_words(status, settings.host, settings.model)
    return LanguageModelError(told, is_passing=status in WORTH_A_RETRY)


def _status_in_words(status: int, host: str, model: str) -> Message:
    match status:
        case 400:
            return msg(
                "{host} did not accept the request (400): check that the profile fits "
                "the server and that it serves the model {model!r}.",
                host=host,
                model=model,
            )
        case 401:
            return msg(
                "{host} did not accept the key (401): store a valid one in the "
                "language settings or in the environment.",
                host=host,
            )
        case 402:
            return msg(
                "The account at {host} has no balance left (402): top it up, or choose "
                "a model on this computer.",
                host=host,
            )
        case 403:
            return msg(
                "The key may not be used for the model {model!r} at {host} (403): "
                "choose another model or another key.",
                host=host,
                model=model,
            )
        case 404:
            return msg(
                "{host} has no model {model!r} (404), it may be retired: choose one "
                "from the list of models, and check that the address is right.",
                host=host,
                model=model,
            )
        case 422:
            return msg(
                "{host} did not accept a parameter of the request (422): choose the "
                "profile that fits the server.",
                host=host,
            )
        case 429:
            return msg(
                "{host} is asked too often (429): wait a minute and say it again.",
                host=host,
            )
        case 503:
            return msg(
                "{host} is overloaded or still loading the model (503): wait a little "
                "and say it again.",
                host=host,
            )
        case _ if 300 <= status < 400:
            return msg(
                "{host} sends on to another address ({status}), which is not followed, "
                "as the key could go astray: enter the final address in the language "
                "settings.",
                host=host,
                status=status,
            )
        case _ if status >= 500:
            return msg(
                "{host} has a problem of its own ({status}): say it again later, or "
                "choose another model.",
                host=host,
                status=status,
            )
        case _:
            return msg(
                "{host} did not accept the request ({status}): check address, model "
                "and profile in the language settings.",
                host=host,
                status=status,
            )


def connection_failure(
    error: BaseException, settings: LanguageSettings
) -> LanguageModelError:
    """Tell of a connection that was not made or was lost.

    Only a connection that was never made is worth a retry: otherwise the question
    may have been answered, and paid for, already.
    """
    causes = tuple(_causes(error))
    was_never_made = any(
        type(cause).__name__ in ("ConnectError", "ConnectTimeout") for cause in causes
    )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        sentence = msg(
            "Nothing answers at {url}: start the server, or correct the address in the "
            "language settings.",
            url=settings.base_url,
        )
    elif any(isinstance(cause, socket.gaierror) for cause in causes):
        sentence = msg(
            "The host {host} is not known: check the address in the language settings, "
            "and the network.",
            host=settings.host,
        )
    elif any(isinstance(cause, ssl.SSLError) for cause in causes):
        sentence = msg(
            "There is no secure connection to {host}: check http or https in the "
            "address, and the certificate of the server.",
            host=settings.host,
        )
    elif was_never_made:
        sentence = msg(
            "No connection to {host} was made: check the address, the network and the "
            "proxy.",
            host=settings.host,
        )
    else:
        sentence = msg(
            "The connection to {host} was lost: say it again.", host=settings.host
        )
    return LanguageModelError(sentence, is_passing=was_never_made)


def timeout_failure(settings: LanguageSettings) -> LanguageModelError:
    """Tell that the deadline passed."""
    return LanguageModelError(
        msg(
            "{host} did not answer within {seconds:g} s: say it again (a local server "
            "may have been loading the model), or allow a longer wait in the language "
            "settings.",
            host=settings.host,
            seconds=settings.deadline_s,
        )
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it; some libraries keep causes as arguments."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        parents = (cause.__cause__, cause.__context__, *cause.args)
        waiting += [p for p in parents if isinstance(p, BaseException)]


class Deadline:
    """The end of waiting, shared by everything that one sentence needs.

    Parameters
    ----------
    settings : LanguageSettings
        With the longest wait, which begins now.
    cancel : threading.Event, optional
        Set from any thread to end the waiting.
    """

    def __init__(self, settings: LanguageSettings, cancel: Event | None = None) -> None:
        self._settings, self._cancel = settings, cancel or Event()
        self._end = monotonic() + settings.deadline_s

    @property
    def remaining(self) -> float:
        """Seconds left, 0 when it has passed."""
        return max(0.0, self._end - monotonic())

    def check(self) -> None:
        """Make sure that there is still time and interest.

        Raises
        ------
        CancelledError
            If the user cancelled.
        LanguageModelError
            If the deadline has passed.
        """
        if self._cancel.is_set():
            raise CancelledError(
                msg("The language model is not waited for any longer.")
            )
        if not self.remaining:
            raise timeout_failure(self._settings)

    def pause(self, seconds: float) -> None:
        """Let some seconds pass, fewer if the waiting ends before.

        Raises
        ------
        CancelledError, LanguageModelError
            As `check`.
        """
        self._cancel.wait(min(seconds, self.remaining))
        self.check()
