"""The objects of an annotation as rows of a table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from napari.resources import get_colorized_svg, get_icon_path
from qtpy.QtCore import QAbstractTableModel, QByteArray, QRectF, Qt, Signal
from qtpy.QtGui import QPalette
from qtpy.QtSvg import QSvgRenderer
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QTableView,
)

from napari_spinalsam.core.anatomy import Plane, structure
from napari_spinalsam.widgets.measures.rows import SIZE_NAMES, voxel_unit
from napari_spinalsam.widgets.parts import swatch

if TYPE_CHECKING:
    from qtpy.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize
    from qtpy.QtGui import QColor, QKeyEvent, QPainter
    from qtpy.QtWidgets import QStyleOptionViewItem

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.statistics import Tally

    AnyIndex = QModelIndex | QPersistentModelIndex

Role = Qt.ItemDataRole
# What a cell shows until its number is known.
UNKNOWN = "–"
ICON_PX = 16
FAINT, CLEAR = 0.3, 1.0
CELL_STYLE = "QTableView::item { padding: 0px 4px; }"
# Rows that are shown before the table scrolls.
MOST_ROWS = 10
DELETE_KEYS = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
MOVE_KEYS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End)


class Column(IntEnum):
    """What the columns show."""

    NAME = 0
    LOCKED = 1
    VISIBLE = 2
    SIZE = 3
    DICE = 4


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well a structure agrees with the reference, and what was compared.

    Parameters
    ----------
    dice : float
        Within the slices that are labelled, 0 to 1.
    whole_dice : float
        In the whole image, 0 to 1.
    labelled, true : int
        How many slices show the structure in the labels and in the reference.
    plane : Plane
        Of these slices.
    """

    dice: float
    whole_dice: float
    labelled: int
    true: int
    plane: Plane


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One structure of the annotation.

    Parameters
    ----------
    name : str
        Its name in actions.
    locked, visible : bool
        Its state.
    voxels : int or None
        How many it has; None before they are counted.
    size : float or None
        Volume in mL, of a flat image the area in mm2, of an image without a voxel size
        the number of voxels; None before it is known.
    agreement : Agreement or None
        How well it agrees with the reference; None where there is nothing to compare.
    """

    name: str
    locked: bool
    visible: bool
    voxels: int | None
    size: float | None
    agreement: Agreement | None


def rows_of(
    annotation: Annotation, tally: Tally, *, is_done: bool = True
) -> tuple[ObjectRow, ...]:
    """Return a row for each object, in the order of the spine.

    Unless counting `is_done`, an object without voxels is one not counted yet.
    """
    unit = voxel_unit(annotation)
    rows = []
    for entry in annotation.state.objects:
        count = tally.count(entry.label)
        known = bool(count) or is_done
        rows.append(
            ObjectRow(
                entry.name,
                entry.locked,
                entry.visible,
                count if known else None,
                count * unit if known else None,
                _agreement(tally, entry.label),
            )
        )
    return tuple(rows)


def _agreement(tally: Tally, label: int) -> Agreement | None:
    if not tally.true_count(label):
        return None  # a reference without the structure says nothing about it
    axis = tally.sparsest_axis(label)
    within = tally.dice_where_labelled(label, axis)
    whole = tally.dice(label)
    if within is None or whole is None:
        return None
    return Agreement(
        within,
        whole,
        tally.labelled_slices(label, axis),
        tally.true_slices(label, axis),
        Plane.of_axis(axis),
    )


class ObjectModel(QAbstractTableModel):
    """The rows of the Objects table."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[ObjectRow, ...] = ()
        self.unit = "mL"

    def show(self, rows: tuple[ObjectRow, ...], unit: str) -> None:
        """Show rows in place of the present ones."""
        same = [row.name for row in rows] == [row.name for row in self.rows]
        if unit != self.unit:
            self.unit = unit
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(Column) - 1)
        if not same:
            self.beginResetModel()
            self.rows = rows
            self.endResetModel()
        elif rows != self.rows:
            self.rows = rows
            last = self.index(len(rows) - 1, len(Column) - 1)
            self.dataChanged.emit(self.index(0, 0), last)

    def place_of(self, name: str | None) -> int:
        """Return the row of a structure, -1 if it has none."""
        names = [row.name for row in self.rows]
        return names.index(name) if name in names else -1

    def rowCount(self, parent: AnyIndex | None = None) -> int:
        """Return the number of objects."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: AnyIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(Column)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole
    ) -> Any:
        """Return headings, units included."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        size = SIZE_NAMES[self.unit]
        headings = {
            Column.NAME: ("Structure", "From head to foot, then discs and canal"),
            Column.LOCKED: ("", "Lock: a locked structure keeps its voxels"),
            Column.VISIBLE: ("", "Show: a hidden structure is not drawn in the image"),
            Column.SIZE: (self.unit, f"{size} in {self.unit}"),
            Column.DICE: (
                "Dice",
                "Agreement with the reference within the slices that are labelled, "
                "0 to 1; Measures… compares the whole image",
            ),
        }
        text, tip = headings[Column(section)]
        if role == Role.TextAlignmentRole and section == Column.NAME:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return {Role.DisplayRole: text, Role.ToolTipRole: tip}.get(Role(role))

    def data(self, index: AnyIndex, role: int = Role.DisplayRole) -> Any:
        """Return what a cell shows."""
        row, column = self.rows[index.row()], Column(index.column())
        if role == Role.DisplayRole:
            return self._text(row, column)
        if role == Role.ToolTipRole:
            return self._tip(row, column)
        if role == Role.DecorationRole and column is Column.NAME:
            return swatch(structure(row.name).color)
        if role == Role.TextAlignmentRole and column >= Column.SIZE:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def _text(self, row: ObjectRow, column: Column) -> str | None:
        if column is Column.NAME:
            return structure(row.name).display_name
        if column is Column.SIZE:
            return UNKNOWN if row.size is None else f"{row.size:.2f}"
        if column is Column.DICE:
            return UNKNOWN if row.agreement is None else f"{row.agreement.dice:.3f}"
        return None

    def _tip(self, row: ObjectRow, column: Column) -> str:
        if column is Column.LOCKED:
            return f"{row.name} is locked" if row.locked else f"{row.name} can change"
        if column is Column.VISIBLE:
            return f"{row.name} is shown" if row.visible else f"{row.name} is hidden"
        if column is Column.DICE and row.agreement is not None:
            return _agreement_tip(row.agreement)
        told = f"{row.name}, label {structure(row.name).label}"
        if row.voxels is None or row.size is None:
            return f"{told}: not counted yet"
        return f"{told}: {row.voxels:,} voxels, {row.size:.3f} {self.unit}"


