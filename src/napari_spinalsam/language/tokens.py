"""Cut a sentence into tokens: words and phrases of the lexicon, numbers, structures.

Among all ways to cut it, the one that leaves the fewest words unknown and needs the
fewest tokens is taken; so long phrases go before their parts, in Chinese too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

from napari_spinalsam.language.anatomy_words import read_structure
from napari_spinalsam.language.lexicon import ATOM, load_lexicon
from napari_spinalsam.language.numerals import is_whole, read_numeral
from napari_spinalsam.language.spelling import correct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_spinalsam.language.lexicon import Entry, Node

_UNKNOWN_COST = 8.0
_SOUND_COST = 3.0  # of a Chinese phrase that only sounds like a known one
_LONE_SOUND_COST = 5.0
_NAME_GAIN = 0.1  # of phrases that sound alike, one that names a thing goes first
_NUMERALS = frozenset("两二三四五六七八九十")  # meant as they are written
_SILENT = frozenset("\"'()[]!:~-/*•·^|<>{}#@$%=\\`")
_LETTERS = frozenset(ascii_lowercase)
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
    suffixes : frozenset of int
        Letters that belong to the number before them, as in "slice 12a".
    """

    atoms: tuple[str, ...]
    mended: frozenset[int]
    glued: frozenset[int]
    suffixes: frozenset[int]

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
    found = _as_signs(list(_atoms(text)), text)
    mended_words = correct([atom for atom, _ in found])
    atoms: list[str] = []
    mended, glued, suffixes = set(), set(), set()
    for (atom, start), parts in zip(found, mended_words, strict=True):
        if len(atom) == 1 and atom in _LETTERS and text[:start][-1:].isdecimal():
            suffixes.add(len(atoms))
            parts = (atom,)
        if atom != text[start : start + len(atom)]:
            mended.add(len(atoms))
        if start and not text[start - 1].isspace() and atoms:
            glued.add(len(atoms))
        for part in parts:
            if parts != (atom,):
                mended.add(len(atoms))
            atoms.append(part)
    return Sentence(
        tuple(atoms), frozenset(mended), frozenset(glued), frozenset(suffixes)
    )


def _atoms(text: str) -> Iterator[tuple[str, int]]:
    """Yield the atoms and where they start, "onl1" as on, l and 1."""
    vocabulary = load_lexicon().vocabulary
    for match in ATOM.finditer(text):
        atom, start = match.group(), match.start()
        follows = text[match.end() : match.end() + 1]
        glued = atom[-1] in "ctls" and follows.isdecimal() and len(atom) > 2
        if glued and atom not in vocabulary and atom[:-1] in vocabulary:
            yield atom[:-1], start
            yield atom[-1], match.end() - 1
        else:
            yield atom, start


def _as_signs(found: list[tuple[str, int]], text: str) -> list[tuple[str, int]]:
    """Put a sign of the same sound for a syllable that stands beside one: "fen割"."""
    lexicon = load_lexicon()
    result = []
    for atom, start in found:
        beside = text[start - 1 : start] + text[start + len(atom) :][:1]
        sign = lexicon.syllables.get(atom) if not beside.isascii() else None
        result.append((atom if sign is None or _is_word(atom) else sign, start))
    return result


def _is_word(atom: str) -> bool:
    return atom in load_lexicon().vocabulary


def _cut(sentence: Sentence) -> list[Token]:
    atoms = sentence.atoms
    costs = [0.0] * (len(atoms) + 1)
    choices: list[Token | None] = [None] * len(atoms)
    for start in range(len(atoms) - 1, -1, -1):
        best: Token = _unknown(sentence, start)
        sign = best.known and start not in sentence.suffixes
        cost = costs[start + 1] + (1.0 if sign else _UNKNOWN_COST)
        for token in (*_candidates(sentence, start), *_by_sound(sentence, start)):
            new = _cost(token) + costs[token.end]
            if new < cost or (new == cost and token.end > best.end):
                best, cost = token, new
        choices[start], costs[start] = best, cost
    tokens, at = [], 0
    while at < len(atoms):
        chosen = choices[at]
        if chosen is None:  # every place was filled above
            break
        tokens.append(chosen)
        at = chosen.end
    return tokens


def _cost(token: Token) -> float:
    if token.exact or token.text.isascii():
        return 1.0
    if len(token.text) == 1:
        return _LONE_SOUND_COST
    return _SOUND_COST - (_NAME_GAIN if token.values else 0)


def _by_sound(sentence: Sentence, start: int) -> Iterator[Token]:
    """Yield Chinese phrases that sound like known ones, as typing by sound mixes up."""
    lexicon, atoms = load_lexicon(), sentence.atoms
    places = [lexicon.sounds]
    for end in range(start, len(atoms)):
        if atoms[end] in _NUMERALS:
            return
        sounds = lexicon.alike.get(atoms[end], ())
        places = [
            place.next[sound]
            for place in places
            for sound in sounds
            if sound in place.next
        ]
        if not places:
            return
        for place in places:
            if place.entry is not None:
                text = "".join(atoms[start : end + 1])
                values = _values(place.entry)
                concepts = place.entry.concepts
                yield Token(text, start, end + 1, concepts, values, exact=False)


def _values(entry: Entry) -> dict[str, Any]:
    return {
        name: (value,) if name in ("structure", "region") else value
        for name, value in entry.values.items()
    }


def _unknown(sentence: Sentence, start: int) -> Token:
    atom = sentence.atoms[start]
    silent = atom in _SILENT or atom in _STOPS or not atom[0].isalnum()
    concepts = load_lexicon().bits["filler"] if silent else 0
    if start in sentence.suffixes:
        concepts = load_lexicon().bits["outside"]  # no letter that could be left out
    elif _is_minus(sentence, start):
        concepts = load_lexicon().bits["minus"]
    return Token(atom, start, start + 1, concepts)


def _is_minus(sentence: Sentence, at: int) -> bool:
    """Whether a dash is the sign of a number, as in "slice -5", not in "slice-5"."""
    atoms, glued = sentence.atoms, sentence.glued
    if atoms[at] != "-" or at + 1 == len(atoms) or not atoms[at + 1][0].isdecimal():
        return False
    if at == 0:
        return at + 1 in glued  # else it begins a list
    before = atoms[at - 1]
    joins = at in glued and before.isascii() and before.isalnum()
    return not joins and not before[0].isdecimal()


def _candidates(sentence: Sentence, start: int) -> Iterator[Token]:
    """Yield what the lexicon, numbers and anatomy find at a place, merged by end."""
    lexicon, atoms = load_lexicon(), sentence.atoms
    found: dict[int, tuple[int, dict[str, Any]]] = {}
    for end, concepts, values in _phrases(lexicon.root, atoms, start):
        vanishes = end == start + 1 and concepts & lexicon.bits["filler"]
        if not (vanishes and start in sentence.suffixes):
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
            yield end + 1, node.entry.concepts, _values(node.entry)


def _text(sentence: Sentence, start: int, end: int) -> str:
    parts = [sentence.atoms[start]]
    for at in range(start + 1, end):
        parts += ["" if at in sentence.glued else " ", sentence.atoms[at]]
    return "".join(parts)
