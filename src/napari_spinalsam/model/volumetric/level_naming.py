"""The order along the spine: which centres are its vertebrae, and what they are called.

A name that nobody gave is judged by three cues against a table of typical spines: how
the volumes grow, how far neighbours are apart, and how the line of centres bends, which
is sharpest where the lumbar spine meets the sacrum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.core.anatomy import REGIONS, listed
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import msg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

# Neighbours are this far apart, and lean no further than this from the long axis.
NEAREST_MM, FARTHEST_MM = 12.0, 80.0
MOST_SIDEWAYS = 0.5
MOST_TILTED = 1.6
# What is smaller than this share of the usual is no vertebra but a stray gathering.
LEAST_SHARE = 0.3
# A gap this much wider than its neighbours hides a vertebra.
GAP_RATIO = 1.75

_STANDARD = REGIONS["spine"]
_ORDERS = (
    _STANDARD,
    (*_STANDARD[:-1], "L6", "sacrum"),
    (*_STANDARD[:19], "T13", *_STANDARD[19:]),
    tuple(name for name in _STANDARD if name != "L5"),
    tuple(name for name in _STANDARD if name != "T12"),
)

# Volume (cm3), distance of the centre to the next one (mm), and angle of that step
# (degrees, above zero where the next one lies further in front): means over the label
# maps of six scans of VerSe and TotalSegmentator, T6 to T8 interpolated.
_TYPICAL = np.array(
    [
        (18, 19.5, -4),  # C1
        (23, 21, -6),  # C2
        (16, 18, 0),  # C3
        (15.5, 18.5, -4),  # C4
        (17, 18.5, -7),  # C5
        (18.5, 18.5, -25),  # C6
        (23, 20.5, -26),  # C7
        (28, 24.5, -27),  # T1
        (29, 26, -25),  # T2
        (28, 26, -20),  # T3
        (30, 25, -11),  # T4
        (29, 25, -6),  # T5
        (29, 25, -2),  # T6
        (29, 24.5, 0),  # T7
        (29, 24, 2),  # T8
        (29, 24, 4),  # T9
        (32, 27, 9),  # T10
        (37, 30, 8),  # T11
        (42, 29.5, 12),  # T12
        (46, 30, 24),  # L1
        (53, 32.5, 15),  # L2
        (58, 32, 3),  # L3
        (61, 31, -22),  # L4
        (61, 48, -45),  # L5
        (140.0, np.nan, np.nan),  # sacrum
    ]
)
_VOLUME_CM3, _STEP_MM, _STEP_DEGREES = _TYPICAL.T
_VOLUME_SPREAD, _STEP_SPREAD, _DEGREES_SPREAD = 0.15, 0.10, 9.0
_SACRUM_SPREAD = 0.6
_SIZE_SPREAD, _TILT_SPREAD = 0.2, 8.0
# The cues are not independent of each other, so that each weighs less than alone.
_TEMPER = 3.0
# Where the image goes on but the vertebrae do not, the last one is likely the sacrum.
_NOT_THE_END = 3.0
_GUESS_AT_BEST = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Vertebrae in a row, from head to foot.

    Parameters
    ----------
    numbers : tuple of int
        Which of the centres they are.
    places : tuple of int
        Position in the row; one is skipped where a vertebra was not seen.
    positions : ndarray of float, shape (n, 3)
        In mm along (z, y, x).
    volumes_cm3 : ndarray of float, shape (n,)
        NaN where the image cuts the vertebra.
    ends_below : bool
        Whether the image goes on below the last one.
    """

    numbers: tuple[int, ...]
    places: tuple[int, ...]
    positions: NDArray[np.float64]
    volumes_cm3: NDArray[np.float64]
    ends_below: bool = False


def follow(
    positions: NDArray[np.float64],
    volumes_mm3: NDArray[np.float64],
    through: Sequence[int] = (),
) -> tuple[int, ...]:
    """Choose the centres that form one line from head to foot.

    Parameters
    ----------
    positions : ndarray of float, shape (n, 3)
        In mm along (z, y, x).
    volumes_mm3 : ndarray of float, shape (n,)
        Bone that belongs to each.
    through : sequence of int
        Centres that are known to be vertebrae.
    """
    if not len(positions):
        return ()
    usual = np.median(volumes_mm3)
    worth = np.minimum(volumes_mm3 / usual, 1.5) - LEAST_SHARE
    worth[list(through)] += 100.0
    order = np.argsort(positions[:, 0], kind="stable")
    best = worth.astype(float)
    before = np.full(len(positions), -1)
    for rank, at in enumerate(order):
        for upper in order[:rank]:
            gain = best[upper] + worth[at] - _cost(positions[upper], positions[at])
            if gain > best[at]:
                best[at], before[at] = gain, upper
    chain = [int(best.argmax())]
    while before[chain[-1]] >= 0:
        chain.append(int(before[chain[-1]]))
    return tuple(reversed(chain))


