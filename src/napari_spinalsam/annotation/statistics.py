"""Measures of the annotation's structures, alone and against the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam.actions.models import ALL_METRICS
from napari_spinalsam.annotation.outcome import Report
from napari_spinalsam.core.anatomy import by_label, named, structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.masks import LABEL_DTYPE
from napari_spinalsam.core.messages import msg
from napari_spinalsam.core.metrics import Metrics, evaluate_labels, mean_over_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_spinalsam.actions.models import MetricName
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.masks import Box

MM3_PER_ML = 1000.0
IN_MILLIMETRES = frozenset({"msd", "hd95", "volume"})
_HEADINGS = {
    "dice": msg("Dice"),
    "iou": msg("IoU"),
    "msd": msg("MSD (mm)"),
    "hd95": msg("HD95 (mm)"),
}
VALUES = 256


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
        if name is None:
            raise InputError(
                msg("There are no labels to measure: accept a mask or paint one first.")
            )
        raise InputError(
            msg(
                "{name} has no labels to measure: accept a mask or paint one first.",
                name=named(name),
            )
        )
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
            msg(
                "There is no reference to measure {metrics} against: choose "
                "reference labels first.",
                metrics=", ".join(metrics),
            )
        )
    shown = [metric for metric in metrics if compared or metric == "volume"]
    if not annotation.geometry.spacing_known:
        if set(shown) <= IN_MILLIMETRES:
            annotation.geometry.require_spacing(msg("nothing can be measured in mm"))
        shown = [metric for metric in shown if metric not in IN_MILLIMETRES]
    size = msg("Area (mm2)") if annotation.geometry.is_2d else msg("Volume (mL)")
    headings = [_HEADINGS.get(metric, size) for metric in shown]
    entries = measure(annotation, name)
    rows = [(named(entry.structure), *_cells(entry, shown)) for entry in entries]
    if compared and len(rows) > 1:
        rows.append((msg("mean"), *_means(entries, shown)))
    title = (
        msg("Agreement with the reference")
        if compared
        else msg("Volumes, no reference")
    )
    return Report(title, (msg("Structure"), *headings), tuple(rows))


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


class Tally:
    """Counts voxels of labels, of a reference, and where the two agree.

    Nothing is counted at first: call `update` and, with a reference,
    `count_reference` once for each part of the volume, then `update` wherever labels
    have changed. Parts keep each call short.

    Parameters
    ----------
    labels : ndarray of uint8, shape (z, y, x)
        The label volume, which may change between calls.
    reference : ndarray of integers, shape (z, y, x), or None
        What to compare with; it does not change.
    """

    def __init__(
        self, labels: NDArray[np.uint8], reference: NDArray[Any] | None = None
    ) -> None:
        self._labels, self._reference = labels, reference
        self._counted = np.zeros(labels.shape, LABEL_DTYPE)
        self._profiles = [np.zeros((VALUES, n), np.int64) for n in labels.shape]
        self._true_profiles = [np.zeros((VALUES, n), np.int64) for n in labels.shape]
        self._shared = np.zeros(VALUES, np.int64)

    @property
    def has_reference(self) -> bool:
        """Whether there is something to compare with."""
        return self._reference is not None

    @property
    def present(self) -> frozenset[int]:
        """Values that occur in the labels."""
        return _occurring(self._profiles[0])

    @property
    def present_in_reference(self) -> frozenset[int]:
        """Values that occur in the reference."""
        return _occurring(self._true_profiles[0])

    def update(self, box: Box) -> frozenset[int]:
        """Count what changed inside of a box; return the values that it concerns."""
        before, after = self._counted[box], self._labels[box]
        where = np.nonzero(before != after)
        old, new = before[where], after[where]
        for axis, profile in enumerate(self._profiles):
            at = where[axis] + box[axis].indices(profile.shape[1])[0]
            profile += _profile(new, at, profile.shape[1])
            profile -= _profile(old, at, profile.shape[1])
        if self._reference is not None:
            true = _as_labels(self._reference[box][where])
            self._shared += np.bincount(new[new == true], minlength=VALUES)
            self._shared -= np.bincount(old[old == true], minlength=VALUES)
        before[where] = new
        return frozenset(np.unique(np.concatenate((old, new))).tolist()) - {0}

    def count_reference(self, box: Box) -> None:
        """Count the reference inside of a box, which must not be counted twice."""
        if self._reference is None:
            return
        true = _as_labels(self._reference[box])
        where = np.nonzero(true)
        for axis, profile in enumerate(self._true_profiles):
            at = where[axis] + box[axis].indices(profile.shape[1])[0]
            profile += _profile(true[where], at, profile.shape[1])

    def count(self, label: int) -> int:
        """Return the voxels that a structure has in the labels."""
        return int(self._profiles[0][label].sum())

    def true_count(self, label: int) -> int:
        """Return the voxels that a structure has in the reference."""
        return int(self._true_profiles[0][label].sum())

    def dice(self, label: int) -> float | None:
        """Return the agreement with the reference, 0 to 1; None if neither has it."""
        total = self.count(label) + self.true_count(label)
        return 2 * int(self._shared[label]) / total if total else None

    def sparsest_axis(self, label: int) -> int:
        """Return the axis across which the fewest slices show a structure.

        That is the one it was labelled along, as long as slices are missing.
        """
        return int(np.argmin([np.count_nonzero(p[label]) for p in self._profiles]))

    def labelled_slices(self, label: int, axis: int) -> int:
        """Return how many slices across an axis show a structure in the labels."""
        return int(np.count_nonzero(self._profiles[axis][label]))

    def true_slices(self, label: int, axis: int) -> int:
        """Return how many slices across an axis show a structure in the reference."""
        return int(np.count_nonzero(self._true_profiles[axis][label]))

    def dice_where_labelled(self, label: int, axis: int) -> float | None:
        """Return the agreement within the slices across an axis that are labelled.

        0 to 1; None if no slice is labelled. Slices that only the reference has do
        not count, so a structure that is being annotated is not marked down for them.
        """
        labelled = self._profiles[axis][label] > 0
        true = int(self._true_profiles[axis][label][labelled].sum())
        total = self.count(label) + true
        return 2 * int(self._shared[label]) / total if labelled.any() else None

    def fullest_slice(self, label: int, axis: int) -> int | None:
        """Return the slice that shows most of a structure; None if it has no voxel."""
        profile = self._profiles[axis][label]
        most = np.flatnonzero(profile == profile.max())
        return int(most[most.size // 2]) if profile.any() else None

    def box(self, label: int) -> Box | None:
        """Return the smallest box with a structure in both, labels and reference."""
        sides = []
        for profile, true in zip(self._profiles, self._true_profiles, strict=True):
            at = np.flatnonzero(profile[label] + true[label])
            if not at.size:
                return None
            sides.append(slice(int(at[0]), int(at[-1]) + 1))
        z, y, x = sides
        return z, y, x


def parts_of(box: Box, shape: tuple[int, int, int], voxels: int) -> Iterator[Box]:
    """Cut a box of a volume along its first axis into parts of about so many voxels."""
    (first, last, _), *others = (
        side.indices(n) for side, n in zip(box, shape, strict=True)
    )
    area = int(np.prod([stop - start for start, stop, _ in others]))
    step = max(1, voxels // max(area, 1))
    for start in range(first, last, step):
        yield slice(start, min(start + step, last)), box[1], box[2]


def _occurring(profile: NDArray[np.int64]) -> frozenset[int]:
    return frozenset(np.flatnonzero(profile.any(axis=1)).tolist()) - {0}


def _profile(
    values: NDArray[np.uint8], at: NDArray[np.int64], length: int
) -> NDArray[np.int64]:
    """Count voxels by value and by slice, shape (256, length)."""
    flat = values.astype(np.int64) * length + at
    return np.bincount(flat, minlength=VALUES * length).reshape(VALUES, length)


def _as_labels(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return values as labels; those that no label can have become background."""
    return np.where((values > 0) & (values < VALUES), values, 0).astype(LABEL_DTYPE)
