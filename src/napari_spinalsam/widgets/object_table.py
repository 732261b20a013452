"""The Objects table: how its cells are drawn and what its keys do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.resources import get_colorized_svg, get_icon_path
from qtpy.QtCore import QByteArray, QRectF, Qt, Signal
from qtpy.QtGui import QPalette
from qtpy.QtSvg import QSvgRenderer
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QTableView,
)

from napari_spinalsam.widgets.object_model import Column, ObjectModel

if TYPE_CHECKING:
    from qtpy.QtCore import QRect, QSize
    from qtpy.QtGui import QColor, QKeyEvent, QPainter
    from qtpy.QtWidgets import QStyleOptionViewItem

    from napari_spinalsam.widgets.object_model import AnyIndex, ObjectRow

ICON_PX = 16
FAINT, CLEAR = 0.3, 1.0
HEAD_SIGNS = {Column.LOCKED: "lock", Column.VISIBLE: "visibility"}
CELL_STYLE = "QTableView::item { padding: 0px 4px; }"
# Rows that are shown before the table scrolls.
MOST_ROWS = 10
DELETE_KEYS = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
MOVE_KEYS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End)


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
