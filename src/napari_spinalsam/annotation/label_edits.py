"""Changes of the labels: what a mask, a stroke, loaded labels or a job would write."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam import __version__
from napari_spinalsam.annotation.events import slice_box
from napari_spinalsam.annotation.provenance import (
    HAND,
    AcceptedSlice,
    LabelEvent,
    MaskWritten,
    ValuesExchanged,
    VoxelsWritten,
    events_of,
    records_of,
)
from napari_spinalsam.annotation.requests import waiting_preview
from napari_spinalsam.annotation.state import StructureObject
from napari_spinalsam.core.anatomy import by_label, listed, named, structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.masks import (
    LABEL_DTYPE,
    LabelDelta,
    LabelRuns,
    bounding_box,
    box_around,
    writable,
)
from napari_spinalsam.core.messages import msg
from napari_spinalsam.core.prompts import SlicePrompts
from napari_spinalsam.core.protocols import ModelIdentity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from napari_spinalsam.annotation.provenance import Record
    from napari_spinalsam.annotation.state import State
    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.masks import Box
    from napari_spinalsam.core.messages import Message
    from napari_spinalsam.core.results import SliceKey, VolumeMask

# No structure has this label.
UNTOUCHED = 255


def accepted_state(
    state: State, models: Mapping[str, ModelIdentity], time: str
) -> State:
    """Return the state once the preview is written: its prompts become accepted.

    Prompts that were set since, and wait for their own mask, stay pending.

    Parameters
    ----------
    state : State
        With the preview.
    models : mapping of str to ModelIdentity
        Models by what they are known by.
    time : str
        The time, ISO 8601 in UTC.
    """
    preview = waiting_preview(state, msg("accept"))
    model = models.get(preview.model, ModelIdentity(preview.model))
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
    preview = waiting_preview(state, msg("accept"))
    changed = state.object_of(preview.structure)
    if changed.locked:
        raise InputError(
            msg(
                "{name} is locked: unlock it to write its labels.",
                name=named(changed.name),
            )
        )
    plane = geometry.plane(*preview.key)
    part = plane.take(labels)
    after, free = written_labels(part, preview.mask, changed.label)
    if not free.any():
        name = named(changed.name)
        if not preview.mask.any():
            raise InputError(
                msg(
                    "The mask of {name} is empty: move or add prompts, or choose "
                    "another candidate.",
                    name=name,
                )
            )
        raise InputError(
            msg(
                "The mask of {name} lies on other structures: move or add prompts, or "
                "choose another candidate.",
                name=name,
            )
        )
    box = slice_box(preview.axis, preview.index)
    delta = LabelDelta.between(labels, np.expand_dims(after, preview.axis), box)
    return delta, int(np.count_nonzero(preview.mask & ~free))


def written_labels(
    part: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    label: int,
    kept: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return labels in which a mask stands for all voxels of a structure.

    This is the one rule by which masks become labels, be they accepted, propagated,
    found, replayed or made without a window.

    Parameters
    ----------
    part : ndarray of uint8, any shape
        The labels of a slice or of another part of the volume; those of other
        structures, locked or not, stay.
    mask : ndarray of bool, same shape
        The structure.
    label : int
        Value of the structure.
    kept : ndarray of bool, same shape, or None
        Voxels that stay as they are in any case.

    Returns
    -------
    ndarray of uint8, same shape
        The new labels.
    ndarray of bool, same shape
        The part of the mask that was written.
    """
    free, stale = writable(part, mask, label), part == label
    if kept is not None:
        free, stale = free & ~kept, stale & ~kept
    after = np.where(stale, 0, part).astype(LABEL_DTYPE)
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
            msg(
                "The stroke belongs to labels of shape {shape}, not {image_shape}: "
                "paint on the labels of this image.",
                shape=stroke.shape,
                image_shape=labels.shape,
            )
        )
    check_values(np.unique(stroke.new))
    old = labels[np.unravel_index(stroke.indices, labels.shape)]
    locked = sorted(state.locked_labels)
    spared = np.isin(old, locked) | np.isin(stroke.new, locked)
    if spared.size and spared.all():
        names = [entry.name for entry in state.objects if entry.locked]
        raise InputError(
            msg(
                "The stroke lies on what is locked ({names}): unlock it first.",
                names=listed(names),
            )
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
                msg(
                    "{name} is locked: unlock it to replace its labels.",
                    name=named(entry.name),
                )
            )
    return delta


