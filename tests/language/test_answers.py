"""Answers in Chinese: every sentence of the catalogue is one that the program says."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import napari_spinalsam
from napari_spinalsam.language.answers import catalogue, in_language

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(napari_spinalsam.__file__).parent
VALUE = re.compile(r"\{[^{}]*\}")


def texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts of some code, each value as an empty pair of braces."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else "{}"
            for part in node.values
        )
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield VALUE.sub("{}", node.value)
    else:
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


def trees(folder: str) -> Iterator[ast.AST]:
    for path in sorted((SOURCE / folder).rglob("*.py")):
        yield ast.parse(path.read_text("utf-8"))


def skeletons(*sections: str) -> set[str]:
    return {VALUE.sub("{}", line) for name in sections for line in catalogue()[name]}


def test_every_sentence_of_the_catalogue_is_still_said() -> None:
    told = {text.strip() for tree in trees(".") for text in texts(tree)}
    said = told | {text.removeprefix("{}") for text in told}
    assert skeletons("outcomes", "errors", "language_model") - said == set()


def test_every_outcome_of_an_action_has_chinese_words() -> None:
    said = set()
    for tree in trees("annotation"):
        for node in ast.walk(tree):
            is_outcome = isinstance(node, ast.Call) and "Outcome" in ast.dump(node.func)
            # A reason may stand before ("{}Click ..."), as a sentence of its own.
            # Tables are shown instead of the sentence that belongs to them.
            if is_outcome and not any(word.arg == "data" for word in node.keywords):
                said |= {text for each in node.args[:1] for text in texts(each)}
    sentences = {text for text in said if text.endswith(".")}
    assert len(sentences) > 20
    known = skeletons("outcomes")
    assert {text for text in sentences if not {text, text[2:]} & known} == set()


def test_chinese_words_use_the_same_values() -> None:
    for section, lines in catalogue().items():
        for english, chinese in lines.items() if section != "words" else ():
            assert set(VALUE.findall(chinese)) <= set(VALUE.findall(english)), english


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("3 positive points placed: L4, sacrum.", "已在 L4, 骶骨 放置 3 个正点。"),
        ("The sagittal plane is shown.", "已显示矢状面。"),
        ("Window bone: level 300, width 1500.", "骨窗：窗位 300，窗宽 1500。"),
        ("Slice 3 (of 0 to 11), axial.", "第 3 层（0 至 11），横断面。"),
        (
            "L3 could not be located. Click 1 point inside L3.",
            "无法定位 L3。请在 L3 内点击 1 个点。",
        ),
        ("Saved box.nii.gz.", "已保存 box.nii.gz。"),
        ("There is no box to clear.", "没有可清除的框。"),
        ("Undone: Add points; Select L3.", "已撤销：添加点; 选择 L3。"),
        (
            "2 positive points placed at the predicted place of L4 on slice 7: check "
            "it, as the name is a guess (confidence 0.85).",
            "已在第 7 层按模型预测的 L4 位置放置 2 个正点，请检查；名称是推测的"
            "（置信度 0.85）。",
        ),
        (
            "127.0.0.1 did not accept the key (401): store a valid one in the language "
            "settings or in the environment.",
            "127.0.0.1 不接受密钥 (401)：请在语言设置或环境变量中设置有效密钥。",
        ),
        ("Nobody has ever said this.", "Nobody has ever said this."),
        ("The mask {is} {0} %s dropped.", "The mask {is} {0} %s dropped."),
        ("", ""),
    ],
)
def test_sentences_are_told_in_chinese_or_as_they_are(
    english: str, chinese: str
) -> None:
    assert in_language(english, "zh") == chinese
    assert in_language(english, "en") == english
