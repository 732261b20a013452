"""Discs by their names: the one between two vertebrae whose names are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.core.anatomy import disc_ends
from napari_spinalsam.model.instances import Instances, find_centres

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_spinalsam.model.votes import VoteField

# A disc lies in front of the line between the centres of its vertebrae, at most so far
# away, and so far along it: the sacrum's centre is far below its upper end.
FARTHEST_MM = 40.0
ALONG = (0.05, 0.95)


class Discs:
    """The discs of a field.

    Parameters
    ----------
    field : VoteField
        Votes for discs.
    vertebrae : mapping of str to ndarray of float, shape (3,)
        Centres in mm of the vertebrae that have names.
    """

    def __init__(
        self, field: VoteField, vertebrae: Mapping[str, NDArray[np.float64]]
    ) -> None:
        centres = find_centres(field)
        self.instances = Instances(field, centres) if len(centres) else None
        self._centres, self._vertebrae = centres, vertebrae

    def number(self, name: str) -> int | None:
        """Return which of the instances a disc is; None if it was not found."""
        upper, lower = disc_ends(name)
        if not {upper, lower} <= self._vertebrae.keys() or not len(self._centres):
            return None
        start, way = self._vertebrae[upper], self._vertebrae[lower]
        way = way - start
        length = float(np.linalg.norm(way))
        along = (self._centres - start) @ way / length**2
        beside = self._centres - start - along[:, None] * way
        away = np.linalg.norm(beside, axis=1)
        fits = (along > ALONG[0]) & (along < ALONG[1]) & (away < FARTHEST_MM)
        if not fits.any():
            return None
        distance = np.hypot(away, (along - 0.5) * length)
        return int(np.where(fits, distance, np.inf).argmin())
