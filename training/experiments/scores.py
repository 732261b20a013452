"""Figures of one slice, their means over patients, and whether methods differ."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import stats

from napari_spinalsam.core.metrics import compare_masks
from training.common.losses import IGNORED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from training.slices.store import Slice

Unit = Literal["patient", "slice"]
FIGURES = {
    "dice": "Dice",
    "iou": "IoU",
    "msd_mm": "MSD mm",
    "hd95_mm": "HD95 mm",
    "hd_mm": "HD mm",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
}
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Score:
    """How one method did on one slice.

    Parameters
    ----------
    method, patient, scan, plane : str
        Whose and where.
    index : int
        Position of the slice in the scan.
    dice, iou, sensitivity, specificity : float
        Overlap with the targets of the slice taken together; 0 where nothing was
        found.
    msd_mm, hd95_mm, hd_mm : float or None
        Surface distances; None where nothing was found.
    """

    method: str
    patient: str
    scan: str
    plane: str
    index: int
    dice: float
    iou: float
    msd_mm: float | None
    hd95_mm: float | None
    hd_mm: float | None
    sensitivity: float
    specificity: float


@dataclass(frozen=True, slots=True)
class Summary:
    """One figure of one method over all units.

    Parameters
    ----------
    mean, sd : float or None
        Over patients, or over slices; None if there are none, or only one for the sd.
    p : float or None
        Of the paired t-test with the method compared with; None where there is none,
        or fewer than two pairs.
    count : int
        Units that have this figure.
    """

    mean: float | None
    sd: float | None
    p: float | None
    count: int


def target_of(piece: Slice) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the targets of a slice together, and where an answer counts.

    Structures too small to be a target, and what nobody knows, do not count.
    """
    target = np.isin(piece.labels, piece.row.targets)
    known = target | (piece.labels == 0)
    return target, known & (piece.labels != IGNORED)


def score_slice(
    method: str, patient: str, piece: Slice, found: NDArray[np.bool_]
) -> Score:
    """Compare what a method found with the targets of a slice."""
    target, known = target_of(piece)
    found = found & known
    spacing = (piece.row.row_mm, piece.row.col_mm)
    metrics = compare_masks(found, target, spacing)
    outside = known & ~target
    return Score(
        method=method,
        patient=patient,
        scan=piece.key.case,
        plane=piece.row.plane,
        index=piece.row.index,
        dice=metrics.dice or 0.0,
        iou=metrics.iou or 0.0,
        msd_mm=metrics.msd_mm,
        hd95_mm=metrics.hd95_mm,
        hd_mm=metrics.hd_mm,
        sensitivity=float(found[target].mean()),
        specificity=float((~found[outside]).mean()) if outside.any() else 1.0,
    )


def summarise(
    scores: Sequence[Score], against: Mapping[str, str], unit: Unit = "patient"
) -> dict[str, dict[str, Summary]]:
    """Average over units and test methods against others.

    Parameters
    ----------
    scores : sequence of Score
        Of all methods on the same slices.
    against : mapping of str to str
        The method that each one's t-test compares with; none for those not in it.
    unit : {"patient", "slice"}
        What counts as one observation. Slices of one patient are alike, so that tests
        over slices find differences too easily.

    Returns
    -------
    dict
        Figures of each method by name.
    """
    table: dict[str, dict[str, Summary]] = {}
    for figure in FIGURES:
        means = _unit_means(scores, figure, unit)
        for method, units in means.items():
            values = np.array(list(units.values()))
            table.setdefault(method, {})[figure] = Summary(
                mean=float(values.mean()) if len(values) else None,
                sd=float(values.std(ddof=1)) if len(values) > 1 else None,
                p=_paired(units, means.get(against.get(method, ""), {})),
                count=len(values),
            )
    return table


def write_scores(scores: Sequence[Score], path: Path) -> None:
    """Write one line for each method and slice."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(Score.__slots__))
        writer.writeheader()
        writer.writerows(asdict(score) for score in scores)


def in_words(summary: Summary, *, digits: int = 4) -> str:
    """Return mean ± sd, with a star where the test finds a difference."""
    if summary.mean is None:
        return "–"
    star = "*" if summary.p is not None and summary.p < SIGNIFICANT else ""
    spread = "" if summary.sd is None else f" ± {summary.sd:.{digits}f}"
    return f"{summary.mean:.{digits}f}{spread}{star}"


def _unit_means(
    scores: Sequence[Score], figure: str, unit: Unit
) -> dict[str, dict[tuple[object, ...], float]]:
    values: dict[str, dict[tuple[object, ...], list[float]]] = defaultdict(dict)
    for score in scores:
        name: tuple[object, ...] = (score.patient,)
        if unit == "slice":
            name = (score.scan, score.plane, score.index)
        here = values[score.method]
        value = getattr(score, figure)
        if value is not None:
            here.setdefault(name, []).append(value)
    return {
        method: {name: float(np.mean(listed)) for name, listed in units.items()}
        for method, units in values.items()
    }


def _paired(
    units: Mapping[tuple[object, ...], float],
    others: Mapping[tuple[object, ...], float],
) -> float | None:
    common = sorted(units.keys() & others.keys(), key=str)
    one = np.array([units[name] for name in common])
    other = np.array([others[name] for name in common])
    if len(common) < 2 or np.ptp(one - other) == 0:
        return None
    return float(stats.ttest_rel(one, other).pvalue)
