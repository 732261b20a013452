"""Numbers as people write them: digits, English words, ordinals, Chinese numerals.

Each reader looks at the atoms of a sentence from a place on and returns where the
number ends and what it is, or None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_UNITS = {word: value for value, word in enumerate(_SMALL)} | {
    "tree": 3,
    "fore": 4,
    "fourty": 40,
    "fourtheen": 14,
    "fiveteen": 15,
    "tweleve": 12,
    "twelf": 12,
    "forteen": 14,
    "thre": 3,
    "theree": 3,
    "fiv": 5,
}
del _UNITS["tree"], _UNITS["fore"], _UNITS["fourty"]
_DECADES = {word: 10 * (place + 2) for place, word in enumerate(_TENS)} | {
    "fourty": 40,
    "fivety": 50,
    "ninty": 90,
    "twety": 20,
    "twenny": 20,
}
_ORDINALS = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fourth": 4,
    "forth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "eigth": 8,
    "ninth": 9,
    "tenth": 10,
    "eleventh": 11,
    "twelfth": 12,
    "twelveth": 12,
    "thirteenth": 13,
    "fourteenth": 14,
    "fifteenth": 15,
    "sixteenth": 16,
    "seventeenth": 17,
    "eighteenth": 18,
    "nineteenth": 19,
} | {word[:-1] + "ieth": value for word, value in _DECADES.items()}
_PHRASES: dict[tuple[str, ...], int] = {
    ("a", "couple", "of"): 2,
    ("a", "couple"): 2,
    ("couple", "of"): 2,
    ("couple",): 2,
    ("a", "pair", "of"): 2,
    ("pair", "of"): 2,
    ("a", "pair"): 2,
    ("half", "a", "dozen"): 6,
    ("half", "dozen"): 6,
    ("a", "half", "dozen"): 6,
    ("a", "dozen"): 12,
    ("one", "dozen"): 12,
    ("dozen",): 12,
    ("two", "dozen"): 24,
    ("three", "dozen"): 36,
    ("a", "trio", "of"): 3,
    ("a", "quartet", "of"): 4,
    ("a", "single"): 1,
    ("半", "打"): 6,
    ("一", "打"): 12,
    ("一", "对"): 2,
    ("俩",): 2,
    ("仨",): 3,
    ("一", "双"): 2,
}
_CHINESE = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {
    "\u3007": 0,
    "两": 2,
    "壹": 1,
    "贰": 2,
    "叁": 3,
    "肆": 4,
    "伍": 5,
    "陆": 6,
    "柒": 7,
    "捌": 8,
    "玖": 9,
    "幺": 1,
}
_CHINESE_PLACES = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000}
_CHINESE_TENS = {"廿": 20, "卅": 30}
_ORDINAL_ENDS = frozenset(("st", "nd", "rd", "th"))


_MOST_DIGITS = 9  # of a number that somebody may mean


class Numeral(NamedTuple):
    """A number found: where it ends (exclusive), its value, and whether it ranks."""

    end: int
    value: float
    ordinal: bool


def read_numeral(atoms: Sequence[str], start: int) -> Numeral | None:
    """Return the longest number that begins at a place, or None.

    Parameters
    ----------
    atoms : sequence of str
        The atoms of the sentence.
    start : int
        Where to look.
    """
    atom = atoms[start]
    if atom == "第" and start + 1 < len(atoms):
        below = _digits(atoms, start + 1) or _chinese(atoms, start + 1)
        return below and below._replace(ordinal=True)
    return (
        _digits(atoms, start)
        or _phrase(atoms, start)
        or _english(atoms, start)
        or _chinese(atoms, start)
    )


def is_whole(value: float) -> bool:
    """Return whether a number has no fraction."""
    return value == int(value)


def number_words() -> frozenset[str]:
    """Return all English words of numbers."""
    phrases = {atom for phrase in _PHRASES for atom in phrase}
    return frozenset((*_UNITS, *_DECADES, *_ORDINALS, "hundred", *phrases))


def _digits(atoms: Sequence[str], start: int) -> Numeral | None:
    if not atoms[start][0].isdecimal() or len(atoms[start]) > _MOST_DIGITS:
        return None
    value = float(atoms[start])
    follows = atoms[start + 1] if start + 1 < len(atoms) else ""
    if follows in _ORDINAL_ENDS:
        return Numeral(start + 2, value, True)
    return Numeral(start + 1, value, False)


def _phrase(atoms: Sequence[str], start: int) -> Numeral | None:
    for length in (3, 2, 1):
        value = _PHRASES.get(tuple(atoms[start : start + length]))
        if value is not None and start + length <= len(atoms):
            return Numeral(start + length, value, False)
    return None


def _english(atoms: Sequence[str], start: int) -> Numeral | None:
    """Read "three", "twenty-one", "one hundred and twenty", "fifteen hundred"."""
    spelt = _digit_by_digit(atoms, start)
    if spelt is not None:
        return spelt
    below = _below_hundred(atoms, start)
    if below is None:
        leads = atoms[start] in ("a", "hundred", "thousand")
        below = Numeral(start + (atoms[start] == "a"), 1, False) if leads else None
        if below is None or below.end >= len(atoms):
            return None
    total, at, large = below.value, below.end, False
    for word, factor in (("hundred", 100), ("thousand", 1000), ("hundred", 100)):
        if at >= len(atoms) or atoms[at] != word or below.ordinal:
            continue
        if factor == 100 and large:
            continue
        total, at, large = total * factor, at + 1, True
        rest_at = at + 1 if at < len(atoms) and atoms[at] == "and" else at
        rest = _english(atoms, rest_at) if rest_at < len(atoms) else None
        if rest is not None and rest.value < factor:
            return Numeral(rest.end, total + rest.value, rest.ordinal)
    if atoms[start] in ("a", "hundred", "thousand") and not large:
        return None
    return Numeral(at, total, below.ordinal)


def _digit_by_digit(atoms: Sequence[str], start: int) -> Numeral | None:
    """Read "one oh four" and "two five six"."""
    digits = ""
    at = start
    while at < len(atoms) and (atoms[at] == "oh" or _UNITS.get(atoms[at], 10) < 10):
        digits += "0" if atoms[at] == "oh" else str(_UNITS[atoms[at]])
        at += 1
    if len(digits) < 2 or digits[0] == "0":
        return None
    return Numeral(at, float(digits), False)


def _below_hundred(atoms: Sequence[str], start: int) -> Numeral | None:
    atom = atoms[start]
    if atom in _ORDINALS:
        return Numeral(start + 1, _ORDINALS[atom], True)
    if atom in _UNITS:
        return Numeral(start + 1, _UNITS[atom], False)
    if atom not in _DECADES:
        return None
    at = start + 1
    if at < len(atoms) and atoms[at] == "-":
        at += 1
    follows = atoms[at] if at < len(atoms) else ""
    if 1 <= _UNITS.get(follows, 0) <= 9:
        return Numeral(at + 1, _DECADES[atom] + _UNITS[follows], False)
    if 1 <= _ORDINALS.get(follows, 0) <= 9:
        return Numeral(at + 1, _DECADES[atom] + _ORDINALS[follows], True)
    return Numeral(start + 1, _DECADES[atom], False)


def _chinese(atoms: Sequence[str], start: int) -> Numeral | None:
    """Read 三, 两, 十二, 一百零五, 一百二, 廿三, and 一二零 digit by digit."""
    end = start
    while end < len(atoms) and (
        atoms[end] in _CHINESE
        or atoms[end] in _CHINESE_PLACES
        or atoms[end] in _CHINESE_TENS
    ):
        end += 1
    if end == start:
        return None
    signs = atoms[start:end]
    if len(signs) > _MOST_DIGITS:
        return None
    if all(sign in _CHINESE for sign in signs):
        value = float("".join(str(_CHINESE[sign]) for sign in signs))
        return Numeral(end, value, False)
    total, digit, place = 0, 0, 10
    for sign in signs:
        if sign in _CHINESE:
            digit = _CHINESE[sign]
            place = 10 if digit == 0 else place
        elif sign in _CHINESE_TENS:
            total, digit, place = total + _CHINESE_TENS[sign], 0, 10
        else:
            place = _CHINESE_PLACES[sign]
            total, digit = total + (digit or 1) * place, 0
    return Numeral(end, float(total + digit * (place // 10)), False)
