"""Agreement of two masks or label volumes: overlap, surface distances, volumes.

One rule for means holds wherever several structures are averaged: a mean runs over
the structures that the reference has. One that was missed counts with an overlap of 0.
One that the reference lacks has an overlap of 0 too, but is in no mean, for a
reference need not hold all that an image shows; `unmatched` names both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.masks import bounding_box, box_around
from napari_spinalsam.core.messages import msg

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SurfaceDistances:
    """Distances between the surfaces of two masks.

    A surface voxel has a neighbour across a face that is not in the mask; beyond
    the border of the array nothing is in the mask.

    Parameters
    ----------
    forward : ndarray of float64, shape (n,)
        From each surface voxel of the first mask to the nearest of the second, mm.
    backward : ndarray of float64, shape (m,)
        The same from the second mask to the first, mm.
    """

    forward: NDArray[np.float64]
    backward: NDArray[np.float64]

    @property
    def msd(self) -> float:
        """Mean over the surface voxels of both masks (equation 15), mm."""
        total = self.forward.sum() + self.backward.sum()
        return float(total / (self.forward.size + self.backward.size))

    @property
    def hd95(self) -> float:
        """Larger one of the two directed 95th percentiles, mm."""
        return float(max(np.percentile(d, 95) for d in (self.forward, self.backward)))

    @property
    def hd(self) -> float:
        """Largest distance (equation 16, which the paper calls HD95), mm."""
        return float(max(self.forward.max(), self.backward.max()))


@dataclass(frozen=True, slots=True)
class Metrics:
    """How well one structure agrees with its reference.

    Parameters
    ----------
    dice, iou : float or None
        Overlap, 0 to 1; 0 if only one side has the structure, None if neither has.
    msd_mm, hd95_mm, hd_mm : float or None
        Surface distances, see `SurfaceDistances`; None unless both sides have it.
    volume_mm3 : tuple of float
        Volume of the prediction and of the reference.
    """

    dice: float | None
    iou: float | None
    msd_mm: float | None
    hd95_mm: float | None
    hd_mm: float | None
    volume_mm3: tuple[float, float]


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float | None:
    """Return twice the intersection over the sum of sizes (equation 13).

    Parameters
    ----------
    a, b : ndarray of bool, the same shape

    Returns
    -------
    float or None
        0 to 1; None if both masks are empty.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    _check_shapes(a, b)
    total = int(np.count_nonzero(a)) + int(np.count_nonzero(b))
    return 2 * int(np.count_nonzero(a & b)) / total if total else None


def iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float | None:
    """Return intersection over union (equation 14).

    Parameters
    ----------
    a, b : ndarray of bool, the same shape

    Returns
    -------
    float or None
        0 to 1; None if both masks are empty.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    _check_shapes(a, b)
    union = int(np.count_nonzero(a | b))
    return int(np.count_nonzero(a & b)) / union if union else None


def volume_mm3(mask: NDArray[np.bool_], spacing: Sequence[float]) -> float:
    """Return the volume of a mask in mm3, of a flat one the area in mm2."""
    _check_spacing(spacing, mask.ndim)
    return float(np.count_nonzero(mask) * np.prod(np.asarray(spacing, np.float64)))


def surface_distances(
    a: NDArray[np.bool_], b: NDArray[np.bool_], spacing: Sequence[float]
) -> SurfaceDistances | None:
    """Measure between the surfaces of two masks.

    Parameters
    ----------
    a, b : ndarray of bool, the same shape, two or three axes
    spacing : sequence of float
        Millimetres along the axes of the arrays.

    Returns
    -------
    SurfaceDistances or None
        None if a mask is empty.

    Raises
    ------
    InputError
        If the shapes differ or the spacing does not fit.
    """
    _check_shapes(a, b)
    _check_spacing(spacing, a.ndim)
    box_a, box_b = bounding_box(a), bounding_box(b)
    if box_a is None or box_b is None:
        return None
    # All surface voxels lie in the box of both, so that nothing outside matters;
    # the margin makes its border count as outside of the masks.
    box = box_around(box_a, box_b)
    edge_a, edge_b = (_surface(np.pad(mask[box], 1)) for mask in (a, b))
    to_b = ndimage.distance_transform_edt(~edge_b, sampling=tuple(spacing))
    to_a = ndimage.distance_transform_edt(~edge_a, sampling=tuple(spacing))
    return SurfaceDistances(forward=to_b[edge_a], backward=to_a[edge_b])


def compare_masks(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing: Sequence[float],
) -> Metrics:
    """Compute all metrics of one structure.

    Parameters
    ----------
    prediction, reference : ndarray of bool, the same shape, two or three axes
    spacing : sequence of float
        Millimetres along the axes of the arrays.

    Raises
    ------
    InputError
        If the shapes differ or the spacing does not fit.
    """
    distances = surface_distances(prediction, reference, spacing)
    return Metrics(
        dice=dice(prediction, reference),
        iou=iou(prediction, reference),
        msd_mm=distances.msd if distances else None,
        hd95_mm=distances.hd95 if distances else None,
        hd_mm=distances.hd if distances else None,
        volume_mm3=(volume_mm3(prediction, spacing), volume_mm3(reference, spacing)),
    )


def evaluate_labels(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    spacing: Sequence[float],
    labels: Collection[int] | None = None,
) -> dict[int, Metrics]:
    """Compute all metrics of each label.

    Parameters
    ----------
    prediction, reference : ndarray of integers, the same shape, two or three axes
        Label volumes on the same grid; 0 is background.
    spacing : sequence of float
        Millimetres along the axes of the arrays.
    labels : collection of int or None
        Values to compare; None for all that occur in either.

    Returns
    -------
    dict
        Metrics by label, in ascending order.

    Raises
    ------
    InputError
        If the shapes differ, the spacing does not fit, or the values are not whole
        numbers from 0 up.
    """
    _check_shapes(prediction, reference)
    _check_spacing(spacing, reference.ndim)
    boxes = [_boxes(array) for array in (prediction, reference)]
    chosen = sorted(set(boxes[0]) | set(boxes[1]) if labels is None else set(labels))
    results = {}
    for label in chosen:
        found = [sides[label] for sides in boxes if label in sides]
        box = box_around(*found) if found else (slice(0, 0),) * reference.ndim
        results[label] = compare_masks(
            prediction[box] == label, reference[box] == label, spacing
        )
    return results


def mean_over_reference(
    values: Iterable[tuple[float | None, bool]],
) -> float | None:
    """Average a measure over the structures that the reference has.

    Parameters
    ----------
    values : iterable of (float or None, bool)
        For each structure its measure, None where it is not defined, and whether the
        reference has the structure.

    Returns
    -------
    float or None
        None if nothing counts.
    """
    counted = [value for value, is_true in values if is_true and value is not None]
    return float(np.mean(counted)) if counted else None


def unmatched(
    volumes: Mapping[int, tuple[float, float]],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the labels that one side alone has.

    Parameters
    ----------
    volumes : mapping
        Volume or voxels of the prediction and of the reference, by label.

    Returns
    -------
    missing, extra : tuple of int
        Labels of the reference alone and of the prediction alone.
    """
    missing = tuple(n for n, (found, true) in volumes.items() if true and not found)
    extra = tuple(n for n, (found, true) in volumes.items() if found and not true)
    return missing, extra


def mean_metrics(results: Mapping[int, Metrics]) -> dict[str, float | None]:
    """Average over the labels that the reference has, distances where they exist.

    Parameters
    ----------
    results : mapping
        Metrics by label.

    Returns
    -------
    dict
        The keys dice, iou, msd_mm, hd95_mm and hd_mm; None where nothing is defined.
    """
    means: dict[str, float | None] = {}
    for key in ("dice", "iou", "msd_mm", "hd95_mm", "hd_mm"):
        means[key] = mean_over_reference(
            (getattr(metrics, key), metrics.volume_mm3[1] > 0)
            for metrics in results.values()
        )
    return means


def _surface(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    faces = ndimage.generate_binary_structure(mask.ndim, 1)
    inner = ndimage.binary_erosion(mask, faces, border_value=0)
    return np.logical_and(mask, ~inner)


def _boxes(labels: NDArray[Any]) -> dict[int, tuple[slice, ...]]:
    if labels.dtype.kind not in "iu" or (labels.size and labels.min() < 0):
        raise InputError(
            msg(
                "The labels ({dtype}) are not whole numbers from 0 up: choose "
                "a file with labels, not an image.",
                dtype=labels.dtype,
            )
        )
    found = ndimage.find_objects(labels)
    return {at + 1: box for at, box in enumerate(found) if box is not None}


def _check_shapes(a: NDArray[Any], b: NDArray[Any]) -> None:
    if a.shape != b.shape:
        raise InputError(
            msg(
                "The prediction has the shape {shape} and the reference "
                "{reference_shape}: compare labels that lie on the same grid.",
                shape=a.shape,
                reference_shape=b.shape,
            )
        )


def _check_spacing(spacing: Sequence[float], axes: int) -> None:
    values = np.asarray(spacing, dtype=np.float64)
    if values.shape != (axes,) or not (np.isfinite(values) & (values > 0)).all():
        raise InputError(
            msg(
                "The spacing {values} does not fit: give {axes} numbers of "
                "millimetres above zero.",
                values=tuple(values.tolist()),
                axes=axes,
            )
        )
