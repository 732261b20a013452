"""Asking a server: how long is waited, and how the waiting ends."""

from __future__ import annotations

from threading import Event, Thread
from threading import enumerate as threads
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from napari_spinalsam.core.errors import CancelledError
from napari_spinalsam.language.llm.client import ModelClient
from napari_spinalsam.language.llm.errors import Deadline, LanguageModelError
from tests.language.api_server import ApiServer, Sent
from tests.language.asked import MESSAGES, SHORT, SLACK, ask, failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spinalsam.language.llm.settings import LanguageSettings

    Settings = Callable[..., LanguageSettings]


@pytest.mark.parametrize(
    "sent",
    [
        Sent(drip=b" "),
        Sent(drip=b"\n"),
        Sent(drip=b": keep-alive\n\n", content_type="text/event-stream"),
        Sent(b'{"choices": [', drip=b" "),
        Sent(b'{"choices": [', hangs=True),
        Sent(hangs=True),
        Sent(b"busy", status=503, hangs=True),
    ],
    ids=["space", "blank lines", "comments", "half", "half then quiet", "quiet", "503"],
)
def test_the_deadline_holds_whatever_the_server_sends(
    api: ApiServer, settings: Settings, sent: Sent
) -> None:
    if sent.status == 503:
        api.answers = [sent, Sent(hangs=True)]
    else:
        api.answers = [sent]
    began = monotonic()

    told = failure(settings(deadline_s=SHORT))

    assert SHORT <= monotonic() - began < SHORT + SLACK
    assert "did not answer within 0.3 s" in told
    assert "longer wait" in told


def test_the_thread_of_a_question_given_up_ends_by_itself(
    api: ApiServer, settings: Settings
) -> None:
    api.answers = [Sent(drip=b" ")]
    before = set(threads())
    failure(settings(deadline_s=SHORT))

    given_up = set(threads()) - before
    assert given_up, "the answer still drips"
    for thread in given_up:
        thread.join(5)
        assert not thread.is_alive()


def test_another_thread_can_cancel(api: ApiServer, settings: Settings) -> None:
    api.answers = [Sent(hangs=True)]
    cancel = Event()

    def cancel_when_asked() -> None:
        api.arrived.wait(5)
        cancel.set()

    other = Thread(target=cancel_when_asked)
    other.start()
    began = monotonic()
    with pytest.raises(CancelledError, match="not waited for"):
        ask(settings(), cancel)
    other.join()

    assert monotonic() - began < 5


def test_what_was_cancelled_before_is_not_sent(
    api: ApiServer, settings: Settings
) -> None:
    api.answers = [Sent(hangs=True)]
    cancel = Event()
    cancel.set()
    with pytest.raises(CancelledError):
        ask(settings(), cancel)
    assert api.requests == []


def test_a_retry_waits_no_longer_than_the_deadline(
    api: ApiServer, settings: Settings
) -> None:
    api.answers = [Sent(status=503)]
    short = settings(deadline_s=SHORT)
    began = monotonic()
    with pytest.raises(LanguageModelError, match="did not answer within"):
        ModelClient(short, retry_seconds=60).complete(MESSAGES, Deadline(short))
    assert monotonic() - began < SHORT + SLACK
