"""Prompts on one slice, and what a model answers to them.

In-plane coordinates are (row, col) pixels of the slice; whole numbers are pixel
centres. SAM's (x, y) order exists only inside the model package.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import msg, msgc

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import SlicePlane

_POINT, _CORNER = msgc("prompt", "point"), msgc("prompt", "box corner")
_SCRIBBLE, _LASSO = msgc("prompt", "scribble"), msgc("prompt", "lasso")
# To which hand-drawn places are kept.
PARTS_OF_PIXEL = 256


class Polarity(StrEnum):
    """Whether a point belongs to the structure or must stay outside of it."""

    POSITIVE = "positive"
    NEGATIVE = "negative"


@dataclass(frozen=True, slots=True)
class PointPrompt:
    """A point in a slice.

    Parameters
    ----------
    row, col : float
        Position in pixels; whole numbers are pixel centres.
    polarity : Polarity
        Positive inside the structure, negative outside of it.
    """

    row: float
    col: float
    polarity: Polarity = Polarity.POSITIVE


@dataclass(frozen=True, slots=True)
class BoxPrompt:
    """A rectangle around a structure in a slice, both corners included.

    Parameters
    ----------
    row_min, col_min, row_max, col_max : float
        Corners in pixels, at pixel centres; exchanged where they are in the
        wrong order.
    """

    row_min: float
    col_min: float
    row_max: float
    col_max: float

    def __post_init__(self) -> None:
        rows = sorted((self.row_min, self.row_max))
        cols = sorted((self.col_min, self.col_max))
        for name, value in zip(
            ("row_min", "row_max", "col_min", "col_max"), (*rows, *cols), strict=True
        ):
            object.__setattr__(self, name, float(value))


@dataclass(frozen=True, slots=True)
class ScribblePrompt:
    """A line drawn by hand in a slice.

    Parameters
    ----------
    path : tuple of tuple of float
        (row, col) pixels in the order in which they were drawn, at least two; kept to
        1/256 of a pixel, which a layer's single precision holds too.
    polarity : Polarity
        Positive inside the structure, negative outside of it.

    Raises
    ------
    InputError
        If there are fewer than two places.
    """

    path: tuple[tuple[float, float], ...]
    polarity: Polarity = Polarity.POSITIVE

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", _places(self.path, 2, msg("A scribble")))


@dataclass(frozen=True, slots=True)
class LassoPrompt:
    """An outline drawn by hand around a structure in a slice.

    Parameters
    ----------
    outline : tuple of tuple of float
        (row, col) pixels, at least three; the last one is joined to the first. Kept
        to 1/256 of a pixel.

    Raises
    ------
    InputError
        If there are fewer than three places.
    """

    outline: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "outline", _places(self.outline, 3, msg("A lasso")))

    @property
    def box(self) -> BoxPrompt:
        """The smallest box around the outline."""
        rows, cols = zip(*self.outline, strict=True)
        return BoxPrompt(min(rows), min(cols), max(rows), max(cols))


def _places(
    places: tuple[tuple[float, float], ...], least: int, what: str
) -> tuple[tuple[float, float], ...]:
    if len(places) < least:
        raise InputError(
            msg(
                "{what} needs at least {least} places, not {count}: draw it longer.",
                what=what,
                least=least,
                count=len(places),
            )
        )
    return tuple((_rounded(row), _rounded(col)) for row, col in places)


def _rounded(place: float) -> float:
    return round(float(place) * PARTS_OF_PIXEL) / PARTS_OF_PIXEL


@dataclass(frozen=True, slots=True)
class SlicePrompts:
    """All prompts of one structure on one slice of a volume.

    Parameters
    ----------
    axis : int
        Array axis (of z, y, x) that the slice is perpendicular to.
    index : int
        Position of the slice on that axis.
    points : tuple of PointPrompt
        Points in the order in which they were set.
    box : BoxPrompt or None
        At most one box.
    scribbles : tuple of ScribblePrompt
        Scribbles in the order in which they were drawn.
    lasso : LassoPrompt or None
        At most one lasso; the mask does not go beyond it, see `core.refinement`.
    """

    axis: int
    index: int
    points: tuple[PointPrompt, ...] = ()
    box: BoxPrompt | None = None
    scribbles: tuple[ScribblePrompt, ...] = ()
    lasso: LassoPrompt | None = None

    @property
    def key(self) -> tuple[int, int]:
        """Axis and index, which name the slice."""
        return self.axis, self.index

    @property
    def is_empty(self) -> bool:
        """Whether there is no prompt at all."""
        return self.count == 0

    @property
    def count(self) -> int:
        """How many prompts there are."""
        areas = (self.box is not None) + (self.lasso is not None)
        return len(self.points) + len(self.scribbles) + areas

    @property
    def asks_for_something(self) -> bool:
        """Whether they say what is meant: a box, a lasso or something positive."""
        if self.box is not None or self.lasso is not None:
            return True
        polarities = [point.polarity for point in self.points]
        polarities += [scribble.polarity for scribble in self.scribbles]
        return Polarity.POSITIVE in polarities

    @property
    def is_drawn(self) -> bool:
        """Whether there is a scribble or a lasso."""
        return bool(self.scribbles) or self.lasso is not None

    def extends(self, earlier: SlicePrompts) -> bool:
        """Whether these are the earlier prompts of the same slice and more.

        False where a prompt was moved, exchanged or removed, or nothing is new.
        """
        return (
            self != earlier
            and self.key == earlier.key
            and self.points[: len(earlier.points)] == earlier.points
            and self.scribbles[: len(earlier.scribbles)] == earlier.scribbles
            and earlier.box in (None, self.box)
            and earlier.lasso in (None, self.lasso)
        )

    def with_point(self, point: PointPrompt) -> SlicePrompts:
        """Return a copy with one more point."""
        return replace(self, points=(*self.points, point))

    def with_box(self, box: BoxPrompt | None) -> SlicePrompts:
        """Return a copy with this box instead of the present one."""
        return replace(self, box=box)

    def with_scribble(self, scribble: ScribblePrompt) -> SlicePrompts:
        """Return a copy with one more scribble."""
        return replace(self, scribbles=(*self.scribbles, scribble))

    def with_lasso(self, lasso: LassoPrompt | None) -> SlicePrompts:
        """Return a copy with this lasso instead of the present one."""
        return replace(self, lasso=lasso)

    def without_points(self) -> SlicePrompts:
        """Return a copy without points."""
        return replace(self, points=())

    def without_scribbles(self) -> SlicePrompts:
        """Return a copy without scribbles."""
        return replace(self, scribbles=())

    def check_inside(self, plane: SlicePlane) -> None:
        """Refuse prompts that lie outside of the slice.

        Parameters
        ----------
        plane : SlicePlane
            The slice that the prompts are meant for.

        Raises
        ------
        InputError
            If a coordinate is not finite or more than half a pixel outside.
        """
        coordinates = [(point.row, point.col, _POINT) for point in self.points]
        if self.box is not None:
            coordinates.append((self.box.row_min, self.box.col_min, _CORNER))
            coordinates.append((self.box.row_max, self.box.col_max, _CORNER))
        for scribble in self.scribbles:
            coordinates += [(*place, _SCRIBBLE) for place in scribble.path]
        if self.lasso is not None:
            coordinates += [(*place, _LASSO) for place in self.lasso.outline]
        rows, cols = plane.shape
        for row, col, what in coordinates:
            inside = -0.5 <= row <= rows - 0.5 and -0.5 <= col <= cols - 0.5
            if not (math.isfinite(row) and math.isfinite(col) and inside):
                raise InputError(
                    msg(
                        "The {what} at row {row:g}, column {col:g} lies outside of the "
                        "{rows} x {cols} slice {index}: place it inside the image.",
                        what=what,
                        row=row,
                        col=col,
                        rows=rows,
                        cols=cols,
                        index=self.index,
                    )
                )


@dataclass(frozen=True, slots=True)
class MaskPrediction:
    """Candidate masks for one slice, the most trusted first.

    Parameters
    ----------
    masks : ndarray of bool, shape (n, rows, cols)
        Candidates on the grid of the slice, sorted by predicted IoU.
    predicted_iou : ndarray of float32, shape (n,)
        The model's own estimate of each candidate's IoU, 0 to 1.
    low_res_logits : ndarray of float32, shape (n, height, width)
        Values before the threshold on the model's grid; `mask_input` of a
        following prediction for the same slice, window and model.
    encode_ms : float or None
        Time spent on the image embedding; None if it was at hand.
    decode_ms : float
        Time from the embedding to the masks.
    remarks : tuple of str
        Sentences on what the model was not made for and saw all the same.
    pixel_mm : float or None
        The pixel size that was taken because the image does not tell it; else None.
    """

    masks: NDArray[np.bool_]
    predicted_iou: NDArray[np.float32]
    low_res_logits: NDArray[np.float32]
    encode_ms: float | None
    decode_ms: float
    remarks: tuple[str, ...] = ()
    pixel_mm: float | None = None
