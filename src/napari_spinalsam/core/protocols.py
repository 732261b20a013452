"""What the rest of the program expects of a model: numpy in, numpy out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import SlicePlane
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.prompts import MaskPrediction, SlicePrompts
    from napari_spinalsam.core.results import (
        Direction,
        FoundStructure,
        Progress,
        Propagated,
        Seed,
        SliceKey,
        VolumeMask,
    )
    from napari_spinalsam.core.volume import Volume


class ModelDescription(Protocol):
    """What a model tells of itself, such as `model.backend.ModelRecord`."""

    @property
    def sha256(self) -> str:
        """Checksum of the weights file, hexadecimal."""

    @property
    def name(self) -> str:
        """Name of the weights."""

    @property
    def adapter(self) -> str:
        """Name of the adapter on top of them, or the empty string."""

    @property
    def adapter_sha256(self) -> str:
        """Checksum of the adapter's file, hexadecimal, or the empty string."""


class VolumePredictor(Protocol):
    """A model with an image set that knows more than single slices."""

    @property
    def record(self) -> ModelDescription:
        """Where the model comes from."""

    def propagate(
        self,
        seeds: Mapping[SliceKey, Seed],
        *,
        window: Window,
        direction: Direction = "both",
        slices: int | None = None,
    ) -> Iterator[Propagated]:
        """Carry one structure through the volume."""

    def find_structures(
        self,
        names: Sequence[str],
        *,
        window: Window,
        anchors: Mapping[str, Mapping[SliceKey, Seed]] | None = None,
    ) -> Iterator[Progress | FoundStructure]:
        """Find structures by name along the spine."""


class Predictor(Protocol):
    """A model with an image set, such as `model.session.SegmentationSession`."""

    def predict(
        self,
        plane: SlicePlane,
        prompts: SlicePrompts,
        /,
        *,
        window: Window,
        mask_input: NDArray[np.float32] | None = None,
        start: NDArray[np.bool_] | None = None,
    ) -> MaskPrediction:
        """Predict candidate masks for one slice.

        Parameters
        ----------
        plane : SlicePlane
            The slice.
        prompts : SlicePrompts
            What to segment; without a mask to start from, something that says what is
            meant, such as a box or a positive point.
        window : Window
            How to map the intensities.
        mask_input : ndarray of float32, shape (height, width), or None
            Low-res logits of the mask that is to be refined.
        start : ndarray of bool, shape (rows, cols), or None
            The label that is to be corrected, where there are no such logits.
        """


class WholePredictor(Predictor, VolumePredictor, Protocol):
    """A model that knows slices and whole objects."""


class NamedPredictor(Predictor, Protocol):
    """A predictor that tells which model it is."""

    @property
    def record(self) -> ModelDescription:
        """Where the model comes from."""


class Session(Protocol):
    """What is needed of a `model.session.SegmentationSession`."""

    @property
    def record(self) -> ModelDescription:
        """Where the model comes from."""

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
