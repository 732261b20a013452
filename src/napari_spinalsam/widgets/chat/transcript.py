"""The transcript of the Chat dock: plain text in bubbles, some with buttons.

Nothing that was typed, and nothing that a model wrote, is ever shown as markup.
"""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qtpy.QtGui import QResizeEvent

# Older bubbles go, so that a day's talk does not slow the window down.
LONGEST_TRANSCRIPT = 200


class Tone(StrEnum):
    """What a bubble says, which decides how it looks."""

    USER = "user"
    ANSWER = "answer"
    PLAN = "plan"
    QUESTION = "question"
    REFUSAL = "refusal"
    ERROR = "error"


_STRIPES = {
    Tone.USER: "#4c8dd6",
    Tone.ANSWER: "#4caf6d",
    Tone.PLAN: "#c9a227",
    Tone.QUESTION: "#c9a227",
    Tone.REFUSAL: "#8a8f98",
    Tone.ERROR: "#ff6b5e",
}


class Bubble(QFrame):
    """One thing that was said.

    Parameters
    ----------
    text : str
        Plain text, lines kept.
    tone : Tone
        What it is.
    detail : str
        Small print below, such as where an answer comes from and how long it took.
    """

    def __init__(self, text: str, tone: Tone, detail: str = "") -> None:
        super().__init__()
        self.tone = tone
        self.setObjectName("bubble")
        self.setStyleSheet(
            f"#bubble {{ border-left: 3px solid {_STRIPES[tone]}; padding-left: 4px; }}"
        )
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(6, 2, 2, 2)
        self._column.setSpacing(3)
        self.text = PlainLabel(text)
        self._column.addWidget(self.text)
        self.detail = PlainLabel(detail)
        self.detail.setEnabled(False)
        self.detail.setVisible(bool(detail))
        self._column.addWidget(self.detail)
        self.buttons: list[QPushButton] = []

    def offer(
        self,
        choices: Mapping[str, Callable[[], None]],
        *,
        side_by_side: bool = False,
        once: bool = True,
    ) -> None:
        """Add buttons.

        Parameters
        ----------
        choices : mapping of str to callable
            Text of each button, and what it does.
        side_by_side : bool
            In one row, else below each other.
        once : bool
            Whether pressing one of them ends the offer.
        """
        row = QHBoxLayout()
        for text, chosen in choices.items():
            made = QPushButton(text)
            made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            made.setMinimumHeight(made.sizeHint().height())
            made.clicked.connect(partial(self._choose, chosen, once))
            self.buttons.append(made)
            if side_by_side:
                row.addWidget(made)
            else:
                self._column.addWidget(made)
        if side_by_side:
            self._column.addLayout(row)

    def withdraw(self) -> None:
        """End the offer: the buttons can be read, and no longer pressed."""
        for made in self.buttons:
            made.setEnabled(False)

    def _choose(self, chosen: Callable[[], None], once: bool) -> None:
        if once:
            self.withdraw()
        chosen()


class Transcript(QScrollArea):
    """All bubbles, the newest at the bottom and in view."""

    def __init__(self) -> None:
        super().__init__()
        self.bubbles: list[Bubble] = []
        inner = QWidget()
        self._column = QVBoxLayout(inner)
        self._column.setContentsMargins(4, 4, 4, 4)
        self._column.setSpacing(6)
        self._column.addStretch(1)
        self.setWidget(inner)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        bar = self.verticalScrollBar()
        if bar is not None:  # follow the newest bubble, once it has its height
            bar.rangeChanged.connect(lambda _least, most: bar.setValue(most))

    def add(self, text: str, tone: Tone, detail: str = "") -> Bubble:
        """Add a bubble at the bottom and return it."""
        bubble = Bubble(text, tone, detail)
        self.bubbles.append(bubble)
        self._column.addWidget(bubble)
        if len(self.bubbles) > LONGEST_TRANSCRIPT:
            self.bubbles.pop(0).deleteLater()
        return bubble


class PlainLabel(QLabel):
    """Wrapped plain text that is never given less height than it needs."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Ask for the height of the text at the new width; layouts do not."""
        super().resizeEvent(event)
        self._fit()

    def setText(self, text: str | None) -> None:
        """Show another text, and ask for its height."""
        super().setText(text)
        self._fit()

    def _fit(self) -> None:
        self.setMinimumHeight(max(self.heightForWidth(self.width()), 0))
