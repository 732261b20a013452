"""What the rest of the program expects of a model: numpy in, numpy out."""

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
        Direction,
        FoundStructure,
        Progress,
        Propagated,
        Seed,
        SliceKey,
        VolumeMask,
    )
    from napari_spinalsam.core.volume import Volume


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model this is: the weights, and the adapter on top of them.

    Parameters
    ----------
    sha256 : str
        Checksum of the weights file, hexadecimal; empty if it is not known.
    name : str
        Name of the weights: that in the registry, or the stem of the user's own file.
    adapter, adapter_sha256 : str
        Name and checksum of the adapter on top of them; empty without one.
    """

    sha256: str
    name: str = ""
    adapter: str = ""
    adapter_sha256: str = ""

    @property
    def key(self) -> str:
        """What the model is known by: the same for the same weights and adapter."""
        parts = (self.sha256, self.adapter, self.adapter_sha256)
        return "+".join(part for part in parts if part)

    @property
    def title(self) -> str:
        """Name of the model, with that of the adapter on top of it."""
        return f"{self.name} + {self.adapter}" if self.adapter else self.name

    def has_weights_of(self, other: ModelIdentity) -> bool:
        """Whether both are known to be the same model with the same adapter."""
        adapters = {self.adapter_sha256, other.adapter_sha256} - {""}
        return (
            bool(self.sha256)
            and (self.sha256, self.adapter) == (other.sha256, other.adapter)
            and len(adapters) < 2
        )

    def __str__(self) -> str:
        """Return the names, with the first digits of the checksums."""
        parts = ((self.name, self.sha256), (self.adapter, self.adapter_sha256))
        named = [
            f"{name or 'a model'} ({digest[:12] or 'no checksum'})"
            for name, digest in parts
            if name or digest
        ]
        return " + ".join(named) or "an unknown model"


class Predictor(Protocol):
    """A model with an image set, such as `model.session.SegmentationSession`."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model it is."""

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
        """Predict candidate masks for one slice, the most trusted first.

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


class VolumePredictor(Predictor, Protocol):
    """A model that knows more than single slices."""

    def propagate(
        self,
        seeds: Mapping[SliceKey, Seed],
        *,
        window: Window,
        direction: Direction = "both",
        slices: int | None = None,
    ) -> Iterator[Propagated]:
        """Propagate one structure through the volume."""

    def find_structures(
        self,
        names: Sequence[str],
        *,
        window: Window,
        anchors: Mapping[str, Mapping[SliceKey, Seed]] | None = None,
    ) -> Iterator[Progress | FoundStructure]:
        """Find structures by name along the spine."""


class Session(VolumePredictor, Protocol):
    """A loaded model that takes one volume after the other, many objects at once."""

    @property
    def pixel_mm(self) -> float | None:
        """Pixels on which the network votes without a prompt; None if it cannot."""

    def set_volume(self, volume: Volume) -> None:
        """Take slices from this volume from now on."""

    def choose_pixel_mm(
        self, prompts: Sequence[SlicePrompts], window: Window
    ) -> float | None:
        """Choose one pixel size for a picture that does not tell it."""

    def propagate_all(
        self, objects: Sequence[Mapping[SliceKey, Seed]], *, window: Window
    ) -> Iterator[Progress | list[VolumeMask]]:
        """Propagate structures through the volume, competing for voxels."""
