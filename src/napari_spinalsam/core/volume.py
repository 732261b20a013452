"""An image and the grid of the file it came from, to which every result returns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import (
    CANONICAL_WORLD_AXIS,
    Geometry,
    Known,
    as_points,
    check_affine,
)
from napari_spinalsam.core.messages import msg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

# RAS+ world axis and sign of the directions that an axis can grow to.
_DIRECTIONS = {
    **{"R": (0, 1), "L": (0, -1)},
    **{"A": (1, 1), "P": (1, -1)},
    **{"S": (2, 1), "I": (2, -1)},
}
Modality = Literal["CT", "MR", "unknown"]


@dataclass(frozen=True, eq=False)
class FileGrid:
    """How the array (i, j, k) of a file relates to the canonical (z, y, x) array.

    Parameters
    ----------
    shape : tuple of int
        Shape of the file's own array, two or three axes, fastest axis first.
    affine : ndarray of float, shape (4, 4)
        File index (i, j, k, 1) to world RAS+ (x, y, z, 1) in mm.
    known : Known
        What of the affine the file tells, and what only stands in for it.
    header : mapping of str to ndarray
        What the header of a NIfTI file says of place and size, field by field as it is
        stored, so that it can be written back unchanged; empty for other files.
    turned : bool
        Whether its orientation was stated, and not told by a file.

    Raises
    ------
    InputError
        If the affine is not finite or a spacing is zero.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    known: Known = Known.EVERYTHING
    header: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    turned: bool = False

    def __post_init__(self) -> None:
        check_affine(self.affine)

    def oriented(self, codes: str) -> FileGrid:
        """Return the grid of the same voxels where it is said how they lie.

        Parameters
        ----------
        codes : str
            Where the canonical axes of this grid grow to: three of R or L, A or P, and
            S or I. "SPL" is the order of an array of SimpleITK: slices to the head,
            rows to posterior, columns to the patient's left.

        Returns
        -------
        FileGrid
            Of the same file; its canonical axes are others. What it is placed at is
            taken for its place along these axes, if its voxels have a size.

        Raises
        ------
        InputError
            If the image is flat, or the codes do not name one side of each pair.
        """
        sides = [_DIRECTIONS.get(letter, (-1, 0)) for letter in codes.upper()]
        if len(self.shape) == 2 or sorted(world for world, _ in sides) != [0, 1, 2]:
            raise InputError(
                msg(
                    "{codes!r} is no orientation of this image: give three letters "
                    "for a volume, one of R or L, one of A or P and one of S or I, "
                    "for where its slices, rows and columns grow to, such as SPL.",
                    codes=codes,
                )
            )
        affine = np.zeros((4, 4))
        affine[3, 3] = 1.0
        for axis, (world, sign) in enumerate(sides):
            affine[world, axis] = sign * self.geometry.spacing[axis]
            affine[world, 3] = sign * self.geometry.translate[axis]
        affine = affine @ np.linalg.inv(self._canonical_to_file)
        known = self.known | Known.ORIENTATION
        if Known.SPACING in known:
            known |= Known.POSITION
        return FileGrid(self.shape, affine, known, turned=True)

    def equals(self, other: FileGrid) -> bool:
        """Whether another grid tells exactly the same."""
        same = self.shape == other.shape and self.known == other.known
        return same and bool(np.array_equal(self.affine, other.affine))

    def rescaled(self, spacing: Sequence[float], known: Known) -> FileGrid:
        """Return a grid of the same axes with voxels of another size.

        Parameters
        ----------
        spacing : sequence of float
            Millimetres along the canonical axes (z, y, x), above zero.
        known : Known
            What of the new grid is known.
        """
        affine = self.affine.copy()
        for axis, canonical in enumerate(np.argsort(self._order_and_flips[0])):
            affine[:3, axis] *= spacing[canonical] / self.geometry.spacing[canonical]
        return FileGrid(self.shape, affine, known)

    def sized_as(self, other: FileGrid) -> FileGrid:
        """Return this grid with the voxel size of another one of the same file.

        Parameters
        ----------
        other : FileGrid
            Of the same file; its canonical axes may be others.
        """
        spacing = [0.0, 0.0, 0.0]
        for axis in range(3):
            told = other.geometry.spacing[other.axis_to_canonical(axis)]
            spacing[self.axis_to_canonical(axis)] = told
        known = self.known & ~Known.SPACING | other.known & Known.SPACING
        return self.rescaled(spacing, known)

    @cached_property
    def _order_and_flips(self) -> tuple[tuple[int, int, int], tuple[bool, ...]]:
        if len(self.shape) == 2:
            # A flat picture: i runs along columns, j along rows, there is no third.
            return (2, 1, 0), (False, False, False)
        directions = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        order = _closest_axes(directions)
        flips = tuple(
            bool(directions[world, axis] > 0)
            for axis, world in zip(order, CANONICAL_WORLD_AXIS, strict=True)
        )
        return order, flips

    @cached_property
    def _shape3(self) -> tuple[int, int, int]:
        i, j, k = (*self.shape, 1)[:3]
        return i, j, k

    @cached_property
    def _canonical_to_file(self) -> NDArray[np.float64]:
        order, flips = self._order_and_flips
        matrix = np.zeros((4, 4))
        matrix[3, 3] = 1.0
        for canonical, (axis, flip) in enumerate(zip(order, flips, strict=True)):
            matrix[axis, canonical] = -1.0 if flip else 1.0
            matrix[axis, 3] = self._shape3[axis] - 1 if flip else 0.0
        return matrix

    @cached_property
    def geometry(self) -> Geometry:
        """The canonical grid of this file."""
        order, _ = self._order_and_flips
        z, y, x = (self._shape3[axis] for axis in order)
        affine = self.affine @ self._canonical_to_file
        return Geometry((z, y, x), affine, len(self.shape) == 2, self.known)

    def to_canonical(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the file's array as a canonical (z, y, x) view."""
        order, flips = self._order_and_flips
        moved = array.reshape(self._shape3).transpose(order)
        return moved[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]

    def from_canonical(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a canonical (z, y, x) array in the order of the file."""
        order, flips = self._order_and_flips
        turned = array[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
        return turned.transpose(np.argsort(order)).reshape(self.shape)

    def points_to_canonical(self, points: ArrayLike) -> NDArray[np.float64]:
        """Turn file indices (i, j, k), shape (N, 3), into (z, y, x) indices."""
        inverse = np.linalg.inv(self._canonical_to_file).astype(np.float64)
        return as_points(points, 3) @ inverse[:3, :3].T + inverse[:3, 3]

    def axis_to_canonical(self, axis: int) -> int:
        """Return the canonical axis that an axis of the file becomes."""
        order, _ = self._order_and_flips
        return order.index(axis)


def _closest_axes(directions: NDArray[np.float64]) -> tuple[int, int, int]:
    """Assign file axes to the canonical ones, the clearest match first."""
    remaining = np.abs(directions[list(CANONICAL_WORLD_AXIS)])
    order = [0, 0, 0]
    for _ in range(3):
        canonical, axis = np.unravel_index(remaining.argmax(), remaining.shape)
        order[int(canonical)] = int(axis)
        remaining[canonical, :] = -1.0
        remaining[:, axis] = -1.0
    return order[0], order[1], order[2]


@dataclass(frozen=True, eq=False)
class Volume:
    """An image with its geometry.

    Parameters
    ----------
    data : ndarray, shape (z, y, x)
        Real, finite intensities; Hounsfield units for CT.
    grid : FileGrid
        The grid of the file it came from; carries the geometry.
    modality : {"CT", "MR", "unknown"}
        What the intensities mean.
    name : str
        A short name to show; never a path.
    """

    data: NDArray[Any]
    grid: FileGrid
    modality: Modality = "unknown"
    name: str = "image"

    @property
    def geometry(self) -> Geometry:
        """The canonical grid of the data."""
        return self.grid.geometry

    def oriented(self, codes: str) -> Volume:
        """Return the same image turned as it is said to lie; see `FileGrid.oriented`.

        Parameters
        ----------
        codes : str
            Where slices, rows and columns of the data grow to, such as "SPL".
        """
        grid = self.grid.oriented(codes)
        data = grid.to_canonical(self.grid.from_canonical(self.data))
        return replace(self, data=data, grid=grid)

    @classmethod
    def from_geometry(
        cls,
        data: NDArray[Any],
        geometry: Geometry,
        modality: Modality = "unknown",
        name: str = "image",
    ) -> Volume:
        """Wrap a canonical array that came from no file.

        The grid has the axes (x, y, z), as if written by a program that stores
        the canonical array with the fastest axis first.
        """
        swap = np.eye(4)[[2, 1, 0, 3]]
        shape = geometry.shape[:0:-1] if geometry.is_2d else geometry.shape[::-1]
        grid = FileGrid(shape, geometry.affine @ swap, geometry.known)
        return cls(data, grid, modality, name)
