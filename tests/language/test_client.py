"""Asking a server: what is sent, how long is waited, and how failures are told."""

from __future__ import annotations

import socket
import subprocess
import sys
import traceback
from threading import Event, Thread
from threading import enumerate as threads
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from napari_spinalsam.core.errors import CancelledError, InputError
from napari_spinalsam.language.client import LARGEST_BODY, ModelClient
from napari_spinalsam.language.deadline import Deadline
from napari_spinalsam.language.failures import LanguageModelError
from tests.language.api_server import ApiServer, Sent, completion

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spinalsam.language.reading import Answer
    from napari_spinalsam.language.settings import LanguageSettings

    Settings = Callable[..., LanguageSettings]

MESSAGES = [{"role": "user", "content": "add 三 points"}]
KEY = "sk-0123456789abcdef"
SHORT = 0.3
# A deadline may be overrun by the machine's own slowness, not by the server.
SLACK = 0.5


def ask(settings: LanguageSettings, cancel: Event | None = None) -> Answer:
    client = ModelClient(settings, retry_seconds=0)
    return client.complete(MESSAGES, Deadline(settings, cancel))


def failure(settings: LanguageSettings) -> str:
    with pytest.raises(LanguageModelError) as caught:
        ask(settings)
    return str(caught.value)


def test_an_answer_comes_with_content_reasoning_and_why_it_ended(
    api: ApiServer, settings: Settings
) -> None:
    api.answers = [completion("{}", finish="stop", reasoning_content="so")]

    answer = ask(settings())

    assert (answer.content, answer.reasoning) == ("{}", "so")
    assert answer.finish_reason == "stop"
    [request] = api.requests
    assert request.path == "/v1/chat/completions"
    assert request.body["model"] == "r1"
    assert request.body["messages"] == MESSAGES


def test_nothing_is_sent_about_the_computer_or_from_its_environment(
    api: ApiServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    monkeypatch.setenv("OPENAI_API_KEY", "openai-secret")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "admin-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Own: own-secret")
    api.answers = [completion("{}")]

    ask(settings())

    headers = api.requests[0].headers
    assert "secret" not in str(headers)
    assert headers["user-agent"] == "napari-spinalsam"
    assert set(headers) == {
        "host",
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "user-agent",
        "x-stainless-raw-response",
    }


def test_a_question_to_this_computer_does_not_go_through_a_proxy(
    api: ApiServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    api.answers = [completion("{}")]

    assert ask(settings()).content == "{}"


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
    failure(settings(deadline_s=SHORT))

    for thread in threads():
        if thread.name == "language-model":
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


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, ("did not accept the request", "profile")),
        (401, ("did not accept the key", "store a valid one")),
        (402, ("no balance", "top it up")),
        (403, ("may not be used", "another key")),
        (404, ("no model 'r1'", "retired", "list of models")),
        (409, ("did not accept the request (409)", "settings")),
        (422, ("parameter", "profile that fits")),
        (429, ("too often", "wait a minute")),
        (500, ("problem of its own (500)", "later")),
        (502, ("problem of its own (502)", "later")),
        (503, ("overloaded or still loading", "wait a little")),
    ],
)
def test_each_status_is_told_with_its_remedy(
    api: ApiServer, settings: Settings, status: int, words: tuple[str, ...]
) -> None:
    api.answers = [Sent(b'{"error": {"message": "<b>echo</b>"}}', status=status)]

    told = failure(settings())

    assert all(word in told for word in words)
    assert "echo" not in told
    assert "127.0.0.1" in told


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_once_more(
    api: ApiServer, settings: Settings, status: int
) -> None:
    api.answers = [Sent(status=status), completion("{}")]
    assert ask(settings()).content == "{}"
    assert len(api.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422, 502])
def test_what_does_not_pass_is_not_tried_again(
    api: ApiServer, settings: Settings, status: int
) -> None:
    api.answers = [Sent(status=status), completion("{}")]
    failure(settings())
    assert len(api.requests) == 1


def test_a_retry_waits_no_longer_than_the_deadline(
    api: ApiServer, settings: Settings
) -> None:
    api.answers = [Sent(status=503)]
    short = settings(deadline_s=SHORT)
    began = monotonic()
    with pytest.raises(LanguageModelError, match="did not answer within"):
        ModelClient(short, retry_seconds=60).complete(MESSAGES, Deadline(short))
    assert monotonic() - began < SHORT + SLACK


