"""Dense votes of the network in all three planes, joined on one grid of cells.

Slices of one plane alone tell two coordinates of the centre of each structure, and
are weak where they graze a surface. Every cell is seen in a sagittal, a coronal and an
axial slice: the logits of being bone or disc are averaged, and so are the two votes
that there are for each coordinate of the centre.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_spinalsam.model.region import CELL_PIXELS

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.model.backend import VotingBackend
    from napari_spinalsam.model.region import Region

BATCH = 8
# Pixels between a slice and the neighbours that the network sees beside it.
NEIGHBOUR_PIXELS = 3
# Logits from which a cell is bone, or disc; the network sees thin bone faintly.
BONE_THRESHOLD, DISC_THRESHOLD = -1.5, 0.0


@dataclass(frozen=True, slots=True, eq=False)
class VoteField:
    """What the network says of each cell of a region.

    Parameters
    ----------
    region : Region
        Where the cells lie.
    foreground : ndarray of float32, shape (z, y, x)
        Logits of bone of the spine.
    centres : ndarray of float32, shape (3, z, y, x)
        Position in mm of the centre of the structure that each cell belongs to.
    discs : ndarray of float32, shape (z, y, x), or None
        Logits of discs; None in a field that is of one kind alone.
    threshold : float
        Logit from which a cell is foreground.
    """

    region: Region
    foreground: NDArray[np.float32]
    centres: NDArray[np.float32]
    discs: NDArray[np.float32] | None = None
    threshold: float = BONE_THRESHOLD

    @property
    def by_kind(self) -> tuple[VoteField, ...]:
        """One field for each kind of structure, its logits as foreground."""
        bone = VoteField(self.region, self.foreground, self.centres)
        if self.discs is None:
            return (bone,)
        return bone, VoteField(
            self.region, self.discs, self.centres, threshold=DISC_THRESHOLD
        )


def gather_votes(
    backend: VotingBackend, volume: Volume, region: Region, window: Window
) -> Generator[float, None, VoteField]:
    """Encode a region slice by slice in all three planes.

    Yields
    ------
    float
        The part of the work that is done, after each few slices; the caller may
        stop there.

    Returns
    -------
    VoteField
        The joined votes.
    """
    image = region.image(volume, window)
    foreground, discs = (np.zeros(region.cells, np.float32) for _ in range(2))
    centres = np.zeros((3, *region.cells), np.float32)
    done, total = 0, sum(region.cells)
    for axis in range(3):
        row_axis, col_axis = (other for other in range(3) if other != axis)
        slices = _slices(image, axis)
        for start in range(0, region.cells[axis], BATCH):
            stop = min(start + BATCH, region.cells[axis])
            votes = backend.votes(slices[start:stop].numpy())
            at = (slice(None),) * axis + (slice(start, stop),)
            foreground[at] += np.moveaxis(votes.foreground, 0, axis) / 3
            discs[at] += np.moveaxis(votes.discs, 0, axis) / 3
            for number, place in enumerate((row_axis, col_axis)):
                vote = np.moveaxis(votes.centres[:, number], 0, axis)
                centres[place][at] += (vote + 0.5) / CELL_PIXELS / 2
            done += stop - start
            yield done / total
    scale, corner = (
        values.astype(np.float32)[:, None, None, None]
        for values in (region.cell_mm, region.corner_mm)
    )
    return VoteField(region, foreground, centres * scale + corner, discs)


def sagittal_bone(
    backend: VotingBackend, volume: Volume, region: Region, window: Window
) -> NDArray[np.bool_]:
    """Return the cells of the middle sagittal slice of a region that are spine."""
    slices = _slices(region.image(volume, window), 2)
    middle = len(slices) // 2
    votes = backend.votes(slices[middle : middle + 1].numpy())
    return np.asarray(votes.foreground[0] > 0)


def _slices(image: Tensor, axis: int) -> Tensor:
    """Return one slice a cell between its neighbours, shape (n, 3, rows, cols)."""
    moved = image.movedim(axis, 0)
    between = (moved[:-1] + moved[1:]) / 2
    last = len(between) - 1
    middle = torch.arange(0, last + 1, CELL_PIXELS)
    return torch.stack(
        [
            between[(middle + side * NEIGHBOUR_PIXELS).clamp(0, last)]
            for side in (-1, 0, 1)
        ],
        dim=1,
    )