def _cost(upper: NDArray[np.float64], lower: NDArray[np.float64]) -> float:
    """Return what speaks against two centres being neighbours."""
    down, back, side = lower - upper
    distance = float(np.linalg.norm(lower - upper))
    if not NEAREST_MM <= distance <= FARTHEST_MM or down <= 0:
        return np.inf
    if abs(side) > MOST_SIDEWAYS * distance or abs(back) > MOST_TILTED * down:
        return np.inf
    return float((side / distance) ** 2 + 0.2 * max(0.0, distance / 40 - 1))


def places_of(positions: NDArray[np.float64]) -> tuple[int, ...]:
    """Give each vertebra of a row its place, leaving out those of unseen ones."""
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    places = [0]
    for at, step in enumerate(steps):
        near = np.concatenate([steps[max(at - 2, 0) : at], steps[at + 1 : at + 3]])
        wide = near.size > 0 and step > GAP_RATIO * np.median(near)
        places.append(places[-1] + (2 if wide else 1))
    return tuple(places)


def name_by_anchors(
    places: Sequence[int], anchors: Mapping[int, str]
) -> list[str | None]:
    """Name a row by vertebrae whose names are known.

    Parameters
    ----------
    places : sequence of int
        Of each vertebra in the row.
    anchors : mapping of int to str
        Names by number in the row. The usual anatomy is tried first, then a sixth
        lumbar or a thirteenth thoracic vertebra, then one less.

    Returns
    -------
    list of str or None
        None beyond the ends of the spine.

    Raises
    ------
    InputError
        If the anchors do not fit together.
    """
    for order in _ORDERS:
        if not set(anchors.values()) <= set(order):
            continue
        shifts = {order.index(name) - places[at] for at, name in anchors.items()}
        if len(shifts) == 1:
            (shift,) = shifts
            return [
                order[place + shift] if 0 <= place + shift < len(order) else None
                for place in places
            ]
    known = listed(anchors[at] for at in sorted(anchors))
    raise InputError(
        msg(
            "The prompted vertebrae {names} do not fit the number of "
            "vertebrae between them: check their names.",
            names=known,
        )
    )


def guess_names(chain: Chain) -> tuple[list[str | None], float]:
    """Name a row without any known name.

    Returns
    -------
    list of str or None
        The likeliest names; None beyond the ends of the spine.
    float
        How likely they are, 0 to 1.
    """
    last = chain.places[-1]
    shifts = range(len(_STANDARD) - last)
    if not shifts:
        return [None] * len(chain.places), 0.0
    scores = np.array([_agreement(chain, shift) for shift in shifts]) / _TEMPER
    likely = np.exp(scores - scores.max())
    likely /= likely.sum()
    shift = int(likely.argmax())
    names = [_STANDARD[place + shift] for place in chain.places]
    return list(names), min(float(likely[shift]), _GUESS_AT_BEST)


def _agreement(chain: Chain, shift: int) -> float:
    """Return the logarithm of how well a row fits the table from a place on."""
    at = np.array(chain.places) + shift
    size = np.log(chain.volumes_cm3 / _VOLUME_CM3[at])
    size_spread = np.where(at == len(_STANDARD) - 1, _SACRUM_SPREAD, _VOLUME_SPREAD)
    steps = np.diff(chain.positions, axis=0)
    beside = np.diff(at) == 1
    lengths = np.linalg.norm(steps, axis=1)[beside]
    upper = at[:-1][beside]
    degrees = np.degrees(np.arctan2(-steps[beside, 1], steps[beside, 0]))
    score = _misfit(size, size_spread, _SIZE_SPREAD)
    score += _misfit(np.log(lengths / _STEP_MM[upper]), _STEP_SPREAD, _SIZE_SPREAD / 2)
    score += _misfit(degrees - _STEP_DEGREES[upper], _DEGREES_SPREAD, _TILT_SPREAD)
    if chain.ends_below and at[-1] != len(_STANDARD) - 1:
        score += _NOT_THE_END * (1 if at[-1] == len(_STANDARD) - 2 else 2)
    return -score


def _misfit(
    residuals: NDArray[np.float64], spread: NDArray[np.float64] | float, common: float
) -> float:
    """Return half the squared residuals once the best common shift is taken out."""
    known = np.isfinite(residuals)
    values = residuals[known]
    precision = np.broadcast_to(1 / np.square(spread), residuals.shape)[known]
    shift = (precision * values).sum() / (precision.sum() + 1 / common**2)
    left = (precision * (values - shift) ** 2).sum() + (shift / common) ** 2
    return float(left) / 2
