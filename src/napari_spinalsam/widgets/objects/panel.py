"""The Objects panel: what is annotated, its state and size, and what to do with it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QItemSelectionModel, Qt
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QLabel, QMenu, QSizePolicy, QVBoxLayout, QWidget

from napari_spinalsam.actions import models as a
from napari_spinalsam.core.anatomy import STRUCTURES, Kind, structure
from napari_spinalsam.core.metrics import mean_over_reference
from napari_spinalsam.widgets.measures.live import LiveTally
from napari_spinalsam.widgets.measures.rows import size_unit
from napari_spinalsam.widgets.measures.window import MeasuresWindow
from napari_spinalsam.widgets.objects.table import (
    UNKNOWN,
    Column,
    ObjectModel,
    ObjectRow,
    ObjectTable,
    rows_of,
)
from napari_spinalsam.widgets.parts import (
    ROW_GAP_PX,
    button,
    menu_button,
    side_by_side,
    swatch,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QModelIndex, QPoint
    from qtpy.QtWidgets import QPushButton

    from napari_spinalsam.actions.models import Action
    from napari_spinalsam.annotation.events import Change
    from napari_spinalsam.core.anatomy import Structure
    from napari_spinalsam.widgets.controller import SegmentController

# Structures that are offered together as other names of one.
_GROUPS = (
    (Kind.VERTEBRA, Kind.SACRUM, Kind.COCCYX),
    (Kind.DISC,),
    (Kind.CANAL, Kind.CORD),
)
EMPTY = "Nothing yet: accept a mask, or paint in the labels layer."


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
        annotation = self.controller.annotation
        if annotation is not None:
            self.controller.attempt(
                lambda: self.controller.run(
                    a.SelectStructure(structure=annotation.next_free_structure())
                )
            )

    def set_locked(self, name: str, locked: bool) -> None:
        """Protect a structure's voxels, or release them."""
        self._do(a.SetLock(structure=name, locked=locked))

    def set_visible(self, name: str, visible: bool) -> None:
        """Show or hide a structure."""
        self._do(a.SetStructureVisibility(structure=name, visible=visible))

    def delete(self, name: str) -> None:
        """Remove a structure with its prompts and voxels."""
        self._do(a.DeleteStructure(structure=name))

    def rename(self, old: str, new: str) -> None:
        """Give a structure another name."""
        self._do(a.RenameStructure(structure=old, to=new))

    def merge(self, source: str, target: str) -> None:
        """Give the voxels of a structure to another one."""
        self._do(a.MergeStructures(structure=source, into=target))

    def shift(self, offset: int) -> None:
        """Rename all vertebrae by so many levels, downwards if above zero."""
        self._do(a.ShiftNames(levels=offset))

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

    def _do(self, action: Action) -> None:
        """Change an object; say what was done and how to take it back."""
        self.controller.perform(action, hint="Ctrl+Z undoes it.")


def _add_names(menu: QMenu, names: list[Structure], act: Callable[[str], None]) -> None:
    """Add names, each of which does something when it is chosen."""
    for each in names:
        menu.addAction(swatch(each.color), each.display_name, partial(act, each.name))


def _same_group(name: str) -> list[Structure]:
    """Return the other structures that one could be taken for."""
    kind = structure(name).kind
    kinds = next(group for group in _GROUPS if kind in group)
    return [each for each in STRUCTURES if each.kind in kinds and each.name != name]


