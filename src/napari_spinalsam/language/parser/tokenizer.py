"""Cut a sentence into tokens: words and phrases of the lexicon, numbers, structures.

Among all ways to cut it, the one that leaves the fewest words unknown and needs the
fewest tokens is taken; so long phrases go before their parts, in Chinese too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

from rapidfuzz import process
from rapidfuzz.distance import OSA, Prefix

from napari_spinalsam.language.parser.anatomy import read_structure
from napari_spinalsam.language.parser.lexicon import ATOM, load_lexicon
from napari_spinalsam.language.parser.numbers import (
    is_whole,
    number_words,
    read_numeral,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_spinalsam.language.parser.lexicon import Entry, Node

_SHORTEST = 4  # letters; shorter words have too many neighbours
_SHORTEST_FOR_TWO = 7  # letters from which two errors are corrected
_MOST_WORDS = 12  # with more unknown words it is no request to this tool
_SHORTEST_GLUED = 3
_MOST_GLUED = 4  # words
_LONGEST_SYLLABLE = 6  # letters
_SMALL_WORDS = frozenset(("a", "an", "it", "to", "on", "in", "at", "of", "my", "me"))


def correct(atoms: Sequence[str]) -> list[tuple[str, ...]]:
    """Return for each atom the words that it stands for, itself where it is known.

    Parameters
    ----------
    atoms : sequence of str
        The atoms of a normalised sentence.
    """
    doubtful = [atom for atom in atoms if _is_doubtful(atom)]
    if len(doubtful) > _MOST_WORDS:
        return [(atom,) for atom in atoms]
    return [_correct_word(atom) if _is_doubtful(atom) else (atom,) for atom in atoms]


@cache
def _vocabulary() -> frozenset[str]:
    return load_lexicon().vocabulary | number_words()


@cache
def _targets() -> tuple[str, ...]:
    long_enough = (word for word in _vocabulary() if len(word) >= _SHORTEST)
    return tuple(sorted(long_enough))


def _is_doubtful(atom: str) -> bool:
    if atom in load_lexicon().short_forms:
        return True
    return (
        len(atom) >= _SHORTEST
        and atom.isascii()
        and atom.isalpha()
        and atom not in _vocabulary()
        and atom not in load_lexicon().real_words
    )


@lru_cache(maxsize=1024)
def _correct_word(word: str) -> tuple[str, ...]:
    short = load_lexicon().short_forms.get(word)
    if short is not None:
        return (short,)
    errors = 2 if len(word) >= _SHORTEST_FOR_TWO else 1
    near = process.extract(
        word, _targets(), scorer=OSA.distance, score_cutoff=errors, limit=6
    )
    ranked = sorted(
        (*_rank(word, hit, distance), hit)
        for hit, distance, _ in near
        if distance == 1 or not _says_nothing(hit)
    )
    glued = _unglued(word)
    if ranked and _is_plain(ranked) and not (glued and ranked[0][0] > 1):
        return (str(ranked[0][-1]),)
    return glued or _by_syllables(word) or (word,)


def _says_nothing(word: str) -> bool:
    """Whether a word is mere courtesy, as which no strange word may vanish."""
    node = load_lexicon().root.next.get(word)
    if node is None or node.entry is None:
        return False
    return node.entry.concepts == load_lexicon().bits["filler"]


def _rank(word: str, hit: str, distance: float) -> tuple[float, bool, bool, int]:
    """Order near words: fewest errors, the same letters, the longest same start."""
    same_start = Prefix.similarity(word, hit)
    return distance, sorted(word) != sorted(hit), hit[0] != word[0], -same_start


def _is_plain(ranked: list[tuple[float, bool, bool, int, str]]) -> bool:
    """Whether the first is nearer than the second, or means the same."""
    distance, _, other_start, _, best = ranked[0]
    if distance > 1 and other_start:
        return False
    if len(ranked) == 1 or ranked[1][:4] > ranked[0][:4]:
        return True
    return _mean_alike(best, ranked[1][4])


def _mean_alike(word: str, other: str) -> bool:
    nodes = [load_lexicon().root.next.get(each) for each in (word, other)]
    entries = [node.entry for node in nodes if node and node.entry]
    return len(entries) == 2 and bool(entries[0].concepts & entries[1].concepts)


def _unglued(word: str, most: int = _MOST_GLUED) -> tuple[str, ...] | None:
    """Split known words that were written as one, into as few as can be."""
    known = _vocabulary()
    best: tuple[str, ...] | None = None
    for at in range(len(word) - 1, 0, -1):
        first, last = word[:at], word[at:]
        if first not in known or (at < _SHORTEST_GLUED and first not in _SMALL_WORDS):
            continue
        if last in known and (len(last) >= _SHORTEST_GLUED or last in _SMALL_WORDS):
            return first, last
        rest = _unglued(last, most - 1) if most > 2 else None
        if rest is not None and (best is None or len(rest) + 1 < len(best)):
            best = (first, *rest)
    return best


def _by_syllables(word: str) -> tuple[str, ...] | None:
    """Return the sounds of a Chinese phrase typed in Latin letters, "fenge" as 分割."""
    lexicon = load_lexicon()
    places: list[tuple[int, tuple[str, ...], Node]] = [(0, (), lexicon.sounds)]
    while places:
        start, signs, place = places.pop()
        if start == len(word) and place.entry is not None:
            return signs
        for end in range(start + 1, min(start + _LONGEST_SYLLABLE, len(word)) + 1):
            sign = lexicon.syllables.get(word[start:end], "")
            if sign in place.next:
                places.append((end, (*signs, sign), place.next[sign]))
    return None


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
        False where a misspelling was corrected.
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
    """The atoms of a normalised sentence, misspellings corrected.

    Parameters
    ----------
    atoms : tuple of str
        Words, numbers, Chinese characters and signs.
    corrected : frozenset of int
        Which atoms were misspelt.
    glued : frozenset of int
        Atoms with no blank before them.
    suffixes : frozenset of int
        Letters that belong to the number before them, as in "slice 12a".
    """

    atoms: tuple[str, ...]
    corrected: frozenset[int]
    glued: frozenset[int]
    suffixes: frozenset[int]

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """The best way to cut the sentence."""
        return tuple(_cut(self))


def read_sentence(text: str) -> Sentence:
    """Split a normalised text into atoms and correct misspellings.

    Parameters
    ----------
    text : str
        A text as `normalise` returns it.
    """
    found = _as_signs(list(_atoms(text)), text)
    corrected_words = correct([atom for atom, _ in found])
    atoms: list[str] = []
    corrected, glued, suffixes = set(), set(), set()
    for (atom, start), parts in zip(found, corrected_words, strict=True):
        if len(atom) == 1 and atom in _LETTERS and text[:start][-1:].isdecimal():
            suffixes.add(len(atoms))
            parts = (atom,)
        if atom != text[start : start + len(atom)]:
            corrected.add(len(atoms))
        if start and not text[start - 1].isspace() and atoms:
            glued.add(len(atoms))
        for part in parts:
            if parts != (atom,):
                corrected.add(len(atoms))
            atoms.append(part)
    return Sentence(
        tuple(atoms), frozenset(corrected), frozenset(glued), frozenset(suffixes)
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
        exact = sentence.corrected.isdisjoint(range(start, end))
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
