"""Who understands a sentence, and what never reaches a model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from napari_spinalsam.actions.replies import Clarify, Plan, Refuse
from napari_spinalsam.core.errors import SpinalSamError
from napari_spinalsam.language.interpreter import Interpreter, parse_with_model
from napari_spinalsam.language.llm.settings import LanguageSettings, ViewerContext
from tests.language.api_server import Sent, plan
from tests.language.asked import ODD, ODD_ZH, UNDO, understand

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_spinalsam.language.llm.errors import Deadline
    from napari_spinalsam.language.llm.response import Answer
    from tests.language.api_server import ApiServer

    Settings = Callable[..., LanguageSettings]


REFUSED = '{"kind": "refuse", "reason": "No."}'


def test_what_the_offline_parser_understands_is_not_asked(
    api: ApiServer, settings: Settings
) -> None:
    api.answers = [plan(UNDO)]
    understood = understand(settings(), "select L3")
    assert understood.source == "offline"
    assert isinstance(understood.reply, Plan)
    assert not understood.needs_confirmation
    assert understood.model_seconds == 0
    assert understood.seconds == understood.parse_seconds > 0
    assert api.requests == []


def test_whether_a_model_is_waited_for_is_known_before(settings: Settings) -> None:
    first = settings(order="model_first")
    for chosen, text, asks in (
        (settings(), "select L3", False),
        (settings(), ODD, True),
        (settings(), "do not clear the points", False),
        (first, "select L3", True),
        (settings(enabled=False), ODD, False),
    ):
        assert Interpreter(chosen).asks_model(text) is asks


@pytest.mark.parametrize("text", ["clear the points", "save the labels"])
def test_a_plan_that_removes_or_writes_is_confirmed_whoever_made_it(
    settings: Settings, text: str
) -> None:
    understood = understand(settings(), text)
    assert (understood.source, understood.needs_confirmation) == ("offline", True)


@pytest.mark.parametrize("text", [ODD, ODD_ZH])
def test_the_model_understands_what_the_offline_parser_does_not(
    api: ApiServer, settings: Settings, text: str
) -> None:
    api.answers = [plan(UNDO)]
    understood = understand(settings(), text)
    assert isinstance(understood.reply, Plan)
    assert understood.source == "r1"
    assert understood.needs_confirmation
    assert understood.model_seconds > 0
    assert not understood.failure
    assert json.loads(api.requests[0].body["messages"][-1]["content"])["text"] == text


def test_nothing_is_asked_while_the_model_is_off(
    api: ApiServer, settings: Settings
) -> None:
    understood = understand(settings(enabled=False))
    assert isinstance(understood.reply, Refuse)
    assert understood.source == "offline"
    assert not understood.failure
    assert api.requests == []


@pytest.mark.parametrize("order", ["offline_first", "model_first"])
@pytest.mark.parametrize(
    "text",
    [
        "do not clear the points",
        "don't delete anything",
        "不要清除所有点",
        "open /etc/passwd",
        "import os; os.remove('x')",
    ],
)
def test_what_is_refused_for_what_it_says_reaches_no_model(
    api: ApiServer, settings: Settings, text: str, order: str
) -> None:
    api.answers = [plan({"action": "clear_all"})]
    understood = understand(settings(order=order), text)
    assert isinstance(understood.reply, Refuse)
    assert understood.source == "offline"
    assert api.requests == []


def test_too_little_to_act_on_is_asked_back_not_guessed_by_a_model(
    api: ApiServer, settings: Settings
) -> None:
    api.answers = [plan({"action": "clear_all"})]
    assert isinstance(understand(settings(), "clear").reply, Clarify)
    assert api.requests == []


def test_model_first_asks_the_model_first(api: ApiServer, settings: Settings) -> None:
    api.answers = [plan(UNDO)]
    understood = understand(settings(order="model_first"), "select L3")
    assert understood.source == "r1"
    assert understood.needs_confirmation


@pytest.mark.parametrize("order", ["offline_first", "model_first"])
def test_where_the_model_fails_offline_answers_and_the_failure_is_told(
    api: ApiServer, settings: Settings, order: str
) -> None:
    api.answers = [Sent(status=402)]
    text = "select L3" if order == "model_first" else ODD
    understood = understand(settings(order=order), text)
    assert understood.source == "offline"
    assert "no balance" in understood.failure
    assert isinstance(understood.reply, Plan if order == "model_first" else Refuse)


def test_missing_consent_is_told_and_nothing_is_sent(
    api: ApiServer, settings: Settings
) -> None:
    understood = understand(settings(base_url="https://api.example.org"))
    assert "another computer: allow that" in understood.failure
    assert api.requests == []


class Recorder:
    """A model on another computer that keeps what reaches it."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def complete(
        self, messages: Sequence[dict[str, str]], deadline: Deadline
    ) -> Answer:
        from napari_spinalsam.language.llm.response import Answer

        self.heard.append(messages[-1]["content"])
        return Answer(REFUSED)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{ODD} for John Smith", "the name of a person"),
        (f"{ODD} MRN 12345", "a number of a patient"),
        (f"{ODD_ZH}，姓名王小明", "姓名"),
        (f"{ODD_ZH}，住院号0012345", "患者编号"),
    ],
)
def test_patient_data_stay_on_this_computer(
    settings: Settings, text: str, words: str
) -> None:
    far = settings(base_url="https://api.example.org", allow_remote=True)
    recorder = Recorder()
    interpreter = Interpreter(far, recorder)

    held = interpreter.understand(text, ViewerContext())

    assert isinstance(held.reply, Clarify)
    assert words in held.reply.question
    assert "api.example.org" in held.reply.question
    assert recorder.heard == []
    interpreter.understand(ODD, ViewerContext())
    assert len(recorder.heard) == 1


def test_what_is_held_back_but_understood_offline_still_runs(
    settings: Settings,
) -> None:
    far = settings(
        base_url="https://api.example.org", allow_remote=True, order="model_first"
    )
    recorder = Recorder()
    text = "select L3 of John Smith"
    held = Interpreter(far, recorder).understand(text, ViewerContext())
    assert recorder.heard == []
    assert held.source == "offline"


def test_parse_with_model_answers_or_says_why_not(
    api: ApiServer, settings: Settings
) -> None:
    api.answers = [plan(UNDO)]
    assert isinstance(parse_with_model("select L3", settings(enabled=False)), Plan)
    api.answers = [Sent(status=401)]
    with pytest.raises(SpinalSamError, match="did not accept the key"):
        parse_with_model("select L3", settings())
