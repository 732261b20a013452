"""The Chat dock: say what is wanted, in English or Chinese."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from magicgui.widgets import Container, LineEdit, PushButton
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_spinalsam.actions import models as a
from napari_spinalsam.widgets.chat.conversation import Answer, Conversation
from napari_spinalsam.widgets.chat.settings_dialog import LanguageDialog
from napari_spinalsam.widgets.chat.transcript import Bubble, Tone, Transcript
from napari_spinalsam.widgets.handle import attach, find_dock
from napari_spinalsam.widgets.parts import LEAST_WIDTH_PX, ROW_GAP_PX, side_by_side
from napari_spinalsam.widgets.preferences import language_settings
from napari_spinalsam.widgets.segment.rows import ProgressRow, preview_text
from napari_spinalsam.widgets.window import DockedWidget

if TYPE_CHECKING:
    import napari
    from qtpy.QtGui import QShowEvent

    from napari_spinalsam.widgets.controller import SegmentController
    from napari_spinalsam.widgets.segment.widget import SegmentWidget

# A sentence that is longer than this is not shown in full.
LONGEST_SHOWN = 300
EXAMPLES = (
    "Open the sample",
    "Show sagittal and select L3",
    "Add a box and generate the mask",
    "选择腰三，骨窗，往后两层",
    "What can I say?",
)
WELCOME = (
    "Say what you want, in English or Chinese. Sentences are understood on this "
    "computer; nothing is sent anywhere unless you set up a language model (⚙). For "
    "example:"
)
TONES = {
    "outcome": Tone.ANSWER,
    "plan": Tone.PLAN,
    "question": Tone.QUESTION,
    "refusal": Tone.REFUSAL,
    "error": Tone.ERROR,
}


class WorkBar(QWidget):
    """Accept and Reject while a mask waits, progress and Cancel while a job runs.

    Hidden parts take no room. It follows a Segment dock and acts through it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._segment: SegmentWidget | None = None
        self._shown_elsewhere = False
        self.preview, self.progress_row = QWidget(), ProgressRow()
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
        column.addWidget(self.progress_row)
        self.accept.clicked.connect(lambda: self._perform(a.AcceptMask()))
        self.reject.clicked.connect(lambda: self._perform(a.RejectMask()))
        self.progress_row.cancel.clicked.connect(self._cancel)
        self._show_mask()

    def follow(self, segment: SegmentWidget) -> None:
        """Show what goes on in a Segment dock from now on, until it is closed."""
        if segment is self._segment:
            return
        self._segment = segment
        controller = segment.controller
        controller.annotation_changed.connect(self._show_mask)
        controller.working.connect(self._show_work)
        controller.predictions.progress.connect(self.progress_row.show_share)
        controller.closing.connect(self._leave)
        self._show_mask()
        self._show_work(segment.progress_row.sentence)

    def leave_work_to(self, *, others: bool) -> None:
        """Show no progress while others tell the same."""
        self._shown_elsewhere = others
        self._show_work(
            "" if self._segment is None else self._segment.progress_row.sentence
        )

    def _show_mask(self) -> None:
        annotation = (
            None if self._segment is None else self._segment.controller.annotation
        )
        preview = None if annotation is None else annotation.state.preview
        self.text.setText(preview_text(preview))
        self.preview.setVisible(preview is not None)

    def _show_work(self, sentence: str) -> None:
        self.progress_row.show_working("" if self._shown_elsewhere else sentence)

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


