"""What actions on whole structures do: lock, show, rename, merge, delete, shift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam.annotation.ports import Outcome
from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from napari_spinalsam.actions import models as a
    from napari_spinalsam.annotation.ports import Run


def set_lock(run: Run, action: a.SetLock) -> Outcome:
    """Protect a structure from every change, also before it has labels."""
    name = structure(action.structure).name
    if run.annotation.state.object_of(name).locked == action.locked:
        was = "locked already" if action.locked else "not locked"
        return Outcome(f"{name} is {was}.", ok=False)
    run.annotation.set_locked(name, action.locked)
    if action.locked:
        return Outcome(f"{name} is locked: nothing overwrites it.")
    return Outcome(f"{name} is unlocked.")


def set_structure_visibility(run: Run, action: a.SetStructureVisibility) -> Outcome:
    """Show or hide one structure that is annotated."""
    name = structure(action.structure).name
    entry = run.annotation.state.find(name)
    if entry is None:
        raise InputError(
            f"{name} is not annotated, so there is nothing of it to show or hide."
        )
    run.annotation.set_visible(name, action.visible)
    if action.visible:
        return Outcome(f"{name} is shown.")
    return Outcome(f"{name} is hidden.")


def rename_structure(run: Run, action: a.RenameStructure) -> Outcome:
    """Give a structure a name that is free."""
    old, new = structure(action.structure).name, structure(action.to).name
    run.annotation.rename_object(old, new)
    return Outcome(f"{old} is now named {new}.")


def merge_structures(run: Run, action: a.MergeStructures) -> Outcome:
    """Give the voxels of a structure to another one."""
    gone, kept = structure(action.structure).name, structure(action.into).name
    run.annotation.merge_objects(gone, kept)
    return Outcome(f"{gone} is merged into {kept}.")


def delete_structure(run: Run, action: a.DeleteStructure) -> Outcome:
    """Remove a structure's labels and prompts."""
    name = structure(action.structure).name
    run.annotation.delete_object(name)
    return Outcome(f"{name} is deleted, with its labels and prompts.")


def shift_names(run: Run, action: a.ShiftNames) -> Outcome:
    """Rename all vertebrae and discs by some levels."""
    run.annotation.shift_names(action.levels)
    way = "down" if action.levels > 0 else "up"
    count = abs(action.levels)
    levels = "1 level" if count == 1 else f"{count} levels"
    return Outcome(f"All names are shifted {way} by {levels}.")
