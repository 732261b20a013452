"""Masks and label volumes: components, what may be written, and reversible changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from scipy import ndimage

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import msg

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

LABEL_DTYPE = np.uint8
Box = tuple[slice, slice, slice]
_Box = TypeVar("_Box", bound=tuple[slice, ...])


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, ...] | None:
    """Return the smallest box that holds all true voxels.

    Parameters
    ----------
    mask : ndarray of bool, any shape

    Returns
    -------
    tuple of slice or None
        One slice for each axis; None for an empty mask.
    """
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        occupied = np.flatnonzero(mask.any(axis=others))
        if not occupied.size:
            return None
        box.append(slice(int(occupied[0]), int(occupied[-1]) + 1))
    return tuple(box)


def box_around(*boxes: _Box) -> _Box:
    """Return the smallest box that holds all given ones, one slice for each axis."""
    sides = (
        slice(min(side.start for side in axis), max(side.stop for side in axis))
        for axis in zip(*boxes, strict=True)
    )
    return cast("_Box", tuple(sides))


def largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the component with the most voxels; diagonal neighbours are connected.

    Parameters
    ----------
    mask : ndarray of bool, two or three axes

    Returns
    -------
    ndarray of bool, same shape
        Empty for an empty mask.
    """
    largest = np.zeros(mask.shape, dtype=np.bool_)
    box = bounding_box(mask)
    if box is None:
        return largest
    parts, _ = ndimage.label(mask[box], np.ones((3,) * mask.ndim))
    largest[box] = parts == int(np.bincount(parts.ravel())[1:].argmax()) + 1
    return largest


def writable(
    labels: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    label: int,
    locked: Collection[int] = (),
    *,
    overwrite: bool = False,
) -> NDArray[np.bool_]:
    """Return the voxels of a mask that a structure may take.

    Parameters
    ----------
    labels : ndarray of uint8
        Present labels, or the part of them that the mask covers.
    mask : ndarray of bool, same shape
        Where the structure was found.
    label : int
        Value of the structure, 1 to 255.
    locked : collection of int
        Values that must not change: such a structure gives no voxel away and
        takes none.
    overwrite : bool
        Whether voxels of other structures that are not locked are taken too;
        otherwise only background and the structure's own voxels.
    """
    if label in locked:
        return np.zeros(mask.shape, dtype=np.bool_)
    if overwrite:
        free = ~np.isin(labels, list(locked))
    else:
        free = (labels == 0) | (labels == label)
    return np.logical_and(mask, free)


@dataclass(frozen=True, eq=False)
class LabelDelta:
    """A change of a label volume that can be taken back.

    Parameters
    ----------
    shape : tuple of int
        Shape of the volume.
    indices : ndarray of uint32 or int64, shape (n,)
        Positions that change, counted in C order of the (z, y, x) array.
    old, new : ndarray of uint8, shape (n,)
        Values before and after.
    """

    shape: tuple[int, ...]
    indices: NDArray[np.uint32 | np.int64]
    old: NDArray[np.uint8]
    new: NDArray[np.uint8]

    @classmethod
    def between(
        cls,
        before: NDArray[np.uint8],
        after: NDArray[np.uint8],
        box: tuple[slice, ...] | None = None,
    ) -> LabelDelta:
        """Compare two states of a volume.

        Parameters
        ----------
        before : ndarray of uint8
            The whole volume as it is.
        after : ndarray of uint8
            The values that it shall have; with `box` only those inside of it.
        box : tuple of slice or None
            Where the two may differ, one slice of step 1 for each axis. It saves a
            copy of the volume and a comparison outside of it.

        Raises
        ------
        InputError
            If the shapes do not fit.
        """
        part = before if box is None else before[box]
        if part.shape != after.shape:
            raise InputError(
                msg(
                    "The labels have the shape {shape}, but the image needs "
                    "{image_shape}: use labels that lie on the grid of the image.",
                    shape=after.shape,
                    image_shape=part.shape,
                )
            )
        changed = np.nonzero(part != after)
        bounds = [] if box is None else zip(box, before.shape, strict=True)
        starts = [side.indices(n)[0] for side, n in bounds] or [0] * before.ndim
        moved = tuple(at + start for at, start in zip(changed, starts, strict=True))
        flat = np.ravel_multi_index(moved, before.shape)
        compact = np.uint32 if before.size <= np.iinfo(np.uint32).max else np.int64
        return cls(
            before.shape, flat.astype(compact), part[changed], after[changed].copy()
        )

    @classmethod
    def joined(
        cls, deltas: Sequence[LabelDelta], volume: NDArray[np.uint8]
    ) -> LabelDelta | None:
        """Return what several changes of a volume, one after the other, would leave.

        Parameters
        ----------
        deltas : sequence of LabelDelta
            The changes, the first one first; their old values do not matter.
        volume : ndarray of uint8
            The volume as it is now.

        Returns
        -------
        LabelDelta or None
            None if nothing would change.
        """
        if not deltas:
            return None
        # Of several values for one voxel the last one holds: the first, reversed.
        indices = np.concatenate([each.indices for each in deltas])[::-1]
        indices, last = np.unique(indices, return_index=True)
        new = np.concatenate([each.new for each in deltas])[::-1][last]
        old = volume[np.unravel_index(indices, volume.shape)]
        changed = old != new
        delta = cls(volume.shape, indices[changed], old[changed], new[changed])
        return None if delta.is_empty else delta

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes."""
        return self.indices.size == 0

    def apply(self, volume: NDArray[np.uint8]) -> None:
        """Write the new values into a volume, in place.

        Raises
        ------
        InputError
            If the volume has another shape or is not in the state before the change.
        """
        self._write(volume, self.old, self.new)

    def revert(self, volume: NDArray[np.uint8]) -> None:
        """Write the old values back into a volume, in place.

        Raises
        ------
        InputError
            If the volume has another shape or is not in the state after the change.
        """
        self._write(volume, self.new, self.old)

    def _write(
        self, volume: NDArray[np.uint8], found: NDArray[Any], wanted: NDArray[Any]
    ) -> None:
        if volume.shape != self.shape:
            raise InputError(
                msg(
                    "The change belongs to labels of shape {shape}, not {image_shape}: "
                    "open the image that it was made on.",
                    shape=self.shape,
                    image_shape=volume.shape,
                )
            )
        # Not through a flat view: flipped volumes are not contiguous.
        where = np.unravel_index(self.indices, self.shape)
        if not np.array_equal(volume[where], found):
            raise InputError(
                msg(
                    "The labels were changed outside of the annotation: reload "
                    "them before undo or redo."
                )
            )
        volume[where] = wanted


def _run_lengths(
    breaks: NDArray[np.bool_], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return first places and lengths of runs.

    Parameters
    ----------
    breaks : ndarray of bool, shape (size - 1,)
        Whether a new run begins behind each place.
    size : int
        How many places there are.
    """
    first = np.concatenate([[0], np.flatnonzero(breaks) + 1])[:size]
    lengths = np.diff(np.append(first, size))
    return first.astype(np.int64), lengths.astype(np.int64)