class ChatWidget(DockedWidget):
    """The dock that sentences are typed in.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer that it is docked in.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(napari_viewer)
        self.conversation = Conversation(self._controller, language_settings, self)
        self.transcript = Transcript()
        self.sentence = LineEdit(tooltip="Arrow up brings back what you said before")
        self.send = PushButton(text="Send", tooltip="Send (Enter)")
        self.ask: Container[LineEdit | PushButton] = Container(
            widgets=[self.sentence, self.send], layout="horizontal", labels=False
        )
        self.gear = QToolButton()
        self.language: LanguageDialog | None = None
        self.work = WorkBar()
        self.waiting = QLabel()
        self.cancel = QPushButton("Cancel")
        self._offering: Bubble | None = None
        self._said: list[str] = []
        self._place = 0
        self._lay_out()
        self._connect()
        self._welcome()

    def say(self, text: str) -> None:
        """Say something as if it had been typed."""
        text = text.strip()
        if not text:
            return
        self._said.append(text)
        self._place = len(self._said)
        self.sentence.value = ""
        shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
        self.transcript.add(shown, Tone.USER)
        self.conversation.say(text)

    def open_language(self) -> LanguageDialog:
        """Show the settings of the language model, and return their window."""
        if self.language is None:
            self.language = LanguageDialog(self)
        self.language.show_settings()
        self.language.show()
        self.language.raise_()
        return self.language

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Keep the keys of the sentence from the window, where Enter accepts a mask."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            match Qt.Key(event.key()):
                case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                    self.say(self.sentence.value)
                    return True
                case Qt.Key.Key_Up:
                    self._recall(-1)
                    return True
                case Qt.Key.Key_Down:
                    self._recall(1)
                    return True
                case Qt.Key.Key_Escape:
                    self.sentence.value = ""
                    return True
        return super().eventFilter(watched, event)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Follow a Segment dock that was opened before this one."""
        super().showEvent(event)
        segment = find_dock(self.viewer)
        if segment is not None:
            self.work.follow(segment)

    def end(self) -> None:
        """End the workers that ask a model, and what was not run yet."""
        self.conversation.close()
        if self.language is not None:
            self.language.close()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.addWidget(self.transcript, 1)
        row = QHBoxLayout()
        row.addWidget(self.waiting, 1)
        row.addWidget(self.cancel)
        column.addLayout(row)
        column.addWidget(self.work)
        self.sentence.native.setPlaceholderText("for example: go to slice 12")
        self.ask.margins = (0, 0, 0, 0)
        self.gear.setText("⚙")
        self.gear.setToolTip("Language model: service, key, connection")
        asking = QHBoxLayout()
        asking.addWidget(self.ask.native, 1)
        asking.addWidget(self.gear)
        column.addLayout(asking)
        self.setMinimumWidth(LEAST_WIDTH_PX)
        self._show_waiting("")

    def _connect(self) -> None:
        self.conversation.answered.connect(self._show_answer)
        self.conversation.waiting.connect(self._show_waiting)
        self.conversation.voided.connect(self._withdraw)
        self.cancel.clicked.connect(self.conversation.cancel)
        self.send.changed.connect(lambda: self.say(self.sentence.value))
        self.gear.clicked.connect(self.open_language)
        self.sentence.native.installEventFilter(self)

    def _welcome(self) -> None:
        bubble = self.transcript.add(WELCOME, Tone.ANSWER)
        bubble.offer(
            {text: partial(self.say, text) for text in EXAMPLES},
            side_by_side=False,
            once=False,
        )

    def _controller(self) -> SegmentController:
        segment = attach(self.viewer).widget
        self.work.follow(segment)
        dock = self.parentWidget()
        if dock is not None and not self.isVisible():
            dock.raise_()  # a Segment dock that was opened just now lies on top
        return segment.controller

    def _show_answer(self, answer: Answer) -> None:
        bubble = self.transcript.add(answer.text, TONES[answer.kind], answer.detail)
        if answer.choices:
            bubble.offer(answer.choices, side_by_side=answer.kind == "plan")
            self._offering = bubble

    def _withdraw(self) -> None:
        """Let nobody press what would no longer do what it says."""
        if self._offering is not None:
            self._offering.withdraw()
            self._offering = None

    def _show_waiting(self, sentence: str) -> None:
        self.waiting.setText(sentence)
        self.waiting.setVisible(bool(sentence))
        self.cancel.setVisible(bool(sentence))
        self.work.leave_work_to(others=self.conversation.tells_work)

    def _recall(self, offset: int) -> None:
        self._place = min(max(self._place + offset, 0), len(self._said))
        recalled = self._said[self._place] if self._place < len(self._said) else ""
        self.sentence.value = recalled
