"""Mend misspelt English words by the nearest word of the lexicon, where it is plain.

Only words that are no English words otherwise are mended, only where one word is nearer
than all others, and what was mended is remembered: nothing destructive and nothing that
writes is ever done because of a mended word.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from rapidfuzz import process
from rapidfuzz.distance import OSA, Prefix

from napari_spinalsam.language.lexicon import load_lexicon
from napari_spinalsam.language.numerals import number_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.language.lexicon import Node

_SHORTEST = 4  # letters; shorter words have too many neighbours
_SHORTEST_FOR_TWO = 7  # letters from which two errors are mended
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
    return [_mend(atom) if _is_doubtful(atom) else (atom,) for atom in atoms]


def is_near(word: str, other: str) -> bool:
    """Return whether two words are one error apart."""
    return OSA.distance(word, other, score_cutoff=1) <= 1


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
def _mend(word: str) -> tuple[str, ...]:
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
