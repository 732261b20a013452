"""Volume and agreement level by level, drawn as bars and dots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_spinalsam.core.anatomy import VERTEBRA_ORDER, Kind, structure
from napari_spinalsam.widgets.measures.rows import SIZE_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtGui import QPaintEvent

    from napari_spinalsam.widgets.measures.rows import MeasureRow

LEFT_PX, RIGHT_PX, GAP_PX = 52, 12, 26
BAR_SHARE = 0.62
DOT_PX = 3.5
# Lines of the grid, and those of Dice.
STEPS = 4
GRID_ALPHA = 60


def along_spine(rows: Iterable[MeasureRow]) -> tuple[MeasureRow, ...]:
    """Return the rows of levels, each disc after the vertebra above it."""
    levels = [
        row for row in rows if structure(row.name).kind not in (Kind.CANAL, Kind.CORD)
    ]
    return tuple(sorted(levels, key=_place))


def _place(row: MeasureRow) -> tuple[int, bool]:
    upper = row.name.split("-")[0]
    return VERTEBRA_ORDER.index(upper), upper != row.name


class SpinePlot(QWidget):
    """Two plots over the levels: sizes as bars above, Dice as dots below."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[MeasureRow, ...] = ()
        self.unit = "mL"
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(160)

    def show_rows(self, rows: Iterable[MeasureRow], unit: str) -> None:
        """Draw these rows in place of the present ones."""
        self.rows, self.unit = along_spine(rows), unit
        self.update()

    def sizeHint(self) -> QSize:
        """Return a size at which a lumbar spine is easy to read."""
        return QSize(560, 260)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw both plots, or say that there is nothing to draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self._ink())
        if not self.rows:
            centre = Qt.AlignmentFlag.AlignCenter
            painter.drawText(self.rect(), centre, "No vertebra or disc to plot")
            return
        line = self.fontMetrics().height()
        names = self._names_height()
        inner = QRectF(self.rect()).adjusted(
            LEFT_PX, line + 4, -RIGHT_PX, -names - GAP_PX / 4
        )
        compared = any(row.dice is not None for row in self.rows)
        top, bottom = QRectF(inner), QRectF(inner)
        if compared:
            top.setHeight((inner.height() - GAP_PX) * 0.55)
            bottom.setTop(top.bottom() + GAP_PX)
            self._draw_dice(painter, bottom)
        self._draw_sizes(painter, top, compared=compared)
        self._draw_names(painter, bottom)

    def _ink(self, alpha: int = 255) -> QColor:
        color = self.palette().color(QPalette.ColorRole.WindowText)
        color.setAlpha(alpha)
        return color

    def _center(self, frame: QRectF, place: int) -> float:
        return frame.left() + frame.width() * (place + 0.5) / len(self.rows)

    def _draw_grid(
        self, painter: QPainter, frame: QRectF, title: str, top: float
    ) -> None:
        """Draw lines with their values from 0 to `top`, and a title above."""
        line = self.fontMetrics().height()
        for step in range(STEPS + 1):
            y = frame.bottom() - frame.height() * step / STEPS
            painter.setPen(self._ink(GRID_ALPHA))
            painter.drawLine(QPointF(frame.left(), y), QPointF(frame.right(), y))
            painter.setPen(self._ink())
            place = QRectF(0, y - line / 2, frame.left() - 6, line)
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(place, right, f"{top * step / STEPS:g}")
        place = QRectF(frame.left(), frame.top() - line - 4, frame.width(), line)
        painter.drawText(place, Qt.AlignmentFlag.AlignLeft, title)

    def _draw_sizes(self, painter: QPainter, frame: QRectF, *, compared: bool) -> None:
        sizes = [max(row.size, row.true_size or 0.0) for row in self.rows]
        top = _round_up(max(sizes))
        what = SIZE_NAMES[self.unit]
        told = f"{what} ({self.unit})" + (", outlined: reference" if compared else "")
        self._draw_grid(painter, frame, told, top)
        width = frame.width() / len(self.rows) * BAR_SHARE
        for place, row in enumerate(self.rows):
            left = self._center(frame, place) - width / 2
            height = frame.height() * row.size / top
            bar = QRectF(left, frame.bottom() - height, width, height)
            painter.fillRect(bar, QColor.fromRgbF(*structure(row.name).color))
            if row.true_size is not None:
                height = frame.height() * row.true_size / top
                outline = QRectF(left - 2, frame.bottom() - height, width + 4, height)
                painter.setPen(QPen(self._ink(), 1.4))
                painter.drawRect(outline)

    def _draw_dice(self, painter: QPainter, frame: QRectF) -> None:
        """Draw a dot a level, joined among vertebrae and among discs, discs hollow."""
        self._draw_grid(painter, frame, "Dice", 1.0)
        for discs in (False, True):
            dots = [
                QPointF(
                    self._center(frame, place),
                    frame.bottom() - frame.height() * row.dice,
                )
                for place, row in enumerate(self.rows)
                if row.dice is not None and _place(row)[1] == discs
            ]
            painter.setPen(QPen(self._ink(2 * GRID_ALPHA), 1.0))
            painter.drawPolyline(QPolygonF(dots))
            painter.setPen(QPen(self._ink(), 1.4))
            ground = self.palette().color(QPalette.ColorRole.Window)
            painter.setBrush(ground if discs else self._ink())
            for dot in dots:
                painter.drawEllipse(dot, DOT_PX, DOT_PX)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _names_are_upright(self) -> bool:
        """Whether names have to stand on end to fit."""
        room = (self.width() - LEFT_PX - RIGHT_PX) / max(len(self.rows), 1)
        metrics = self.fontMetrics()
        longest = max(metrics.horizontalAdvance(row.name) for row in self.rows)
        return longest + 4 > room

    def _names_height(self) -> int:
        metrics = self.fontMetrics()
        if not self._names_are_upright():
            return metrics.height()
        return max(metrics.horizontalAdvance(row.name) for row in self.rows) + 4

    def _draw_names(self, painter: QPainter, frame: QRectF) -> None:
        metrics, upright = self.fontMetrics(), self._names_are_upright()
        painter.setPen(self._ink())
        for place, row in enumerate(self.rows):
            x = self._center(frame, place)
            width = metrics.horizontalAdvance(row.name)
            painter.save()
            if upright:
                painter.translate(x + metrics.ascent() / 2 - 1, frame.bottom() + 4)
                painter.rotate(-90)
                painter.drawText(QPointF(-width, 0), row.name)
            else:
                below = frame.bottom() + metrics.ascent() + 3
                painter.drawText(QPointF(x - width / 2, below), row.name)
            painter.restore()


def _round_up(value: float) -> float:
    """Return the next number above that is easy to divide by four."""
    step = 1.0
    while step < value:
        for factor in (2.0, 4.0, 6.0, 8.0, 10.0):
            if step * factor >= value:
                return step * factor
        step *= 10.0
    return step
