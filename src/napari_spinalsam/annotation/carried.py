"""How whole objects enter the labels, beside other structures and strokes by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.annotation.provenance import (
    ModelReference,
    ValuesExchanged,
    VoxelsWritten,
    events_of,
)
from napari_spinalsam.annotation.runs import Runs
from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.masks import LabelDelta

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.state import State
    from napari_spinalsam.core.propagated import VolumeMask

HAND = "Paint"
# No structure has this label.
UNTOUCHED = 255


def carried(
    labels: NDArray[np.uint8],
    state: State,
    masks: Mapping[str, VolumeMask],
    step: str,
    model: ModelReference | None = None,
) -> tuple[State, LabelDelta]:
    """Find what whole objects change: new voxels in place of what was carried before.

    Voxels of other structures stay, and so do voxels that the hand painted or erased.

    Parameters
    ----------
    labels : ndarray of uint8, shape (z, y, x)
        The present labels.
    state : State
        The present state.
    masks : mapping of str to VolumeMask
        Structures, the one that goes first where two want a voxel.
    step : str
        Name of the step.
    model : ModelReference or None
        What made the masks; it is kept with them.

    Raises
    ------
    InputError
        If a structure is locked.
    """
    by_hand = _by_hand(labels, state)
    after = labels.copy()
    for name, whole in masks.items():
        if state.object_of(name).locked:
            raise InputError(f"{name} is locked: unlock it to write its labels.")
        label = structure(name).label
        after[(after == label) & ~by_hand] = 0
        region = after[whole.box]
        free = (region == 0) & ~by_hand[whole.box]
        region[whole.mask & free] = label
        state = state.with_object(state.object_of(name))
    delta = LabelDelta.between(labels, after)
    event = VoxelsWritten(step, Runs.of(delta), model)
    return replace(state, preview=None).with_event(event), delta


def write_masks(
    annotation: Annotation,
    masks: Mapping[str, VolumeMask],
    step: str,
    model: ModelReference | None = None,
) -> None:
    """Put whole objects into an annotation as `carried` says, as one step.

    Raises
    ------
    InputError
        If a structure is locked; nothing has changed then.
    """
    after, delta = carried(annotation.labels, annotation.state, masks, step, model)
    annotation.history.do(step, after, delta)


def _by_hand(labels: NDArray[np.uint8], state: State) -> NDArray[np.bool_]:
    """Return the voxels that still are as a brush stroke has left them."""
    last = np.full(labels.shape, UNTOUCHED, np.uint8)
    for event in events_of(state.record):
        if isinstance(event, ValuesExchanged):
            last = event.table[last]
        elif isinstance(event, VoxelsWritten) and event.step == HAND:
            event.runs.write(last)
    return np.asarray(last == labels)