def _agreement_tip(found: Agreement) -> str:
    """Say which slices the Dice of a cell covers."""
    ending = "" if found.labelled == 1 else "s"
    return (
        f"Dice {found.dice:.3f} within {found.labelled} labelled {found.plane} "
        f"slice{ending} (the reference has {found.true}); whole image "
        f"{found.whole_dice:.3f}"
    )


HEAD_SIGNS = {Column.LOCKED: "lock", Column.VISIBLE: "visibility"}


class SignDelegate(QStyledItemDelegate):
    """Draws locks and eyes in the colour of the text."""

    def paint(
        self,
        painter: QPainter | None,
        option: QStyleOptionViewItem,
        index: AnyIndex,
    ) -> None:
        """Draw the sign of a cell over its usual background."""
        super().paint(painter, option, index)  # type: ignore[arg-type]
        model = index.model()
        if painter is None or not isinstance(model, ObjectModel):
            return
        name, opacity = _sign(model.rows[index.row()], Column(index.column()))
        color = option.palette.color(QPalette.ColorRole.Text)
        _draw_sign(painter, option.rect, name, color, opacity)

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:
        """Return the size of a sign with its margin."""
        size = super().sizeHint(option, index)  # type: ignore[arg-type]
        size.setWidth(ICON_PX + 8)
        return size


def _sign(row: ObjectRow, column: Column) -> tuple[str, float]:
    if column is Column.LOCKED:
        return ("lock", CLEAR) if row.locked else ("lock_open", FAINT)
    return ("visibility", CLEAR) if row.visible else ("visibility_off", FAINT)


def _draw_sign(
    painter: QPainter, cell: QRect, name: str, color: QColor, opacity: float
) -> None:
    """Draw one of napari's icons in the middle of a cell."""
    drawing = get_colorized_svg(get_icon_path(name), color.name(), opacity)
    place = QRectF(0, 0, ICON_PX, ICON_PX)
    place.moveCenter(cell.toRectF().center())
    QSvgRenderer(QByteArray(drawing.encode())).render(painter, place)


class SignHeader(QHeaderView):
    """Headings, of which those of locks and eyes are signs to save room."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setMinimumSectionSize(ICON_PX + 10)

    def paintSection(self, painter: QPainter | None, cell: QRect, section: int) -> None:
        """Draw one heading."""
        super().paintSection(painter, cell, section)
        if painter is not None and section in HEAD_SIGNS:
            color = self.palette().color(QPalette.ColorRole.WindowText)
            _draw_sign(painter, cell, HEAD_SIGNS[Column(section)], color, CLEAR)


class ObjectTable(QTableView):
    """A table in which keys move through the rows and delete them."""

    moved = Signal(int)
    delete_pressed = Signal(int)

    def __init__(self, model: ObjectModel) -> None:
        super().__init__()
        self.setModel(model)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setStyleSheet(CELL_STYLE)
        signs = SignDelegate(self)
        for column in (Column.LOCKED, Column.VISIBLE):
            self.setItemDelegateForColumn(column, signs)
        header, numbers = SignHeader(), QHeaderView(Qt.Orientation.Vertical)
        self.setHorizontalHeader(header)
        self.setVerticalHeader(numbers)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(Column.NAME, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        header.setSectionsClickable(False)
        numbers.setVisible(False)
        numbers.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        numbers.setDefaultSectionSize(self.fontMetrics().height() + 8)
        self._header, self._numbers = header, numbers

    def fit(self, rows: int) -> None:
        """Take the height of so many rows, up to the most that are shown."""
        height = self._numbers.defaultSectionSize() * min(max(rows, 1), MOST_ROWS)
        frame = 2 * self.frameWidth()
        self.setFixedHeight(height + self._header.sizeHint().height() + frame)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Move through the rows, or delete one."""
        if event is not None and event.key() in DELETE_KEYS:
            if self.currentIndex().isValid():
                self.delete_pressed.emit(self.currentIndex().row())
            return
        super().keyPressEvent(event)
        moved = event is not None and event.key() in MOVE_KEYS
        if moved and self.currentIndex().isValid():
            self.moved.emit(self.currentIndex().row())
