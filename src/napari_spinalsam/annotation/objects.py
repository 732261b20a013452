"""Operations on whole objects: lock, show, rename, merge, delete, shift, find free."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_spinalsam.annotation.label_edits import exchanged_delta
from napari_spinalsam.annotation.provenance import ValuesExchanged
from napari_spinalsam.annotation.requests import selected_name
from napari_spinalsam.core.anatomy import (
    REGIONS,
    Kind,
    levels_of,
    listed,
    place_of,
    shifted_name,
    structure,
)
from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.state import State, StructureObject


def set_locked(annotation: Annotation, name: str, locked: bool) -> None:
    """Protect a structure's voxels from every change, or release them."""
    state = annotation.state
    changed = replace(state.object_of(structure(name).name), locked=locked)
    step = f"{'Lock' if locked else 'Unlock'} {changed.name}"
    annotation.history.do(step, state.with_object(changed))


def set_visible(annotation: Annotation, name: str, visible: bool) -> None:
    """Show or hide a structure."""
    state = annotation.state
    changed = replace(state.object_of(structure(name).name), visible=visible)
    step = f"{'Show' if visible else 'Hide'} {changed.name}"
    annotation.history.do(step, state.with_object(changed))


def rename_object(annotation: Annotation, old: str, new: str) -> None:
    """Give an object, with its prompts and voxels, the name of another structure.

    Raises
    ------
    InputError
        If there is no such object, it is locked, or the new name is in use.
    """
    entry, target = _free_to_change(annotation.state, old), structure(new)
    if target.name == entry.name:
        return
    taken = annotation.state.find(target.name)
    if taken is not None and taken.name != entry.name and _in_use(annotation, taken):
        raise InputError(
            f"{taken.name} is annotated already: merge {entry.name} into it, or "
            f"delete it before renaming."
        )
    _rename(
        annotation,
        f"Rename {entry.name} to {target.name}",
        {entry.name: target.name},
    )


def merge_objects(annotation: Annotation, source: str, into: str) -> None:
    """Give the voxels of one object to another one, which keeps its name.

    The prompts of the first go over where the other has none on their slice; a
    preview of the first is dropped.

    Raises
    ------
    InputError
        If one of the objects is not there or is locked, or both are the same.
    """
    state = annotation.state
    gone, kept = _free_to_change(state, source), _free_to_change(state, into)
    if gone is kept:
        raise InputError(f"{gone.name} cannot be merged into itself: name another one.")
    had = kept
    for prompts in gone.prompts:
        if had.pending_at(prompts.key) is None:
            kept = kept.with_prompts(prompts)
    for accepted in gone.accepted:
        if had.accepted_at(accepted.prompts.key) is None:
            kept = kept.with_accepted(accepted)
    after = state.without_object(gone).with_object(kept)
    if state.selected == gone.name:
        after = replace(after, selected=kept.name)
    step = f"Merge {gone.name} into {kept.name}"
    _exchange(annotation, step, after, {gone.label: kept.label})


def delete_object(annotation: Annotation, name: str) -> None:
    """Remove an object with its prompts, its preview and its voxels.

    Raises
    ------
    InputError
        If there is no such object, or it is locked.
    """
    gone = _free_to_change(annotation.state, name)
    after = annotation.state.without_object(gone)
    _exchange(annotation, f"Delete {gone.name}", after, {gone.label: 0})


def shift_names(annotation: Annotation, offset: int) -> None:
    """Rename all vertebrae by so many levels, downwards if above zero.

    The sacrum counts as a level, since naming often begins at a sacrum that is none.
    T13 and L6 are levels where the annotation has them. Each disc goes with the
    vertebra above it. Coccyx, canal and cord stay.

    Raises
    ------
    InputError
        If there is nothing to shift, something that would move is locked, or a name
        would leave the spine.
    """
    moving = [
        entry
        for entry in annotation.state.objects
        if structure(entry.name).kind in (Kind.VERTEBRA, Kind.SACRUM, Kind.DISC)
    ]
    if not moving:
        raise InputError("There is no vertebra to shift: annotate one first.")
    levels = levels_of([entry.name for entry in moving])
    names = {entry.name: shifted_name(entry.name, levels, offset) for entry in moving}
    for entry in moving:
        _check_unlocked(entry)
    _rename(annotation, f"Shift names by {offset:+d}", names)


def take_over_objects(
    annotation: Annotation, others: Iterable[StructureObject]
) -> None:
    """Give objects the names, locks and visibility of those of another annotation.

    Prompts and accepted slices belong to the other image and stay there.
    """
    state = annotation.state
    for entry in others:
        mine = state.object_of(entry.name)
        state = state.with_object(
            replace(mine, locked=entry.locked, visible=entry.visible)
        )
    annotation.history.do("Take over objects", state)


def next_free_structure(annotation: Annotation) -> str:
    """Return the next structure below the selected one that is not annotated yet.

    A disc follows a disc; everything else is followed by a vertebra.

    Raises
    ------
    InputError
        If no structure is selected, or none below it is free.
    """
    state = annotation.state
    here = structure(selected_name(state))
    for name in REGIONS["discs" if here.kind is Kind.DISC else "spine"]:
        entry = state.find(name)
        free = entry is None or not _in_use(annotation, entry)
        if free and place_of(name) > place_of(here.name):
            return name
    raise InputError(
        f"Nothing below {here.name} is free: choose a structure by its name."
    )


def _free_to_change(state: State, name: str) -> StructureObject:
    """Return an object that is there and not locked."""
    wanted = structure(name).name
    entry = state.find(wanted)
    if entry is None:
        known = listed(each.name for each in state.objects) or "none so far"
        raise InputError(
            f"{wanted} is not in this annotation: choose one of its objects ({known})."
        )
    _check_unlocked(entry)
    return entry


def _check_unlocked(entry: StructureObject) -> None:
    if entry.locked:
        raise InputError(f"{entry.name} is locked: unlock it to change it.")


def _in_use(annotation: Annotation, entry: StructureObject) -> bool:
    """Whether anything would be lost with an object."""
    return bool(
        entry.locked
        or entry.prompts
        or entry.accepted
        or (annotation.labels == entry.label).any()
    )


def _rename(annotation: Annotation, step: str, names: Mapping[str, str]) -> None:
    """Rename objects, all at once, with their voxels, selection and preview."""
    state = annotation.state
    moved = [state.object_of(name) for name in names]
    after = state
    for entry in moved:
        after = after.without_object(entry)
    for entry in moved:
        after = after.with_object(replace(entry, name=names[entry.name]))
    preview = state.preview
    if preview is not None and preview.structure in names:
        preview = replace(preview, structure=names[preview.structure])
    selected = state.selected and names.get(state.selected, state.selected)
    values = {structure(o).label: structure(n).label for o, n in names.items()}
    after = replace(after, selected=selected, preview=preview)
    _exchange(annotation, step, after, values)


def _exchange(
    annotation: Annotation, step: str, after: State, values: Mapping[int, int]
) -> None:
    """Make one step of a new state and of voxels with other values."""
    event = ValuesExchanged(step, tuple(values.items()))
    delta = exchanged_delta(annotation.labels, event)
    deltas = () if delta.is_empty else (delta,)
    annotation.history.do(step, after.with_event(event), *deltas)
