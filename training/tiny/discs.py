"""Discs where only vertebrae are labelled: what lies between two vertebral bodies.

Against the discs that TotalSegmentator labels in its example CT, what comes out has a
Dice of 0.77 (L4-L5) to 0.88; docs/development/training.md has the command.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage as ndi

from napari_spinalsam.core.anatomy import DISC_OFFSET
from training.common.losses import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray
# From C2 to L6 neighbours have neighbouring labels, and discs between them.
WITH_BODIES = range(2, 26)
# A body is what is left of a vertebra once all that is thinner than twice this is gone.
BODY_RADIUS_MM = 6.0
# Where two plates are further apart, something else is between them.
WIDEST_GAP_MM = 18.0
# How far inside of the rim of the plates a disc ends.
RIM_MM = 0.5
# How far a disc that nobody labelled may reach beyond the last body.
END_MM = 14.0
STEP_MM = 0.5
REACH_MM = 40.0
BORDER = 8


def derive_discs(
    labels: NDArray[np.uint8], open_ends: Collection[str] = ()
) -> NDArray[np.uint8]:
    """Draw the discs between labelled neighbours into what is not labelled.

    Parameters
    ----------
    labels : ndarray of uint8, shape (z, y, x)
        Vertebrae in the project's convention on a grid of 1 mm, z from head to feet;
        255 where nobody knows.
    open_ends : collection of {"superior", "inferior"}
        Ends beyond which there are vertebrae that nobody labelled; where their disc
        may be becomes unknown.

    Returns
    -------
    ndarray of uint8, shape (z, y, x)
        The labels with discs, and 255 at open ends.
    """
    present = [int(n) for n in np.unique(labels) if n in WITH_BODIES]
    # A vertebra that the border cuts goes on behind it.
    drawn = np.pad(labels, BORDER, mode="edge")
    bodies = {name: _body(drawn == name) for name in present}
    for upper in present:
        lower = upper + 1
        if lower in bodies:
            columns = _Columns.between(bodies[upper], bodies[lower])
            gap = columns.gap(bodies[upper], bodies[lower])
            mask = columns.to_grid(gap, drawn.shape)
            drawn[mask & np.isin(drawn, (0, UNKNOWN))] = DISC_OFFSET + upper
    if len(present) > 1:
        first, second, before, last = (present[n] for n in (0, 1, -2, -1))
        for end, inner, outer in (
            ("superior", second, first),
            ("inferior", before, last),
        ):
            if end in open_ends:
                columns = _Columns.between(bodies[inner], bodies[outer], beyond=True)
                zone = columns.beyond(bodies[outer])
                mask = columns.to_grid(zone, drawn.shape)
                drawn[mask & (drawn == 0)] = UNKNOWN
    own = slice(BORDER, -BORDER)
    return np.asarray(drawn[own, own, own])


def _body(vertebra: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the thick part of a vertebra; of a small one, the thickest there is."""
    place = ndi.find_objects(vertebra.astype(np.uint8))[0]
    solid = np.pad(vertebra[place], 1)
    depth = ndi.distance_transform_edt(solid)
    radius = min(BODY_RADIUS_MM, 0.7 * float(depth.max()))
    cores, count = ndi.label(depth >= radius)
    sizes = ndi.sum_labels(np.ones_like(depth), cores, np.arange(1, count + 1))
    core = cores == 1 + int(np.argmax(sizes))
    opened = solid & (ndi.distance_transform_edt(~core) <= radius)
    body = np.zeros_like(vertebra)
    body[place] = opened[1:-1, 1:-1, 1:-1]
    return body


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """Columns of samples that run from one body to another, or on beyond it.

    Parameters
    ----------
    middle : ndarray, shape (3,)
        Where the columns' zero lies.
    axes : ndarray, shape (3, 3)
        Unit vectors (rows) along the columns and across them.
    along : ndarray, shape (N,)
        Heights of the samples.
    """

    middle: NDArray[np.float64]
    axes: NDArray[np.float64]
    along: NDArray[np.float64]

    @classmethod
    def between(
        cls,
        start: NDArray[np.bool_],
        stop: NDArray[np.bool_],
        *,
        beyond: bool = False,
    ) -> _Columns:
        """Return the columns between two bodies' centres, or beyond the second."""
        centres = [np.argwhere(body).mean(axis=0) for body in (start, stop)]
        way = centres[1] - centres[0]
        length = float(np.linalg.norm(way))
        axis = way / length
        left = np.array([0.0, 0.0, 1.0])
        left -= left @ axis * axis
        left /= np.linalg.norm(left)
        half = length / 2
        heights = (0.0, REACH_MM) if beyond else (-half, half)
        middle = centres[1] if beyond else (centres[0] + centres[1]) / 2
        return cls(
            middle,
            np.stack([axis, np.cross(axis, left), left]),
            np.arange(heights[0], heights[1] + STEP_MM, STEP_MM),
        )

    def gap(
        self, start: NDArray[np.bool_], stop: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Return the samples between two bodies, where a column meets both."""
        height = np.arange(len(self.along))[:, None, None]
        first, second = self._sample(start), self._sample(stop)
        last = np.where(first, height, -1).max(axis=0)
        next_ = np.where(second, height, len(self.along)).min(axis=0)
        wide = (next_ - last) * STEP_MM
        plate = first.any(0) & second.any(0) & (wide > 0) & (wide < WIDEST_GAP_MM)
        plate = ndi.binary_opening(plate, iterations=3)
        plate = ndi.distance_transform_edt(plate) * STEP_MM > RIM_MM
        return np.asarray((height > last) & (height < next_) & plate)

    def beyond(self, body: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the samples that follow a body, as far as a disc may reach."""
        height = np.arange(len(self.along))[:, None, None]
        seen = self._sample(body)
        last = np.where(seen, height, -1).max(axis=0)
        near = (height > last) & (height <= last + END_MM / STEP_MM)
        return np.asarray(near & seen.any(axis=0))

    def _sample(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        across = np.arange(-REACH_MM, REACH_MM + STEP_MM, STEP_MM)
        grid = np.stack(np.meshgrid(self.along, across, across, indexing="ij"))
        places = self.middle[:, None, None, None] + np.einsum(
            "k...,kd->d...", grid, self.axes
        )
        sampled = ndi.map_coordinates(mask.astype(np.float32), places, order=1)
        return np.asarray(sampled > 0.5)

    def to_grid(
        self, samples: NDArray[np.bool_], shape: tuple[int, ...]
    ) -> NDArray[np.bool_]:
        """Return samples as a mask of the volume."""
        reach = np.hypot(REACH_MM * np.sqrt(2), np.abs(self.along).max())
        low = np.clip(np.floor(self.middle - reach), 0, shape).astype(int)
        high = np.clip(np.ceil(self.middle + reach), 0, shape).astype(int)
        near = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        voxels = np.indices(tuple(high - low)).reshape(3, -1) + low[:, None]
        local = self.axes @ (voxels - self.middle[:, None])
        origin = np.array([self.along[0], -REACH_MM, -REACH_MM])[:, None]
        found = ndi.map_coordinates(
            samples.astype(np.float32), (local - origin) / STEP_MM, order=1, cval=0
        )
        mask = np.zeros(shape, bool)
        mask[near] = (found > 0.5).reshape(high - low)
        return mask
