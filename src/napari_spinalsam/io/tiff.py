"""TIFF images and stacks, through tifffile; grey only."""

from __future__ import annotations

import logging
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from PIL import Image, ImageSequence

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Known
from napari_spinalsam.io.formats import FileFormat
from napari_spinalsam.io.pictures import (
    MILLIMETRES_PER_INCH,
    as_array,
    as_grey,
    flat_grid,
    pixel_mm,
)
from napari_spinalsam.io.stored import StoredImage, damaged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_spinalsam.core.volume import FileGrid

UNREADABLE = (
    tifffile.TiffFileError,
    OSError,
    EOFError,
    ValueError,
    IndexError,
    KeyError,
    MemoryError,
    struct.error,
)
MILLIMETRES = {
    "inch": 25.4,
    "cm": 10.0,
    "mm": 1.0,
    "micron": 0.001,
    "um": 0.001,
    "µm": 0.001,  # the micro sign, and the Greek letter below
    "μm": 0.001,
    "\\u00b5m": 0.001,
}
RESOLUTION_UNIT = {2: "inch", 3: "cm"}
SLICE_SPACING = "slice_spacing_mm"


def read_tiff(path: Path) -> StoredImage:
    """Read a grey TIFF image or a stack of them.

    Parameters
    ----------
    path : Path
        A .tif or .tiff file. The pixel size comes from its resolution, the
        distance of slices from ImageJ's description.

    Returns
    -------
    StoredImage
        Array (columns, rows) or (columns, rows, slices). Further axes of length 1 are
        kept in the grid.

    Raises
    ------
    InputError
        If it is damaged, in colour, or has channels or a fourth axis.
    """
    try:
        with _errors_raised(), tifffile.TiffFile(path) as file:
            series = file.series[0]
            axes, spacing = series.axes, _spacing(file)
            _check_whole(file, series)
            packed = file.pages.first.compression
            pixels = _pixels(path, series, packed=packed)
    except UNREADABLE as error:
        raise InputError(damaged(path, FileFormat.TIFF)) from error
    if axes.startswith("S"):  # colours stored plane by plane
        pixels, axes = np.moveaxis(pixels, 0, -1), axes[1:] + "S"
    if axes.endswith("S"):
        pixels, axes = as_grey(pixels, path), axes[:-1]
    while axes[-1] not in "YX" and pixels.shape[-1] == 1:
        pixels, axes = pixels[..., 0], axes[:-1]
    if "C" in axes or any(n > 1 for n in pixels.shape[:-3]):
        raise InputError(
            f"{path.name} has the axes {axes} ({' x '.join(map(str, pixels.shape))}): "
            "save one channel and one time point as a stack of slices."
        )
    array = pixels.transpose()
    return StoredImage(array.reshape(array.shape[:3]), flat_grid(array.shape, spacing))


class _Raise(logging.Handler):
    """Turns a logged error into a raised one."""

    def emit(self, record: logging.LogRecord) -> None:
        raise tifffile.TiffFileError(record.getMessage())


@contextmanager
def _errors_raised() -> Iterator[None]:
    """Let tifffile fail where it would log an error and leave out pages."""
    logger, handler = logging.getLogger("tifffile"), _Raise(logging.ERROR)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _check_whole(file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> None:
    """Refuse a file that ends early, which tifffile would fill with zeros."""
    ends = [0]
    if series.dataoffset is not None:
        ends.append(series.dataoffset + series.nbytes)
    for page in series.pages:
        if page is not None:
            ends.extend(
                map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
            )
    if max(ends) > file.filehandle.size:
        raise EOFError(f"{max(ends)} bytes expected")


def _pixels(
    path: Path, series: tifffile.TiffPageSeries, *, packed: int
) -> NDArray[Any]:
    """Return the pixels; Pillow knows LZW, tifffile only with another package."""
    if packed not in (tifffile.COMPRESSION.LZW, tifffile.COMPRESSION.JPEG):
        return series.asarray()
    with Image.open(path) as image:
        frames = [as_array(frame) for frame in ImageSequence.Iterator(image)]
    return frames[0] if len(frames) == 1 else np.stack(frames)


def _spacing(file: tifffile.TiffFile) -> tuple[float | None, ...]:
    """Return millimetres along columns, rows and slices; None where not stated."""
    tags = file.pages.first.tags
    described = file.imagej_metadata or {}
    unit = described.get("unit") or RESOLUTION_UNIT.get(
        int(tags.valueof("ResolutionUnit", default=1)), ""
    )
    scale = MILLIMETRES.get(str(unit).lower())
    if scale is None:
        return None, None, None
    x, y = (
        _pixel_size(tags.valueof(name), scale)
        for name in ("XResolution", "YResolution")
    )
    if not described.get("unit"):  # per inch or centimetre, which defaults are too
        x, y = (mm and pixel_mm(MILLIMETRES_PER_INCH / mm) for mm in (x, y))
    slices = abs(float(described.get("spacing", 0))) * scale
    for own in file.shaped_metadata or ():
        slices = slices or float(own.get(SLICE_SPACING, 0))
    return x, y, slices or None


def _pixel_size(resolution: tuple[int, int] | None, scale: float) -> float | None:
    """Return millimetres of a pixel from a TIFF resolution in pixels per unit."""
    if resolution is None or 0 in resolution:
        return None
    return scale * resolution[1] / resolution[0]


def write_tiff(path: Path, array: NDArray[Any], grid: FileGrid) -> None:
    """Write an array (columns, rows[, slices]) for ImageJ, with its spacing.

    ImageJ knows no axis of length 1. An array that has one is written with its shape
    in the way of tifffile instead.

    Raises
    ------
    InputError
        If the grid is a volume with a place in the world, which TIFF cannot hold.
    """
    x, y, z = np.linalg.norm(grid.affine[:3, :3], axis=0)
    if array.ndim > 2 and Known.POSITION in grid.known:
        raise InputError(
            f"{path.name} is a TIFF, which cannot hold the position of this volume: "
            "use a name that ends with .nii.gz, .nrrd or .mha."
        )
    imagej = 1 not in array.shape[2:]
    described: dict[str, Any] = {"axes": "ZYX"[-array.ndim :]} if imagej else {}
    options: dict[str, Any] = {}
    if Known.SPACING in grid.known and imagej:
        described["unit"], options["resolution"] = "mm", (1 / x, 1 / y)
        if array.ndim == 3:
            described["spacing"] = float(z)
    elif Known.SPACING in grid.known:
        described[SLICE_SPACING] = float(z)
        options |= {"resolution": (10 / x, 10 / y), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(
        path,
        np.ascontiguousarray(array.transpose()),
        imagej=imagej,
        photometric="minisblack",
        metadata=described,
        **options,
    )
