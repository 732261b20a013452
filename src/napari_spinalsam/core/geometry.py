"""The one owner of coordinates: canonical grid, slice plane and world.

Arrays are (z, y, x). The canonical orientation lets z grow to inferior, y to
posterior and x to the patient's left, so that axial, sagittal and coronal slices
appear the radiological way without further flips. Only axes are exchanged and
reversed; nothing is resampled, and an oblique grid stays oblique in its affine.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import msg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


# World RAS+ direction in which each canonical axis grows: inferior, posterior, left.
CANONICAL_WORLD_AXIS = (2, 1, 0)
# Grids are the same whose corners lie no further apart than this part of a voxel:
# headers are rounded, and a mask is not sharper than that.
SAME_GRID_VOXELS = 0.1


def as_points(points: ArrayLike, width: int) -> NDArray[np.float64]:
    """Return coordinates as a float array of shape (N, width)."""
    array = np.asarray(points, dtype=np.float64)
    return array.reshape(-1, width)


def check_affine(affine: NDArray[np.float64]) -> None:
    """Refuse an affine that no image can have, with an InputError."""
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise InputError(
            msg(
                "The image has an affine that is not 4 x 4 finite numbers: "
                "repair its header or save it again from a viewer."
            )
        )
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if (spacing < 1e-6).any() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise InputError(
            msg(
                "The image has a voxel spacing of {spacing} mm, but each must "
                "be above zero and each axis must point another way: repair "
                "its header.",
                spacing=np.round(spacing, 6).tolist(),
            )
        )


class Known(Flag):
    """What is known of a grid besides its shape; nothing of it is ever guessed.

    What is not known has a placeholder in the affine, with which the grid can be shown
    and prompted, but not measured, named or written as if it were so.
    """

    SPACING = auto()  # millimetres of a voxel
    ORIENTATION = auto()  # which way is the head, the front and the left
    POSITION = auto()  # where it lies in the coordinates of the scanner
    EVERYTHING = SPACING | ORIENTATION | POSITION


def largest_offset(
    shape: Sequence[int], affine: NDArray[np.float64], other: NDArray[np.float64]
) -> tuple[float, float]:
    """Tell how far apart two affines place the corners of an array.

    Parameters
    ----------
    shape : sequence of int
        Voxels along the three axes of the array.
    affine, other : ndarray of float, shape (4, 4)
        Index to world in mm.

    Returns
    -------
    millimetres, voxels : float
        The largest distance, and the largest part of a voxel of `affine` along one
        of its axes.
    """
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape])).T.reshape(-1, 3)
    apart = corners @ (other - affine)[:3, :3].T + (other - affine)[:3, 3]
    voxels = np.linalg.solve(affine[:3, :3], apart.T)
    return float(np.linalg.norm(apart, axis=1).max()), float(np.abs(voxels).max())


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where a canonical (z, y, x) grid lies in the world.

    Parameters
    ----------
    shape : tuple of int
        Voxels along (z, y, x).
    affine : ndarray of float, shape (4, 4)
        Canonical index (z, y, x, 1) to world RAS+ (x, y, z, 1) in mm.
    is_2d : bool
        Whether the grid stands for one flat image, of shape (1, rows, cols).
    known : Known
        What of the affine is known, and what only stands in for it.

    Raises
    ------
    InputError
        If the affine is not finite or a spacing is zero.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    is_2d: bool = False
    known: Known = Known.EVERYTHING

    def __post_init__(self) -> None:
        check_affine(self.affine)

    @classmethod
    def from_spacing(
        cls,
        shape: Sequence[int],
        spacing: Sequence[float],
        translate: Sequence[float] = (0.0, 0.0, 0.0),
        *,
        is_2d: bool = False,
        known: Known = Known.EVERYTHING,
    ) -> Geometry:
        """Build an axis-aligned geometry.

        Parameters
        ----------
        shape : sequence of int
            Voxels along (z, y, x).
        spacing : sequence of float
            Millimetres along (z, y, x), above zero.
        translate : sequence of float
            Display position of voxel (0, 0, 0) in mm, see `translate`.
        is_2d : bool
            Whether the grid stands for one flat image.
        known : Known
            What of it is known.
        """
        affine = np.zeros((4, 4))
        affine[3, 3] = 1.0
        for axis, world in enumerate(CANONICAL_WORLD_AXIS):
            affine[world, axis] = -float(spacing[axis])
            affine[world, 3] = -float(translate[axis])
        z, y, x = (int(n) for n in shape)
        return cls((z, y, x), affine, is_2d, known)

    @property
    def spacing_known(self) -> bool:
        """Whether millimetres mean something."""
        return Known.SPACING in self.known

    @property
    def orientation_known(self) -> bool:
        """Whether it is known which way is the head, the front and the left."""
        return Known.ORIENTATION in self.known

    @property
    def position_known(self) -> bool:
        """Whether the affine leads to the coordinates of the scanner."""
        return Known.POSITION in self.known

    def require_spacing(self, purpose: str) -> None:
        """Refuse what needs millimetres where they are not known.

        Parameters
        ----------
        purpose : str
            What cannot be done, such as "volumes cannot be measured".

        Raises
        ------
        InputError
            If the spacing is not known; the sentence names the remedy.
        """
        if not self.spacing_known and self.is_2d:
            raise InputError(
                msg(
                    "The pixel size of the image is unknown, so {purpose}: state "
                    "it first, with set_pixel_size, --pixel-mm or in the Segment "
                    "dock.",
                    purpose=purpose,
                )
            )
        if not self.spacing_known:
            raise InputError(
                msg(
                    "The voxel size of the image is unknown, so {purpose}: state "
                    "it first, with set_spacing or in the Segment dock, or give a "
                    "file that tells it, such as .nii.gz.",
                    purpose=purpose,
                )
            )

    def require_orientation(self, purpose: str) -> None:
        """Refuse what depends on where the head is, where that is not known.

        Parameters
        ----------
        purpose : str
            What cannot be done, such as "vertebrae cannot be told by name".

        Raises
        ------
        InputError
            If the orientation is not known; the sentence names the remedy.
        """
        if not self.orientation_known:
            raise InputError(
                msg(
                    "It is unknown which way the head is in this image, so "
                    "{purpose}: state it first, with set_orientation or in the "
                    "Segment dock, or give a file that tells it, such as .nii.gz.",
                    purpose=purpose,
                )
            )

    @cached_property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres between neighbouring voxels along (z, y, x)."""
        z, y, x = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(z), float(y), float(x)

    @property
    def translate(self) -> tuple[float, float, float]:
        """Display position (inferior, posterior, left) of voxel (0, 0, 0) in mm."""
        z, y, x = (-float(self.affine[world, 3]) for world in CANONICAL_WORLD_AXIS)
        return z, y, x

    @property
    def obliquity_degrees(self) -> float:
        """Largest angle between a grid axis and the world axis it is named after."""
        directions = self.affine[:3, :3] / np.asarray(self.spacing)
        cosines = [
            abs(directions[world, axis])
            for axis, world in enumerate(CANONICAL_WORLD_AXIS)
        ]
        return float(np.degrees(np.arccos(np.clip(min(cosines), -1.0, 1.0))))

    def voxel_to_world(self, points: ArrayLike) -> NDArray[np.float64]:
        """Turn (z, y, x) indices, shape (N, 3), into RAS+ millimetres (x, y, z)."""
        return as_points(points, 3) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def world_to_voxel(self, points: ArrayLike) -> NDArray[np.float64]:
        """Turn RAS+ millimetres (x, y, z), shape (N, 3), into (z, y, x) indices."""
        shifted = as_points(points, 3) - self.affine[:3, 3]
        voxels = np.linalg.solve(self.affine[:3, :3], shifted.T).T
        return voxels.astype(np.float64, copy=False)

    def plane(self, axis: int, index: int) -> SlicePlane:
        """Return the slice perpendicular to an axis.

        Raises
        ------
        InputError
            If there is no such axis or slice.
        """
        return SlicePlane(self, axis, index)

    def oriented_alike(self, other: Geometry) -> bool:
        """Whether the way of the head is known of both or of neither, or both are flat.

        Otherwise the axes of one are placeholders, and nothing tells which way its
        voxels run in the other.
        """
        flat = self.is_2d and other.is_2d
        return flat or self.orientation_known == other.orientation_known

    def check_orientation_of(
        self, labels: Geometry, name: str = msg("the labels")
    ) -> None:
        """Refuse labels of which not as much is known as of this image.

        Parameters
        ----------
        labels : Geometry
            Where the labels lie.
        name : str
            What the sentence calls them.

        Raises
        ------
        InputError
            If the way of the head is known of one and not of the other.
        """
        if self.oriented_alike(labels):
            return
        known: str = msg("the image")
        unknown = name
        if labels.orientation_known:
            known, unknown = unknown, known
        raise InputError(
            msg(
                "It is known which way the head is in {known}, but not in "
                "{unknown}: use image and labels that both tell it, such as "
                ".nii.gz, or both do not.",
                known=known,
                unknown=unknown,
            )
        )

    def same_grid(self, other: Geometry, tolerance: float = SAME_GRID_VOXELS) -> bool:
        """Whether another geometry has the same shape and, within that, place.

        Where the voxels of one have no size, there is no place to compare.
        """
        if self.shape != other.shape:
            return False
        if not (self.spacing_known and other.spacing_known):
            return True
        _, voxels = largest_offset(self.shape, self.affine, other.affine)
        return voxels <= tolerance


