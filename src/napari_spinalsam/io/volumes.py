"""Image files as volumes in the canonical orientation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_spinalsam.core.intensity import fill_missing, guess_modality
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.io.formats import name_of
from napari_spinalsam.io.stored import StoredImage, read_stored
from napari_spinalsam.io.values import to_intensities


def read_volume(path: str | Path) -> Volume:
    """Read an image with its geometry.

    Parameters
    ----------
    path : str or Path
        NIfTI, NRRD, MetaImage, PNG, JPEG or TIFF; grey, flat or a volume.

    Returns
    -------
    Volume
        Data (z, y, x) of uint8, int16, uint16 or float32 in the canonical
        orientation; its grid leads back to the file.

    Raises
    ------
    InputError
        If the file is missing, damaged or no grey image, or its geometry or
        intensities cannot be used.
    """
    path = Path(path)
    return volume_of(read_stored(path), path)


def volume_of(stored: StoredImage, path: Path) -> Volume:
    """Return what a file holds as an image; see `read_volume`."""
    intensities = to_intensities(fill_missing(stored.array, path.name))
    data = np.ascontiguousarray(stored.grid.to_canonical(intensities))
    return Volume(data, stored.grid, guess_modality(data), name_of(path))
