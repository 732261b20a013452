"""A report in a window of its own, which stays out of the way of the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
)

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_spinalsam.annotation.outcome import Report


class ReportWindow(QDialog):
    """Shows a table; not modal, and gone when it is closed.

    Parameters
    ----------
    report : Report
        Title, columns and rows.
    parent : QWidget or None
        Window that it belongs to.
    """

    def __init__(self, report: Report, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(report.title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.table = QTableWidget(len(report.rows), len(report.columns), self)
        self.table.setHorizontalHeaderLabels(report.columns)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setWordWrap(True)
        for row, cells in enumerate(report.rows):
            for column, cell in enumerate(cells):
                self.table.setItem(row, column, QTableWidgetItem(cell))
        header = self.table.horizontalHeader()
        if header is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            header.setStretchLastSection(True)
        numbers = self.table.verticalHeader()
        if numbers is not None:
            numbers.setVisible(False)
        QVBoxLayout(self).addWidget(self.table)
        self.resize(640, 360)


def show_table(report: Report, parent: QWidget | None = None) -> ReportWindow:
    """Open a window with a report and return it."""
    window = ReportWindow(report, parent)
    window.show()
    return window