@dataclass(frozen=True, eq=False)
class Placement:
    """How a viewer shows the voxels of an array, along the axes of its world.

    Each axis of the data runs along that of the world: napari shows no slices of
    layers whose axes are exchanged.

    Parameters
    ----------
    shape : tuple of int
        Voxels along (z, y, x), or pixels along (row, col).
    step : ndarray of float, shape (ndim,)
        Distance of neighbouring voxels, below zero where the axis runs against that of
        the world; in mm, or in pixels where there is no unit.
    origin : ndarray of float, shape (ndim,)
        World coordinates of the first voxel, likewise.
    sized : bool
        Whether it is stated how large a voxel is: in a unit of length, or by a scale,
        which is taken for millimetres.
    """

    shape: tuple[int, ...]
    step: NDArray[np.float64]
    origin: NDArray[np.float64]
    sized: bool

    @classmethod
    def of_geometry(cls, geometry: Geometry) -> Placement:
        """Return how the grid of a file is shown; see `io.layer_data`."""
        first = 1 if geometry.is_2d else 0
        return cls(
            geometry.shape[first:],
            np.array(geometry.spacing[first:]),
            np.array(geometry.translate[first:]),
            geometry.spacing_known,
        )

    @classmethod
    def from_transform(
        cls,
        shape: tuple[int, ...],
        columns: NDArray[np.float64],
        origin: NDArray[np.float64],
        factors: Sequence[float | None],
        name: str,
    ) -> Placement:
        """Take the transform from indices to a viewer's world.

        Parameters
        ----------
        shape : tuple of int
            Of the array.
        columns : ndarray of float, shape (ndim, ndim)
            World step of each index, as columns.
        origin : ndarray of float, shape (ndim,)
            World coordinates of the first voxel.
        factors : sequence of float or None
            Millimetres of the unit of each axis; None for pixels.
        name : str
            Begins the sentence of an error.

        Raises
        ------
        InputError
            If it turns or shears the array, or is no transform.
        """
        step = np.diag(columns)
        aside = np.abs(columns - np.diag(step))
        if not np.isfinite(columns).all() or not np.abs(columns).max(axis=0).all():
            raise InputError(
                msg(
                    "{name} has a scale of {step} in the viewer: set a scale above "
                    "or below zero for each axis.",
                    name=name,
                    step=np.round(step, 6).tolist(),
                )
            )
        if (aside > 1e-6 * np.abs(columns).max(axis=0)).any() or not step.all():
            raise InputError(
                msg(
                    "{name} is turned or sheared in the viewer, which its slices "
                    "cannot follow: set its rotation, shear and affine back, or "
                    "open its file with the SpinalSAM reader instead.",
                    name=name,
                )
            )
        scales = np.array([1.0 if f is None else f for f in factors])
        step = step * scales
        pixels = [factor is None for factor in factors]
        unstated = np.isclose(np.abs(step), 1.0)[pixels]
        sized = not any(pixels) or not unstated.all()
        return cls(shape, step, origin * scales, sized)

    def lies_on(self, other: Placement) -> bool:
        """Whether the same voxels are shown at the same place.

        As in `Geometry.same_grid`, within part of a voxel; here at the outer faces,
        so that the thickness of a single slice counts.
        """
        if self.shape != other.shape or self.sized != other.sized:
            return False
        shape = (1,) * (3 - len(self.shape)) + self.shape
        faces = [n + 1 for n in shape]
        _, voxels = largest_offset(faces, other._affine, self._affine)
        return voxels <= SAME_GRID_VOXELS

    @property
    def _affine(self) -> NDArray[np.float64]:
        affine = np.eye(4)
        first = 3 - len(self.shape)
        affine[range(first, 3), range(first, 3)] = self.step
        affine[first:3, 3] = self.origin
        return affine

    def geometry(self) -> Geometry:
        """Return what the viewer alone tells: first axis as slices, nothing named."""
        flat = len(self.shape) == 2
        spacing, place = np.abs(self.step), np.sign(self.step) * self.origin
        return Geometry.from_spacing(
            (1, *self.shape) if flat else self.shape,
            [1.0, *spacing] if flat else list(spacing),
            [0.0, *place] if flat else list(place),
            is_2d=flat,
            known=Known.SPACING if self.sized else Known(0),
        )


