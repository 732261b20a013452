"""Image files as volumes in the canonical orientation, their values never wrapped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.intensity import check_image, fill_missing, guess_modality
from napari_spinalsam.core.messages import msg
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.io.formats import FileFormat, input_format, name_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.io._base import StoredImage


KEPT = tuple(np.dtype(name) for name in ("uint8", "int16", "uint16"))
# float32 holds every whole number up to here.
LARGEST_EXACT = 2**24
# What a scale factor of the header may leave of a whole number.
LABEL_TOLERANCE = 1e-3
# About so many voxels tell what kind of values an array holds.
SAMPLE = 65536


def to_intensities(array: NDArray[Any]) -> NDArray[Any]:
    """Return intensities in a small type that holds them.

    Parameters
    ----------
    array : ndarray, shape (i, j) or (i, j, k)
        Values of an image file.

    Returns
    -------
    ndarray
        uint8, int16 and uint16 unchanged; otherwise int16 or uint16 where all
        values are whole and fit, else float32.

    Raises
    ------
    InputError
        If the array is no image, or a number does not fit.
    """
    check_image(array)
    if array.dtype in KEPT:
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    low, high = array.min(), array.max()
    whole = array.dtype.kind in "iu" or _is_whole(array)
    for dtype in (np.int16, np.uint16):
        if whole and np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return array.astype(dtype)
    limit = LARGEST_EXACT if array.dtype.kind in "iu" else np.finfo(np.float32).max
    extreme = max(high, -float(low), key=float)
    if extreme > limit:
        raise InputError(
            msg(
                "The image holds values as large as {extreme:g}, which cannot "
                "be kept exactly: rescale it or remove the outliers first.",
                extreme=float(extreme),
            )
        )
    return array.astype(np.float32)


def to_labels(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return labels as uint8, or uint16 where a value is above 255.

    Parameters
    ----------
    array : ndarray, any shape
        Values of a label file; decimal types may hold whole numbers only, give or
        take what a scale factor of the header leaves of them.
    name : str
        Names the file in the error.

    Raises
    ------
    InputError
        If a value is not whole, below 0 or above 65535.
    """
    if array.dtype.kind not in "iufb" or not array.size:
        raise InputError(
            msg("{name} holds no labels: open a file of whole numbers.", name=name)
        )
    if array.dtype.kind == "f":
        if not _is_whole(array, LABEL_TOLERANCE):
            bad = array[~_near_whole(array, LABEL_TOLERANCE)].flat[0]
            raise InputError(
                msg(
                    "{name} holds the value {bad:g}, which is no label: labels are "
                    "whole numbers, so use a file that was not interpolated.",
                    name=name,
                    bad=bad,
                )
            )
        array = np.rint(array)
    low, high = array.min(), array.max()
    if low < 0 or high > np.iinfo(np.uint16).max:
        raise InputError(
            msg(
                "{name} holds the value {value:g}, which is no label: labels "
                "are whole numbers from 0 to 65535.",
                name=name,
                value=low if low < 0 else high,
            )
        )
    return array.astype(np.uint8 if high <= np.iinfo(np.uint8).max else np.uint16)


def sample_of(array: NDArray[Any]) -> NDArray[Any]:
    """Return voxels at even distances, about `SAMPLE` of them, as a view."""
    step = max(1, round((array.size / SAMPLE) ** (1 / array.ndim)))
    return array[(slice(None, None, step),) * array.ndim]


def counts_of(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return how often each value from 0 on occurs, slice by slice to save memory."""
    counts = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
    slowest = int(np.argmax(np.abs(labels.strides)))
    for part in np.moveaxis(labels, slowest, 0):
        counts += np.bincount(part.ravel(order="K"), minlength=len(counts))
    return counts


def _is_whole(array: NDArray[Any], tolerance: float = 0.0) -> bool:
    """Whether all values are finite whole numbers, looked at slice by slice."""
    return all(bool(_near_whole(part, tolerance).all()) for part in array)


def _near_whole(array: NDArray[Any], tolerance: float) -> NDArray[np.bool_]:
    """Return where values are finite and no further than that from a whole number."""
    with np.errstate(invalid="ignore"):
        near = np.abs(array - np.rint(array)) <= tolerance
    return np.asarray(np.isfinite(array) & near)


def read_stored(path: Path) -> StoredImage:
    """Read any supported file.

    Parameters
    ----------
    path : Path
        NIfTI, NRRD, MetaImage, PNG, JPEG or TIFF, with its usual suffix.

    Raises
    ------
    InputError
        If the file is missing, empty, damaged, in colour, has a fourth axis, a
        spacing of zero, or a format that is not read.
    """
    kind = input_format(path)
    # Each reader is a heavy import of its own.
    if kind is FileFormat.NIFTI:
        from napari_spinalsam.io._nifti import read_nifti

        return read_nifti(path)
    if kind is FileFormat.ITK:
        from napari_spinalsam.io._itk import read_itk

        return read_itk(path)
    if kind is FileFormat.TIFF:
        from napari_spinalsam.io._raster import read_tiff

        return read_tiff(path)
    from napari_spinalsam.io._raster import read_picture

    return read_picture(path)


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
