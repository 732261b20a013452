"""How whole objects enter the labels, beside other structures and strokes by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.annotation.change import slice_box
from napari_spinalsam.annotation.provenance import (
    HAND,
    LabelEvent,
    MaskWritten,
    ModelReference,
    ValuesExchanged,
    VoxelsWritten,
    events_of,
    records_of,
)
from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.masks import LabelDelta, Runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.provenance import Record
    from napari_spinalsam.annotation.state import SliceKey, State
    from napari_spinalsam.core.results import VolumeMask

# No structure has this label.
UNTOUCHED = 255


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
        touched = np.full(shape, UNTOUCHED, np.uint8)
        for event in (*self.done, *self.undone):
            if isinstance(event, VoxelsWritten):
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


def carried(
    labels: NDArray[np.uint8],
    state: State,
    masks: Mapping[str, VolumeMask],
    step: str,
    model: ModelReference | None = None,
    start: JobStart | None = None,
) -> tuple[State, LabelDelta, tuple[str, ...]]:
    """Find what whole objects change: new voxels in place of what was carried before.

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
    model : ModelReference or None
        What made the masks; it is kept with them.
    start : JobStart or None
        When the work was asked for; None if nothing can have happened since.

    Returns
    -------
    State
        The state with the objects that were written.
    LabelDelta
        The change of `labels`.
    tuple of str
        A sentence for each thing that the hand kept or changed meanwhile.
    """
    edits = _ConcurrentEdits(start or JobStart.of(state), state)
    targets, remarks = _targets(state, masks, edits)
    by_hand = _by_hand(labels, state)
    touched = edits.touched(labels.shape)
    after = labels.copy()
    for name, target in targets.items():
        whole, label = masks[name], structure(target).label
        kept, since = by_hand | touched, touched.copy()
        for entry in state.object_of(target).accepted:
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
                f"Kept as changed by hand meanwhile: {count} voxels of {target}."
            )
        after[present & ~kept] = 0
        region = after[whole.box]
        free = (region == 0) & ~kept[whole.box]
        region[whole.mask & free] = label
        state = state.with_object(state.object_of(target))
    delta = LabelDelta.between(labels, after)
    if not delta.is_empty:
        state = state.with_event(VoxelsWritten(step, Runs.of(delta), model))
    return state, delta, tuple(remarks)


def write_masks(
    annotation: Annotation,
    masks: Mapping[str, VolumeMask],
    step: str,
    model: ModelReference | None = None,
    start: JobStart | None = None,
) -> tuple[str, ...]:
    """Put whole objects into an annotation as `carried` says, as one step.

    What was undone meanwhile can still be redone.

    Returns
    -------
    tuple of str
        A sentence for each thing that the hand kept or changed meanwhile.
    """
    after, delta, remarks = carried(
        annotation.labels, annotation.state, masks, step, model, start
    )
    annotation.history.insert(step, after, *(() if delta.is_empty else (delta,)))
    return remarks


def _targets(
    state: State, masks: Mapping[str, VolumeMask], edits: _ConcurrentEdits
) -> tuple[dict[str, str], list[str]]:
    """Return under which name each structure is written, and why others are not."""
    found = {name: edits.target(name) for name in masks}
    wanted = Counter(found.values())
    targets, remarks = {}, []
    for name, target in found.items():
        if target is None or wanted[target] > 1:
            remarks.append(
                f"{name} was renamed, merged or deleted meanwhile: it is not written."
            )
        elif state.object_of(target).locked:
            remarks.append(f"{target} is locked: it stays as it is.")
        else:
            targets[name] = target
            if target != name:
                remarks.append(
                    f"{name} was renamed meanwhile: it is written as {target}."
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
    last = np.full(labels.shape, UNTOUCHED, np.uint8)
    for event in events_of(state.record):
        if isinstance(event, ValuesExchanged):
            last = event.table[last]
        elif isinstance(event, VoxelsWritten) and event.step in HAND:
            event.runs.write(last)
    return np.asarray(last == labels)
