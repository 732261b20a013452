"""Cut a sentence into tokens: words and phrases of the lexicon, numbers, structures.

Among all ways to cut it, the one that leaves the fewest words unknown and needs the
fewest tokens is taken; so long phrases go before their parts, in Chinese too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from napari_spinalsam.language.anatomy_words import read_structure
from napari_spinalsam.language.lexicon import ATOM, load_lexicon
from napari_spinalsam.language.numerals import is_whole, read_numeral
from napari_spinalsam.language.spelling import correct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_spinalsam.language.lexicon import Node

_UNKNOWN_COST = 8.0
_SILENT = frozenset("\"'()[]!:~-/*•·^|<>{}#@$%=\\`")
_STOPS = frozenset(",.;?&+")


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a sentence with what it may mean.

    Parameters
    ----------
    text : str
        As it stands in the normalised sentence.
    start, end : int
        Its atoms, end exclusive.
    concepts : int
        Bits of its concepts; 0 where the word is unknown.
    values : dict
        Its value as a certain concept.
    exact : bool
        False where a misspelling was mended.
    """

    text: str
    start: int
    end: int
    concepts: int
    values: dict[str, Any] = field(default_factory=dict)
    exact: bool = True

    @property
    def known(self) -> bool:
        """Whether the word is in the lexicon, or no word."""
        return self.concepts != 0


@dataclass(frozen=True)
class Sentence:
    """The atoms of a normalised sentence, misspellings mended.

    Parameters
    ----------
    atoms : tuple of str
        Words, numbers, Chinese characters and signs.
    mended : frozenset of int
        Which atoms were misspelt.
    glued : frozenset of int
        Atoms with no blank before them.
    """

    atoms: tuple[str, ...]
    mended: frozenset[int]
    glued: frozenset[int]

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """The best way to cut the sentence."""
        return tuple(_cut(self))


def read_sentence(text: str) -> Sentence:
    """Split a normalised text into atoms and mend misspellings.

    Parameters
    ----------
    text : str
        A text as `normalise` returns it.
    """
    found = [(match.group(), match.start()) for match in ATOM.finditer(text)]
    mended_words = correct([atom for atom, _ in found])
    atoms: list[str] = []
    mended, glued = set(), set()
    for (atom, start), parts in zip(found, mended_words, strict=True):
        if start and not text[start - 1].isspace() and atoms:
            glued.add(len(atoms))
        for part in parts:
            if parts != (atom,):
                mended.add(len(atoms))
            atoms.append(part)
    return Sentence(tuple(atoms), frozenset(mended), frozenset(glued))


def _cut(sentence: Sentence) -> list[Token]:
    atoms = sentence.atoms
    costs = [0.0] * (len(atoms) + 1)
    choices: list[Token | None] = [None] * len(atoms)
    for start in range(len(atoms) - 1, -1, -1):
        best = _unknown(atoms, start)
        cost = costs[start + 1] + (1.0 if best.known else _UNKNOWN_COST)
        for token in _candidates(sentence, start):
            new = 1.0 + costs[token.end]
            if new < cost or (new == cost and token.end > best.end):
                best, cost = token, new
        choices[start], costs[start] = best, cost
    tokens, at = [], 0
    while at < len(atoms):
        token = choices[at]
        if token is not None:
            tokens.append(token)
            at = token.end
    return tokens


def _unknown(atoms: Sequence[str], start: int) -> Token:
    atom = atoms[start]
    silent = atom in _SILENT or atom in _STOPS or not (atom.isalnum())
    concepts = load_lexicon().bits["filler"] if silent else 0
    return Token(atom, start, start + 1, concepts)


def _candidates(sentence: Sentence, start: int) -> Iterator[Token]:
    """Yield what the lexicon, numbers and anatomy find at a place, merged by end."""
    lexicon, atoms = load_lexicon(), sentence.atoms
    found: dict[int, tuple[int, dict[str, Any]]] = {}
    for end, concepts, values in _phrases(lexicon.root, atoms, start):
        found[end] = (concepts, values)
    number = read_numeral(atoms, start)
    if number is not None:
        name = "ordinal" if number.ordinal else "number"
        value = int(number.value) if is_whole(number.value) else number.value
        concepts, values = found.get(number.end, (0, {}))
        found[number.end] = (concepts | lexicon.bits[name], {**values, name: value})
    structure = read_structure(atoms, start, sentence.glued)
    if structure is not None:
        concepts, values = found.get(structure.end, (0, {}))
        concepts |= lexicon.bits["structure"]
        found[structure.end] = (concepts, {**values, "structure": structure.names})
    for end, (concepts, values) in found.items():
        exact = sentence.mended.isdisjoint(range(start, end))
        text = _text(sentence, start, end)
        yield Token(text, start, end, concepts, values, exact)


def _phrases(
    root: Node, atoms: Sequence[str], start: int
) -> Iterator[tuple[int, int, dict[str, Any]]]:
    node: Node | None = root
    for end in range(start, len(atoms)):
        node = node.next.get(atoms[end]) if node else None
        if node is None:
            return
        if node.entry is not None:
            values = {
                name: (value,) if name in ("structure", "region") else value
                for name, value in node.entry.values.items()
            }
            yield end + 1, node.entry.concepts, values


def _text(sentence: Sentence, start: int, end: int) -> str:
    parts = [sentence.atoms[start]]
    for at in range(start + 1, end):
        parts += ["" if at in sentence.glued else " ", sentence.atoms[at]]
    return "".join(parts)