class ObjectsPanel(QWidget):
    """One row a structure: select, lock, hide, rename, merge, delete, shift.

    Parameters
    ----------
    controller : SegmentController
        Through which everything is done.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__()
        self.controller = controller
        self.commands = ObjectCommands(controller)
        self.live = LiveTally(controller, self)
        self.measures_window: MeasuresWindow | None = None
        self.model = ObjectModel()
        self.table = ObjectTable(self.model)
        self.empty = QLabel(EMPTY)
        self.empty.setWordWrap(True)
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.next_free = button(
            "Next free",
            "Select the next structure that is not annotated yet",
            "M",
            self.commands.select_next_free,
        )
        self.measures = button(
            "Measures…",
            "Volumes, agreement with the reference and a plot along the spine",
            "",
            self.open_measures,
        )
        self.rename = self._menu_button(
            "Rename",
            "Give the selected structure another name (also by a right click on it)",
            self.commands.offer_names,
        )
        self.merge = self._menu_button(
            "Merge",
            "Give the voxels of the selected structure to another one",
            self.commands.offer_targets,
        )
        self.shift = self._menu_button(
            "Shift",
            "Rename all vertebrae and discs by one level",
            self.commands.offer_shifts,
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(ROW_GAP_PX)
        layout.addWidget(self.table)
        layout.addWidget(self.empty)
        layout.addWidget(self.summary)
        for buttons in (
            (self.rename, self.merge, self.shift),
            (self.next_free, self.measures),
        ):
            row = side_by_side(layout)
            for made in buttons:
                row.addWidget(made)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.table.clicked.connect(self._on_clicked)
        self.table.moved.connect(self._choose)
        self.table.delete_pressed.connect(self._delete)
        self.table.customContextMenuRequested.connect(self._open_menu)
        self.live.updated.connect(self._show)
        controller.annotation_changed.connect(self._on_changed)
        self._show()

    def open_measures(self) -> MeasuresWindow:
        """Show the Measures window in front, and return it."""
        if self.measures_window is None:
            self.measures_window = MeasuresWindow(self.controller, self.live, self)
        self.measures_window.show()
        self.measures_window.raise_()
        return self.measures_window

    def _menu_button(
        self, text: str, tip: str, offer: Callable[[QMenu, str], None]
    ) -> QPushButton:
        """Return a button with what can be done with the selected structure."""
        made, menu = menu_button(text, tip)

        def fill() -> None:
            menu.clear()
            offer(menu, self._selected_name())
            if menu.isEmpty():
                nothing = QAction("There is no other structure for that", menu)
                nothing.setEnabled(False)
                menu.addAction(nothing)

        menu.aboutToShow.connect(fill)
        return made

    def _selected_name(self) -> str:
        """Return the structure whose row is selected; empty without one."""
        place = self.table.currentIndex().row()
        return self.model.rows[place].name if place >= 0 else ""

    def close_windows(self) -> None:
        """Close what was opened from here."""
        if self.measures_window is not None:
            self.measures_window.close()

    def _on_clicked(self, index: QModelIndex) -> None:
        row = self.model.rows[index.row()]
        if index.column() == Column.LOCKED:
            self.commands.set_locked(row.name, not row.locked)
        elif index.column() == Column.VISIBLE:
            self.commands.set_visible(row.name, not row.visible)
        else:
            self._choose(index.row())
        self._show_selected()

    def _choose(self, place: int) -> None:
        """Select the structure of a row and show the slice with most of it."""
        name = self.model.rows[place].name
        steps: list[a.Action] = [a.SelectStructure(structure=name)]
        tally, viewer = self.live.tally, self.controller.viewer
        if tally is not None and viewer.dims.ndisplay == 2:
            axis, shown = self.controller.view.current_slice()
            index = tally.fullest_slice(structure(name).label, axis)
            if index is not None and index != shown:
                steps.append(a.GoToSlice(index=index))
        self.controller.perform(*steps)

    def _delete(self, place: int) -> None:
        self.commands.delete(self.model.rows[place].name)

    def _open_menu(self, point: QPoint) -> None:
        index, viewport = self.table.indexAt(point), self.table.viewport()
        if index.isValid() and viewport is not None:
            menu = self.commands.menu_of(self.model.rows[index.row()].name, self)
            menu.aboutToHide.connect(self._show_selected)
            menu.popup(viewport.mapToGlobal(point))

    def _on_changed(self, change: Change) -> None:
        # Voxels are counted after the frame; `LiveTally.updated` tells of them.
        if change.objects or change.reference or change.geometry:
            self._show()
        elif change.selection:
            self._show_selected()

    def _show(self) -> None:
        annotation, tally = self.controller.annotation, self.live.tally
        rows: tuple[ObjectRow, ...] = ()
        if annotation is not None and tally is not None:
            rows = rows_of(annotation, tally, is_done=self.live.is_done)
        self.model.show(rows, size_unit(annotation))
        compared = tally is not None and tally.has_reference
        self.table.setColumnHidden(Column.DICE, not compared)
        self.table.setVisible(bool(rows))
        self.table.fit(len(rows))
        self.empty.setVisible(not rows)
        self.summary.setVisible(bool(rows))
        self.summary.setText(_summary(rows, self.model.unit))
        self._show_selected()

    def _show_selected(self) -> None:
        """Let the selected row be that of the selected structure."""
        annotation = self.controller.annotation
        name = None if annotation is None else annotation.state.selected
        place = self.model.place_of(name)
        selection = self.table.selectionModel()
        if selection is None:
            return
        for made in (self.rename, self.merge):
            made.setEnabled(place >= 0)
        self.shift.setEnabled(bool(self.model.rows))
        if place < 0:
            selection.clear()
            return
        how = QItemSelectionModel.SelectionFlag
        selection.setCurrentIndex(
            self.model.index(place, Column.NAME), how.ClearAndSelect | how.Rows
        )


def _summary(rows: tuple[ObjectRow, ...], unit: str) -> str:
    """Return number, size and agreement (of labelled slices) of the objects."""
    if not rows:
        return ""
    number = "1 object" if len(rows) == 1 else f"{len(rows)} objects"
    sizes = [row.size for row in rows if row.size is not None]
    total = f"{sum(sizes):.1f}" if len(sizes) == len(rows) else UNKNOWN
    told = f"{number} · {total} {unit}"
    # A row has an agreement only where the reference has the structure.
    mean = mean_over_reference(
        (None if row.agreement is None else row.agreement.dice, True) for row in rows
    )
    return told if mean is None else f"{told} · Dice {mean:.3f}"
