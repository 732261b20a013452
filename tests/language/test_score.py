"""The score counts what is right, what acts wrongly, and keeps the locked file shut."""

from __future__ import annotations

import json

import pytest

from napari_spinalsam.language.offline import parse_offline
from training.language.__main__ import main
from training.language.score import LOCKED, answer, failures, read_corpus, wilson

ROWS = [
    {
        "text": "add 3 points to L3",
        "lang": "en",
        "voice": "test",
        "accept": [[{"action": "add_points", "count": 3, "structure": "L3"}]],
    },
    {"text": "clear", "lang": "en", "voice": "test", "accept": ["clarify"]},
    {"text": "清除全部", "lang": "zh", "voice": "test", "accept": ["refuse"]},
]


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "some.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
    return path


def test_kind_actions_and_arguments_must_all_be_right(corpus):
    answers = answer(read_corpus(corpus), parse_offline)
    assert [one.right for one in answers] == [True, True, False]


def test_a_destructive_step_that_gold_has_not_is_counted(corpus):
    answers = answer(read_corpus(corpus), parse_offline)
    assert [one.destroys for one in answers] == [False, False, True]
    assert "清除全部" in failures(answers)


def test_the_interval_of_wilson_is_that_of_the_textbook():
    low, high = wilson(472, 500)
    assert (low, high) == pytest.approx((0.9203, 0.9610), abs=5e-4)


def test_failures_on_the_locked_file_are_not_shown(corpus, capsys):
    locked = corpus.with_name(LOCKED[0])
    corpus.rename(locked)
    assert main(["score", "--failures", "--corpus", str(locked)]) == 2
    assert main(["score", "--corpus", str(locked)]) == 0
    assert "清除全部" not in capsys.readouterr().out


def test_a_line_that_is_no_sentence_is_named(corpus, capsys):
    corpus.write_text('{"text": 3}\n', encoding="utf-8")
    assert main(["score", "--corpus", str(corpus)]) == 2
    assert "line 1" in capsys.readouterr().err
