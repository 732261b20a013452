"""The row that tells what a thread does, with Cancel."""

from __future__ import annotations

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

# Progress that is over sooner is not shown: the dock would only flicker.
BUSY_DELAY_MS = 250


class BusyRow(QWidget):
    """What goes on in a thread, if it goes on for long enough to be worth a look."""

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.bar = QProgressBar()
        # A bar without an end would be animated, and each frame draws the window anew.
        self.bar.setRange(0, 100)
        self.bar.setValue(0)  # Qt shows no text before there is a value
        self.cancel = QPushButton("Cancel")
        # What goes on; empty when idle.
        self.sentence = ""
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel)
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(BUSY_DELAY_MS)
        self._delay.timeout.connect(self.show)
        self.hide()

    def show_working(self, sentence: str) -> None:
        """Show what goes on before long, or nothing for an empty sentence."""
        self.sentence = sentence
        self.bar.setFormat(sentence)
        if not sentence:
            self._delay.stop()
            self.bar.setValue(0)
            self.hide()
        elif self.isHidden() and not self._delay.isActive():
            self._delay.start()

    def show_share(self, share: float) -> None:
        """Fill the bar up to a share, 0 to 1."""
        self.bar.setValue(round(100 * share))