def test_a_redirect_is_not_followed_with_the_key(
    api: ApiServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_SPINALSAM_API_KEY", KEY)
    with ApiServer() as elsewhere:
        elsewhere.answers = [completion("{}")]
        api.answers = [Sent(status=307, headers={"Location": f"{elsewhere.url}/x"})]

        told = failure(settings())

        assert elsewhere.requests == []
    assert "sends on to another address (307)" in told
    assert "not followed" in told
    assert len(api.requests) == 1


def test_a_web_page_is_no_answer(api: ApiServer, settings: Settings) -> None:
    page = b"<!doctype html><html>login</html>"
    api.answers = [Sent(page, content_type="text/html")]
    told = failure(settings())
    assert "web page" in told
    assert "/v1" in told


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\x00garbage",
        b"[" * 100_000,
        b'{"choices": [{"mess',
        b'{"choices": []}',
        b'{"choices": [{"message": {"content": 3}}]}',
        b'{"choices": [{"message": {"content": "\\ud800"}}]}',
        b'{"error": {"message": "no"}}',
        b"null",
    ],
)
def test_garbage_is_told_as_no_language_model(
    api: ApiServer, settings: Settings, body: bytes
) -> None:
    api.answers = [Sent(body)]
    assert "OpenAI-compatible" in failure(settings())


def test_an_endless_answer_is_not_kept(api: ApiServer, settings: Settings) -> None:
    api.answers = [Sent(drip=b" " * (LARGEST_BODY // 4))]
    assert "more than an answer can be" in failure(settings())


def test_a_connection_lost_in_the_middle_is_not_tried_again(
    api: ApiServer, settings: Settings
) -> None:
    api.answers = [Sent(completion("{}").body, cut=10)]
    told = failure(settings())
    assert "was lost" in told
    assert "say it again" in told
    assert len(api.requests) == 1


def test_a_server_that_is_not_there_is_told(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    told = failure(settings(base_url=f"http://127.0.0.1:{port}/v1"))
    assert f"Nothing answers at http://127.0.0.1:{port}/v1" in told
    assert "start the server" in told


def test_https_to_a_server_without_is_told(api: ApiServer, settings: Settings) -> None:
    told = failure(settings(base_url=api.url.replace("http:", "https:")))
    assert "secure connection" in told


@pytest.mark.parametrize(
    "url", ["https://api.example.org/v1", "http://192.168.0.7:8000", "http://0.0.0.0"]
)
def test_another_computer_needs_consent(settings: Settings, url: str) -> None:
    with pytest.raises(InputError, match="another computer: allow that"):
        ask(settings(base_url=url))


def test_ollamas_cloud_models_need_consent_too(
    api: ApiServer, settings: Settings
) -> None:
    cloud = settings(profile="ollama", model="deepseek-v3.1:671b-cloud")
    with pytest.raises(InputError, match="Ollama's cloud"):
        ask(cloud)
    assert api.requests == []


def test_an_address_and_a_model_are_needed(settings: Settings) -> None:
    with pytest.raises(InputError, match="no usual model"):
        ask(settings(model=""))
    with pytest.raises(InputError, match="no usual address"):
        ask(settings(base_url=""))


def test_the_key_goes_out_in_the_header_and_nowhere_else(
    api: ApiServer,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("NAPARI_SPINALSAM_API_KEY", KEY)
    caplog.set_level("DEBUG")
    api.answers = [Sent(f"wrong key {KEY}".encode(), status=401)]
    client = ModelClient(settings(), retry_seconds=0)

    with pytest.raises(LanguageModelError) as caught:
        client.complete(MESSAGES, Deadline(settings()))

    assert api.requests[0].headers["authorization"] == f"Bearer {KEY}"
    with_locals = traceback.TracebackException.from_exception(
        caught.value, capture_locals=True
    )
    assert caught.value.__context__ is None
    shown = "".join(with_locals.format()) + repr(client) + repr(vars(client))
    for text in (shown, caplog.text, str(caught.value), repr(settings())):
        assert KEY not in text


def test_profiles_of_this_computer_send_a_dummy_key(
    api: ApiServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_SPINALSAM_API_KEY", KEY)
    api.answers = [completion("{}")]
    ask(settings(profile="ollama"))
    assert api.requests[0].headers["authorization"] == "Bearer none"


def test_a_service_without_its_key_is_told(api: ApiServer, settings: Settings) -> None:
    hosted = settings(profile="deepseek")
    with pytest.raises(InputError, match=r"keyring|no key"):
        ask(hosted)
    assert api.requests == []


def test_the_client_is_loaded_only_when_it_asks() -> None:
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, napari_spinalsam.language.interpreter;"
            "print(sorted({'openai', 'httpx', 'httpx2', 'keyring', 'torch'}"
            ".intersection(sys.modules)))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.strip() == "[]"


def test_models_are_listed_sorted(api: ApiServer, settings: Settings) -> None:
    api.answers = [Sent(b'{"data": [{"id": "r1:8b"}, {"id": "4o"}]}')]
    ready = settings(model="")
    assert ModelClient(ready).list_models(Deadline(ready)) == ("4o", "r1:8b")
    assert api.requests[0].path == "/v1/models"
