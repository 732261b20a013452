"""The order of the spine: where a structure stands in lists, and what is next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam.core.anatomy import (
    REGIONS,
    STRUCTURE_NAMES,
    VERTEBRA_ORDER,
    structure,
)
from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def place_of(name: str) -> tuple[int, int]:
    """Return what sorts structures from head to foot, discs after vertebrae.

    Parameters
    ----------
    name : str
        Canonical name in core.anatomy.
    """
    upper = name.partition("-")[0]
    if upper in VERTEBRA_ORDER:
        return int(upper != name), VERTEBRA_ORDER.index(upper)
    return 2, STRUCTURE_NAMES.index(name)


def levels_of(names: Collection[str]) -> list[str]:
    """Return the levels of a spine from C1 to the sacrum.

    Parameters
    ----------
    names : collection of str
        Canonical names of its vertebrae and discs. T13 and L6 are levels where one
        of them names it.
    """
    named = {part for name in names for part in name.split("-")}
    possible = VERTEBRA_ORDER[: VERTEBRA_ORDER.index("sacrum") + 1]
    return [level for level in possible if level in REGIONS["spine"] or level in named]


def shifted_name(name: str, levels: Sequence[str], offset: int) -> str:
    """Return the name so many levels below; that of a disc by its upper vertebra.

    Raises
    ------
    InputError
        If there is no such level, or no disc below it.
    """
    upper, _, lower = name.partition("-")
    wanted = 2 if lower else 1
    place = levels.index(upper) + offset
    there = levels[place : place + wanted] if place >= 0 else ()
    if len(there) < wanted or there[:wanted] == ["C1", "C2"]:
        raise InputError(
            f"{name} would leave the spine if the names moved by {offset:+d}: delete "
            "or rename it first, or move the other way."
        )
    return structure("-".join(there).replace("-sacrum", "-S1")).name
