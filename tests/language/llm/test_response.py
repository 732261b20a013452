"""From what a model sends to a reply: its habits are met, nothing is repaired."""

from __future__ import annotations

import json

import pytest

from napari_spinalsam.actions.models import ClearAll, GenerateMask, Undo
from napari_spinalsam.actions.replies import Clarify, Plan, Refuse
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.language.llm.errors import BlankAnswerError, LanguageModelError
from napari_spinalsam.language.llm.response import (
    LONGEST_SENTENCE,
    MOST_OPTIONS,
    Answer,
    read_reply,
)

UNDO = '{"kind": "plan", "steps": [{"action": "undo"}]}'
PLAN = Plan(steps=(Undo(),))
CLEAR = '{"kind": "plan", "steps": [{"action": "clear_all"}]}'


@pytest.mark.parametrize(
    "content",
    [
        UNDO,
        f"\n\n  {UNDO}\n",
        f"<think>They want undo.</think>{UNDO}",
        f"<think>\n\n</think>\n\n{UNDO}",
        f"They want undo.\n</think>\n{UNDO}",
        f"<think>a</think><think>b</think>{UNDO}",
        f"<think>maybe {CLEAR}</think>{UNDO}",
        f"maybe ```json\n{CLEAR}\n``` no\n</think>\n```json\n{UNDO}\n```",
        f"```json\n{UNDO}\n```",
        f"```\n{UNDO}\n```",
        f"```JSON\r\n{UNDO}\r\n```",
        f"Here it is:\n```json\n{UNDO}\n```\nAnything else?",
        f"<think>\nwell\n</think>\n\n```json\n{UNDO}\n```\n",
        f"\ufeff{UNDO}",
        f"{UNDO} done",
        f"Sure, here is [my] plan for {{you}}: {UNDO} Shall I?",
        '{"kind": "plan", "steps": [{"action": "undo",},],}',
        '{"kind": "plan", // so:\n "steps": [{"action": "undo"} /* one, */ , ]}',
        f"```json\n{UNDO[:-1]},\n}}\n```\nThat takes the last step back.",
    ],
)
def test_thinking_fences_prose_and_comments_are_put_aside(content: str) -> None:
    assert read_reply(Answer(content)) == PLAN


@pytest.mark.parametrize("content", ["", "  \n", "<think>", "<think>hm", "hm</think>"])
def test_no_content_is_blank(content: str) -> None:
    with pytest.raises(BlankAnswerError, match="answered with nothing"):
        read_reply(Answer(content, "They want undo."))


def test_a_reply_that_a_server_took_for_thinking_is_found() -> None:
    assert read_reply(Answer("", f"\n{UNDO}\n")) == PLAN


@pytest.mark.parametrize("reasoning", [f"So: {UNDO}", f"{UNDO} {CLEAR}", UNDO[:-1]])
def test_a_reply_within_thinking_is_no_reply(reasoning: str) -> None:
    with pytest.raises(BlankAnswerError):
        read_reply(Answer("", reasoning))


def test_content_counts_before_thinking() -> None:
    assert read_reply(Answer(UNDO, CLEAR)) == PLAN


@pytest.mark.parametrize("content", [UNDO, UNDO[:-2], ""])
def test_a_cut_answer_is_refused_even_if_it_reads_well(content: str) -> None:
    with pytest.raises(LanguageModelError, match="cut off: switch reasoning off"):
        read_reply(Answer(content, finish_reason="length"))


@pytest.mark.parametrize("finish", ["", "content_filter", "tool_calls", "abort"])
def test_only_a_model_that_came_to_its_end_is_heard(finish: str) -> None:
    with pytest.raises(LanguageModelError, match="stopped before"):
        read_reply(Answer(UNDO, finish_reason=finish))


