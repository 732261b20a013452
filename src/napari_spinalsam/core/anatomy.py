"""The structures of the spine: names, label values, order, regions and colours.

Inside the program a structure is a name; numbers appear only in label volumes and
files, in the numbering of VerSe: C1..C7 1..7, T1..T12 8..19, L1..L6 20..25, sacrum 26,
coccyx 27, T13 28, a disc 100 + the vertebra above, spinal canal 61, spinal cord 60.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import Message, join, msg, msgc

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence


Rgba = tuple[float, float, float, float]

# Names that a sentence holds before it shortens them.
MOST_LISTED = 5

BACKGROUND = 0
DISC_OFFSET = 100


class Kind(StrEnum):
    """What sort of structure it is."""

    VERTEBRA = "vertebra"
    SACRUM = "sacrum"
    COCCYX = "coccyx"
    DISC = "disc"
    CANAL = "canal"
    CORD = "cord"


@dataclass(frozen=True, slots=True)
class Structure:
    """One structure that can be named, labelled and shown.

    Parameters
    ----------
    name : str
        The name used in actions and files, such as ``L3``, ``L4-L5``, ``sacrum``.
    label : int
        Value in a label volume, 1 to 255. Two discs share one where the spine
        varies: 124 is ``L5-S1``, or ``L5-L6`` where there is an L6.
    display_name : str
        What a person reads.
    kind : Kind
        The sort of structure.
    color : tuple of float
        Red, green, blue and alpha, 0 to 1; fixed by label.
    aliases : tuple of str
        Other names that mean it.
    """

    name: str
    label: int
    display_name: str
    kind: Kind
    color: Rgba
    aliases: tuple[str, ...] = ()


def _numbered(letter: str, last: int) -> tuple[str, ...]:
    return tuple(f"{letter}{number}" for number in range(1, last + 1))


# From head to foot, with what only some people have (T13, L6).
VERTEBRA_ORDER: tuple[str, ...] = (
    *_numbered("C", 7),
    *_numbered("T", 13),
    *_numbered("L", 6),
    "sacrum",
    "coccyx",
)
_STANDARD = tuple(name for name in VERTEBRA_ORDER[:-1] if name not in ("T13", "L6"))
# Pairs of neighbours with a disc between that occur in addition to the standard ones.
_VARIANT_PAIRS = (
    ("T12", "T13"),
    ("T13", "L1"),
    ("L5", "L6"),
    ("L6", "sacrum"),
    ("L4", "sacrum"),
)

# No two labels have the same colour. By search for colours that stand out from gray and
# whose CIEDE2000 difference is at least 14 within six levels, which is what one view
# shows (canal and cord are in all views), and at least 18 where structures touch; there
# also at least 15 with a quarter of the lightness, which the image under a label
# changes, and about 9 as seen with protanopia and deuteranopia. From C1 to the coccyx:
_VERTEBRA_COLORS = (
    "BB3388 BB7744 0066CC CC2233 FF9933 FF66FF 7777BB 00DD22 CC5500 "
    "007755 9944BB 00AAEE FF88AA 996600 EE22FF FF7700 BBBBFF FF0022 "
    "22FFEE DD8888 7788FF 008844 885599 AA5500 00BB22 FF99DD 1177AA "
    "00CCAA AA88EE"
)
# By the vertebra above, from C2 on:
_DISC_COLORS = (
    "33AA88 FFBBEE 0099BB 00FFCC EE7766 00EEFF EE0088 88AAFF FFBB00 "
    "DD0011 99FFDD 5566AA 55DDFF CC1155 008877 9900FF 0099FF EEAAFF "
    "CC8800 FF00CC 66CCFF FF1166 009999 6644FF BB6655"
)
_CANAL_COLOR = "EEFF00"
_CORD_COLOR = "CCCC88"


def _rgba(code: str) -> Rgba:
    red, green, blue = (int(code[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return red, green, blue, 1.0


def _vertebra_label(name: str) -> int:
    # T13 was added to the numbering last, so that it stands out of order.
    in_order = [v for v in VERTEBRA_ORDER if v != "T13"]
    return 28 if name == "T13" else in_order.index(name) + 1


def _vertebrae() -> Iterator[Structure]:
    colors = _VERTEBRA_COLORS.split()
    kinds = {"sacrum": Kind.SACRUM, "coccyx": Kind.COCCYX}
    for position, name in enumerate(VERTEBRA_ORDER):
        yield Structure(
            name=name,
            label=_vertebra_label(name),
            display_name=name,
            kind=kinds.get(name, Kind.VERTEBRA),
            color=_rgba(colors[position]),
            aliases=("S1",) if name == "sacrum" else (),
        )


def _discs() -> Iterator[Structure]:
    colors = _DISC_COLORS.split()
    standard = tuple(pairwise(_STANDARD))[1:]  # there is no disc between C1 and C2
    for upper, below in (*standard, *_VARIANT_PAIRS):
        lower = "S1" if below == "sacrum" else below
        ends = [lower]
        if lower == "S1":
            ends += ["S", "sacrum"]
        if lower[0] == upper[0]:
            ends.append(lower[1:])
        color = colors[VERTEBRA_ORDER.index(upper) - 1]
        yield Structure(
            name=f"{upper}-{lower}",
            label=DISC_OFFSET + _vertebra_label(upper),
            display_name=f"{upper}-{lower}",
            kind=Kind.DISC,
            color=_rgba(color),
            aliases=tuple(f"{upper}{sign}{end}" for end in ends for sign in "-/")[1:],
        )


# Vertebrae from head to foot, discs from head to foot (the variants last), canal, cord.
STRUCTURES: tuple[Structure, ...] = (
    *_vertebrae(),
    *_discs(),
    Structure(
        "spinal_canal", 61, "spinal canal", Kind.CANAL, _rgba(_CANAL_COLOR), ("canal",)
    ),
    Structure(
        "spinal_cord", 60, "spinal cord", Kind.CORD, _rgba(_CORD_COLOR), ("cord",)
    ),
)

# Standard anatomy: a T13 or an L6 is segmented only where it is named.
REGIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "cervical": _numbered("C", 7),
        "thoracic": _numbered("T", 12),
        "lumbar": _numbered("L", 5),
        "spine": _STANDARD,
        "discs": tuple(
            s.name
            for s in STRUCTURES
            if s.kind is Kind.DISC and "T13" not in s.name and "L6" not in s.name
            if s.name != "L4-S1"
        ),
    }
)

# Every name that an action may carry; S1 and sacrum are two names of one structure.
STRUCTURE_NAMES: tuple[str, ...] = (*(s.name for s in STRUCTURES), "S1")


# Hyphens, en and em dash, minus and the full-width minus of Chinese keyboards.
_DASHES = re.compile("[\u2010-\u2015\u2212\uff0d]")


def _compact(name: str) -> str:
    """Drop case, blanks, underscores and the kind of dash from a name."""
    return _DASHES.sub("-", re.sub(r"[\s_]+", "", name)).casefold()


_BY_NAME = {_compact(n): s for s in STRUCTURES for n in (s.name, *s.aliases)}
_BY_LABEL = {s.label: s for s in reversed(STRUCTURES)}


def structure(name: str) -> Structure:
    """Look a structure up by a name or an alias.

    Parameters
    ----------
    name : str
        Any case and blanks; a disc also as ``L4/5`` or ``L4/L5``; ``S1`` is the
        sacrum.

    Raises
    ------
    InputError
        If nothing is called so; the sentence offers the nearest names.
    """
    found = _BY_NAME.get(_compact(name))
    if found is not None:
        return found
    by_compact = {_compact(known): known for known in STRUCTURE_NAMES}
    near = difflib.get_close_matches(_compact(name), by_compact, n=20, cutoff=0.5)
    near.sort(key=lambda key: key[0] != _compact(name)[0])  # the same region first
    offer = join((named(by_compact[key]) for key in near[:3]), ", ")
    offer = offer or msg("C1 to L6, sacrum or L4-L5")
    raise InputError(
        msg(
            "There is no structure {name!r}: choose, for example, {offer}.",
            name=name,
            offer=offer,
        )
    )


# Only these have words of their own in other languages: levels are written alike.
_NAMED: Mapping[str, Message] = MappingProxyType(
    {
        "sacrum": msgc("structure", "sacrum"),
        "coccyx": msgc("structure", "coccyx"),
        "spinal_canal": msgc("structure", "spinal_canal"),
        "spinal_cord": msgc("structure", "spinal_cord"),
        "cervical": msgc("structure", "cervical"),
        "thoracic": msgc("structure", "thoracic"),
        "lumbar": msgc("structure", "lumbar"),
        "spine": msgc("structure", "spine"),
        "discs": msgc("structure", "discs"),
    }
)


def named(name: str) -> Message:
    """Return the name of a structure or a region as a part of messages."""
    return _NAMED.get(name) or Message(name)


def listed(names: Iterable[str]) -> Message:
    """Name structures in a sentence, many of them by the first and the last of a run.

    Parameters
    ----------
    names : iterable of str
        Names in core.anatomy, those of a run from head to foot.

    Returns
    -------
    Message
        Such as ``L1, L2``, ``C1 to T8`` or ``L1 to L5, T12-L1, T2, T4, T6 and 3 more``.
    """
    all_names = list(names)
    if len(all_names) <= MOST_LISTED:
        return join(map(named, all_names), ", ")
    runs: list[list[str]] = []
    for name in all_names:
        if runs and _follows(runs[-1][-1], name):
            runs[-1].append(name)
        else:
            runs.append([name])
    parts = [
        part
        for run in runs
        for part in (
            [
                (
                    msg("{first} to {last}", first=named(run[0]), last=named(run[-1])),
                    len(run),
                )
            ]
            if len(run) > 2
            else [(named(name), 1) for name in run]
        )
    ]
    more = sum(count for _, count in parts[MOST_LISTED:])
    told = join((part for part, _ in parts[:MOST_LISTED]), ", ")
    return msg("{names} and {count} more", names=told, count=more) if more else told


def _follows(name: str, after: str) -> bool:
    """Whether a vertebra or disc is the next one, in any spine."""
    one, two = structure(name), structure(after)
    if (one.kind is Kind.DISC) != (two.kind is Kind.DISC):
        return False
    upper, lower = (each.name.partition("-")[0] for each in (one, two))
    if not {upper, lower} <= set(VERTEBRA_ORDER):
        return False
    between = VERTEBRA_ORDER[VERTEBRA_ORDER.index(upper) + 1 :]
    return lower in between[:1] or (
        between[:1] in (("T13",), ("L6",)) and lower in between[1:2]
    )


def disc_ends(name: str) -> tuple[str, str]:
    """Return the names of the vertebrae above and below a disc.

    Parameters
    ----------
    name : str
        Canonical name of a disc, such as ``L5-S1``, which lies above the sacrum.
    """
    upper, _, lower = name.partition("-")
    return structure(upper).name, structure(lower).name


def action_name(name: str) -> str:
    """Return the spelling of a structure's name that actions use.

    The same as the name of `structure`, except that S1 is kept where it was said.

    Raises
    ------
    InputError
        If nothing is called so.
    """
    return "S1" if _compact(name) == "s1" else structure(name).name


def by_label(label: int, present: Collection[int] = ()) -> Structure | None:
    """Look a structure up by its value in a label volume.

    Parameters
    ----------
    label : int
        The value.
    present : collection of int
        Values of the whole volume. They name a disc after the vertebra that lies
        below in this spine: 124 is ``L5-L6`` where 25 is present.

    Returns
    -------
    Structure or None
        None for the background and for values without a meaning.
    """
    usual = _BY_LABEL.get(label)
    if usual is None or usual.kind is not Kind.DISC:
        return usual
    upper = VERTEBRA_ORDER.index(usual.name.split("-")[0])
    for name in VERTEBRA_ORDER[upper + 1 : -1]:
        if _vertebra_label(name) in present:
            pair = f"{VERTEBRA_ORDER[upper]}-{name}"
            return _BY_NAME.get(_compact(pair), usual)
    return usual


def label_colormap() -> dict[int | None, Rgba]:
    """Return the colour of each label value, transparent for all others (None)."""
    colors: dict[int | None, Rgba] = {s.label: s.color for s in reversed(STRUCTURES)}
    return {None: (0.0, 0.0, 0.0, 0.0), BACKGROUND: (0.0, 0.0, 0.0, 0.0), **colors}


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
            msg(
                "{name} would leave the spine if the names moved by "
                "{offset:+d}: delete or rename it first, or move the other way.",
                name=named(name),
                offset=offset,
            )
        )
    return structure("-".join(there).replace("-sacrum", "-S1")).name


class Plane(StrEnum):
    """The anatomical planes, named after what is seen in the slice."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"

    @property
    def axis(self) -> int:
        """Axis of a canonical (z, y, x) array that slices of this plane cut."""
        return (Plane.AXIAL, Plane.CORONAL, Plane.SAGITTAL).index(self)

    @classmethod
    def of_axis(cls, axis: int) -> Plane:
        """Return the plane whose slices are perpendicular to an array axis."""
        return (cls.AXIAL, cls.CORONAL, cls.SAGITTAL)[axis]
