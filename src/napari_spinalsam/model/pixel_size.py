"""The pixel size of a picture that does not tell it: where the network is surest.

Structures of the spine have a size, which the network knows well: seen too large or too
small, it doubts what is bone, and it doubts its masks. So the same slice is shown at
several sizes, and the one is taken at which the votes and the predicted IoU are surest
and the masks have the extent of a section of the spine. Both were chosen on other scans
than those that the model card measures.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import Geometry, SlicePlane
    from napari_spinalsam.core.prompts import MaskPrediction

# From a small field of view on a fine grid to a picture that was made smaller.
CANDIDATES_MM = tuple(float(mm) for mm in 2.0 ** (np.arange(-9, 4) / 4))
# A picture of the spine shows neither less nor more than this along its longer side.
EXTENT_MM = (50.0, 700.0)
# Sizes at which the votes are much less sure than at the best are not asked further.
SURE_SHARE = 0.85
# Longest side of the largest mask that a prompt may mean, and the factor by which it
# differs from one to the next: wide enough for a disc and for several vertebrae.
SECTION_MM = 75.0
SECTION_FACTOR = 3.0
# Stands for nothing at all where a logarithm is taken.
LEAST = 1e-3


def candidate_planes(plane: SlicePlane) -> dict[float, SlicePlane]:
    """Return the slice at each size that its pixels may have.

    Parameters
    ----------
    plane : SlicePlane
        A slice of a geometry whose spacing is not known.

    Returns
    -------
    dict
        By millimetres per pixel, of pixels that are not square by their mean side.
    """
    sizes = [mm for mm in CANDIDATES_MM if _shows_a_spine(plane, mm)]
    return {mm: plane_at(plane, mm) for mm in sizes or CANDIDATES_MM}


def plane_at(plane: SlicePlane, mm: float) -> SlicePlane:
    """Return a slice as if its pixels measured so many millimetres."""
    geometry = _scaled(plane.geometry, mm / _pixel_of(plane))
    return geometry.plane(plane.axis, plane.index)


def sure_enough(certainties: dict[float, float]) -> list[float]:
    """Return the sizes at which votes are about as certain as at the best one."""
    least = SURE_SHARE * max(certainties.values())
    return [mm for mm, certainty in certainties.items() if certainty >= least]


def score(
    certainty: float, answer: MaskPrediction, spacing: tuple[float, float]
) -> float:
    """Return how well a size fits, the logarithm of a likelihood.

    Parameters
    ----------
    certainty : float
        Of the votes at this size, 0 to 1.
    answer : MaskPrediction
        Of the model at this size.
    spacing : tuple of float
        Millimetres per pixel along (row, col) at this size.
    """
    trust = math.log(max(certainty, LEAST))
    trust += math.log(max(float(answer.predicted_iou[0]), LEAST))
    extent = max(_longest_side(mask, spacing) for mask in answer.masks)
    if not extent:
        return trust + math.log(LEAST)
    unlike = math.log(extent / SECTION_MM) / math.log(SECTION_FACTOR)
    return trust - unlike**2 / 2


def best_size(scores: Iterable[dict[float, float]]) -> float:
    """Return the size that fits several prompts best.

    Parameters
    ----------
    scores : iterable of dict
        For each prompt the scores by size. A size that was not asked for one of them
        fits it as badly as its worst.
    """
    listed = list(scores)
    sizes = sorted(set().union(*listed))
    together = {
        mm: sum(each.get(mm, min(each.values())) for each in listed) for mm in sizes
    }
    return max(together, key=lambda mm: together[mm])


def remark(mm: float) -> str:
    """Return the sentence on a size that was taken."""
    return (
        f"The pixel size is unknown and taken as {mm:.2f} mm, where the model is "
        "surest: state it if you know it (set_pixel_size, --pixel-mm)."
    )


def _pixel_of(plane: SlicePlane) -> float:
    return float(np.sqrt(np.prod(plane.spacing)))


def _shows_a_spine(plane: SlicePlane, mm: float) -> bool:
    extent = np.array(plane.shape) * plane.spacing * mm / _pixel_of(plane)
    return bool(EXTENT_MM[0] <= extent.max() <= EXTENT_MM[1])


def _scaled(geometry: Geometry, factor: float) -> Geometry:
    affine = geometry.affine.copy()
    affine[:3, :3] *= factor
    return replace(geometry, affine=affine)


def _longest_side(mask: NDArray[np.bool_], spacing: tuple[float, float]) -> float:
    sides = (
        mm * (at[-1] - at[0] + 1)
        for axis, mm in ((1, spacing[0]), (0, spacing[1]))
        if (at := np.flatnonzero(mask.any(axis))).size
    )
    return float(max(sides, default=0.0))
