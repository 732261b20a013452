"""Small widgets of the docks: combo boxes, buttons, forms of magicgui and rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets.bases import ButtonWidget
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QSearchableComboBox

from napari_spinalsam.core.anatomy import STRUCTURES, structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.layers.roles import role_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from magicgui.widgets import Widget
    from napari import Viewer
    from napari.layers import Layer


SWATCH_PX = 14
# As narrow as a dock may become; longer names are elided.
LEAST_CHARACTERS = 8
# The narrowest dock; three buttons side by side still fit.
LEAST_WIDTH_PX = 290
LEAST_BUTTON_PX = 60
# The structure and its two steps fit there too, beside a scroll bar.
STEP_GAP_PX = 2
ROW_GAP_PX = 4


def make_narrow(box: QComboBox) -> None:
    """Let a box shrink with the dock instead of holding it open."""
    policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    box.setSizeAdjustPolicy(policy)
    box.setMinimumContentsLength(LEAST_CHARACTERS)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)


class LayerComboBox(QComboBox):
    """Offers the viewer's layers of one kind, by identity and not by name.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose layers.
    kind : type
        Class of the layers; layers that play a part for an annotation are left out.
    nothing : str
        What stands for no layer.
    """

    layer_chosen = Signal(object)

    def __init__(
        self,
        viewer: Viewer,
        kind: type[Layer],
        nothing: str,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._kind, self._nothing = viewer, kind, nothing
        make_narrow(self)
        for event in ("inserted", "removed", "reordered"):
            getattr(viewer.layers.events, event).connect(self._on_layers)
        viewer.layers.events.renamed.connect(self._on_layers)
        self._on_layers()
        self.activated.connect(lambda _: self.layer_chosen.emit(self.layer()))

    def layer(self) -> Layer | None:
        """Return the chosen layer."""
        return self.currentData()

    def show_layer(self, layer: Layer | None) -> None:
        """Show a layer as chosen, without telling of it."""
        with QSignalBlocker(self):
            self.setCurrentIndex(max(self._place(layer), 0))

    def disconnect_viewer(self) -> None:
        """Stop following the viewer's layers."""
        for event in ("inserted", "removed", "reordered", "renamed"):
            getattr(self._viewer.layers.events, event).disconnect(self._on_layers)

    def _on_layers(self, event: Any = None) -> None:
        chosen = self.layer()
        with QSignalBlocker(self):
            self.clear()
            self.addItem(self._nothing, None)
            for layer in self._viewer.layers:
                if isinstance(layer, self._kind) and role_of(layer) is None:
                    self.addItem(layer.name, layer)
            self.setCurrentIndex(max(self._place(chosen), 0))

    def _place(self, layer: Layer | None) -> int:
        for place in range(self.count()):
            # Equal, not identical: napari hands plugins a proxy of the same layer.
            if self.itemData(place) == layer:
                return place
        return -1


class StructureComboBox(QSearchableComboBox):
    """Offers every structure with its colour; typing searches names and aliases.

    Signals
    -------
    structure_chosen(name)
        The user chose a structure.
    refused(sentence)
        What was typed names none.
    """

    structure_chosen = Signal(str)
    refused = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        make_narrow(self)
        self.setToolTip(
            "The structure that the next mask is written to; type to search"
        )
        self.addItem("choose a structure", None)  # type: ignore[no-untyped-call]
        for entry in STRUCTURES:
            self.addItem(  # type: ignore[no-untyped-call]
                swatch(entry.color), entry.display_name, entry.name
            )
            self.setItemData(
                self.count() - 1,
                f"{entry.display_name}, label {entry.label}",
                Qt.ItemDataRole.ToolTipRole,
            )
        self.activated.connect(self._on_activated)
        line = self.lineEdit()
        if line is not None:
            line.returnPressed.connect(self._on_return)
            line.editingFinished.connect(self._put_back)
        self._show_beginning()

    def show_structure(self, name: str | None) -> None:
        """Show a structure as chosen, without telling of it."""
        wanted = None if name is None else structure(name).name
        line = self.lineEdit()
        if line is not None and line.isModified() and wanted == self.currentData():
            return  # the user is typing
        with QSignalBlocker(self):
            self.setCurrentIndex(max(self.findData(wanted), 0))
        self._show_beginning()

    def neighbour(self, offset: int) -> str:
        """Return the structure so many places on, of the same kind."""
        current = self.currentData()
        if current is None:
            return "L1" if offset > 0 else "L5"
        kind = structure(current).kind
        same = [entry.name for entry in STRUCTURES if entry.kind is kind]
        place = min(max(same.index(current) + offset, 0), len(same) - 1)
        return same[place]

    def _show_beginning(self) -> None:
        """Cut a text that is too long for the box at its end, not at its beginning."""
        line = self.lineEdit()
        if line is not None:
            line.setCursorPosition(0)

    def _on_activated(self) -> None:
        name = self.currentData()
        if name is not None:
            self.structure_chosen.emit(name)

    def _on_return(self) -> None:
        """Choose what was typed, unless it is an item, which Qt chooses by itself."""
        typed = self.currentText()
        if self.findText(typed, Qt.MatchFlag.MatchFixedString) >= 0:
            return
        try:
            name = structure(typed).name
        except InputError as error:
            self.refused.emit(str(error))
            return
        self.setCurrentIndex(self.findData(name))
        self.structure_chosen.emit(name)

    def _put_back(self) -> None:
        """Show the chosen structure again where what was typed is none."""
        typed = self.currentText()
        if self.findText(typed, Qt.MatchFlag.MatchFixedString) < 0:
            self.setEditText(self.itemText(self.currentIndex()))
        self._show_beginning()


def swatch(color: tuple[float, float, float, float]) -> QIcon:
    """Return a square of a colour."""
    pixels = QPixmap(SWATCH_PX, SWATCH_PX)
    pixels.fill(QColor.fromRgbF(*color))
    icon = QIcon(pixels)
    # The same in a selected row, which would tint it.
    icon.addPixmap(pixels, QIcon.Mode.Selected)
    return icon


def button(text: str, tip: str, key: str, clicked: Callable[[], object]) -> QPushButton:
    """Return a button that shows its key; the tip spells Shift out."""
    short = key.replace("Shift+", "⇧")
    made = QPushButton(f"{text}  {short}" if key else text)
    made.setMinimumWidth(LEAST_BUTTON_PX)
    made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    made.setToolTip(f"{tip} ({key})" if key else tip)
    made.clicked.connect(lambda: clicked())
    return made


def menu_button(text: str, tip: str) -> tuple[QPushButton, QMenu]:
    """Return a button that opens a menu, and the menu, which is empty still."""
    made = QPushButton(text)
    made.setMinimumWidth(LEAST_BUTTON_PX)
    made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    made.setToolTip(tip)
    menu = QMenu(made)
    made.setMenu(menu)
    return made, menu


def side_by_side(column: QVBoxLayout) -> QHBoxLayout:
    """Return a row at the end of a column, as narrow as those around it."""
    row = QHBoxLayout()
    row.setSpacing(ROW_GAP_PX)
    column.addLayout(row)
    return row


def add_fields(form: QFormLayout, *fields: Widget) -> None:
    """Add fields of magicgui to a form, each beside its label, buttons without one.

    A Container of magicgui makes its labels equally wide without a look at the theme,
    so that its fields begin at different places in napari.
    """
    for field in fields:
        if isinstance(field, ButtonWidget):
            form.addRow(field.native)
        else:
            form.addRow(field.label, field.native)