@dataclass(frozen=True)
class SlicePlane:
    """One slice of a canonical grid, with its own (row, col) coordinates.

    Parameters
    ----------
    geometry : Geometry
        The grid that is cut.
    axis : int
        Array axis that the slice is perpendicular to.
    index : int
        Position on that axis.

    Raises
    ------
    InputError
        If there is no such axis or slice.
    """

    geometry: Geometry
    axis: int
    index: int

    def __post_init__(self) -> None:
        if self.axis not in (0, 1, 2):
            raise InputError(
                msg("There is no image axis {axis}: use 0, 1 or 2.", axis=self.axis)
            )
        last = self.geometry.shape[self.axis] - 1
        if not 0 <= self.index <= last:
            raise InputError(
                msg(
                    "There is no slice {index} on axis {axis}: use a number from 0 "
                    "to {last}.",
                    index=self.index,
                    axis=self.axis,
                    last=last,
                )
            )

    @property
    def _axes(self) -> tuple[int, int]:
        row, col = (axis for axis in range(3) if axis != self.axis)
        return row, col

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels along (row, col)."""
        row, col = self._axes
        return self.geometry.shape[row], self.geometry.shape[col]

    @property
    def spacing(self) -> tuple[float, float]:
        """Millimetres between neighbouring pixels along (row, col)."""
        row, col = self._axes
        return self.geometry.spacing[row], self.geometry.spacing[col]

    def take(self, volume: NDArray[Any]) -> NDArray[Any]:
        """Return the slice of a (z, y, x) array as a (rows, cols) view."""
        return volume[(slice(None),) * self.axis + (self.index,)]

    def to_plane(self, points: ArrayLike) -> NDArray[np.float64]:
        """Turn (z, y, x) indices, shape (N, 3), into (row, col), shape (N, 2)."""
        return as_points(points, 3)[:, self._axes]

    def to_voxel(self, points: ArrayLike) -> NDArray[np.float64]:
        """Turn (row, col), shape (N, 2), into (z, y, x) indices, shape (N, 3)."""
        flat = as_points(points, 2)
        return np.insert(flat, self.axis, float(self.index), axis=1)

    def contains(self, points: ArrayLike, tolerance: float = 0.5) -> bool:
        """Whether all (z, y, x) indices lie in this slice, within part of a voxel."""
        offset = as_points(points, 3)[:, self.axis] - self.index
        return bool((np.abs(offset) <= tolerance).all())
