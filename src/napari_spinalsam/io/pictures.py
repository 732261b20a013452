"""PNG and JPEG pictures, through Pillow; grey only."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Known
from napari_spinalsam.core.volume import FileGrid
from napari_spinalsam.io.formats import FileFormat
from napari_spinalsam.io.stored import StoredImage, damaged

if TYPE_CHECKING:
    from collections.abc import Sequence
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
            f"{path.name} has 16-bit colours, of which only half would be read: "
            "convert it to 16-bit grayscale."
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
            f"{path.name} is in colour: convert it to grayscale, since colours have "
            "no order that a window could map."
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
