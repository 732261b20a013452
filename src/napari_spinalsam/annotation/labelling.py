"""Changes of the label volume: what a mask, a stroke or loaded labels would write."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam import __version__
from napari_spinalsam.annotation.change import slice_box
from napari_spinalsam.annotation.provenance import (
    AcceptedSlice,
    MaskWritten,
    ModelReference,
    VoxelsWritten,
)
from napari_spinalsam.annotation.requests import waiting_preview
from napari_spinalsam.annotation.state import StructureObject
from napari_spinalsam.core.anatomy import by_label
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.masks import LABEL_DTYPE, LabelDelta, Runs, writable
from napari_spinalsam.core.prompts import SlicePrompts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from napari_spinalsam.annotation.provenance import ValuesExchanged
    from napari_spinalsam.annotation.state import State
    from napari_spinalsam.core.geometry import Geometry


def accepted_state(
    state: State, models: Mapping[str, ModelReference], time: str
) -> State:
    """Return the state once the preview is written: its prompts become accepted.

    Prompts that were set since, and wait for their own mask, stay pending.

    Parameters
    ----------
    state : State
        With the preview.
    models : mapping of str to ModelReference
        Models by what they are known by.
    time : str
        The time, ISO 8601 in UTC.
    """
    preview = waiting_preview(state, "accept")
    model = models.get(preview.model, ModelReference(preview.model))
    origin = preview.origin(model, time, __version__)
    entry = AcceptedSlice(preview.prompts, origin)
    changed = state.object_of(preview.structure).with_accepted(entry)
    if changed.pending_at(preview.key) == preview.all_prompts:
        changed = changed.with_prompts(SlicePrompts(*preview.key))
    event = MaskWritten(changed.name, origin)
    return replace(state.with_object(changed), preview=None).with_event(event)


def accepted_delta(
    labels: NDArray[np.uint8], geometry: Geometry, state: State
) -> tuple[LabelDelta, int]:
    """Find what accepting a preview changes.

    The structure's voxels in the slice become the mask. Voxels of other structures,
    locked or not, stay.

    Returns
    -------
    LabelDelta
        The change of `labels`.
    int
        Pixels of the mask that were left to other structures.

    Raises
    ------
    InputError
        If there is no preview, the structure is locked, or no pixel of the mask is
        free.
    """
    preview = waiting_preview(state, "accept")
    changed = state.object_of(preview.structure)
    if changed.locked:
        raise InputError(f"{changed.name} is locked: unlock it to write its labels.")
    plane = geometry.plane(*preview.key)
    part = plane.take(labels)
    after, free = written_slice(part, preview.mask, changed.label)
    if not free.any():
        where = "is empty" if not preview.mask.any() else "lies on other structures"
        raise InputError(
            f"The mask of {changed.name} {where}: move or add prompts, or choose "
            "another candidate."
        )
    box = slice_box(preview.axis, preview.index)
    delta = LabelDelta.between(labels, np.expand_dims(after, preview.axis), box)
    return delta, int(np.count_nonzero(preview.mask & ~free))


def written_slice(
    part: NDArray[np.uint8], mask: NDArray[np.bool_], label: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a slice in which a mask stands for all voxels of a structure.

    Parameters
    ----------
    part : ndarray of uint8, shape (rows, cols)
        The labels of the slice; those of other structures, locked or not, stay.
    mask : ndarray of bool, same shape
        The structure.
    label : int
        Value of the structure.

    Returns
    -------
    ndarray of uint8, same shape
        The new labels of the slice.
    ndarray of bool, same shape
        The part of the mask that was written.
    """
    free = writable(part, mask, label)
    after = np.where(part == label, 0, part).astype(LABEL_DTYPE)
    after[free] = label
    return after, free


