"""What a segmentation of a whole file says of its objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ObjectResult:
    """What became of one object.

    Parameters
    ----------
    structure : str
        Canonical name.
    label : int
        Value in the label volume.
    voxels : int
        Voxels written for this object.
    volume_mm3 : float
        Their volume; for a flat image the area in mm2.
    predicted_iou : float
        The model's own estimate, 0 to 1; the mean over the object's predictions.
    slices : int
        Slices that it was predicted on; of a whole structure, the slices that hold
        it, along the axis of its first prompt.
    confidence : float or None
        How likely the name is right, 0 to 1; None where the name was given.
    """

    structure: str
    label: int
    voxels: int
    volume_mm3: float
    predicted_iou: float
    slices: int
    confidence: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """Labels of a volume, and how they came about.

    Parameters
    ----------
    labels : ndarray of uint8, shape (z, y, x)
        Labels on the canonical grid; 0 where nothing was found.
    objects : tuple of ObjectResult
        In the order of the prompts.
    encode_seconds, decode_seconds : float
        Time spent in the two parts of the model.
    """

    labels: NDArray[np.uint8]
    objects: tuple[ObjectResult, ...]
    encode_seconds: float
    decode_seconds: float
