"""One question to an OpenAI-compatible server, with a deadline that holds.

The package openai is imported in the thread that asks, and nowhere else. Its own time
limit restarts with every byte, so the waiting is done here, by the clock.
"""

from __future__ import annotations

import sys
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from napari_spinalsam.core.errors import SpinalSamError
from napari_spinalsam.core.messages import msg
from napari_spinalsam.language.llm.credentials import key_for
from napari_spinalsam.language.llm.errors import (
    LanguageModelError,
    connection_failure,
    status_failure,
    timeout_failure,
)
from napari_spinalsam.language.llm.response import read_answer, read_model_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from openai import OpenAI
    from pydantic import SecretStr

    from napari_spinalsam.language.llm.errors import Deadline
    from napari_spinalsam.language.llm.response import Answer
    from napari_spinalsam.language.llm.settings import LanguageSettings

    Request = Callable[[OpenAI], AbstractContextManager[Any]]

LARGEST_BODY = 4 * 1024**2
RETRY_SECONDS = 0.5
LOOK_SECONDS = 0.02
USER_AGENT = "napari-spinalsam"
# Everything else that openai would send tells of the computer or its environment; the
# last of these makes openai hand the body on as it comes.
_SENT_HEADERS = frozenset(
    {
        "host",
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "x-stainless-raw-response",
    }
)


class ModelClient:
    """Asks the language model of the settings; keeps nothing between two questions.

    Parameters
    ----------
    settings : LanguageSettings
        Address, model and profile.
    retry_seconds : float
        Pause before something that may pass is tried once more.
    """

    def __init__(
        self, settings: LanguageSettings, *, retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self._settings, self._retry_seconds = settings, retry_seconds

    def complete(
        self, messages: Sequence[dict[str, str]], deadline: Deadline
    ) -> Answer:
        """Return the model's answer to some messages.

        Raises
        ------
        LanguageModelError
            If there is no answer; the sentence says why and what to do.
        InputError
            If there is no model, address, consent or key.
        CancelledError
            If the user cancelled.
        """
        settings = self._settings
        settings.check_can_ask()
        options = settings.service.request_options(settings.reasoning)
        body = self._fetch(
            lambda openai: openai.chat.completions.with_streaming_response.create(
                model=settings.model,
                messages=messages,  # type: ignore[arg-type]
                **options,
            ),
            deadline,
        )
        return read_answer(body, settings)

    def list_models(self, deadline: Deadline) -> tuple[str, ...]:
        """Return the ids of the models that the server has, sorted.

        Raises
        ------
        LanguageModelError, InputError, CancelledError
            As `complete`.
        """
        self._settings.check_can_connect()
        body = self._fetch(
            lambda openai: openai.models.with_streaming_response.list(), deadline
        )
        return read_model_ids(body, self._settings)

    def _fetch(self, request: Request, deadline: Deadline) -> bytes:
        """Return the body of the answer; try once more what may pass."""
        outcome = self._outcome(request, deadline)
        if isinstance(outcome, LanguageModelError) and outcome.is_passing:
            deadline.pause(self._retry_seconds)
            outcome = self._outcome(request, deadline)
        if isinstance(outcome, SpinalSamError):
            raise outcome
        return outcome

    def _outcome(self, request: Request, deadline: Deadline) -> bytes | SpinalSamError:
        """Ask in a thread of its own, which is left alone when time is up.

        It ends by itself at its next byte, or when it has waited as long again.
        """
        deadline.check()
        outcomes: list[bytes | SpinalSamError] = []
        ended = Event()

        def ask() -> None:
            try:
                outcomes.append(self._exchange(request, deadline))
            finally:
                ended.set()

        Thread(target=ask, name="language-model", daemon=True).start()
        while not ended.wait(min(LOOK_SECONDS, deadline.remaining)):
            deadline.check()
        if not outcomes:
            raise RuntimeError("the thread that asks the language model has failed")
        return outcomes[0]

    def _exchange(self, request: Request, deadline: Deadline) -> bytes | SpinalSamError:
        """Send a request and read the body; what goes wrong is returned.

        It is not raised here: the frames of this thread have held the key.
        """
        import openai

        broken: tuple[type[Exception], ...] = (openai.OpenAIError, *_http_errors())
        try:
            with (
                _http_client(self._settings, key_for(self._settings), deadline) as http,
                request(_openai_client(self._settings, http, deadline)) as response,
            ):
                return _body(response, deadline)
        except openai.APIStatusError as error:
            return status_failure(error.status_code, self._settings)
        except openai.APITimeoutError:
            return timeout_failure(self._settings)
        except broken as error:
            if "Timeout" in type(error).__name__:
                return timeout_failure(self._settings)
            return connection_failure(error, self._settings)
        except SpinalSamError as error:
            return error.with_traceback(None)


def _openai_client(settings: LanguageSettings, http: Any, deadline: Deadline) -> OpenAI:
    from openai import OpenAI

    return OpenAI(
        api_key=USER_AGENT,  # the header is written by the hook
        base_url=settings.base_url,
        timeout=max(deadline.remaining, LOOK_SECONDS),
        max_retries=0,
        http_client=http,
    )


def _http_client(
    settings: LanguageSettings, key: SecretStr, deadline: Deadline
) -> AbstractContextManager[Any]:
    """Return an HTTP client that sends no more than it must, and only to one host."""
    from openai import DefaultHttpxClient

    def write_headers(request: Any) -> None:
        for name in [n for n in request.headers if n.lower() not in _SENT_HEADERS]:
            del request.headers[name]
        request.headers["User-Agent"] = USER_AGENT
        request.headers["Authorization"] = f"Bearer {key.get_secret_value()}"

    def leave_failures_unread(response: Any) -> None:
        # The text of an error may quote the key, and may never end.
        if not response.is_success:
            response.close()

    return DefaultHttpxClient(
        follow_redirects=False,
        # A proxy is for other computers; a question to this one stays on it.
        trust_env=not settings.is_on_this_computer,
        timeout=max(deadline.remaining, LOOK_SECONDS),
        event_hooks={"request": [write_headers], "response": [leave_failures_unread]},
    )


def _body(response: Any, deadline: Deadline) -> bytes:
    """Read a body piece by piece; servers send blank lines to keep a line open."""
    body = bytearray()
    for piece in response.iter_bytes():
        deadline.check()
        body += piece
        if len(body) > LARGEST_BODY:
            raise LanguageModelError(
                msg(
                    "The server sent more than an answer can be: check that the "
                    "address is of an OpenAI-compatible server."
                )
            )
    return bytes(body)


def _http_errors() -> tuple[type[Exception], ...]:
    """Return the errors of the HTTP library that this version of openai stands on.

    While a body is read they come as they are.
    """
    libraries = (sys.modules.get(name) for name in ("httpx", "httpx2"))
    return tuple(library.HTTPError for library in libraries if library is not None)
