"""What can be done with whole objects, and the menu that offers it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMenu

from napari_spinalsam.actions import models as a
from napari_spinalsam.core.anatomy import STRUCTURES, Kind, structure
from napari_spinalsam.widgets.choosers import swatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.core.anatomy import Structure
    from napari_spinalsam.widgets.controller import SegmentController

# Structures that are offered together as other names of one.
_GROUPS = (
    (Kind.VERTEBRA, Kind.SACRUM, Kind.COCCYX),
    (Kind.DISC,),
    (Kind.CANAL, Kind.CORD),
)


class ObjectCommands:
    """Changes of whole objects: each is done at once, told, and can be undone.

    Parameters
    ----------
    controller : SegmentController
        Whose annotation is changed.
    """

    def __init__(self, controller: SegmentController) -> None:
        self.controller = controller

    def select_next_free(self) -> None:
        """Select the next structure that is not annotated yet."""
        self._attempt(
            lambda it: self.controller.run(
                a.SelectStructure(structure=it.next_free_structure())
            )
        )

    def set_locked(self, name: str, locked: bool) -> None:
        """Protect a structure's voxels, or release them."""
        done = "Locked" if locked else "Unlocked"
        self._attempt(lambda it: it.set_locked(name, locked), f"{done} {name}")

    def set_visible(self, name: str, visible: bool) -> None:
        """Show or hide a structure."""
        done = "Shown" if visible else "Hidden"
        self._attempt(lambda it: it.set_visible(name, visible), f"{done}: {name}")

    def delete(self, name: str) -> None:
        """Remove a structure with its prompts and voxels."""
        self._attempt(lambda it: it.delete_object(name), f"Deleted {name}")

    def rename(self, old: str, new: str) -> None:
        """Give a structure another name."""
        told = f"Renamed {old} to {new}"
        self._attempt(lambda it: it.rename_object(old, new), told)

    def merge(self, source: str, target: str) -> None:
        """Give the voxels of a structure to another one."""
        told = f"Merged {source} into {target}"
        self._attempt(lambda it: it.merge_objects(source, target), told)

    def shift(self, offset: int) -> None:
        """Rename all vertebrae by so many levels, downwards if above zero."""
        told = f"Shifted all names one level {'down' if offset > 0 else 'up'}"
        self._attempt(lambda it: it.shift_names(offset), told)

    def menu_of(self, name: str, parent: QWidget) -> QMenu:
        """Return what can be done with a structure of the annotation."""
        menu = QMenu(parent)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        annotation = self.controller.annotation
        entry = None if annotation is None else annotation.state.find(name)
        if annotation is None or entry is None:
            return menu
        locked, visible = entry.locked, entry.visible
        menu.addAction(
            "Unlock" if locked else "Lock", partial(self.set_locked, name, not locked)
        )
        menu.addAction(
            "Hide" if visible else "Show", partial(self.set_visible, name, not visible)
        )
        menu.addSeparator()
        for title, fill in (
            ("Rename to", self.offer_names),
            ("Merge into", self.offer_targets),
        ):
            submenu = QMenu(title, menu)
            fill(submenu, name)
            submenu.setEnabled(bool(submenu.actions()))
            menu.addMenu(submenu)
        menu.addAction(f"Delete {name}\tDel", partial(self.delete, name))
        menu.addSeparator()
        self.offer_shifts(menu, name)
        return menu

    def offer_names(self, menu: QMenu, name: str) -> None:
        """Add the names that a structure can be given."""
        present = self._present()
        free = [each for each in _same_group(name) if each.name not in present]
        _add_names(menu, free, partial(self.rename, name))

    def offer_targets(self, menu: QMenu, name: str) -> None:
        """Add the structures that one can be merged into."""
        present = self._present()
        used = [each for each in _same_group(name) if each.name in present]
        _add_names(menu, used, partial(self.merge, name))

    def offer_shifts(self, menu: QMenu, _name: str) -> None:
        """Add the ways to rename all vertebrae at once."""
        menu.addAction("Shift all names up one level", partial(self.shift, -1))
        menu.addAction("Shift all names down one level", partial(self.shift, 1))

    def _present(self) -> set[str]:
        annotation = self.controller.annotation
        objects = () if annotation is None else annotation.state.objects
        return {each.name for each in objects}

    def _attempt(
        self, operation: Callable[[Annotation], object], done: str = ""
    ) -> None:
        """Do something to the annotation; say what was done, or why it was not."""
        annotation = self.controller.annotation
        if annotation is None:
            return
        succeeded = self.controller.attempt(lambda: operation(annotation))
        if succeeded and done:
            self.controller.message.emit(f"{done} (Ctrl+Z undoes it).", False)


def _add_names(menu: QMenu, names: list[Structure], act: Callable[[str], None]) -> None:
    """Add names, each of which does something when it is chosen."""
    for each in names:
        menu.addAction(swatch(each.color), each.display_name, partial(act, each.name))


def _same_group(name: str) -> list[Structure]:
    """Return the other structures that one could be taken for."""
    kind = structure(name).kind
    kinds = next(group for group in _GROUPS if kind in group)
    return [each for each in STRUCTURES if each.kind in kinds and each.name != name]