def exchanged_delta(labels: NDArray[np.uint8], exchange: ValuesExchanged) -> LabelDelta:
    """Find what giving all voxels of some values other values changes."""
    flat = labels.ravel()
    # Bytes are looked up in half the time that indexing a table takes.
    new = np.frombuffer(flat.tobytes().translate(exchange.table.tobytes()), LABEL_DTYPE)
    return replace(LabelDelta.between(flat, new), shape=labels.shape)


def painted_delta(
    labels: NDArray[np.uint8], state: State, stroke: LabelDelta
) -> tuple[LabelDelta, int]:
    """Find what a brush stroke changes, locked structures spared.

    Returns
    -------
    LabelDelta
        The change of `labels`; the stroke's own old values do not matter.
    int
        Voxels of the stroke that were left because a structure is locked.

    Raises
    ------
    InputError
        If the stroke is of another grid, a value names no structure, or a lock
        leaves nothing to paint.
    """
    if stroke.shape != labels.shape:
        raise InputError(
            f"The stroke belongs to labels of shape {stroke.shape}, not "
            f"{labels.shape}: paint on the labels of this image."
        )
    check_values(np.unique(stroke.new))
    old = labels[np.unravel_index(stroke.indices, labels.shape)]
    locked = sorted(state.locked_labels)
    spared = np.isin(old, locked) | np.isin(stroke.new, locked)
    if spared.size and spared.all():
        names = [entry.name for entry in state.objects if entry.locked]
        raise InputError(
            f"The stroke lies on what is locked ({', '.join(names)}): unlock it first."
        )
    kept = ~spared & (old != stroke.new)
    delta = LabelDelta(labels.shape, stroke.indices[kept], old[kept], stroke.new[kept])
    return delta, int(np.count_nonzero(spared))


def replaced_delta(
    labels: NDArray[np.uint8], state: State, wanted: NDArray[Any]
) -> LabelDelta:
    """Find what putting other labels in place of all present ones changes.

    Raises
    ------
    InputError
        If the shape differs, a value names no structure, or a locked structure
        would change.
    """
    check_values(np.unique(wanted))
    delta = LabelDelta.between(labels, wanted.astype(LABEL_DTYPE, copy=False))
    touched = set(np.unique(delta.old)) | set(np.unique(delta.new))
    for entry in state.objects:
        if entry.locked and entry.label in touched:
            raise InputError(
                f"{entry.name} is locked: unlock it to replace its labels."
            )
    return delta


def check_values(values: Iterable[int]) -> None:
    """Refuse label values that stand for no structure, with an InputError."""
    for value in values:
        if value != 0 and by_label(int(value)) is None:
            raise InputError(
                f"The label value {value} names no structure: convert the labels to "
                "the program's numbering first."
            )


def painted_state(state: State, step: str, delta: LabelDelta) -> State:
    """Return the state once voxels are written by hand: each value has its object.

    Parameters
    ----------
    state : State
        Before the step.
    step : str
        Name of the step.
    delta : LabelDelta
        What it changes.
    """
    labels = {entry.label for entry in state.objects}
    new = set(np.unique(delta.new).tolist()) - labels - {0}
    for value in sorted(new):
        named = by_label(value, labels | new)
        if named is not None:
            state = state.with_object(StructureObject(named.name))
    return state.with_event(VoxelsWritten(step, Runs.of(delta)))


def check_grid(
    labels: NDArray[Any] | None, geometry: Geometry | None, wanted: Geometry
) -> None:
    """Refuse labels that are not on the grid of the image, with an InputError.

    Parameters
    ----------
    labels : ndarray, shape (z, y, x), or None
        Labels; None is always right.
    geometry : Geometry or None
        Where they lie; None if only their shape is known.
    wanted : Geometry
        The grid of the image.
    """
    if labels is None:
        return
    lying = geometry or wanted
    wanted.check_orientation_of(lying)
    if labels.shape != wanted.shape or not lying.same_grid(wanted):
        raise InputError(
            f"The labels of shape {labels.shape} do not lie on the grid of the image, "
            f"{wanted.shape}: choose labels that were made on this image."
        )
