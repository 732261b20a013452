"""The Measures window: live measures of each structure, a plot, and a file of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.io.csv import write_table
from napari_spinalsam.widgets.dialogs import path_to_write
from napari_spinalsam.widgets.measures.live import LiveDistances
from napari_spinalsam.widgets.measures.plot import SpinePlot
from napari_spinalsam.widgets.measures.rows import (
    MeasureRow,
    file_headings,
    headings,
    mean_row,
    means_sentence,
    measure_rows,
    size_unit,
)
from napari_spinalsam.widgets.parts import swatch

if TYPE_CHECKING:
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_spinalsam.annotation.events import Change
    from napari_spinalsam.widgets.controller import SegmentController
    from napari_spinalsam.widgets.measures.live import LiveTally

SUFFIX = ".csv"
NO_REFERENCE = "Choose reference labels in the Segment dock to see Dice and distances."


class MeasuresWindow(QWidget):
    """Measures of all structures while they change; it measures only while shown.

    Parameters
    ----------
    controller : SegmentController
        Whose annotation and reference.
    live : LiveTally
        Counts its voxels.
    parent : QWidget
        Whose window this one belongs to.
    """

    def __init__(
        self, controller: SegmentController, live: LiveTally, parent: QWidget
    ) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setWindowTitle("Measures")
        self.controller, self._live = controller, live
        self.distances = LiveDistances(controller, live, self)
        self.rows: tuple[MeasureRow, ...] = ()
        self.table = QTableWidget(self)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setColumnCount(len(headings("mL")))
        header, numbers = self.table.horizontalHeader(), self.table.verticalHeader()
        if header is not None and numbers is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            numbers.setVisible(False)
            numbers.setDefaultSectionSize(self.fontMetrics().height() + 8)
        self.plot = SpinePlot()
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.export = QPushButton("Export CSV…")
        self.export.setToolTip("Write the table, in full precision, to a file")
        foot = QHBoxLayout()
        foot.addWidget(self.told, 1)
        foot.addWidget(self.export)
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.addWidget(self.table)
        parts.addWidget(self.plot)
        layout = QVBoxLayout(self)
        layout.addWidget(parts, 1)
        layout.addLayout(foot)
        self.export.clicked.connect(lambda: controller.attempt(self._ask_and_write))
        controller.annotation_changed.connect(self._on_changed)
        self.distances.updated.connect(self._show)
        self.resize(620, 620)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Begin to measure."""
        super().showEvent(event)
        self.distances.start()
        self._show()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Measure no more."""
        self.distances.stop()
        super().hideEvent(event)

    def write(self, path: Path) -> None:
        """Write the table to a file.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        unit = size_unit(self.controller.annotation)
        write_table(path, file_headings(unit), (row.cells() for row in self.rows))

    def _on_changed(self, change: Change) -> None:
        if change.objects or change.geometry:
            self._show()  # a name may differ; changed voxels are told by the tally

    def _ask_and_write(self) -> None:
        """Let the user choose a file and write the table to it."""
        path = path_to_write(
            "Export measures", Path(f"measures{SUFFIX}"), "Tables", (SUFFIX,), self
        )
        self.write(path)
        self.controller.message.emit(f"Wrote {path.name}.", False)

    def _show(self) -> None:
        """Draw table and plot from what is known now."""
        if self.isHidden():
            return
        annotation, tally = self.controller.annotation, self._live.tally
        self.rows = ()
        if annotation is not None and tally is not None:
            self.rows = measure_rows(annotation, tally, self.distances.known)
        unit = size_unit(annotation)
        compared = tally is not None and tally.has_reference
        self.table.setHorizontalHeaderLabels(headings(unit))
        for column in range(2, self.table.columnCount()):
            self.table.setColumnHidden(column, not compared)
        shown = (*self.rows, mean_row(self.rows)) if len(self.rows) > 1 else self.rows
        self.table.setRowCount(len(shown))
        for place, row in enumerate(shown):
            self._show_row(place, row)
        self.plot.show_rows(self.rows, unit)
        pending = sum(row.pending for row in self.rows)
        self.export.setEnabled(bool(self.rows) and not pending)
        told = means_sentence(self.rows) if compared else NO_REFERENCE
        if pending:
            told = f"Measuring {pending} of {len(self.rows)} structures…"
        self.told.setText(told)

    def _show_row(self, place: int, row: MeasureRow) -> None:
        for column, text in enumerate(row.texts()):
            item = self.table.item(place, column)
            if item is None:
                item = QTableWidgetItem()
                self.table.setItem(place, column, item)
                if column:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
            if item.text() != text:
                item.setText(text)
            if column == 0:
                mean = row.label is None
                icon = QIcon() if mean else swatch(structure(row.name).color)
                item.setIcon(icon)
