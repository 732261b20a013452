"""Talking to the Chat dock as a user does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

if TYPE_CHECKING:
    from napari_spinalsam.widgets.chat.transcript import Tone
    from napari_spinalsam.widgets.chat.widget import ChatWidget


def type_and_enter(chat: ChatWidget, text: str) -> None:
    line = chat.sentence.native
    line.setText(text)
    QTest.keyClick(line, Qt.Key.Key_Return)


def last(chat: ChatWidget) -> tuple[Tone, str]:
    bubble = chat.transcript.bubbles[-1]
    return bubble.tone, bubble.text.text()
