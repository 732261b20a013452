"""What comes of propagating structures through a volume, piece by piece."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_spinalsam.core.anatomy import Kind, listed
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.masks import bounding_box
from napari_spinalsam.core.messages import msg
from napari_spinalsam.core.prompts import SlicePrompts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_spinalsam.core.anatomy import Structure
    from napari_spinalsam.core.masks import Box

# What is counted along the spine, and what is found by what is counted.
COUNTED = (Kind.VERTEBRA, Kind.SACRUM)
FINDABLE = (*COUNTED, Kind.DISC)

Direction = Literal["both", "forward", "backward"]
SliceKey = tuple[int, int]
# What is known of a structure on a slice: prompts, or a mask of bool (rows, cols).
Seed = SlicePrompts | np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class SliceMask:
    """A structure on one slice.

    Parameters
    ----------
    axis, index : int
        The slice.
    mask : ndarray of bool, shape (rows, cols)
        Where the structure is.
    predicted_iou : float
        The network's own estimate; 1 for a mask that was given.
    low_res_logits : ndarray of float32, shape (h, w), or None
        What a prediction on a neighbouring slice can start from.
    stopped : str
        Why the walk ends with this slice; empty while it goes on.
    """

    axis: int
    index: int
    mask: NDArray[np.bool_]
    predicted_iou: float
    low_res_logits: NDArray[np.float32] | None = None
    stopped: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class VolumeMask:
    """A structure in the volume.

    Parameters
    ----------
    mask : ndarray of bool
        The voxels inside of the box.
    box : tuple of slice
        Part of the (z, y, x) volume.
    predicted_iou : float
        Expected IoU by the network's own probabilities, 0 to 1.
    stopped : tuple of str
        Where slice walks ended and why; empty if the planes were joined.
    """

    mask: NDArray[np.bool_]
    box: Box
    predicted_iou: float
    stopped: tuple[str, ...] = ()

    @classmethod
    def of_slices(cls, slices: Sequence[SliceMask], axis: int) -> VolumeMask:
        """Stack the slices of one axis, where they did not end as empty."""
        stacked = [each for each in slices if each.axis == axis and each.mask.any()]
        at = stacked[0].index
        box = [slice(0, 1)] * 3
        box[axis] = slice(at, at + 1)
        whole = cls(
            np.zeros((1, 1, 1), np.bool_),
            (box[0], box[1], box[2]),
            float(np.mean([each.predicted_iou for each in stacked])),
            tuple(
                f"slice {each.index}: {each.stopped}" for each in slices if each.stopped
            ),
        )
        for each in stacked:
            whole = whole.pinned(each)
        return whole

    def on_slice(
        self, axis: int, index: int, shape: tuple[int, ...]
    ) -> NDArray[np.bool_]:
        """Return where the structure is on a slice of the volume.

        Parameters
        ----------
        axis, index : int
            The slice.
        shape : tuple of int
            Its rows and columns.
        """
        mask = np.zeros(shape, np.bool_)
        side = self.box[axis]
        if side.start <= index < side.stop:
            rows, cols = (s for other, s in enumerate(self.box) if other != axis)
            mask[rows, cols] = np.take(self.mask, index - side.start, axis)
        return mask

    def slices(self, axis: int) -> int:
        """Return how many slices of an axis hold the structure."""
        others = tuple(other for other in range(3) if other != axis)
        return int(np.count_nonzero(self.mask.any(axis=others)))

    def within(self, axis: int, first: int, last: int) -> VolumeMask:
        """Return what lies in some slices of an axis, first and last included."""
        keep = np.arange(self.box[axis].start, self.box[axis].stop)
        outside = (keep < first) | (keep > last)
        mask = self.mask.copy()
        mask[(slice(None),) * axis + (outside,)] = False
        return replace(self, mask=mask)

    def pinned(self, seed: SliceMask) -> VolumeMask:
        """Return the mask with one slice exactly as it was given."""
        given = bounding_box(seed.mask)
        sides = list(given) if given else [slice(0, 1), slice(0, 1)]
        sides.insert(seed.axis, slice(seed.index, seed.index + 1))
        box = [
            slice(min(a.start, b.start), max(a.stop, b.stop))
            for a, b in zip(self.box, sides, strict=True)
        ]
        mask = np.zeros([side.stop - side.start for side in box], np.bool_)
        old = tuple(
            slice(a.start - b.start, a.stop - b.start)
            for a, b in zip(self.box, box, strict=True)
        )
        mask[old] = self.mask
        rows, cols = (side for axis, side in enumerate(box) if axis != seed.axis)
        at = (slice(None),) * seed.axis + (seed.index - box[seed.axis].start,)
        mask[at] = seed.mask[rows, cols]
        return replace(self, mask=mask, box=(box[0], box[1], box[2]))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step without anything to show has come.

    Parameters
    ----------
    what : str
        What is being done, as a `Message`.
    done : float
        0 to 1.
    """

    what: str
    done: float


@dataclass(frozen=True, slots=True, eq=False)
class FoundStructure:
    """A structure that was found along the spine.

    Parameters
    ----------
    name : str
        Canonical name.
    whole : VolumeMask
        Its voxels.
    confidence : float
        0 to 1: how likely the name is right.
    """

    name: str
    whole: VolumeMask
    confidence: float


def check_findable(structures: Iterable[Structure]) -> None:
    """Refuse what cannot be found along the spine.

    Raises
    ------
    InputError
        If a structure is no vertebra, no disc and not the sacrum.
    """
    others = [each.name for each in structures if each.kind not in FINDABLE]
    if others:
        raise InputError(
            msg(
                "Only vertebrae, discs and the sacrum can be found without "
                "prompts, not {others}: prompt it on its slices.",
                others=listed(others),
            )
        )


def check_counted(structures: Iterable[Structure]) -> None:
    """Refuse to count levels from what is no level.

    Raises
    ------
    InputError
        If a structure is no vertebra and not the sacrum.
    """
    others = [each.name for each in structures if each.kind not in COUNTED]
    if others:
        raise InputError(
            msg(
                "Names are counted from prompted vertebrae and the sacrum, not "
                "from {others}: prompt a vertebra, or leave --structures out.",
                others=listed(others),
            )
        )


# What a propagation yields: slices as they are reached, and at last the whole.
Propagated = SliceMask | Progress | VolumeMask
