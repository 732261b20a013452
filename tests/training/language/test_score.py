"""The score counts what is right, what acts wrongly, and keeps the locked file shut."""

from __future__ import annotations

import hashlib
import json

import pytest

from napari_spinalsam.language.parser.offline import parse_offline
from training.language.__main__ import CORPUS, main
from training.language.score import (
    LOCKED,
    TUNED,
    answer,
    by_writer,
    failures,
    read_corpus,
    wilson,
)

ROWS = [
    {
        "text": "add 3 points to L3",
        "lang": "en",
        "voice": "test",
        "writer": "one",
        "accept": [[{"action": "add_points", "count": 3, "structure": "L3"}]],
    },
    {
        "text": "clear",
        "lang": "en",
        "voice": "test",
        "writer": "one",
        "accept": ["clarify"],
    },
    {
        "text": "清除全部",
        "lang": "zh",
        "voice": "test",
        "writer": "two",
        "accept": ["refuse"],
    },
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
    locked = corpus.with_name(f"{LOCKED}.jsonl")
    corpus.rename(locked)
    assert main(["score", "--failures", "--corpus", str(locked)]) == 2
    assert main(["score", "--corpus", str(locked)]) == 0
    assert "清除全部" not in capsys.readouterr().out


def test_a_line_that_is_no_sentence_is_named(corpus, capsys):
    corpus.write_text('{"text": 3}\n', encoding="utf-8")
    assert main(["score", "--corpus", str(corpus)]) == 2
    assert "line 1" in capsys.readouterr().err


def test_each_writer_is_scored_alone_and_can_be_chosen(corpus, capsys):
    assert main(["score", "--corpus", str(corpus)]) == 0
    said = capsys.readouterr().out
    assert "some, one" in said
    assert "some, two" in said
    assert "some, all 2 writers" in said
    assert main(["score", "--corpus", str(corpus), "--writer", "two"]) == 0
    said = capsys.readouterr().out
    assert "(0 of 1;" in said
    assert "one" not in said


def test_a_writer_who_wrote_none_of_it_is_named(corpus, capsys):
    assert main(["score", "--corpus", str(corpus), "--writer", "nobody"]) == 2
    assert "nobody" in capsys.readouterr().err


def test_a_writer_of_a_split_can_be_scored(capsys):
    assert main(["score", "--split", LOCKED, "--writer", "locked_second"]) == 0
    said = capsys.readouterr().out
    assert "test, locked_second" in said
    assert "of 200;" in said
    assert "locked_fourth_en" not in said


def test_no_writer_is_in_two_splits_of_the_corpus():
    splits = [
        by_writer(read_corpus(CORPUS / f"{name}.jsonl")) for name in (*TUNED, LOCKED)
    ]
    writers = [writer for split in splits for writer in split]
    assert len(writers) == len(set(writers)) == 21
    assert sum(len(said) for split in splits for said in split.values()) == 6818


def test_the_locked_sentences_are_those_that_were_sealed():
    sealed = (CORPUS / f"{LOCKED}.sha256").read_text(encoding="utf-8").split()[0]
    held = (CORPUS / f"{LOCKED}.jsonl").read_bytes()
    assert hashlib.sha256(held).hexdigest() == sealed
