"""Asking a server: how failures are told, and which are tried once more."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from napari_spinalsam.language.llm.client import LARGEST_BODY
from tests.language.api_server import ApiServer, Sent, completion
from tests.language.asked import ask, failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spinalsam.language.llm.settings import LanguageSettings

    Settings = Callable[..., LanguageSettings]

KEY = "sk-0123456789abcdef"


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
