"""Structures as people write them: L3, 腰三, third lumbar vertebra, L4/5, l45, T12-L1.

Two levels with a hyphen or a slash are the disc between them where they are neighbours
("L4-L5", "L4/5", "L5S1"), as actions spell discs, and a range otherwise ("L1-L5"); with
"to" they are a range ("L4 to L5"). Words beside them overrule: with "vertebrae" a range
is meant, with "disc" the discs of it.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from napari_spinalsam.core.anatomy import STRUCTURES, VERTEBRA_ORDER, Kind
from napari_spinalsam.language.parser.numbers import is_whole, read_numeral

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_LETTERS = {"c": "C", "t": "T", "th": "T", "l": "L", "s": "S", "el": "L", "ell": "L"}
_LETTERS |= {"tee": "T", "cee": "C", "ess": "S", "tea": "T", "lv": "L", "tv": "T"}
_REGION_WORDS = {
    "lumbar": "L",
    "lumber": "L",
    "thoracic": "T",
    "dorsal": "T",
    "cervical": "C",
    "sacral": "S",
    "腰": "L",
    "胸": "T",
    "颈": "C",
    "骶": "S",
    **dict.fromkeys("要妖邀", "L"),  # as typing by sound mixes them up
    **dict.fromkeys("雄熊凶汹", "T"),
    **dict.fromkeys("井景经警劲", "C"),
    **dict.fromkeys("底抵低", "S"),
}
_LAST = {"C": 7, "T": 13, "L": 6, "S": 1}
_STANDARD = tuple(name for name in VERTEBRA_ORDER if name not in ("T13", "L6"))
_NOUNS = frozenset(("vertebra", "vertebral", "vertebrae", "body", "segment", "level"))
_NUMBER_NOUNS = frozenset(("number", "no", "nr", "#", ".", "-", "level"))
_CHINESE_NOUNS = ("椎体", "椎骨", "椎", "锥体", "锥", "推")
_COUNTED = frozenset(
    """point points click clicks slice slices box boxes dots dot pts layers frames
    个 颗 下 positive negative steps times more foreground background""".split()  # noqa: SIM905
)


class Named(NamedTuple):
    """A structure found: where it ends (exclusive) and which it is, or which."""

    end: int
    names: tuple[str, ...]


def read_structure(
    atoms: Sequence[str], start: int, glued: Collection[int]
) -> Named | None:
    """Return the vertebra or the disc that begins at a place, or None.

    Parameters
    ----------
    atoms : sequence of str
        The atoms of the sentence.
    start : int
        Where to look.
    glued : collection of int
        Atoms with no blank before them.
    """
    return (
        _lettered(atoms, start, glued)
        or _by_region(atoms, start)
        or _ranked(atoms, start)
    )


@cache
def discs_by_pair() -> dict[tuple[str, str], str]:
    """Return the name of the disc between two vertebrae, by their names."""
    names = [s.name for s in STRUCTURES if s.kind is Kind.DISC]
    pairs = {tuple(name.split("-")): name for name in names}
    to_sacrum = {(a, "sacrum"): name for (a, b), name in pairs.items() if b == "S1"}
    return pairs | to_sacrum  # type: ignore[return-value]


def vertebra_range(first: str, last: str) -> tuple[str, ...]:
    """Return the vertebrae from one to another, in the order said.

    T13 and L6 are left out unless they are named.
    """
    ends = ["sacrum" if name == "S1" else name for name in (first, last)]
    order = [n for n in VERTEBRA_ORDER if n in _STANDARD or n in ends]
    low, high = sorted(order.index(end) for end in ends)
    names = order[low : high + 1]
    if ends[0] != names[0]:
        names.reverse()
    spelling = dict(zip(ends, (first, last), strict=True))
    return tuple(spelling.get(name, name) for name in names)


def discs_within(names: Sequence[str]) -> tuple[str, ...]:
    """Return the discs between neighbours among vertebrae."""
    pairs = discs_by_pair()
    found = (pairs.get(pair) or pairs.get(pair[::-1]) for pair in pairwise(names))
    return tuple(name for name in found if name)


def disc_between(upper: str, lower: str) -> str | None:
    """Return the disc between two vertebrae, None where there is none."""
    return discs_by_pair().get((upper, lower))


def vertebra(region: str, number: float) -> str | None:
    """Return the name of a vertebra by region letter and number, None where none."""
    if is_whole(number) and 1 <= number <= _LAST[region]:
        return f"{region}{int(number)}"
    return None


def _lettered(atoms: Sequence[str], start: int, glued: Collection[int]) -> Named | None:
    """Read L3, l 3, L-3, L三, el three, and l45 as the disc L4-L5."""
    region = _LETTERS.get(atoms[start])
    if region is None or start + 1 == len(atoms):
        return None
    at = start + 1
    if atoms[at] in ("-", ".") and at + 1 < len(atoms):
        at += 1
    number = read_numeral(atoms, at)
    if number is None or number.ordinal:
        return None
    if at not in glued and number.end < len(atoms) and atoms[number.end] in _COUNTED:
        return None
    name = vertebra(region, number.value)
    if name:
        return Named(number.end, (name,))
    digits = atoms[at]
    if digits.isdecimal() and len(digits) == 2:
        disc = _short_disc(region, digits)
        return Named(at + 1, (disc,)) if disc else None
    return None


def _short_disc(region: str, digits: str) -> str | None:
    upper = vertebra(region, int(digits[0]))
    below = "S1" if region + digits == "L51" else vertebra(region, int(digits[1]))
    return disc_between(upper, below) if upper and below else None


def _by_region(atoms: Sequence[str], start: int) -> Named | None:
    """Read lumbar 3, lumbar vertebra number three, 腰3, 腰三椎体, 腰椎第三节."""
    region = _REGION_WORDS.get(atoms[start])
    if region is None:
        return None
    at = _skip_noun(atoms, start + 1)
    while at < len(atoms) and atoms[at] in _NUMBER_NOUNS:
        at += 1
    if at >= len(atoms):
        return None
    number = read_numeral(atoms, at)
    if number is None:
        return None
    english = atoms[start].isascii()
    end = number.end
    if number.ordinal and english:
        return None
    if end < len(atoms) and atoms[end] in _COUNTED and not number.ordinal:
        return None
    if atoms[at] == "one" and start and atoms[start - 1] == "the":
        return None  # "the cervical one" is the cervical spine
    name = vertebra(region, number.value)
    if not name:
        digits = atoms[at]
        short = digits.isdecimal() and len(digits) == 2 and _short_disc(region, digits)
        spoken = (
            not english and number.value > 10 and _spoken_disc(region, number.value)
        )
        disc = short or spoken
        return Named(end, (disc,)) if disc else None
    if not english:
        end = _skip_chinese_tail(atoms, end)
    return Named(end, (name,))


def _spoken_disc(region: str, value: float) -> str | None:
    return _short_disc(region, str(int(value))) if value < 100 else None


def _ranked(atoms: Sequence[str], start: int) -> Named | None:
    """Read third lumbar vertebra, 3rd lumbar, 第三腰椎, 第3节腰椎."""
    number = read_numeral(atoms, start)
    if number is None or not number.ordinal or number.end >= len(atoms):
        return None
    at = number.end
    if atoms[at] in ("节", "个", "块", "段"):
        at += 1
    region = _REGION_WORDS.get(atoms[at]) if at < len(atoms) else None
    name = vertebra(region, number.value) if region else None
    if not name:
        return None
    return Named(_skip_noun(atoms, at + 1), (name,))


def _skip_noun(atoms: Sequence[str], at: int) -> int:
    while at < len(atoms) and atoms[at] in _NOUNS:
        at += 1
    for noun in _CHINESE_NOUNS:
        if tuple(atoms[at : at + len(noun)]) == tuple(noun):
            return at + len(noun)
    return at


def _skip_chinese_tail(atoms: Sequence[str], at: int) -> int:
    if at < len(atoms) and atoms[at] in ("节", "号"):
        at += 1
    if (
        tuple(atoms[at : at + 3]) == ("椎", "间", "盘")
        or "".join(atoms[at : at + 3]) == "椎间隙"
    ):
        return at
    return _skip_noun(atoms, at)
