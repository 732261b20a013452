"""The mask of a prompted slice from the whole structure, where it fits the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage as ndi

from napari_spinalsam.core.metrics import dice
from napari_spinalsam.core.prompts import Polarity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.core.prompts import SlicePrompts
    from napari_spinalsam.core.propagated import VolumeMask

# Less agreement means that the two speak of different things.
LEAST_DICE = 0.5
# A box that a hand drew may cut this much off.
SLACK_PIXELS = 2.0
EIGHT = np.ones((3, 3), np.bool_)


def joined_mask(
    whole: VolumeMask, prompts: SlicePrompts, own: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return what the planes together say of a prompted slice, or the slice's own mask.

    A box means the structure inside of it, clicks mean the parts that they hit. The
    slice's own mask stands where the two do not agree, a point speaks against it, or
    a scribble or a lasso was drawn.

    Parameters
    ----------
    whole : VolumeMask
        The structure in the volume.
    prompts : SlicePrompts
        What was asked.
    own : ndarray of bool, shape (rows, cols)
        What the slice alone answered.
    """
    if prompts.is_drawn:
        return own
    mask = _meant(whole.on_slice(*prompts.key, own.shape), prompts)
    for point in prompts.points:
        at = round(point.row), round(point.col)
        if mask[at] != (point.polarity is Polarity.POSITIVE):
            return own
    agreement = dice(mask, own)
    return mask if agreement is not None and agreement >= LEAST_DICE else own


def _meant(mask: NDArray[np.bool_], prompts: SlicePrompts) -> NDArray[np.bool_]:
    box = prompts.box
    if box is not None:
        rows, cols = np.indices(mask.shape)
        inside = (rows >= box.row_min - SLACK_PIXELS) & (
            rows <= box.row_max + SLACK_PIXELS
        )
        inside &= (cols >= box.col_min - SLACK_PIXELS) & (
            cols <= box.col_max + SLACK_PIXELS
        )
        return mask & inside
    parts, _ = ndi.label(mask, EIGHT)
    hit = {
        int(parts[round(point.row), round(point.col)])
        for point in prompts.points
        if point.polarity is Polarity.POSITIVE
    }
    return np.asarray(mask & np.isin(parts, sorted(hit)))
