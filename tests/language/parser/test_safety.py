"""The user's own words decide whether a model may propose to remove or to save."""

from __future__ import annotations

import pytest

from napari_spinalsam.actions.replies import Clarify, Plan, Refuse, parse_reply
from napari_spinalsam.language.parser.safety import forbids, guarded


def plan(*actions: str) -> Plan:
    reply = parse_reply({"kind": "plan", "steps": [{"action": a} for a in actions]})
    assert isinstance(reply, Plan)
    return reply


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("clear_all", "Wipe everything"),
        ("clear_points", "kindly get rid of the dots"),
        ("clear_boxes", "把框删掉"),
        ("clear_all", "CLEAR it all"),
        ("save_labels", "store what I did"),
        ("save_labels", "导出结果"),
    ],
)
def test_what_was_named_may_be_proposed(action: str, text: str) -> None:
    assert guarded(plan(action), text, "en") == plan(action)


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("clear_all", "tidy up a bit"),
        ("clear_all", "that looks unclear"),
        ("clear_all", "nuclear clearance"),
        ("clear_all", "save it"),
        ("save_labels", "clear it"),
        ("clear_all", "don\u2019t clear it"),
        ("clear_all", "what if I clear it"),
        ("clear_all", "is the image clear?"),
        ("clear_all", "别清除"),
        ("clear_points", "清除了吗"),
        ("save_labels", "先不保存"),
    ],
)
def test_what_was_not_asked_for_is_asked_back(action: str, text: str) -> None:
    assert isinstance(guarded(plan("undo", action), text, "en"), Clarify)


@pytest.mark.parametrize("text", ["do not clear it", "不要删除", "never save this"])
def test_what_is_forbidden_is_known_and_not_offered(text: str) -> None:
    assert forbids(text)
    reply = guarded(plan("clear_all", "save_labels"), text, "zh")
    assert isinstance(reply, Clarify)
    assert reply.options == ()
    assert reply.question.startswith("要执行")


@pytest.mark.parametrize("text", ["clear the dots", "do not move", "保存一下"])
def test_a_wish_and_another_negation_are_no_ban(text: str) -> None:
    assert not forbids(text)


def test_the_rest_of_what_models_say_is_left_alone() -> None:
    for reply in (plan("undo"), Refuse(reason="No."), Clarify(question="Which?")):
        assert guarded(reply, "hm", "en") is reply
