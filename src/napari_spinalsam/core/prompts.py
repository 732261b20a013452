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

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import SlicePlane


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
    """

    axis: int
    index: int
    points: tuple[PointPrompt, ...] = ()
    box: BoxPrompt | None = None

    @property
    def key(self) -> tuple[int, int]:
        """Axis and index, which name the slice."""
        return self.axis, self.index

    @property
    def is_empty(self) -> bool:
        """Whether there is neither a point nor a box."""
        return not self.points and self.box is None

    @property
    def asks_for_something(self) -> bool:
        """Whether a mask can be predicted: a box or a positive point."""
        return self.box is not None or any(
            point.polarity is Polarity.POSITIVE for point in self.points
        )

    def with_point(self, point: PointPrompt) -> SlicePrompts:
        """Return a copy with one more point."""
        return replace(self, points=(*self.points, point))

    def with_box(self, box: BoxPrompt | None) -> SlicePrompts:
        """Return a copy with this box instead of the present one."""
        return replace(self, box=box)

    def without_points(self) -> SlicePrompts:
        """Return a copy without points."""
        return replace(self, points=())

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
        coordinates = [(point.row, point.col, "point") for point in self.points]
        if self.box is not None:
            coordinates.append((self.box.row_min, self.box.col_min, "box corner"))
            coordinates.append((self.box.row_max, self.box.col_max, "box corner"))
        rows, cols = plane.shape
        for row, col, what in coordinates:
            inside = -0.5 <= row <= rows - 0.5 and -0.5 <= col <= cols - 0.5
            if not (math.isfinite(row) and math.isfinite(col) and inside):
                raise InputError(
                    f"The {what} at row {row:g}, column {col:g} lies outside of the "
                    f"{rows} x {cols} slice {self.index}: place it inside the image."
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
    """

    masks: NDArray[np.bool_]
    predicted_iou: NDArray[np.float32]
    low_res_logits: NDArray[np.float32]
    encode_ms: float | None
    decode_ms: float
