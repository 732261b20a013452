"""Dense votes of the network in all three planes, joined on one grid of cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.model.backends.base import VotingBackend

# Two pixels of the network make a cell of its embedding.
CELL_PIXELS = 2
BATCH = 8
# Pixels between a slice and the neighbours that the network sees beside it.
NEIGHBOUR_PIXELS = 3
# Logits from which a cell is bone, or disc; the network sees thin bone faintly.
BONE_THRESHOLD, DISC_THRESHOLD = -1.5, 0.0


@dataclass(frozen=True)
class Region:
    """A box of voxels, cut into cubic cells of two pixels along each axis.

    Positions are in mm along (z, y, x), counted from the centre of the volume's
    first voxel.

    Parameters
    ----------
    geometry : Geometry
        The grid of the volume.
    box : tuple of slice
        Voxels along (z, y, x).
    pixel_mm : float
        Wanted size of a pixel; the real one fits the box a whole number of times.
    """

    geometry: Geometry
    box: tuple[slice, slice, slice]
    pixel_mm: float

    @classmethod
    def around(
        cls,
        geometry: Geometry,
        low: Sequence[float] | NDArray[np.float64],
        high: Sequence[float] | NDArray[np.float64],
        pixel_mm: float,
    ) -> Region:
        """Return the region between two positions in mm, as far as there are voxels."""
        box = []
        for first, last, step, count in zip(
            low, high, geometry.spacing, geometry.shape, strict=True
        ):
            start = int(np.clip(np.floor(first / step), 0, count - 1))
            stop = int(np.clip(np.ceil(last / step) + 1, start + 1, count))
            box.append(slice(start, stop))
        return cls(geometry, (box[0], box[1], box[2]), pixel_mm)

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along (z, y, x)."""
        z, y, x = (side.stop - side.start for side in self.box)
        return z, y, x

    @cached_property
    def cells(self) -> tuple[int, int, int]:
        """Cells along (z, y, x)."""
        extent = np.array(self.shape) * self.geometry.spacing
        counts = np.maximum(np.rint(extent / (CELL_PIXELS * self.pixel_mm)), 1)
        z, y, x = (int(n) for n in counts)
        return z, y, x

    @cached_property
    def cell_mm(self) -> NDArray[np.float64]:
        """Size of a cell along (z, y, x)."""
        extent = np.array(self.shape) * np.array(self.geometry.spacing)
        return np.asarray(extent / self.cells)

    @cached_property
    def corner_mm(self) -> NDArray[np.float64]:
        """Position of the outer corner of the first cell."""
        start = np.array([side.start for side in self.box])
        return np.asarray((start - 0.5) * np.array(self.geometry.spacing))

    def to_cells(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn positions (..., 3) into cells; whole numbers are cell centres."""
        return np.asarray((positions - self.corner_mm) / self.cell_mm - 0.5)

    def image(self, volume: Volume, window: Window) -> Tensor:
        """Return the windowed image on pixels, shape (2 z, 2 y, 2 x)."""
        z, y, x = (CELL_PIXELS * n for n in self.cells)
        part = torch.from_numpy(
            np.ascontiguousarray(window.apply(volume.data[self.box]))
        )
        return _resize(_resize(part, (y, x)).permute(1, 2, 0), (x, z)).permute(2, 0, 1)

    def voxels(self, cells: Sequence[slice]) -> tuple[slice, slice, slice]:
        """Return the box of voxels that holds a box of cells and one around it."""
        sides = []
        for axis, side in enumerate(cells):
            edges = np.array([side.start - 1, side.stop + 1]) * self.cell_mm[axis]
            first, last = (edges + self.corner_mm[axis]) / self.geometry.spacing[axis]
            low, high = self.box[axis].start, self.box[axis].stop
            start = int(np.clip(np.floor(first), low, high - 1))
            sides.append(slice(start, int(np.clip(np.ceil(last) + 1, start + 1, high))))
        return sides[0], sides[1], sides[2]

    def to_voxels(
        self, cells: NDArray[np.float32], part: tuple[slice, slice, slice]
    ) -> NDArray[np.float32]:
        """Resample values of all cells to a box of voxels inside of the region."""
        bounds, coordinates = [], []
        for axis, side in enumerate(part):
            step = self.geometry.spacing[axis]
            at = (np.arange(side.start, side.stop) * step - self.corner_mm[axis]) / (
                self.cell_mm[axis]
            ) - 0.5
            at = np.clip(at, 0, self.cells[axis] - 1)
            low = int(at[0])
            bounds.append(slice(low, int(np.ceil(at[-1])) + 1))
            coordinates.append(torch.from_numpy(at - low).float())
        return _trilinear(
            torch.from_numpy(np.ascontiguousarray(cells[tuple(bounds)])), coordinates
        )


def _resize(stack: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize the last two axes of (n, rows, cols), averaging where it gets coarser."""
    return F.interpolate(
        stack[None], size=size, mode="bilinear", align_corners=False, antialias=True
    )[0]


def _trilinear(values: Tensor, coordinates: list[Tensor]) -> NDArray[np.float32]:
    """Interpolate linearly along one axis after the other."""
    for axis, at in enumerate(coordinates):
        low = at.floor().long().clamp(max=max(values.shape[axis] - 2, 0))
        high = (low + 1).clamp(max=values.shape[axis] - 1)
        shape = [1, 1, 1]
        shape[axis] = -1
        share = (at - low).reshape(shape)
        values = (
            values.index_select(axis, low) * (1 - share)
            + values.index_select(axis, high) * share
        )
    return values.numpy()


@dataclass(frozen=True, slots=True, eq=False)
class VoteField:
    """What the network says of each cell of a region.

    Parameters
    ----------
    region : Region
        Where the cells lie.
    foreground : ndarray of float32, shape (z, y, x)
        Logits of bone of the spine.
    centres : ndarray of float32, shape (3, z, y, x)
        Position in mm of the centre of the structure that each cell belongs to.
    discs : ndarray of float32, shape (z, y, x), or None
        Logits of discs; None in a field that is of one kind alone.
    threshold : float
        Logit from which a cell is foreground.
    """

    region: Region
    foreground: NDArray[np.float32]
    centres: NDArray[np.float32]
    discs: NDArray[np.float32] | None = None
    threshold: float = BONE_THRESHOLD

    @property
    def by_kind(self) -> tuple[VoteField, ...]:
        """One field for each kind of structure, its logits as foreground."""
        bone = VoteField(self.region, self.foreground, self.centres)
        if self.discs is None:
            return (bone,)
        return bone, VoteField(
            self.region, self.discs, self.centres, threshold=DISC_THRESHOLD
        )


def gather_votes(
    backend: VotingBackend, volume: Volume, region: Region, window: Window
) -> Generator[float, None, VoteField]:
    """Encode a region slice by slice in all three planes.

    Yields
    ------
    float
        The part of the work that is done, after each few slices; the caller may
        stop there.

    Returns
    -------
    VoteField
        The joined votes.
    """
    image = region.image(volume, window)
    foreground, discs = (np.zeros(region.cells, np.float32) for _ in range(2))
    centres = np.zeros((3, *region.cells), np.float32)
    done, total = 0, sum(region.cells)
    for axis in range(3):
        row_axis, col_axis = (other for other in range(3) if other != axis)
        slices = _slices(image, axis)
        for start in range(0, region.cells[axis], BATCH):
            stop = min(start + BATCH, region.cells[axis])
            votes = backend.votes(slices[start:stop].numpy())
            at = (slice(None),) * axis + (slice(start, stop),)
            foreground[at] += np.moveaxis(votes.foreground, 0, axis) / 3
            discs[at] += np.moveaxis(votes.discs, 0, axis) / 3
            for number, place in enumerate((row_axis, col_axis)):
                vote = np.moveaxis(votes.centres[:, number], 0, axis)
                centres[place][at] += (vote + 0.5) / CELL_PIXELS / 2
            done += stop - start
            yield done / total
    scale, corner = (
        values.astype(np.float32)[:, None, None, None]
        for values in (region.cell_mm, region.corner_mm)
    )
    return VoteField(region, foreground, centres * scale + corner, discs)


def sagittal_bone(
    backend: VotingBackend, volume: Volume, region: Region, window: Window
) -> NDArray[np.bool_]:
    """Return the cells of the middle sagittal slice of a region that are spine."""
    slices = _slices(region.image(volume, window), 2)
    middle = len(slices) // 2
    votes = backend.votes(slices[middle : middle + 1].numpy())
    return np.asarray(votes.foreground[0] > 0)


def _slices(image: Tensor, axis: int) -> Tensor:
    """Return one slice a cell between its neighbours, shape (n, 3, rows, cols)."""
    moved = image.movedim(axis, 0)
    between = (moved[:-1] + moved[1:]) / 2
    last = len(between) - 1
    middle = torch.arange(0, last + 1, CELL_PIXELS)
    return torch.stack(
        [
            between[(middle + side * NEIGHBOUR_PIXELS).clamp(0, last)]
            for side in (-1, 0, 1)
        ],
        dim=1,
    )