@dataclass(frozen=True, slots=True)
class MaskRuns:
    """A mask in short.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    lengths : tuple of int
        Pixels in C order that are out, then in, then out, and so on; the first may
        be zero, the others not, and together they are all pixels.

    Raises
    ------
    ValueError
        If the lengths are not those of a mask of this shape.
    """

    shape: tuple[int, int]
    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        rows, cols = self.shape
        broken = min(self.lengths, default=-1) < 0 or 0 in self.lengths[1:]
        if broken or sum(self.lengths) != rows * cols:
            raise ValueError(f"the runs do not fill a mask of shape {self.shape}")

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> MaskRuns:
        """Take a mask of shape (rows, cols)."""
        flat = mask.ravel()
        lengths = _run_lengths(flat[1:] != flat[:-1], flat.size)[1].tolist()
        rows, cols = mask.shape
        # Those that are out come first.
        return cls((rows, cols), (*([] if lengths and not flat[0] else [0]), *lengths))

    def mask(self) -> NDArray[np.bool_]:
        """Return the mask, shape (rows, cols)."""
        values = np.arange(len(self.lengths)) % 2 == 1
        return np.repeat(values, self.lengths).reshape(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class LabelRuns:
    """New values of voxels, joined where neighbours in memory get the same.

    Parameters
    ----------
    starts : ndarray of int64, shape (n,)
        First voxel of each run, counted in C order of the (z, y, x) array.
    lengths : ndarray of int64, shape (n,)
        Voxels in each run.
    values : ndarray of uint8, shape (n,)
        Their label value.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    values: NDArray[np.uint8]

    @classmethod
    def of(cls, delta: LabelDelta) -> LabelRuns:
        """Take the new values of a change."""
        order = np.argsort(delta.indices, kind="stable")
        at, new = delta.indices[order].astype(np.int64), delta.new[order]
        breaks = (np.diff(at) != 1) | (new[1:] != new[:-1])
        first, lengths = _run_lengths(breaks, at.size)
        return cls(at[first], lengths, new[first])

    @classmethod
    def joined(cls, parts: Sequence[LabelRuns]) -> LabelRuns:
        """Put runs one after the other."""
        return cls(
            np.concatenate([np.empty(0, np.int64), *(part.starts for part in parts)]),
            np.concatenate([np.empty(0, np.int64), *(part.lengths for part in parts)]),
            np.concatenate([np.empty(0, np.uint8), *(part.values for part in parts)]),
        )

    def part(self, first: int, count: int) -> LabelRuns:
        """Return so many runs from one on; an IndexError if there are not as many."""
        chosen = slice(first, first + count)
        if first + count > len(self.starts):
            raise IndexError(f"there are {len(self.starts)} runs, not {first + count}")
        return LabelRuns(self.starts[chosen], self.lengths[chosen], self.values[chosen])

    def fit(self, voxels: int) -> bool:
        """Whether all runs lie in a volume of so many voxels."""
        inside = (self.starts >= 0) & (self.lengths > 0) & (self.lengths <= voxels)
        return bool((inside & (self.starts <= voxels - self.lengths)).all())

    def write(self, labels: NDArray[np.uint8]) -> None:
        """Put the values into a contiguous volume, in place."""
        ends = np.cumsum(self.lengths)
        steps = np.arange(ends[-1] if ends.size else 0)
        at = steps + np.repeat(self.starts - ends + self.lengths, self.lengths)
        labels.reshape(-1)[at] = np.repeat(self.values, self.lengths)
