"""What comes of a model's answer: blank, invalid, cut, late or cancelled."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

import pytest

from napari_spinalsam.actions.replies import Plan, Refuse
from napari_spinalsam.core.errors import CancelledError
from tests.language.api_server import Sent, completion, plan
from tests.language.asked import UNDO, understand

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spinalsam.language.llm.settings import LanguageSettings
    from tests.language.api_server import ApiServer

    Settings = Callable[..., LanguageSettings]


def test_a_blank_answer_is_asked_for_once_more(
    api: ApiServer, settings: Settings
) -> None:
    api.answers = [completion(None), plan(UNDO)]
    assert isinstance(understand(settings()).reply, Plan)
    first, second = api.requests
    assert first.body == second.body


def test_two_blank_answers_are_enough(api: ApiServer, settings: Settings) -> None:
    api.answers = [completion("")]
    assert "answered with nothing" in understand(settings()).failure
    assert len(api.requests) == 2


def test_an_invalid_answer_is_repaired_once_from_the_error_alone(
    api: ApiServer, settings: Settings
) -> None:
    api.answers = [plan({"action": "zap_layer", "note": "marker"}), plan(UNDO)]
    understood = understand(settings())
    assert isinstance(understood.reply, Plan)
    repair = api.requests[1].body["messages"]
    assert "there is no action 'zap_layer'" in repair[-1]["content"]
    assert "marker" not in str(repair)
    assert {message["role"] for message in repair} == {"system", "user"}


def test_two_invalid_answers_are_enough(api: ApiServer, settings: Settings) -> None:
    api.answers = [completion("certainly!")]
    assert "no valid reply, also when asked again" in understand(settings()).failure
    assert len(api.requests) == 2


def test_blank_and_invalid_answers_end_after_three_questions(
    api: ApiServer, settings: Settings
) -> None:
    api.answers = [completion(""), completion("certainly!"), completion("no!")]
    assert "no valid reply" in understand(settings()).failure
    assert len(api.requests) == 3


def test_a_cut_answer_is_neither_repaired_nor_asked_again(
    api: ApiServer, settings: Settings
) -> None:
    cut = '{"kind": "plan", "steps": [{"action": "undo"}]}'
    api.answers = [completion(cut, finish="length"), plan(UNDO)]
    understood = understand(settings())
    assert isinstance(understood.reply, Refuse)
    assert "cut off" in understood.failure
    assert len(api.requests) == 1


def test_one_deadline_covers_all_questions(api: ApiServer, settings: Settings) -> None:
    api.answers = [completion(""), Sent(drip=b" ")]
    understood = understand(settings(deadline_s=0.3))
    assert "did not answer within 0.3 s" in understood.failure
    assert understood.model_seconds < 0.8


def test_cancelling_is_no_failure_of_the_model(
    api: ApiServer, settings: Settings
) -> None:
    api.answers = [Sent(hangs=True)]
    cancel = Event()
    cancel.set()
    with pytest.raises(CancelledError):
        understand(settings(), cancel=cancel)
