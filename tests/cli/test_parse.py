"""The command `parse`: a line of JSON in, a line of JSON out, in the same order."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from napari_spinalsam.actions.replies import parse_reply
from napari_spinalsam.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

    Parse = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def parse(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Parse:
    """Return a function from the bytes of standard input to the replies printed."""

    def run(data: bytes, *arguments: str) -> list[dict[str, Any]]:
        stream = SimpleNamespace(buffer=io.BytesIO(data))
        monkeypatch.setattr("sys.stdin", stream)
        assert main(["parse", *arguments]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def line(text: str) -> bytes:
    return json.dumps({"text": text}, ensure_ascii=False).encode() + b"\n"


def test_the_example_of_the_contract(parse: Parse) -> None:
    replies = parse(line("add 3 points to L3"))
    assert replies == [
        {
            "kind": "plan",
            "steps": [
                {
                    "action": "add_points",
                    "count": 3,
                    "polarity": "positive",
                    "structure": "L3",
                }
            ],
        }
    ]


def test_order_is_kept_and_a_bad_line_stops_nothing(parse: Parse) -> None:
    data = b"".join(
        [
            line("骨窗"),
            b"not json\n",
            b'{"sentence": "x"}\n',
            b'{"text": 5}\n',
            b"[1]\n",
            b"\xff\xfe\n",
            b"\n",
            line("clear"),
            line("what is for lunch?").rstrip(b"\n"),
        ]
    )
    replies = parse(data)

    kinds = [reply["kind"] for reply in replies]
    assert kinds == ["plan", *["error"] * 6, "clarify", "refuse"]
    assert replies[0]["steps"] == [{"action": "set_window", "preset": "bone"}]
    assert all(reply["reason"] for reply in replies[1:7])
    for reply in (replies[0], *replies[7:]):
        parse_reply(reply)


def test_nothing_in_nothing_out(parse: Parse) -> None:
    assert parse(b"") == []


def test_the_model_is_configured_by_the_environment(
    parse: Parse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_SPINALSAM_LLM_PROFILE", "deepseek")
    (reply,) = parse(line("segment L3"), "--parser", "llm")
    assert reply["kind"] == "error"  # another computer, and nobody allowed that
    assert "api.deepseek.com" in reply["reason"]


def test_a_wrong_setting_is_named(
    parse: Parse,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NAPARI_SPINALSAM_LLM_PROFILE", "nobody")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(line("help"))))
    assert main(["parse", "--parser", "llm"]) == 2
    assert "nobody" in capsys.readouterr().err