def check_values(values: Iterable[int]) -> None:
    """Refuse label values that stand for no structure, with an InputError."""
    for value in values:
        if value != 0 and by_label(int(value)) is None:
            raise InputError(
                msg(
                    "The label value {value} names no structure: convert the "
                    "labels to the program's numbering first.",
                    value=value,
                )
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
    return state.with_event(VoxelsWritten(step, LabelRuns.of(delta)))


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
            msg(
                "The labels of shape {shape} do not lie on the grid of the "
                "image, {image_shape}: choose labels that were made on this image.",
                shape=labels.shape,
                image_shape=wanted.shape,
            )
        )


@dataclass(frozen=True, slots=True)
class JobStart:
    """What an annotation was when work on whole objects was asked for.

    Parameters
    ----------
    record : Record or None
        The last change of the labels.
    labels : frozenset of int
        Label values of its objects.
    """

    record: Record | None
    labels: frozenset[int]

    @classmethod
    def of(cls, state: State) -> JobStart:
        """Note the present moment."""
        return cls(state.record, frozenset(entry.label for entry in state.objects))


class _ConcurrentEdits:
    """What the user did to the labels while work on whole objects went on.

    Parameters
    ----------
    start : JobStart
        When it was asked for.
    state : State
        The present state.
    """

    def __init__(self, start: JobStart, state: State) -> None:
        self._state = state
        then, now = records_of(start.record), records_of(state.record)
        shared = {id(record) for record in then} & {id(record) for record in now}
        self.done = _by_user(now, shared)
        self.undone = _by_user(then, shared)
        self._values = _exchanged(start.labels, self.done)
        for event in self.undone:
            if isinstance(event, ValuesExchanged):
                self._values |= dict.fromkeys(sum(event.values, ()), 0)

    def target(self, name: str) -> str | None:
        """Return what a structure is called by now; None if it is gone or unclear."""
        label = structure(name).label
        if label not in self._values:
            return name
        now = self._values[label]
        if now == label and self._state.find(name) is not None:
            return name
        owners = [entry.name for entry in self._state.objects if entry.label == now]
        return owners[0] if owners else None

    def touched(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return the voxels that were painted, or whose painting was undone."""
        events = (*self.done, *self.undone)
        strokes = [event for event in events if isinstance(event, VoxelsWritten)]
        if not strokes:
            return np.zeros(shape, np.bool_)
        touched = np.full(shape, UNTOUCHED, np.uint8)
        for event in strokes:
            event.runs.write(touched)
        return np.asarray(touched != UNTOUCHED)

    def slices(self, name: str) -> set[SliceKey]:
        """Return the slices of a structure that were accepted, or undone."""
        events = (*self.done, *self.undone)
        return {
            event.origin.key
            for event in events
            if isinstance(event, MaskWritten) and event.structure == name
        }


def written_masks(
    labels: NDArray[np.uint8],
    state: State,
    masks: Mapping[str, VolumeMask],
    step: str,
    model: ModelIdentity | None = None,
    start: JobStart | None = None,
    *,
    within: Box | None = None,
    keep_accepted: bool = True,
) -> tuple[State, LabelDelta, tuple[Message, ...]]:
    """Find what whole objects change: new voxels in place of what a model wrote before.

    The hand wins. Voxels of other structures stay, and so do voxels that were painted
    or erased, slices that were accepted, and structures that were locked, deleted or
    merged since the work began. What was renamed since is written under its new name.

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
    model : ModelIdentity or None
        What made the masks; it is kept with them.
    start : JobStart or None
        When the work was asked for; None if nothing can have happened since.
    within : tuple of slice or None
        Part of the (z, y, x) volume that the masks speak of; None for the whole.
    keep_accepted : bool
        Whether slices that were accepted before stay as they are. They do not where
        the masks were made from the very prompts of those slices.

    Returns
    -------
    State
        The state with the objects that were written.
    LabelDelta
        The change of `labels`.
    tuple of Message
        A sentence for each thing that the hand kept or changed meanwhile.
    """
    edits = _ConcurrentEdits(start or JobStart.of(state), state)
    targets, remarks = _targets(state, masks, edits)
    by_hand = _by_hand(labels, state)
    touched = edits.touched(labels.shape)
    after = labels.copy()
    # All make room first: what one had before is no obstacle to another.
    rooms = []
    for name, target in targets.items():
        whole, label = masks[name], structure(target).label
        kept, since = by_hand | touched, touched.copy()
        for entry in state.object_of(target).accepted if keep_accepted else ():
            here = slice_box(*entry.prompts.key)
            if (labels[here] == label).any():
                kept[here] = True
        for key in edits.slices(name) | edits.slices(target):
            kept[slice_box(*key)] = since[slice_box(*key)] = True
        present = labels == label
        overruled = present & since
        overruled[whole.box] = (present[whole.box] != whole.mask) & since[whole.box]
        if count := np.count_nonzero(overruled):
            remarks.append(
                msg(
                    "Kept as changed by hand meanwhile: {count} voxels of {name}.",
                    count=count,
                    name=named(target),
                )
            )
        # Nothing of the structure was or comes outside of this box.
        box = within or box_around(whole.box, bounding_box(present) or whole.box)
        after[box][(after[box] == label) & ~kept[box]] = 0
        rooms.append((whole, label, box, kept[box].copy()))
        state = state.with_object(state.object_of(target))
    for whole, label, box, kept_here in rooms:
        mask = np.zeros(labels.shape, np.bool_)
        mask[whole.box] = whole.mask
        region = after[box]
        region[...], _ = written_labels(region, mask[box], label, kept_here)
    part = after if within is None else after[within]
    delta = LabelDelta.between(labels, part, within)
    if not delta.is_empty:
        state = state.with_event(VoxelsWritten(step, LabelRuns.of(delta), model))
    return state, delta, tuple(remarks)


def _targets(
    state: State, masks: Mapping[str, VolumeMask], edits: _ConcurrentEdits
) -> tuple[dict[str, str], list[Message]]:
    """Return under which name each structure is written, and why others are not."""
    found = {name: edits.target(name) for name in masks}
    wanted = Counter(found.values())
    targets, remarks = {}, []
    for name, target in found.items():
        if target is None or wanted[target] > 1:
            remarks.append(
                msg(
                    "{name} was renamed, merged or deleted meanwhile: it is not "
                    "written.",
                    name=named(name),
                )
            )
        elif state.object_of(target).locked:
            remarks.append(
                msg("{name} is locked: it stays as it is.", name=named(target))
            )
        else:
            targets[name] = target
            if target != name:
                remarks.append(
                    msg(
                        "{name} was renamed meanwhile: it is written as {new}.",
                        name=named(name),
                        new=named(target),
                    )
                )
    return targets, remarks


def _by_user(records: Iterable[Record], shared: set[int]) -> tuple[LabelEvent, ...]:
    """Return the changes that no model made, of records that are not shared."""
    return tuple(
        record.event
        for record in records
        if id(record) not in shared
        and (not isinstance(record.event, VoxelsWritten) or record.event.model is None)
    )


def _exchanged(
    labels: frozenset[int], events: tuple[LabelEvent, ...]
) -> dict[int, int]:
    """Return the present value of each label that was there; 0 if it is gone.

    What was merged counts as gone, and so does a label that the user gave to another
    structure: what the model found for it is not what the user made of it.
    """
    present, values = set(labels), {label: label for label in labels}
    for event in events:
        if isinstance(event, VoxelsWritten):
            present |= set(event.runs.values.tolist())
        elif isinstance(event, MaskWritten):
            present.add(structure(event.structure).label)
        else:
            pairs = dict(event.values)
            merged = {
                new for new in pairs.values() if new in present and new not in pairs
            }
            for label, value in values.items():
                now = pairs.get(value, value)
                values[label] = 0 if now in merged else now
            for new in pairs.values():
                values.setdefault(new, 0)
            present = {pairs.get(label, label) for label in present} - {0}
    return values


def _by_hand(labels: NDArray[np.uint8], state: State) -> NDArray[np.bool_]:
    """Return the voxels that still are as a brush or another tool has left them."""
    events = events_of(state.record)
    if not any(isinstance(e, VoxelsWritten) and e.step in HAND for e in events):
        return np.zeros(labels.shape, np.bool_)
    last = np.full(labels.shape, UNTOUCHED, np.uint8)
    for event in events:
        if isinstance(event, ValuesExchanged):
            last = event.table[last]
        elif isinstance(event, VoxelsWritten) and event.step in HAND:
            event.runs.write(last)
    return np.asarray(last == labels)
