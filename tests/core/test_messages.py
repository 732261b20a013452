"""Messages: English by themselves, and in other languages where they are shown."""

from __future__ import annotations

import ast
import pickle
from copy import deepcopy
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING

import pytest

import napari_spinalsam
from napari_spinalsam.annotation.outcome import Report
from napari_spinalsam.core.anatomy import listed, named
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import Message, join, msg, msgc, msgn, render
from scripts import messages as catalogues

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(napari_spinalsam.__file__).parent
CATALOGUES = sorted((SOURCE / "locale").glob("*/LC_MESSAGES/*.po"))
# Whose sentences reach the chat. A language model is told its errors in English, and
# what only the command line and the saved files tell is not translated yet.
TOLD = (
    *("actions", "annotation", "core", "io", "language", "layers"),
    *("model/volumetric", "widgets/chat"),
)
UNTOLD = {
    "actions/replies.py",
    "annotation/storage",
    "io/prompt_file.py",
    "language/llm/response.py",
}
TELLS = {"InputError", "ModelError", "CancelledError", "LanguageModelError", "Outcome"}
# What names a step of the history.
TELLS |= {"do", "group"}


def places(template: str) -> list[tuple[str, str | None, str | None]]:
    """Return name, format and conversion of each value of a template, in order."""
    found = Formatter().parse(template)
    return sorted(field[1:] for field in found if field[1] is not None)


@pytest.fixture(scope="module")
def template():
    return catalogues.extracted()


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_every_message_is_translated_with_the_same_values(path, template):
    catalog = catalogues.updated(path, template)
    assert len(catalog) > 300
    for message in catalog:
        if not message.id:
            continue
        ids = [message.id] if isinstance(message.id, str) else message.id
        words = message.string
        for text in [words] if isinstance(words, str) else words or [""]:
            assert text, f"no words for {ids[0]!r}: write them into {path}"
            assert places(text) == places(ids[-1]), ids[0]


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_the_catalogues_hold_what_the_code_says_and_no_more(path, template):
    catalog = catalogues.updated(path, template)
    remedy = "run `make messages`"
    assert path.read_bytes() == catalogues.po_of(catalog), remedy
    assert path.with_suffix(".mo").read_bytes() == catalogues.mo_of(catalog), remedy


def sentences(path: Path) -> Iterator[tuple[int, ast.expr]]:
    """Yield the line and the text of each outcome and error that a module tells."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and node.args:
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else ""
            if (called.id if isinstance(called, ast.Name) else name) in TELLS:
                yield node.lineno, node.args[0]


def test_outcomes_and_errors_are_told_in_messages():
    told, bare = 0, []
    for path in (path for room in TOLD for path in (SOURCE / room).rglob("*.py")):
        place = path.relative_to(SOURCE).as_posix()
        if any(place.startswith(room) for room in UNTOLD):
            continue
        for line, sentence in sentences(path):
            told += 1
            if isinstance(sentence, ast.Constant | ast.JoinedStr):
                bare.append(f"{place}:{line}")
    assert told > 100
    assert bare == []


def test_a_message_is_its_english_sentence():
    message = msg("{name} is locked: unlock it to change it.", name=named("sacrum"))
    assert message == "sacrum is locked: unlock it to change it."
    assert str(InputError(message)) == f"{message}"
    assert message.template.id == "{name} is locked: unlock it to change it."
    assert message.template.values == {"name": "sacrum"}
    assert InputError(message).message is message
    assert InputError("A file says so.").message == "A file says so."


def test_a_message_is_rendered_with_its_values():
    message = msg("{name} is locked: unlock it to change it.", name=named("sacrum"))
    assert render(message, "zh") == "骶骨 已锁定：请先解锁再修改。"
    assert render(message, "en") == message
    assert render("Nobody has ever said this.", "zh") == "Nobody has ever said this."
    assert render(msg("Nobody has ever said this."), "zh").startswith("Nobody")


@pytest.mark.parametrize(
    ("message", "english", "chinese"),
    [
        (
            msg(
                "{placed} placed: {names}.",
                placed=msgn("{count} positive point", "{count} positive points", 3),
                names=listed(["L4", "sacrum"]),
            ),
            "3 positive points placed: L4, sacrum.",
            "已在 L4, 骶骨 放置 3 个正点。",
        ),
        (
            msg(
                "Click {points} inside {name}.",
                name=named("L3"),
                points=msgn("{count} point", "{count} points", 1),
            ),
            "Click 1 point inside L3.",
            "请在 L3 内点击 1 个点。",
        ),
        (
            join(
                [
                    msg("{name} could not be located.", name=named("L3")),
                    msg("Draw a box around {name}.", name=named("L3")),
                ]
            ),
            "L3 could not be located. Draw a box around L3.",
            "无法定位 L3。请画一个框住 L3 的框。",
        ),
        (
            msg("Saved {file}.", file="axial.nii.gz"),
            "Saved axial.nii.gz.",
            "已保存 axial.nii.gz。",
        ),
        (
            msg(
                "Undone: {steps}.",
                steps=join(
                    [msg("Add points"), msg("Select {name}", name=named("L3"))], "; "
                ),
            ),
            "Undone: Add points; Select L3.",
            "已撤销：添加点; 选择 L3。",
        ),
        (msgc("window", "disc"), "disc", "椎间盘窗"),
        (msg("Opened {file}.", file="{0} {x}"), "Opened {0} {x}.", "已打开 {0} {x}。"),
    ],
)
def test_values_plurals_and_joined_sentences(message, english, chinese):
    assert message == english
    assert render(message, "zh") == chinese


def test_a_value_that_reads_like_a_word_of_the_program_stays():
    message = msg("Opened {file}.", file="sacrum")
    assert render(message, "zh") == "已打开 sacrum。"


def test_a_message_survives_copies():
    message = join([msg("Saved {file}.", file="a.nrrd"), Message("So.")])
    for copy in (deepcopy(message), pickle.loads(pickle.dumps(message))):  # noqa: S301
        assert copy == message
        assert render(copy, "zh") == render(message, "zh")


def test_bytes_of_a_name_that_are_no_text_are_shown_as_escapes():
    message = msg("Saved {file}.", file="a\udcffb")
    assert message == "Saved a\\xffb."
    assert render(message, "zh") == "已保存 a\\xffb。"


def test_a_table_is_aligned_in_the_language_that_it_is_shown_in():
    report = Report(msg("Device"), (msg("What"), msg("Value")), (("torch", "2.9"),))
    assert report.as_text() == "Device\nWhat   Value\ntorch  2.9"
    assert report.as_text("zh") == "设备\n项目     值\ntorch  2.9"
