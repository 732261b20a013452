"""The mask that waits and the work that goes on, while the Segment dock is covered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_spinalsam.actions import models as a
from napari_spinalsam.widgets.busy import BusyRow
from napari_spinalsam.widgets.sections import ROW_GAP_PX, preview_text, side_by_side

if TYPE_CHECKING:
    from napari_spinalsam.widgets.segment import SegmentWidget


class WorkBar(QWidget):
    """Accept and Reject while a mask waits, progress and Cancel while a job runs.

    Hidden parts take no room. It follows a Segment dock and acts through it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._segment: SegmentWidget | None = None
        self._told_elsewhere = False
        self.preview, self.busy = QWidget(), BusyRow()
        self.text = QLabel()
        self.accept, self.reject = QPushButton("Accept"), QPushButton("Reject")
        self.accept.setToolTip("Write the mask into the labels")
        self.reject.setToolTip("Drop the mask; prompts stay")
        self.text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        rows = QVBoxLayout(self.preview)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(ROW_GAP_PX)
        rows.addWidget(self.text)
        row = side_by_side(rows)
        row.addWidget(self.accept, 1)
        row.addWidget(self.reject, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(ROW_GAP_PX)
        column.addWidget(self.preview)
        column.addWidget(self.busy)
        self.accept.clicked.connect(lambda: self._perform(a.AcceptMask()))
        self.reject.clicked.connect(lambda: self._perform(a.RejectMask()))
        self.busy.cancel.clicked.connect(self._cancel)
        self._show_mask()

    def follow(self, segment: SegmentWidget) -> None:
        """Show what goes on in a Segment dock from now on, until it is closed."""
        if segment is self._segment:
            return
        self._segment = segment
        controller = segment.controller
        controller.annotation_changed.connect(self._show_mask)
        controller.working.connect(self._show_work)
        controller.predictions.progress.connect(self.busy.show_share)
        controller.closing.connect(self._leave)
        self._show_mask()
        self._show_work(segment.busy.sentence)

    def leave_work_to(self, *, others: bool) -> None:
        """Show no progress while others tell the same."""
        self._told_elsewhere = others
        self._show_work("" if self._segment is None else self._segment.busy.sentence)

    def _show_mask(self) -> None:
        annotation = (
            None if self._segment is None else self._segment.controller.annotation
        )
        preview = None if annotation is None else annotation.state.preview
        self.text.setText(preview_text(preview))
        self.preview.setVisible(preview is not None)

    def _show_work(self, sentence: str) -> None:
        self.busy.show_working("" if self._told_elsewhere else sentence)

    def _perform(self, action: a.AcceptMask | a.RejectMask) -> None:
        if self._segment is not None:
            self._segment.controller.perform(action)

    def _cancel(self) -> None:
        if self._segment is not None:
            self._segment.controller.cancel()

    def _leave(self) -> None:
        self._segment = None
        self._show_mask()
        self._show_work("")
