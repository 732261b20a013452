"""What segmenting a whole file needs of a model, and what it says of the objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import SlicePlane
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.prompts import MaskPrediction, SlicePrompts
    from napari_spinalsam.core.results import (
        FoundStructure,
        Progress,
        Seed,
        SliceKey,
        VolumeMask,
    )
    from napari_spinalsam.core.volume import Volume


class Session(Protocol):
    """What is needed of a `model.session.SegmentationSession`."""

    @property
    def pixel_mm(self) -> float | None:
        """Pixels on which the network votes without a prompt; None if it cannot."""

    def set_volume(self, volume: Volume) -> None:
        """Take slices from this volume from now on."""

    def choose_pixel_mm(
        self, prompts: Sequence[SlicePrompts], window: Window
    ) -> float | None:
        """Choose one pixel size for a picture that does not tell it."""

    def predict(
        self, plane: SlicePlane, prompts: SlicePrompts, /, *, window: Window
    ) -> MaskPrediction:
        """Predict candidate masks for one slice, the most trusted first."""

    def propagate_all(
        self, objects: Sequence[Mapping[SliceKey, Seed]], *, window: Window
    ) -> Iterator[Progress | list[VolumeMask]]:
        """Carry structures through the volume."""

    def find_structures(
        self,
        names: Sequence[str],
        *,
        window: Window,
        anchors: Mapping[str, Mapping[SliceKey, Seed]],
    ) -> Iterator[Progress | FoundStructure]:
        """Find vertebrae by name."""


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
    volume_mm3 : float or None
        Their volume; for a flat image the area in mm2; None where the size of a voxel
        is not known.
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
    volume_mm3: float | None
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
    remarks : tuple of str
        Sentences on what the model was not made for and saw all the same.
    pixel_mm : float or None
        The pixel size that was taken because the image does not tell it; else None.
    kept : tuple of str
        What was to be found, but was in the labels before and stays as it was.
    """

    labels: NDArray[np.uint8]
    objects: tuple[ObjectResult, ...]
    encode_seconds: float
    decode_seconds: float
    remarks: tuple[str, ...] = ()
    pixel_mm: float | None = None
    kept: tuple[str, ...] = ()
