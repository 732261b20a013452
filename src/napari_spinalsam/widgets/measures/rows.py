"""What the Measures window shows of each structure, and how it is written to a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_spinalsam.annotation.statistics import voxel_size
from napari_spinalsam.core.anatomy import STRUCTURES, by_label, listed
from napari_spinalsam.core.metrics import mean_over_reference, unmatched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.statistics import Tally
    from napari_spinalsam.core.metrics import SurfaceDistances

_PLACES = {entry.name: place for place, entry in enumerate(STRUCTURES)}
PENDING = "…"
NOTHING = "–"
# What sizes are called, by their unit.
SIZE_NAMES = {"mL": "Volume", "mm²": "Area", "px": "Size"}


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
    unit, present = voxel_unit(annotation), tally.present | tally.present_in_reference
    measurable = annotation.geometry.spacing_known
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
                pending=measurable and label not in distances,
            )
        )
    return tuple(rows)


def mean_row(rows: Iterable[MeasureRow]) -> MeasureRow:
    """Return the means over the structures that the reference has.

    Without a reference they run over all. See `core.metrics` for the rule.
    """
    rows = tuple(rows)
    compared = any(row.true_size is not None for row in rows)
    counted = [(row, not compared or bool(row.true_size)) for row in rows]

    def mean(measure: Callable[[MeasureRow], float | None]) -> float | None:
        return mean_over_reference((measure(row), counts) for row, counts in counted)

    return MeasureRow(
        "mean",
        None,
        mean(lambda row: row.size) or 0.0,
        mean(lambda row: row.true_size),
        mean(lambda row: row.dice),
        mean(lambda row: row.iou),
        mean(lambda row: row.msd),
        mean(lambda row: row.hd95),
        pending=any(row.pending for row, counts in counted if counts),
    )


def means_sentence(rows: Sequence[MeasureRow]) -> str:
    """Return which structures one side alone has, and how the mean takes them."""
    sizes = {
        row.label: (row.size, row.true_size)
        for row in rows
        if row.label is not None and row.true_size is not None
    }
    names = {row.label: row.name for row in rows}
    missing, extra = (
        listed(names[label] for label in labels) for labels in unmatched(sizes)
    )
    told = []
    if missing:
        told.append(f"Only in the reference, Dice 0 in the mean: {missing}.")
    if extra:
        told.append(f"Not in the reference, not in the mean: {extra}.")
    return " ".join(told)


def headings(unit: str) -> tuple[str, ...]:
    """Return the headings of the table, with the unit of sizes."""
    size = SIZE_NAMES[unit]
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
    size = {"mL": "volume_mL", "mm²": "area_mm2", "px": "voxels"}[unit]
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


def _text(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def voxel_unit(annotation: Annotation) -> float:
    """Return what one voxel adds to a size, in the unit of `size_unit`."""
    unit = voxel_size(annotation.geometry)
    return 1.0 if unit is None else unit


def size_unit(annotation: Annotation | None) -> str:
    """Return the unit of sizes: mL, of a flat image mm²; px where that is unknown."""
    if annotation is None:
        return "mL"
    if not annotation.geometry.spacing_known:
        return "px"
    return "mm²" if annotation.geometry.is_2d else "mL"
