"""What the program says: an id with values, put into a language where it is shown.

A `Message` is its English sentence, so that logs, the command line and comparisons
need nothing else. It remembers the template that it was made from, which is its id in
the gettext catalogues under `locale/`, and its values. `render` says it in a language.
`make messages` brings the catalogues up to date with the code.
"""

from __future__ import annotations

import gettext
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Language = Literal["en", "zh"]
DOMAIN = "napari_spinalsam"
# Chinese sentences follow each other without a blank.
_SEPARATORS: Mapping[tuple[str, str], str] = {("zh", " "): ""}


class _Wording(Protocol):
    """How a message is said."""

    def text(self, language: Language) -> str:
        """Return the message in a language."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template with its values.

    Parameters
    ----------
    id : str
        English text with the places of the values in braces, as for `str.format`.
    values : mapping of str to object
        What stands in these places; a message among them is translated too.
    context : str
        What tells equal words of different meaning apart; empty for sentences.
    many : str
        The English template for a count other than one; empty without a count.
    count : int
        What chooses the plural form.
    """

    id: str
    values: Mapping[str, Any]
    context: str = ""
    many: str = ""
    count: int = 1

    def text(self, language: Language) -> str:
        """Return the template of a language with the values in that language."""
        known = _catalogue(language)
        if self.many:
            template = known.ngettext(self.id, self.many, self.count)
        elif self.context:
            template = known.pgettext(self.context, self.id)
        else:
            template = known.gettext(self.id)
        values = {
            name: render(value, language) if isinstance(value, Message) else value
            for name, value in self.values.items()
        }
        return printable(template.format_map(values))


@dataclass(frozen=True, slots=True)
class _Joined:
    """Several messages behind each other."""

    parts: tuple[str, ...]
    separator: str

    def text(self, language: Language) -> str:
        """Return all parts in a language."""
        separator = render(self.separator, language)
        separator = _SEPARATORS.get((language, separator), separator)
        return separator.join(render(part, language) for part in self.parts)


class Message(str):
    """A text of the program in English, which can be rendered in other languages.

    It is made by `msg`, `msgn`, `msgc` and `join`; made from a text alone it stays that
    text in every language.
    """

    __slots__ = ("_wording",)
    _wording: _Wording | None

    def __new__(cls, text: str = "", wording: _Wording | None = None) -> Message:
        """Make a message that reads as a text in English."""
        made = super().__new__(cls, text)
        made._wording = wording
        return made

    @property
    def template(self) -> Template | None:
        """Id and values; None for several messages joined and for a mere text."""
        return self._wording if isinstance(self._wording, Template) else None

    def text(self, language: Language) -> str:
        """Return it in a language; in English where the catalogue has no words."""
        return str(self) if self._wording is None else self._wording.text(language)


def msg(template: str, /, **values: object) -> Message:
    """Make a message from an English template and its values."""
    return _made(Template(template, values))


def msgn(one: str, many: str, count: int, /, **values: object) -> Message:
    """Make a message from the singular or the plural; `{count}` is among the values."""
    return _made(Template(one, {"count": count, **values}, "", many, count))


def msgc(context: str, template: str, /, **values: object) -> Message:
    """Make a message of words that mean something else in another context."""
    return _made(Template(template, values, context))


def join(parts: Iterable[str], separator: str = " ") -> Message:
    """Make one message of several, such as sentences or the parts of a list."""
    joined = _Joined(tuple(parts), separator)
    return Message(joined.text("en"), joined)


def render(text: str, language: Language) -> str:
    """Return a text in a language; what is no message stays as it is."""
    return text.text(language) if isinstance(text, Message) else text


def printable(text: str) -> str:
    """Return text that every stream and window can show.

    Bytes of a file's name that are not UTF-8 come as half characters from the file
    system; they are shown as escapes, and as what they are where the locale alone hid
    that they are UTF-8.
    """
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a character that is no byte
        raw = text.encode("utf-8", "backslashreplace")
    return raw.decode("utf-8", "backslashreplace")


def _made(template: Template) -> Message:
    return Message(template.text("en"), template)


@cache
def _catalogue(language: Language) -> gettext.NullTranslations:
    """Return the translations into a language; English ids are sentences already."""
    if language == "en":
        return gettext.NullTranslations()
    path = files("napari_spinalsam") / "locale" / language / "LC_MESSAGES"
    with (path / f"{DOMAIN}.mo").open("rb") as file:
        return gettext.GNUTranslations(file)
