"""What the numbers of a clause are: counts, offsets, window level and width."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam.language.lexicon import load_lexicon
from napari_spinalsam.language.slots import UnclearError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.language.tokens import Token

_BOTH = {
    "窗宽窗位": ("width", "level"),
    "窗位窗宽": ("level", "width"),
    "window level": ("level",),
}
_TIMES = {"once": 1, "twice": 2, "thrice": 3}


def _is(token: Token, names: str) -> bool:
    return bool(token.concepts & load_lexicon().mask(names))


def numbers_of(tokens: Sequence[Token]) -> list[tuple[int, float]]:
    """Return the places and values of the numbers in a clause."""
    found = []
    for at, token in enumerate(tokens):
        value = token.values.get("number", token.values.get("ordinal"))
        if value is None:
            value = next((n for name, n in _TIMES.items() if _is(token, name)), None)
            if value is not None and _is(token, "filler"):
                continue
        if value is not None:
            found.append((at, value))
    ranking = [pair for pair in found if not _is(tokens[pair[0]], "filler")]
    return ranking or found


def count_of(tokens: Sequence[Token]) -> int | None:
    """Return the one whole number of a clause, None where none was said.

    Raises
    ------
    UnclearError
        If a number has a fraction or is zero, as no count has and is.
    """
    numbers = [value for _, value in numbers_of(tokens)]
    if any(value != int(value) or value < 1 for value in numbers):
        raise UnclearError("which_number")
    return int(numbers[0]) if numbers else None


def sign_of(tokens: Sequence[Token]) -> int:
    """Return +1 or -1 for the way to move through slices, 0 where it is not plain."""
    for ahead, behind in (("next", "previous"), ("forward", "back")):
        signs = {
            1 if _is(token, ahead) else -1
            for token in tokens
            if _is(token, ahead) != _is(token, behind)
        }
        if len(signs) == 1:
            return signs.pop()
    return 0


def level_and_width(tokens: Sequence[Token]) -> tuple[float | None, float | None]:
    """Return the window level and width of a clause, None where one is missing."""
    found: dict[str, float] = {}
    waiting: list[str] = []
    loose: float | None = None
    negative = False
    for token in tokens:
        name = _window_word(token)
        if token.text in _BOTH:
            waiting += _BOTH[token.text]
        elif name and name not in (*found, *waiting):
            if loose is not None:
                found[name], loose = loose, None
            else:
                waiting.append(name)
        elif token.text == "-" or _is(token, "minus"):
            negative = True
        elif "number" in token.values:
            value = -token.values["number"] if negative else token.values["number"]
            negative = False
            if waiting:
                found[waiting.pop(0)] = float(value)
            else:
                loose = float(value)
    return found.get("level"), found.get("width")


def _window_word(token: Token) -> str | None:
    if _is(token, "width_word"):
        return "width"
    return "level" if _is(token, "level_word") else None
