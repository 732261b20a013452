"""A volume of bright balls, and a network that sees nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.intensity import Window
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.model.backends.base import DenseVotes, ModelRecord
from napari_spinalsam.model.session import SegmentationSession

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.core.prompts import SlicePrompts

WINDOW = Window(level=0.5, width=1.0)
SHAPE = (60, 50, 20)
SPACING = (1.5, 1.0, 3.0)
RADIUS_MM = 9.0


def ball_volume(
    centres_mm: list[tuple[float, float, float]],
    shape: tuple[int, int, int] = SHAPE,
    spacing: tuple[float, float, float] = SPACING,
    radius_mm: float = RADIUS_MM,
) -> Volume:
    """Return balls of 1 in 0 around positions in mm along (z, y, x)."""
    data = np.zeros(shape, np.float32)
    for centre in centres_mm:
        data[ball(centre, shape, spacing, radius_mm)] = 1
    return Volume.from_geometry(data, Geometry.from_spacing(shape, spacing))


def ball(
    centre_mm: tuple[float, float, float],
    shape: tuple[int, int, int] = SHAPE,
    spacing: tuple[float, float, float] = SPACING,
    radius_mm: float = RADIUS_MM,
) -> NDArray[np.bool_]:
    """Return the voxels of one ball."""
    grid = np.indices(shape).astype(float)
    return sum(
        (axis * step - at) ** 2
        for axis, step, at in zip(grid, spacing, centre_mm, strict=True)
    ) <= np.float64(radius_mm**2)


@dataclass(frozen=True)
class SeenSlice:
    image: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        return int(self.image.nbytes)


@dataclass
class PromptedBalls:
    """Answers a box, or a point, with the bright pixels of the ball that it means."""

    record: ModelRecord = field(
        default_factory=lambda: ModelRecord(ModelIdentity("", "balls"), "none", "", 0)
    )
    device: str = "cpu"

    def encode(self, stack: Any, spacing: tuple[float, float]) -> SeenSlice:
        return SeenSlice(stack[1])

    def decode(self, embedding: SeenSlice, given: SlicePrompts, mask_input: Any) -> Any:
        parts, _ = ndimage.label(embedding.image > 0.5)
        inside = np.zeros(parts.shape, bool)
        if given.box is not None:
            box = given.box
            rows = slice(round(box.row_min), round(box.row_max) + 1)
            inside[rows, round(box.col_min) : round(box.col_max) + 1] = True
        else:
            point = given.points[0]
            inside[round(point.row), round(point.col)] = True
        counts = np.bincount(parts[inside], minlength=1)
        counts[0] = 0
        mask = (parts == counts.argmax()) & (counts.max() > 0)
        iou = np.array([0.9 if mask.any() else 0.1], np.float32)
        return mask[None], iou, np.zeros((1, 4, 4), np.float32)

    def to_low_res(self, embedding: SeenSlice, logits: Any) -> NDArray[np.float32]:
        return np.asarray(logits, np.float32)


@dataclass
class VotingBalls(PromptedBalls):
    """Votes in every bright pixel for the middle of its part of the slice."""

    pixel_mm: float = 1.0
    voted: int = 0

    def votes(self, images: NDArray[np.float32]) -> DenseVotes:
        self.voted += len(images)
        cells = images[:, 1].reshape(
            len(images), images.shape[2] // 2, 2, images.shape[3] // 2, 2
        )
        bright = cells.mean((2, 4))
        centres = np.zeros((len(images), 2, *bright.shape[1:]), np.float32)
        for votes, image in zip(centres, bright, strict=True):
            parts, count = ndimage.label(image > 0.5)
            middles = ndimage.center_of_mass(image > 0.5, parts, range(1, count + 1))
            for number, middle in enumerate(middles, start=1):
                votes[:, parts == number] = np.array(middle)[:, None] * 2 + 0.5
        logits = np.where(bright > 0.5, 6, -6).astype(np.float32)
        return DenseVotes(logits, centres, np.full_like(logits, -6))


def session_on(volume: Volume, backend: PromptedBalls) -> SegmentationSession:
    """Return a session with the volume set."""
    session = SegmentationSession(backend)
    session.set_volume(volume)
    return session
