"""From a clause about points and boxes to its steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_spinalsam.language.numbers_of import count_of, numbers_of
from napari_spinalsam.language.slots import Step, UnclearError, has, places_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_spinalsam.language.frames import Fit

_MOST_POINTS = 50


@dataclass(slots=True)
class _Points:
    """The points of one "3 negative points on L4"."""

    count: int | None = None
    polarity: str | None = None
    places: list[str] = field(default_factory=list)
    names_first: bool = False

    def steps(self, elsewhere: list[str]) -> Iterator[Step]:
        count = 1 if self.count is None else self.count
        places: list[str | None] = [*(self.places or elsewhere)]
        for place in places or [None]:
            yield {
                "action": "add_points",
                "count": count,
                "polarity": self.polarity or "positive",
                "structure": place,
            }


def add_points(fit: Fit) -> list[Step]:
    """Return a step for each "3 negative points on L4" of a clause."""
    groups = [_Points()]
    numbers = dict(numbers_of(fit.tokens))
    for at, token in enumerate(fit.tokens):
        number = numbers.get(at)
        if number is not None:
            if groups[-1].count is not None:
                groups.append(_Points())
            below_zero = at > 0 and fit.tokens[at - 1].text == "-"
            whole = number == int(number) and not below_zero
            if not whole or not 1 <= number <= _MOST_POINTS:
                raise UnclearError("how_many_points")
            groups[-1].count = int(number)
            groups[-1].names_first = bool(groups[-1].places)
        if "polarity" in token.values:
            same = groups[-1].polarity in (None, token.values["polarity"])
            if not same or (groups[-1].places and places_of(fit.tokens[at:])):
                groups.append(_Points())
            groups[-1].polarity = token.values["polarity"]
        named = places_of([token])
        if named and groups[-1].names_first:
            groups.append(_Points())  # "L3 four points, L4 two points"
        groups[-1].places += named
    if any(has(token, "vague") for token in fit.tokens) and all(
        group.count is None for group in groups
    ):
        raise UnclearError("how_many_points")
    named = places_of(fit.tokens)
    shared = named if sum(bool(group.places) for group in groups) == 1 else []
    return [step for group in groups for step in group.steps(shared)]


def add_box(fit: Fit) -> list[Step]:
    """Return a step for each structure to be boxed, or for each box to be drawn."""
    if any(has(token, "point") for token in fit.tokens):
        raise UnclearError("what_to_do")
    places = places_of(fit.tokens)
    if not places:
        return [{"action": "add_box", "structure": None}] * (count_of(fit.tokens) or 1)
    return [{"action": "add_box", "structure": place} for place in places]
