"""What the Measures window shows of each structure, and how it is written to a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.core.anatomy import STRUCTURES, by_label
from napari_spinalsam.widgets.object_model import voxel_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.tally import Tally
    from napari_spinalsam.core.metrics import SurfaceDistances

_PLACES = {entry.name: place for place, entry in enumerate(STRUCTURES)}
PENDING = "…"
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """Measures of one structure.

    Parameters
    ----------
    name : str
        Of the structure, or "mean".
    label : int or None
        Its value; None for the mean.
    size : float
        Volume in mL, of a flat image the area in mm2.
    true_size : float or None
        The same of the reference; None without one.
    dice, iou : float or None
        Overlap with the reference, 0 to 1.
    msd, hd95 : float or None
        Surface distances in mm; None where one side has no surface.
    pending : bool
        Whether the distances are still to come.
    """

    name: str
    label: int | None
    size: float
    true_size: float | None = None
    dice: float | None = None
    iou: float | None = None
    msd: float | None = None
    hd95: float | None = None
    pending: bool = False

    def texts(self) -> tuple[str, ...]:
        """Return the cells of the table."""
        distances = (_text(self.msd, 2), _text(self.hd95, 2))
        return (
            self.name,
            _text(self.size, 2),
            _text(self.true_size, 2),
            _text(self.dice, 3),
            _text(self.iou, 3),
            *((PENDING, PENDING) if self.pending else distances),
        )

    def cells(self) -> tuple[str | int | float | None, ...]:
        """Return the cells of the file, in full precision."""
        return (
            self.name,
            self.label,
            self.size,
            self.true_size,
            self.dice,
            self.iou,
            self.msd,
            self.hd95,
        )


def measure_rows(
    annotation: Annotation,
    tally: Tally,
    distances: Mapping[int, SurfaceDistances | None],
) -> tuple[MeasureRow, ...]:
    """Return a row for each structure of labels or reference, from head to foot.

    Parameters
    ----------
    annotation : Annotation
        Names its objects.
    tally : Tally
        What was counted.
    distances : mapping
        By label, as far as they are known.
    """
    unit, present = voxel_size(annotation), tally.present | tally.present_in_reference
    names = {entry.label: entry.name for entry in annotation.state.objects}
    for label in present - names.keys():
        named = by_label(label, present)
        if named is not None:
            names[label] = named.name
    rows = []
    for label in sorted(present & names.keys(), key=lambda each: _PLACES[names[each]]):
        size = tally.count(label) * unit
        if not tally.has_reference:
            rows.append(MeasureRow(names[label], label, size))
            continue
        dice, known = tally.dice(label), distances.get(label)
        rows.append(
            MeasureRow(
                names[label],
                label,
                size,
                tally.true_count(label) * unit,
                dice,
                None if dice is None else dice / (2 - dice),
                None if known is None else known.msd,
                None if known is None else known.hd95,
                pending=label not in distances,
            )
        )
    return tuple(rows)


def mean_row(rows: Iterable[MeasureRow]) -> MeasureRow:
    """Return the means over the structures where each measure is defined."""
    rows = tuple(rows)
    size = _mean(row.size for row in rows)
    return MeasureRow(
        "mean",
        None,
        0.0 if size is None else size,
        _mean(row.true_size for row in rows),
        _mean(row.dice for row in rows),
        _mean(row.iou for row in rows),
        _mean(row.msd for row in rows),
        _mean(row.hd95 for row in rows),
        pending=any(row.pending for row in rows),
    )


def headings(unit: str) -> tuple[str, ...]:
    """Return the headings of the table, with the unit of sizes."""
    size = "Area" if unit == "mm²" else "Volume"
    return (
        "Structure",
        f"{size} ({unit})",
        f"Reference ({unit})",
        "Dice",
        "IoU",
        "MSD (mm)",
        "HD95 (mm)",
    )


def file_headings(unit: str) -> tuple[str, ...]:
    """Return the headings of the file, with units and without blanks."""
    size = "area_mm2" if unit == "mm²" else "volume_mL"
    return (
        "structure",
        "label",
        size,
        f"reference_{size}",
        "dice",
        "iou",
        "msd_mm",
        "hd95_mm",
    )


def _mean(values: Iterable[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _text(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"
