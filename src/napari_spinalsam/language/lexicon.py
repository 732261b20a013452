"""Read the words and wordings of `lexicon.toml`, once, when they are first needed.

Concepts are bits of an integer, so that a frame can be tried on a clause with a few
operations: a token carries the concepts that its word may stand for.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Words, numbers and single Chinese characters; any other sign stands alone.
ATOM = re.compile(r"[a-z]+|\d+(?:\.\d+)?|[^\s_]")
_SYNTHETIC = ("number", "ordinal", "filler")


@dataclass(slots=True)
class Entry:
    """What a word or phrase may mean.

    Parameters
    ----------
    concepts : int
        The bits of its concepts.
    values : dict
        The value that it has as a certain concept, by the name of the concept.
    """

    concepts: int = 0
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Node:
    """A place in the tree of phrases, one atom a level."""

    next: dict[str, Node] = field(default_factory=dict)
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A wording of an action: what a clause must hold, and what it may.

    Parameters
    ----------
    action : str
        The action, or ``refuse`` or ``clarify``, or ``clear_prompts`` for what is
        cleared by name.
    needs : tuple of int
        For each part, the concepts of which one must be there.
    may : int
        Concepts that may be there besides.
    sets : mapping
        Arguments that the wording itself gives.
    asks : bool
        Whether a question is answered by it.
    key : str
        The wording of a question back or a refusal.
    """

    action: str
    needs: tuple[int, ...]
    may: int
    sets: Mapping[str, Any]
    asks: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All that the parser knows of words.

    Parameters
    ----------
    bits : mapping
        The bit of each concept, by name.
    root : Node
        The tree of phrases.
    frames : tuple of Frame
        The wordings, those with more needs first.
    passive : mapping
        The concepts of the verb that a past form belongs to.
    vocabulary : frozenset of str
        All words in Latin letters.
    real_words : frozenset of str
        Words that must not be taken for a misspelling.
    script : tuple of (str, str)
        Traditional characters and what they become.
    """

    bits: Mapping[str, int]
    root: Node
    frames: tuple[Frame, ...]
    passive: Mapping[str, int]
    vocabulary: frozenset[str]
    real_words: frozenset[str]
    script: tuple[tuple[str, str], ...]

    def mask(self, names: str) -> int:
        """Return the bits of concepts named with blanks between."""
        return sum(self.bits[name] for name in set(names.split()))


def phrases(text: str) -> Iterator[str]:
    """Yield the phrases of a line of the file."""
    for phrase in text.replace("\n", " ").split(","):
        if stripped := phrase.strip():
            yield stripped


@cache
def load_lexicon() -> Lexicon:
    """Return the lexicon of the package."""
    source = resources.files(__package__).joinpath("lexicon.toml")
    return build_lexicon(tomllib.loads(source.read_text(encoding="utf-8")))


def build_lexicon(data: Mapping[str, Any]) -> Lexicon:
    """Make a lexicon of the tables of the file."""
    names = dict.fromkeys((*_SYNTHETIC, *data["words"], *data["values"]))
    bits = {name: 1 << place for place, name in enumerate(names)}
    root = Node()
    for text in data["filler"].values():
        _enter(root, phrases(text), bits["filler"])
    for name, text in data["words"].items():
        _enter(root, phrases(text), bits[name])
    for name, table in data["values"].items():
        for value, text in table.items():
            _enter(root, phrases(text), bits[name], {name: value})
    passive: dict[str, int] = {}
    for name, text in data["passive"].items():
        for word in phrases(text):
            passive[word] = passive.get(word, 0) | bits[name]
    frames = [_frame(row, bits) for row in data["frame"]]
    frames.sort(key=lambda frame: -len(frame.needs))
    return Lexicon(
        bits=MappingProxyType(bits),
        root=root,
        frames=tuple(frames),
        passive=MappingProxyType(passive),
        vocabulary=frozenset(_words(root)),
        real_words=frozenset(phrases(data["spelling"]["real"])),
        script=tuple(tuple(pair) for pair in data["script"]["traditional"].split()),
    )


def _frame(row: Mapping[str, Any], bits: Mapping[str, int]) -> Frame:
    needs = [
        sum(bits[name] for name in need.split("|")) for need in row["needs"].split()
    ]
    may = sum(bits[name] for name in {"filler", *row["may"].split()})
    sets = MappingProxyType(dict(row.get("sets", {})))
    asks = row.get("asks", False)
    return Frame(row["action"], tuple(needs), may, sets, asks, row.get("key", ""))


def _enter(
    root: Node, words: Iterable[str], bit: int, values: dict[str, Any] | None = None
) -> None:
    for word in words:
        node = root
        for atom in ATOM.findall(word):
            node = node.next.setdefault(atom, Node())
        if node.entry is None:
            node.entry = Entry()
        node.entry.concepts |= bit
        node.entry.values.update(values or {})


def _words(node: Node) -> Iterator[str]:
    for atom, below in node.next.items():
        if atom.isalpha() and atom.isascii():
            yield atom
        yield from _words(below)