@pytest.mark.parametrize(
    "content",
    [
        "I will undo that.",
        UNDO[:-1],
        UNDO + UNDO,
        f"{UNDO} or rather {CLEAR}",
        f"First {CLEAR}, then:\n```json\n{UNDO}\n```",
        f"{UNDO} {CLEAR[:-1]}",
        f"[{UNDO}]",
        '{"kind": "plan", "steps": [{"action": "undo", "action": "redo"}]}',
        '{"kind": "plan", "steps": [{"action": "undo"},,]}',
        "{'kind': 'plan', 'steps': [{'action': 'undo'}]}",
        f"```json\n{UNDO}\n```\n```json\n{CLEAR}\n```",
        '{"kind": "plan", "steps": []}',
        json.dumps({"kind": "plan", "steps": [{"action": "undo"}] * 9}),
        '{"kind": "plan", "steps": [{"action": "undo", "steps": "3"}]}',
        '{"kind": "plan", "steps": [{"action": "undo", "path": "x"}]}',
        '{"kind": "plan", "steps": [{"action": "run_code", "code": "1"}]}',
        '{"action": "undo"}',
        "null",
        "[]",
    ],
)
def test_what_is_no_valid_reply_is_not_mended(content: str) -> None:
    with pytest.raises(InputError, match="no valid reply"):
        read_reply(Answer(content))


def clarify(question: str, *options: str) -> Clarify:
    words = {"kind": "clarify", "question": question, "options": options}
    reply = read_reply(Answer(json.dumps(words)))
    assert isinstance(reply, Clarify)
    return reply


def test_the_words_of_a_model_become_one_short_plain_line() -> None:
    reply = clarify("Which\none?\x00\u202e\u200b  " + "x" * 999)
    assert reply.question.startswith("Which one? xxx")
    assert len(reply.question) == LONGEST_SENTENCE


def test_signs_of_json_within_texts_are_left_alone() -> None:
    words = 'Which {one}, "this" or /* that */ // [or],}?'
    assert clarify(words.replace("}", ")").replace("{", "(")).question
    told = json.dumps({"kind": "refuse", "reason": "No, ] // [ not, } this."})
    with pytest.raises(InputError, match="no links, paths or markup"):
        read_reply(Answer(f"Well: {told}"))
    plain = json.dumps({"kind": "refuse", "reason": "No, ] // [ not this."})
    reply = read_reply(Answer(f"Well: {plain}"))
    assert reply == Refuse(reason="No, ] // [ not this.")


def test_options_are_few_and_can_be_carried_out_as_they_are() -> None:
    assert clarify("Which?", "clear_all", "go_to_slice", " set_window ", "L3", "L3")
    assert clarify(
        "Which?", "clear_all", "go_to_slice", " set_window ", "L3", "L3"
    ) == (Clarify(question="Which?", options=("clear_all", "L3")))
    assert len(clarify("Which?", *map(str, range(20))).options) == MOST_OPTIONS


@pytest.mark.parametrize(
    "words",
    [
        "See https://example.org/x",
        "See www.example.org",
        "Mail evil.com",
        "<b>bold</b>",
        "run `rm -rf`",
        "open ~/x",
        "open /etc/passwd",
        "C:\\temp",
        "[click](x)",
        "\u200b",
    ],
)
def test_links_paths_and_markup_are_no_words_of_a_reply(words: str) -> None:
    refuse = json.dumps({"kind": "refuse", "reason": words})
    with pytest.raises(InputError, match="no valid reply"):
        read_reply(Answer(refuse))
    with pytest.raises(InputError, match="no valid reply"):
        clarify("Which?", words)


def test_a_plain_refusal_is_kept() -> None:
    reason = '{"kind": "refuse", "reason": "这不是分割工具的请求。"}'
    assert read_reply(Answer(reason)) == Refuse(reason="这不是分割工具的请求。")


def test_several_steps_keep_their_order() -> None:
    steps = [{"action": "undo"}, {"action": "generate_mask"}, {"action": "clear_all"}]
    reply = read_reply(Answer(json.dumps({"kind": "plan", "steps": steps})))
    assert reply == Plan(steps=(Undo(), GenerateMask(), ClearAll()))
