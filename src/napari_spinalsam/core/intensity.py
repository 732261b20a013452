"""Windows that map intensities to 0..1, and the check that an image can be used."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam.core.errors import InputError, InputWarning
from napari_spinalsam.core.messages import msg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_spinalsam.core.messages import Message
    from napari_spinalsam.core.volume import Modality

# Air is -1000 HU; MR and 8-bit pictures do not reach this far below zero.
AIR_LIKE_HU = -500
LARGEST_NUMBER = float(np.finfo(np.float32).max)
SMALLEST_WIDTH = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, slots=True)
class Window:
    """The range of intensities that is shown and given to the model.

    Parameters
    ----------
    level : float
        Middle of the range, in HU for CT and in stored units otherwise.
    width : float
        Extent of the range in the same unit, above zero.

    Raises
    ------
    InputError
        If a number is not finite or the width is not above zero.
    """

    level: float
    width: float

    def __post_init__(self) -> None:
        numbers = (float(self.level), float(self.width))
        if not all(math.isfinite(n) and abs(n) <= LARGEST_NUMBER for n in numbers):
            raise InputError(
                msg(
                    "A window of level {level:g} and width {width:g} is not "
                    "finite: give two ordinary numbers, such as 300 and 1500.",
                    level=self.level,
                    width=self.width,
                )
            )
        if numbers[1] < SMALLEST_WIDTH:
            raise InputError(
                msg(
                    "The window width {width:g} is not above zero: give the extent "
                    "of the range, such as 1500 for bone.",
                    width=self.width,
                )
            )
        object.__setattr__(self, "level", numbers[0])
        object.__setattr__(self, "width", numbers[1])

    def __str__(self) -> str:
        """Return level and width as people write them."""
        return f"{self.level:g}/{self.width:g}"

    @classmethod
    def from_limits(cls, low: float, high: float) -> Window:
        """Build the window that reaches from one intensity to a higher one."""
        return cls(level=(low + high) / 2, width=high - low)

    @property
    def limits(self) -> tuple[float, float]:
        """Intensities that become 0 and 1."""
        return self.level - self.width / 2, self.level + self.width / 2

    def apply(self, data: NDArray[Any]) -> NDArray[np.float32]:
        """Map intensities to 0..1 (equation 11 of the paper).

        ``clip((data - level + width / 2) / width, 0, 1)``, computed in float32 so
        that no integer type of a file can overflow.

        Parameters
        ----------
        data : ndarray of real numbers, any shape
            Finite intensities in the unit of the window. Not changed.

        Returns
        -------
        ndarray of float32, same shape
            0 at and below the lower limit, 1 at and above the upper one.
        """
        with np.errstate(over="ignore"):  # a float64 too large for float32 becomes 1
            mapped = np.array(data, dtype=np.float32)
            mapped -= np.float32(self.limits[0])
            mapped /= np.float32(self.width)
        return np.clip(mapped, 0.0, 1.0, out=mapped)


# Level and width in HU. Sources differ: for spine CT, about 50/250 is usual for soft
# tissue and 400/1800 for bone. "disc" is centred on disc tissue (60 to 80 HU) and kept
# wide enough for fat and calcification; "full" holds every value of 12-bit CT.
PRESETS: Mapping[str, Window] = MappingProxyType(
    {
        "bone": Window(level=300, width=1500),
        "soft_tissue": Window(level=40, width=400),
        "disc": Window(level=60, width=300),
        "lung": Window(level=-600, width=1500),
        "full": Window(level=1000, width=4096),
    }
)


def parse_window(text: str) -> Window:
    """Read a window as a person writes it.

    Parameters
    ----------
    text : str
        Name of a preset (any case, blanks or hyphens for the underscore), or level
        and width with a comma between: ``"300,1500"``.

    Raises
    ------
    InputError
        If it is neither.
    """
    name = "_".join(text.lower().replace("-", " ").replace("_", " ").split())
    if name in PRESETS:
        return PRESETS[name]
    try:
        level, width = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            msg(
                "{text!r} is no window: use {presets}, or a level and a width "
                "such as 300,1500.",
                text=text,
                presets=", ".join(PRESETS),
            )
        ) from None
    return Window(level, width)


def guess_modality(data: NDArray[Any]) -> Modality:
    """Tell CT by its air; for a file that does not say what it holds.

    Parameters
    ----------
    data : ndarray of real numbers, any shape

    Returns
    -------
    {"CT", "unknown"}
        "CT" if a voxel is at or below -500. Numbers alone never prove "MR": that
        comes from the file or the user, and is shown like "unknown".
    """
    return "CT" if data.size and data.min() <= AIR_LIKE_HU else "unknown"


def percentile_window(
    data: NDArray[Any], low: float = 0.5, high: float = 99.5
) -> Window:
    """Choose the window between two percentiles of the voxels above zero.

    Voxels at zero and below are background of an MR and would drag the lower limit
    down; they count only where nothing is above zero.

    Parameters
    ----------
    data : ndarray of real numbers, any shape
        Finite intensities, at least one.
    low, high : float
        Percentiles, 0 to 100.
    """
    foreground = data[data > 0]
    lower, upper = np.percentile(foreground if foreground.size else data, (low, high))
    if not upper - lower >= SMALLEST_WIDTH:  # all the same: any window shows it
        return Window(level=float(lower), width=1.0)
    return Window.from_limits(float(lower), float(upper))


def default_window(
    data: NDArray[Any], modality: Modality, trained: Window | None = None
) -> Window:
    """Choose the window for an image just opened.

    Parameters
    ----------
    data : ndarray of real numbers, any shape
        Finite intensities, at least one.
    modality : {"CT", "MR", "unknown"}
        What they mean.
    trained : Window or None
        The window in HU that the model was trained with, if it was one.

    Returns
    -------
    Window
        For CT that of the model, or the bone preset; else the percentile window.
    """
    if modality != "CT":
        return percentile_window(data)
    return trained or PRESETS["bone"]


def check_image(data: NDArray[Any]) -> None:
    """Refuse an array that is no image with one intensity at each voxel.

    Parameters
    ----------
    data : ndarray, shape (z, y, x) or (rows, cols)
        Any array that a file or a layer holds.

    Raises
    ------
    InputError
        If it has no voxels, a time or channel axis, colours, only one line of
        voxels, numbers that are not real, or voxels that are not finite.
    """
    shape = " x ".join(str(n) for n in data.shape)
    if data.size == 0:
        raise InputError(
            msg(
                "The image of shape {shape} holds no voxels: open the file "
                "that it came from again.",
                shape=shape,
            )
        )
    _check_axes(data, shape)
    if data.dtype.kind not in "iuf":
        raise InputError(
            msg(
                "The image holds {kind} instead of intensities: convert it to "
                "whole or decimal numbers first.",
                kind=_kind_in_words(data.dtype),
            )
        )
    if data.dtype.kind == "f":
        bad = data.size - int(np.count_nonzero(np.isfinite(data)))
        if bad:
            raise InputError(
                msg(
                    "The image is NaN or infinite at {bad} of {size} voxels: "
                    "replace them by the intensity of air or of the background.",
                    bad=bad,
                    size=data.size,
                )
            )


def fill_missing(data: NDArray[Any], name: str) -> NDArray[Any]:
    """Give voxels without a number, as beyond a field of view, the lowest intensity.

    A warning says so. What holds no number at all is left to `check_image`.

    Parameters
    ----------
    data : ndarray, any shape
        Not changed.
    name : str
        Begins the warning.
    """
    if data.dtype.kind != "f":
        return data
    missing = np.isnan(data)
    count = int(np.count_nonzero(missing))
    if count in (0, data.size):
        return data
    lowest = np.nanmin(data)
    warnings.warn(
        InputWarning(
            msg(
                "{name} has no number (NaN) at {count} of {size} voxels: they "
                "are taken as {lowest:g}, its lowest intensity.",
                name=name,
                count=count,
                size=data.size,
                lowest=lowest,
            )
        ),
        stacklevel=3,
    )
    return np.where(missing, lowest, data)


def _check_axes(data: NDArray[Any], shape: str) -> None:
    """Refuse colours, more than three axes, and a single line of voxels."""
    # Three axes are a volume: it may well have three or four sagittal slices.
    if data.ndim == 4 and data.shape[-1] in (3, 4):
        raise InputError(
            msg(
                "The image of shape {shape} is in colour (RGB or RGBA): "
                "convert it to grayscale first.",
                shape=shape,
            )
        )
    if data.ndim > 3:
        raise InputError(
            msg(
                "The image has {ndim} axes ({shape}): choose one time point or "
                "channel and open it as a volume with 3 axes.",
                ndim=data.ndim,
                shape=shape,
            )
        )
    if sum(n > 1 for n in data.shape) < 2:
        raise InputError(
            msg(
                "The image of shape {shape} is a single line of voxels: open "
                "an image with at least two rows and two columns.",
                shape=shape,
            )
        )


def _kind_in_words(dtype: np.dtype[Any]) -> Message:
    words = {"c": msg("complex numbers"), "b": msg("only true and false")}
    return words.get(dtype.kind, msg("values of the type {dtype}", dtype=dtype))
