"""The hint of the first steps: in the dock until it is dismissed, then on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
)

from napari_spinalsam.widgets.preferences import keep, segment_settings

if TYPE_CHECKING:
    from qtpy.QtGui import QResizeEvent

STEPS = (
    "1. Choose a structure (, or .).",
    "2. Click in it (P), beside it (N), or drag a box (B).",
    "3. Enter accepts, Esc drops; F carries the mask through the volume.",
)

# The last line of a wrapped text is cut by about as much.
DESCENDER_PX = 3


class FirstSteps(QFrame):
    """Three steps with their keys, and a button that puts them away for good."""

    def __init__(self) -> None:
        super().__init__()
        self._fitted_width = 0
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._column = column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(2)
        self.dismiss = QToolButton()
        self.dismiss.setText("Got it")
        self.dismiss.setToolTip("Put this away; the button with the ? brings it back")
        self.dismiss.clicked.connect(lambda: self.show_if(wanted=False))
        first, *others = (QLabel(step) for step in STEPS)
        first.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        top = QHBoxLayout()
        top.addWidget(first, 1)
        top.addWidget(self.dismiss)
        column.addLayout(top)
        self._wrapped = others
        for line in others:
            line.setTextFormat(Qt.TextFormat.PlainText)
            line.setWordWrap(True)
            column.addWidget(line)
        self.setVisible(segment_settings().first_steps)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keep room for all lines: a scroll area knows nothing of wrapped ones."""
        super().resizeEvent(event)
        if self.width() == self._fitted_width:  # a new height is no reason to measure
            return
        self._fitted_width = self.width()
        margins = self.contentsMargins() + self._column.contentsMargins()
        width = self.width() - margins.left() - margins.right()
        for line in self._wrapped:
            line.setMinimumHeight(0)  # else the height measured is at least the last
            line.setMinimumHeight(line.heightForWidth(width) + DESCENDER_PX)
        self.setMinimumHeight(0)
        self.setMinimumHeight(self.heightForWidth(self.width()))

    def toggle(self) -> None:
        """Show the hint, or put it away."""
        self.show_if(wanted=self.isHidden())

    def show_if(self, *, wanted: bool) -> None:
        """Show the hint or put it away, also at the next start."""
        keep("first_steps", wanted)
        self.setVisible(wanted)
