"""Sentences of the program in the language of whom they answer.

The program words its outcomes and errors in English, where they arise. The catalogue
`answers_zh.toml` holds the same sentences in Chinese, with places for their values.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_spinalsam.language.wording import Language

CATALOGUE = "answers_zh.toml"
_VALUE = re.compile(r"\{(\w+)\}")


class Template(NamedTuple):
    """A sentence with places for values, in English and Chinese."""

    pattern: re.Pattern[str]
    chinese: str

    @classmethod
    def of(cls, english: str, chinese: str) -> Template:
        """Read a line of the catalogue."""
        words, names = _VALUE.split(english)[::2], _VALUE.findall(english)
        pieces = [re.escape(words[0])]
        for name, word in zip(names, words[1:], strict=True):
            pieces.append(f"(?P<{name}>.+?){re.escape(word)}")
        return cls(re.compile("".join(pieces), re.DOTALL), chinese)


def in_language(text: str, language: Language) -> str:
    """Return a sentence of the program in a language.

    Parameters
    ----------
    text : str
        One or several English sentences.
    language : {"en", "zh"}
        What is wanted.

    Returns
    -------
    str
        The text as it is where the catalogue has no words for all of it.
    """
    if language == "en":
        return text
    whole = _translated(text)
    if whole is not None:
        return whole
    parts = [_translated(part) for part in re.split(r"(?<=\.) ", text)]
    told = [part for part in parts if part is not None]
    return "".join(told) if len(told) == len(parts) else text


@cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """Return the Chinese words of the program, by section."""
    path = files("napari_spinalsam.language") / CATALOGUE
    return tomllib.loads(path.read_text("utf-8"))


@cache
def _templates() -> tuple[Template, ...]:
    """Return all templates, those with the most words of their own first."""
    lines = [
        line
        for section, words in catalogue().items()
        if section != "words"
        for line in words.items()
    ]
    lines.sort(key=lambda line: -len(_VALUE.sub("", line[0])))
    return tuple(Template.of(*line) for line in lines)


def _translated(text: str) -> str | None:
    """Return one sentence, phrase or word in Chinese; None if there is none."""
    if (word := catalogue()["words"].get(text)) is not None:
        return word
    for template in _templates():
        if found := template.pattern.fullmatch(text):
            values = {
                name: value if name.isupper() else _value(value)
                for name, value in found.groupdict().items()
            }
            return template.chinese.format_map(values)
    return None


def _value(text: str) -> str:
    """Return a value, or each part of a list, in Chinese as far as there are words."""
    for separator in ("; ", ", "):
        if separator in text and _translated(text) is None:
            return separator.join(map(_value, text.split(separator)))
    return _translated(text) or text
