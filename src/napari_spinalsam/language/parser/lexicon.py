"""Read the words and wordings of `lexicon.toml`, once, when they are first needed.

`characters.toml` adds which Chinese characters are written or sound alike.

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
# Single characters that are found by their sound where they make no other sense.
_NOT_BY_SOUND = [
    "filler",
    "outside",
    "reported",
    "if",
    "meaning",
    "quoting",
    "ask",
    "howto",
    "past",
    "forget",
    "judge",
    "context",
    "because",
    "correction",
    "subject",
    "request",
    "ask_first",
    "use",
    "keep",
    "vague",
    "other_one",
]
_LONE_SOUNDS = frozenset("点框层张例图负正骨肺窗加选切画")


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

    def merge(self, other: Entry) -> None:
        """Take over what another entry means besides."""
        self.concepts |= other.concepts
        self.values.update(other.values)


@dataclass(slots=True)
class Node:
    """A place in the tree of phrases, one atom a level."""

    next: dict[str, Node] = field(default_factory=dict)
    entry: Entry | None = None

    def enter(self, atoms: Iterable[str], entry: Entry) -> None:
        """Add a phrase below this place."""
        node = self
        for atom in atoms:
            node = node.next.setdefault(atom, Node())
        if node.entry is None:
            node.entry = Entry()
        node.entry.merge(entry)


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
    beside : bool
        Whether it is understood only beside other steps.
    key : str
        The wording of a question back or a refusal.
    """

    action: str
    needs: tuple[int, ...]
    may: int
    sets: Mapping[str, Any]
    asks: bool = False
    beside: bool = False
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
    sounds : Node
        The tree of Chinese phrases by how they sound.
    alike : mapping
        The sounds that a Chinese character may stand for.
    syllables : mapping
        The character that stands for a sound typed in Latin letters.
    frames : tuple of Frame
        The wordings, those with more needs first.
    passive : mapping
        The concepts of the verb that a past form belongs to.
    vocabulary : frozenset of str
        All words in Latin letters.
    real_words : frozenset of str
        Words that must not be taken for a misspelling.
    short_forms : mapping
        What misspelt short words stand for.
    simplified : mapping
        The code point of a traditional character, and what it becomes.
    off_task : tuple of str
        What a remark may begin with.
    """

    bits: Mapping[str, int]
    root: Node
    sounds: Node
    alike: Mapping[str, tuple[str, ...]]
    syllables: Mapping[str, str]
    frames: tuple[Frame, ...]
    passive: Mapping[str, int]
    vocabulary: frozenset[str]
    real_words: frozenset[str]
    short_forms: Mapping[str, str]
    simplified: Mapping[int, str]
    off_task: tuple[str, ...]

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
    return build_lexicon(_table("lexicon.toml"), _table("characters.toml"))


def _table(name: str) -> dict[str, Any]:
    source = resources.files(__package__).joinpath(name)
    return tomllib.loads(source.read_text(encoding="utf-8"))


def build_lexicon(data: Mapping[str, Any], characters: Mapping[str, Any]) -> Lexicon:
    """Make a lexicon of the tables of the two files."""
    names = dict.fromkeys((*_SYNTHETIC, *data["words"], *data["values"]))
    bits = {name: 1 << place for place, name in enumerate(names)}
    alike = _alike(characters["sounds"], data["spelling"]["look_alike"])
    root, sounds = Node(), Node()
    for phrase, entry in _entries(data, bits):
        atoms = ATOM.findall(phrase)
        root.enter(atoms, entry)
        if _sounds_matter(atoms, entry, bits):
            sounds.enter((alike.get(atom, (atom,))[0] for atom in atoms), entry)
    passive: dict[str, int] = {}
    for name, text in data["passive"].items():
        for word in phrases(text):
            passive[word] = passive.get(word, 0) | bits[name]
    frames = [_frame(row, bits) for row in data["frame"]]
    frames.sort(key=lambda frame: -len(frame.needs))
    return Lexicon(
        bits=MappingProxyType(bits),
        root=root,
        sounds=sounds,
        alike=MappingProxyType(alike),
        syllables=MappingProxyType(_pairs(characters["syllables"].split())),
        frames=tuple(frames),
        passive=MappingProxyType(passive),
        vocabulary=frozenset(_words(root)),
        real_words=frozenset(phrases(data["spelling"]["real"])),
        short_forms=MappingProxyType(_pairs(phrases(data["spelling"]["short"]))),
        simplified=MappingProxyType(
            {
                ord(old): new
                for old, new in map(tuple, characters["traditional"].split())
            }
        ),
        off_task=tuple(phrases(data["off_task"]["starts"])),
    )


def _pairs(items: Iterable[str]) -> dict[str, str]:
    """Read "wrong=right" as a pair, each."""
    return dict(item.partition("=")[::2] for item in items)


def _entries(
    data: Mapping[str, Any], bits: Mapping[str, int]
) -> Iterator[tuple[str, Entry]]:
    for text in data["filler"].values():
        for phrase in phrases(text):
            yield phrase, Entry(bits["filler"])
    for name, text in data["words"].items():
        for phrase in phrases(text):
            yield phrase, Entry(bits[name])
    for name, table in data["values"].items():
        for value, text in table.items():
            for phrase in phrases(text):
                yield phrase, Entry(bits[name], {name: value})


def _alike(rows: str, look_alike: str) -> dict[str, tuple[str, ...]]:
    """Return for each character the rows of sounds it may be meant in."""
    sounds: dict[str, tuple[str, ...]] = {}
    for row in rows.split():
        for sign in row:
            sounds[sign] = (row[0],)
    for pair in look_alike.split():
        wrong, right = pair[0], pair[1]
        meant = sounds.get(right, (right,))
        sounds[wrong] = tuple(dict.fromkeys((*sounds.get(wrong, (wrong,)), *meant)))
    return sounds


def _sounds_matter(atoms: list[str], entry: Entry, bits: Mapping[str, int]) -> bool:
    """Whether a phrase may be found by its sound: two signs, or a common noun."""
    if any(atom.isascii() for atom in atoms):
        return False
    if entry.concepts & sum(bits[name] for name in _NOT_BY_SOUND):
        return False
    return len(atoms) > 1 or atoms[0] in _LONE_SOUNDS


def _frame(row: Mapping[str, Any], bits: Mapping[str, int]) -> Frame:
    needs = [
        sum(bits[name] for name in need.split("|")) for need in row["needs"].split()
    ]
    may = sum(bits[name] for name in {"filler", *row["may"].split()})
    sets = MappingProxyType(dict(row.get("sets", {})))
    asks = row.get("asks", False)
    beside = row.get("beside", False)
    key = row.get("key", "")
    return Frame(row["action"], tuple(needs), may, sets, asks, beside, key)


def _words(node: Node) -> Iterator[str]:
    for atom, below in node.next.items():
        if atom.isalpha() and atom.isascii():
            yield atom
        yield from _words(below)
