"""Mend misspelt English words by the nearest word of the lexicon, where it is plain.

Only words that are no English words otherwise are mended, only where one word is nearer
than all others, and what was mended is remembered: nothing destructive and nothing that
writes is ever done because of a mended word.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from rapidfuzz import process
from rapidfuzz.distance import OSA

from napari_spinalsam.language.lexicon import load_lexicon
from napari_spinalsam.language.numerals import number_words

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHORTEST = 4  # letters; shorter words have too many neighbours
_SHORTEST_FOR_TWO = 7  # letters from which two errors are mended
_MOST_WORDS = 12  # with more unknown words it is no request to this tool
_SHORTEST_GLUED = 3


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
    return (
        len(atom) >= _SHORTEST
        and atom.isascii()
        and atom.isalpha()
        and atom not in _vocabulary()
        and atom not in load_lexicon().real_words
    )


@lru_cache(maxsize=1024)
def _mend(word: str) -> tuple[str, ...]:
    errors = 2 if len(word) >= _SHORTEST_FOR_TWO else 1
    near = process.extract(
        word, _targets(), scorer=OSA.distance, score_cutoff=errors, limit=4
    )
    ranked = sorted((distance, hit[0] != word[0], hit) for hit, distance, _ in near)
    if ranked and _is_plain(word, ranked):
        return (ranked[0][2],)
    return _unglued(word) or (word,)


def _is_plain(word: str, ranked: list[tuple[float, bool, str]]) -> bool:
    """Whether the first is nearer than the second, or means the same."""
    distance, other_start, best = ranked[0]
    if distance > 1 and other_start:
        return False
    if len(ranked) == 1 or ranked[1][:2] > (distance, other_start):
        return True
    return _stem(best) == _stem(ranked[1][2])


def _stem(word: str) -> str:
    return word.removesuffix("s").removesuffix("e")


def _unglued(word: str) -> tuple[str, ...] | None:
    """Split two known words that were written as one."""
    for at in range(len(word) - _SHORTEST_GLUED, _SHORTEST_GLUED - 1, -1):
        if word[:at] in _vocabulary() and word[at:] in _vocabulary():
            return word[:at], word[at:]
    return None
