"""PNG, JPEG and TIFF: pictures and stacks, which mostly tell no place."""

from __future__ import annotations

import logging
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from PIL import Image, ImageSequence
from PIL.PngImagePlugin import PngInfo

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Known
from napari_spinalsam.core.messages import msg
from napari_spinalsam.core.volume import FileGrid
from napari_spinalsam.io._base import StoredImage, damaged
from napari_spinalsam.io.formats import FileFormat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    MemoryError,
    struct.error,
    Image.DecompressionBombError,
)
MILLIMETRES_PER_INCH = 25.4
# Resolutions in dots per inch that programs write without being asked, as close as the
# whole pixels per metre of a PNG bring them.
OF_SCREENS_AND_PRINTERS = (72, 96, 100, 150, 200, 300, 600, 1200)
DPI_TOLERANCE = 2e-3
LEAST_PIXEL_MM, LARGEST_PIXEL_MM = 0.05, 5.0
# Marks pictures of this program, whose resolution is the size of the pixels.
SOFTWARE = "napari-spinalsam"
UNREADABLE_TIFF = (
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


def flat_grid(shape: tuple[int, ...], spacing: Sequence[float | None]) -> FileGrid:
    """Return the grid of a picture or stack that has no place in the world.

    Parameters
    ----------
    shape : tuple of int
        (columns, rows) or (columns, rows, slices).
    spacing : sequence of float or None
        Millimetres along columns, rows and slices; None where the file does not tell,
        for which 1 mm stands in.

    Returns
    -------
    FileGrid
        Its axes grow to the left, to posterior and to inferior, so that the
        picture is shown as it is stored. Which way they point in the patient is not
        known.
    """
    told = all(size is not None for size in spacing[: len(shape)])
    x, y, z = (1.0 if size is None else size for size in spacing)
    known = Known.SPACING if told else Known(0)
    return FileGrid(shape, np.diag([-x, -y, -z, 1.0]), known)


def read_picture(path: Path) -> StoredImage:
    """Read a grey PNG or JPEG.

    Parameters
    ----------
    path : Path
        A .png, .jpg or .jpeg file. The pixel size is taken from its resolution,
        unless that is one which programs write by themselves; see `pixel_mm`.

    Returns
    -------
    StoredImage
        Array (columns, rows).

    Raises
    ------
    InputError
        If it is damaged or in colour.
    """
    try:
        with Image.open(path) as image:
            wide = "16" in str(image.tile[0].args) if image.tile else False
            pixels, spacing = as_array(image), _stated_spacing(image)
    except UNREADABLE as error:
        raise InputError(damaged(path, FileFormat.PICTURE)) from error
    if wide and pixels.dtype == np.uint8:
        raise InputError(
            msg(
                "{name} has 16-bit colours, of which only half would be read: "
                "convert it to 16-bit grayscale.",
                name=path.name,
            )
        )
    grey = as_grey(pixels, path)
    return StoredImage(grey.T, flat_grid(grey.T.shape, (*spacing, 1.0)))


def as_array(image: Image.Image) -> NDArray[Any]:
    """Return the pixels of a Pillow image, colours of a palette looked up."""
    if image.mode in {"P", "PA"}:
        return np.asarray(image.convert("RGBA"))
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8)
    if image.mode == "CMYK" or image.mode == "YCbCr":
        return np.asarray(image.convert("RGB"))
    return np.asarray(image)


def as_grey(pixels: NDArray[Any], path: Path) -> NDArray[Any]:
    """Return grey pixels without the channels that add nothing.

    Parameters
    ----------
    pixels : ndarray, shape (..., rows, columns) or (rows, columns, channels)
        Two axes are grey already; otherwise grey and alpha, RGB or RGBA.
    path : Path
        Names the file in the error.

    Raises
    ------
    InputError
        If the colours differ from each other.
    """
    if pixels.ndim == 2:
        return pixels
    colours = pixels[..., : 1 if pixels.shape[-1] == 2 else 3]
    if (colours != colours[..., :1]).any():
        raise InputError(
            msg(
                "{name} is in colour: convert it to grayscale, since colours "
                "have no order that a window could map.",
                name=path.name,
            )
        )
    return np.asarray(colours[..., 0])


def pixel_mm(dots_per_inch: float) -> float | None:
    """Return millimetres of a pixel from a resolution, None if it tells nothing.

    Parameters
    ----------
    dots_per_inch : float
        As a file states it. What screens and printers have is written by programs that
        know nothing of the patient, and so is what no image of a spine can have.
    """
    usual = any(
        abs(dots_per_inch / dpi - 1) < DPI_TOLERANCE for dpi in OF_SCREENS_AND_PRINTERS
    )
    if usual or not dots_per_inch > 0:
        return None
    mm = MILLIMETRES_PER_INCH / dots_per_inch
    return mm if LEAST_PIXEL_MM <= mm <= LARGEST_PIXEL_MM else None


def _stated_spacing(image: Image.Image) -> tuple[float | None, float | None]:
    """Return the size of a pixel in mm, None where the file does not state it."""
    if "dpi" not in image.info:
        return None, None
    x, y = image.info["dpi"]
    if image.info.get("Software") == SOFTWARE:  # never a default
        return MILLIMETRES_PER_INCH / float(x), MILLIMETRES_PER_INCH / float(y)
    return pixel_mm(float(x)), pixel_mm(float(y))


def write_png(path: Path, array: NDArray[Any], grid: FileGrid) -> None:
    """Write an array (columns, rows) of uint8, with the pixel size if it is known."""
    x, y = np.linalg.norm(grid.affine[:3, :2], axis=0)
    image = Image.fromarray(np.ascontiguousarray(array.T))
    options: dict[str, Any] = {}
    if Known.SPACING in grid.known:
        options["dpi"] = (MILLIMETRES_PER_INCH / x, MILLIMETRES_PER_INCH / y)
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Software", SOFTWARE)
    image.save(path, format="PNG", **options)


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
    except UNREADABLE_TIFF as error:
        raise InputError(damaged(path, FileFormat.TIFF)) from error
    if axes.startswith("S"):  # colours stored plane by plane
        pixels, axes = np.moveaxis(pixels, 0, -1), axes[1:] + "S"
    if axes.endswith("S"):
        pixels, axes = as_grey(pixels, path), axes[:-1]
    while axes[-1] not in "YX" and pixels.shape[-1] == 1:
        pixels, axes = pixels[..., 0], axes[:-1]
    if "C" in axes or any(n > 1 for n in pixels.shape[:-3]):
        raise InputError(
            msg(
                "{name} has the axes {axes} ({size}): save one channel and one "
                "time point as a stack of slices.",
                name=path.name,
                axes=axes,
                size=" x ".join(map(str, pixels.shape)),
            )
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
            msg(
                "{name} is a TIFF, which cannot hold the position of this "
                "volume: use a name that ends with .nii.gz, .nrrd or .mha.",
                name=path.name,
            )
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
