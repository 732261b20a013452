"""Segment prompted objects of a volume in one go, for scripts and notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from napari_spinalsam.core.anatomy import BACKGROUND
from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import SlicePlane
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.prompts import MaskPrediction, SlicePrompts
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.io.promptfile import PromptedObject


class Session(Protocol):
    """What is needed of a `model.session.SegmentationSession`."""

    def set_volume(self, volume: Volume) -> None:
        """Take slices from this volume from now on."""

    def predict(
        self, plane: SlicePlane, prompts: SlicePrompts, /, *, window: Window
    ) -> MaskPrediction:
        """Predict candidate masks for one slice, the most trusted first."""


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
        Slices on which it was predicted.
    """

    structure: str
    label: int
    voxels: int
    volume_mm3: float
    predicted_iou: float
    slices: int


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


def segment_objects(
    volume: Volume,
    objects: Sequence[PromptedObject],
    session: Session,
    window: Window,
    progress: Callable[[int, int], None] | None = None,
) -> Segmentation:
    """Segment objects on the slices that they are prompted on.

    Parameters
    ----------
    volume : Volume
        The image.
    objects : sequence of PromptedObject
        Written in this order; a voxel of an earlier object is not overwritten.
    session : Session
        A loaded model.
    window : Window
        Maps the intensities to what the model sees.
    progress : callable or None
        Called with the predictions done and all of them, after each.

    Raises
    ------
    InputError
        If an object is to be followed through the volume, which this version
        cannot do, or a prompt lies outside of the image.
    """
    check_objects(objects)
    session.set_volume(volume)
    labels = np.zeros(volume.geometry.shape, np.uint8)
    total = sum(len(each.prompts) for each in objects)
    results: list[ObjectResult] = []
    figures: list[_Figures] = []
    for each in objects:
        voxels, before = 0, len(figures)
        for prompts in each.prompts:
            plane = volume.geometry.plane(*prompts.key)
            prediction = session.predict(plane, prompts, window=window)
            view = plane.take(labels)
            free = prediction.masks[0] & (view == BACKGROUND)
            view[free] = each.structure.label
            voxels += int(np.count_nonzero(free))
            figures.append(_Figures.of(prediction))
            if progress is not None:
                progress(len(figures), total)
        results.append(_result(each, figures[before:], voxels, volume))
    return Segmentation(
        labels,
        tuple(results),
        encode_seconds=sum(each.encode_ms for each in figures) / 1e3,
        decode_seconds=sum(each.decode_ms for each in figures) / 1e3,
    )


class _Figures(NamedTuple):
    """What is kept of a prediction once its mask is written."""

    predicted_iou: float
    encode_ms: float
    decode_ms: float

    @classmethod
    def of(cls, prediction: MaskPrediction) -> _Figures:
        return cls(
            float(prediction.predicted_iou[0]),
            prediction.encode_ms or 0.0,
            prediction.decode_ms,
        )


def check_objects(objects: Sequence[PromptedObject]) -> None:
    """Refuse what this version cannot do, before a model is loaded.

    Raises
    ------
    InputError
        If an object is to be propagated.
    """
    for each in objects:
        if each.propagate:
            raise InputError(
                f"The object {each.structure.name} is to be propagated, which is not "
                "available in this version: prompt every slice that you need."
            )


def _result(
    prompted: PromptedObject,
    figures: Sequence[_Figures],
    voxels: int,
    volume: Volume,
) -> ObjectResult:
    return ObjectResult(
        structure=prompted.structure.name,
        label=prompted.structure.label,
        voxels=voxels,
        volume_mm3=voxels * float(np.prod(volume.geometry.spacing)),
        predicted_iou=float(np.mean([each.predicted_iou for each in figures])),
        slices=len({prompts.key for prompts in prompted.prompts}),
    )
