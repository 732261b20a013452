"""What an image is recognised by, wherever its file lies and whatever it is called."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.volume import Modality, Volume

SHOWN_DIGITS = 12


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image without its voxels.

    Parameters
    ----------
    name : str
        A short name to show; never a path.
    modality : {"CT", "MR", "unknown"}
        What the intensities mean.
    sha256 : str
        Checksum of the voxels (z, y, x) as numbers, hexadecimal: the same whether a
        reader gives them as int16 or as float32.
    geometry : Geometry
        The grid.
    """

    name: str
    modality: Modality
    sha256: str
    geometry: Geometry

    @classmethod
    def of(cls, volume: Volume) -> ImageReference:
        """Read all voxels of a volume."""
        digest = hashlib.sha256(str(volume.data.shape).encode())
        with np.errstate(over="ignore"):  # a float64 too large for float32
            for part in volume.data:
                digest.update(np.ascontiguousarray(part, dtype="<f4").data)
        name = PureWindowsPath(PurePosixPath(volume.name).name).name
        return cls(name, volume.modality, digest.hexdigest(), volume.geometry)

    def check_same(self, other: ImageReference, file: str) -> None:
        """Refuse another image than the one that a file was made on.

        Raises
        ------
        InputError
            If voxels or grid differ; the sentence names both images.
        """
        same_grid = self.geometry.same_grid(other.geometry)
        if same_grid and self.sha256 == other.sha256:
            return
        shape = " x ".join(map(str, self.geometry.shape))
        if same_grid:
            why = "which has the same grid but other voxels"
        elif self.geometry.shape == other.geometry.shape:
            why = "which lies elsewhere or has another spacing"
        else:
            found = " x ".join(map(str, other.geometry.shape))
            why = f"which has {found} voxels instead of {shape}"
        raise InputError(
            f"{file} was made on {self}, not on {other}, {why}: open the image that it "
            "was made on."
        )

    def __str__(self) -> str:
        """Return name and first digits of the checksum."""
        return f"{self.name} (sha256 {self.sha256[:SHOWN_DIGITS]})"
