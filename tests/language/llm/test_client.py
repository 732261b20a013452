"""Asking a server: what is sent, to whom, and with which key."""

from __future__ import annotations

import subprocess
import sys
import traceback
from typing import TYPE_CHECKING

import pytest

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.language.llm.client import ModelClient
from napari_spinalsam.language.llm.errors import Deadline, LanguageModelError
from tests.language.api_server import ApiServer, Sent, completion
from tests.language.asked import MESSAGES, ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spinalsam.language.llm.settings import LanguageSettings

    Settings = Callable[..., LanguageSettings]

KEY = "sk-0123456789abcdef"


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
