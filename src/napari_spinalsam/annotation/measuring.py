"""Measures of the annotation's structures, alone and against the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.actions.models import ALL_METRICS
from napari_spinalsam.annotation.ports import Report
from napari_spinalsam.core.anatomy import by_label, structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.metrics import (
    Metrics,
    evaluate_labels,
    mean_over_reference,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_spinalsam.actions.models import MetricName
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.core.geometry import Geometry

MM3_PER_ML = 1000.0
IN_MILLIMETRES = frozenset({"msd", "hd95", "volume"})
_HEADINGS = {"dice": "Dice", "iou": "IoU", "msd": "MSD (mm)", "hd95": "HD95 (mm)"}


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured of one structure.

    Parameters
    ----------
    structure : str
        Its name.
    label : int
        Its value in the label volume.
    size : float or None
        Volume in mL, of a flat image the area in mm2; None where the size of a voxel
        is unknown.
    agreement : Metrics or None
        How well it agrees with the reference; None without one.
    """

    structure: str
    label: int
    size: float | None
    agreement: Metrics | None

    @property
    def is_in_reference(self) -> bool:
        """Whether the reference has the structure, so that it counts in means."""
        return self.agreement is not None and self.agreement.volume_mm3[1] > 0


def voxel_size(geometry: Geometry) -> float | None:
    """Return what one voxel adds: mL, of a flat image mm2; None where unknown."""
    if not geometry.spacing_known:
        return None
    if geometry.is_2d:
        return float(np.prod(geometry.spacing[1:]))
    return float(np.prod(geometry.spacing)) / MM3_PER_ML


def measure(annotation: Annotation, name: str | None = None) -> tuple[Measurement, ...]:
    """Measure one structure, or all that labels or reference hold.

    Parameters
    ----------
    annotation : Annotation
        Labels and, where one is chosen, the reference.
    name : str or None
        Name of the structure; None for all.

    Returns
    -------
    tuple of Measurement
        In ascending order of the labels.

    Raises
    ------
    InputError
        If there is nothing to measure.
    """
    geometry, reference = annotation.geometry, annotation.reference
    counts = np.bincount(annotation.labels.ravel(), minlength=256)
    present = {int(label) for label in np.flatnonzero(counts)}
    if reference is not None:
        present |= {int(label) for label in np.unique(reference)}
    present.discard(0)
    wanted = sorted(present) if name is None else [structure(name).label]
    if not present.issuperset(wanted) or not wanted:
        what = "There are no labels" if name is None else f"{name} has no labels"
        raise InputError(f"{what} to measure: accept a mask or paint one first.")
    agreement: dict[int, Metrics] = {}
    # A flat image is one slice thick, which is no surface to measure from.
    first = 1 if geometry.is_2d else 0
    spacing = geometry.spacing[first:]
    shape = geometry.shape[first:]
    if reference is not None:
        agreement = evaluate_labels(
            annotation.labels.reshape(shape), reference.reshape(shape), spacing, wanted
        )
    unit = voxel_size(geometry)
    return tuple(
        Measurement(
            _name(label, name, present),
            label,
            None if unit is None else int(counts[label]) * unit,
            agreement.get(label),
        )
        for label in wanted
    )


def measure_report(
    annotation: Annotation,
    metrics: Sequence[MetricName] = ALL_METRICS,
    name: str | None = None,
) -> Report:
    """Measure as `measure` does, and put it in a table.

    Parameters
    ----------
    annotation : Annotation
        Labels and, where one is chosen, the reference.
    metrics : sequence of {"dice", "iou", "msd", "hd95", "volume"}
        What to show. Without a reference only the volume is, if it is among them.
    name : str or None
        Name of the structure; None for all.

    Raises
    ------
    InputError
        If there is nothing to measure, no reference though it is needed, or no voxel
        size though all of it needs one.
    """
    compared = annotation.reference is not None
    if not compared and "volume" not in metrics:
        raise InputError(
            f"There is no reference to measure {', '.join(metrics)} against: choose "
            "reference labels first."
        )
    shown = [metric for metric in metrics if compared or metric == "volume"]
    if not annotation.geometry.spacing_known:
        if set(shown) <= IN_MILLIMETRES:
            annotation.geometry.require_spacing("nothing can be measured in mm")
        shown = [metric for metric in shown if metric not in IN_MILLIMETRES]
    size = "Area (mm2)" if annotation.geometry.is_2d else "Volume (mL)"
    headings = [_HEADINGS.get(metric, size) for metric in shown]
    entries = measure(annotation, name)
    rows = [(entry.structure, *_cells(entry, shown)) for entry in entries]
    if compared and len(rows) > 1:
        rows.append(("mean", *_means(entries, shown)))
    title = "Agreement with the reference" if compared else "Volumes, no reference"
    return Report(title, ("Structure", *headings), tuple(rows))


def _name(label: int, asked: str | None, present: set[int]) -> str:
    found = by_label(label, present)
    usual = f"label {label}" if found is None else found.name
    return usual if asked is None else structure(asked).name


def _cells(entry: Measurement, metrics: Sequence[MetricName]) -> Iterator[str]:
    for metric in metrics:
        yield _text(_value(entry, metric), metric)


def _means(
    entries: Sequence[Measurement], metrics: Sequence[MetricName]
) -> Iterator[str]:
    """Return the means over the structures of the reference; see `core.metrics`."""
    for metric in metrics:
        mean = mean_over_reference(
            (_value(entry, metric), entry.is_in_reference) for entry in entries
        )
        yield _text(mean, metric)


def _text(value: float | None, metric: MetricName) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if metric == "volume" else f"{value:.3f}"


def _value(entry: Measurement, metric: MetricName) -> float | None:
    if metric == "volume":
        return entry.size
    found = entry.agreement
    if found is None:
        return None
    values = {
        "dice": found.dice,
        "iou": found.iou,
        "msd": found.msd_mm,
        "hd95": found.hd95_mm,
    }
    return values[metric]
