"""Keys of the Segment dock, and the way of the focus back to the canvas.

napari asks the active layer for a key first and the viewer last, the layer list and
boxes take letters for a search, and menus take theirs before any of them. So keys are
taken where Qt hands them out, before napari: they work whichever layer is active.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.qt import QtViewer
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QFocusEvent, QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDockWidget,
    QKeySequenceEdit,
    QLineEdit,
    QMainWindow,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)

from napari_spinalsam.widgets.window import dock_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A key and what is held with it.
Stroke = tuple[int, Qt.KeyboardModifier]
ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
LEAVE = (*ENTER, Qt.Key.Key_Escape)
# The focus comes back from a list of suggestions or from another window.
STAYED = (Qt.FocusReason.PopupFocusReason, Qt.FocusReason.ActiveWindowFocusReason)


class Shortcuts(QObject):
    """Takes the keys of a dock in its window, but never while something is typed.

    It does so while the dock is open, also behind the tab of another dock; not while
    it is hidden, and not in dialogs and other windows.

    Parameters
    ----------
    owner : QWidget
        What is docked.
    commands : mapping of str to callable
        Key, as Qt writes it (``"Shift+S"``), to what it does. ``"Return"`` stands for
        both Enter keys.
    """

    def __init__(
        self, owner: QWidget, commands: Mapping[str, Callable[[], object]]
    ) -> None:
        super().__init__(owner)
        self._owner = owner
        self._commands = {_stroke(key): command for key, command in commands.items()}
        self._due: Stroke | None = None
        # The field that a key has just been announced to.
        self._field: QWidget | None = None
        self._held: set[int] = set()
        application = QApplication.instance()
        if application is not None:
            application.installEventFilter(self)

    def release(self) -> None:
        """Leave the keys to napari."""
        application = QApplication.instance()
        if application is not None:
            application.removeEventFilter(self)

    def eventFilter(self, receiver: QObject | None, event: QEvent | None) -> bool:
        """Take a key before whoever has the focus, and the menus, get it."""
        # Qt announces each key to the focus before it looks into menus; only then
        # comes the key, which may go on to parents when the focus has moved already.
        if not isinstance(event, QKeyEvent):
            return False
        stroke = _stroke_of(event)
        if event.type() == QEvent.Type.ShortcutOverride:
            self._note_field(receiver)
            ours = stroke in self._commands and self._is_meant(receiver)
            self._due = stroke if ours else None
            if ours:
                event.accept()
            return ours
        self._field = None
        if event.type() == QEvent.Type.KeyPress and stroke == self._due:
            self._due = None
            self._held.add(event.key())
            if not event.isAutoRepeat():
                self._commands[stroke]()
            return True
        if event.type() == QEvent.Type.KeyRelease and event.key() in self._held:
            if not event.isAutoRepeat():
                self._held.discard(event.key())
            return True
        return False

    def _note_field(self, receiver: QObject | None) -> None:
        """Note where a key is typed: what the field leaves is told to its parents."""
        if isinstance(receiver, QWidget) and is_typed_in(receiver):
            self._field = receiver
        elif not (isinstance(receiver, QWidget) and self._is_left_to(receiver)):
            self._field = None

    def _is_left_to(self, parent: QWidget) -> bool:
        return self._field is not None and parent.isAncestorOf(self._field)

    def _is_meant(self, receiver: QObject | None) -> bool:
        if not isinstance(receiver, QWidget) or self._is_left_to(receiver):
            return False
        dock = dock_of(self._owner)
        main = main_window(self._owner)
        if dock is None or dock.isHidden() or main is not main_window(receiver):
            return False
        # The focus as well: what a text field leaves goes on to its parents.
        focus = QApplication.focusWidget()
        return not is_typed_in(receiver) and not (focus and is_typed_in(focus))


class CanvasFocus(QObject):
    """Hands the focus back to the canvas once a box of a dock has been used.

    What an editable box holds is selected when it gets the focus, so that typing
    replaces it. Enter and Escape leave it, Escape with what it held before; so does a
    choice in any box.

    Parameters
    ----------
    owner : QWidget
        What is docked; the boxes that it has by now are followed.
    """

    def __init__(self, owner: QWidget) -> None:
        super().__init__(owner)
        self._owner = owner
        # Whatever takes the keys of a field: the field, its box, the box's suggestions.
        self._boxes: dict[QObject, QComboBox | None] = {}
        for kind in (QLineEdit, QAbstractSpinBox):
            self._boxes |= dict.fromkeys(owner.findChildren(kind))
        for box in owner.findChildren(QComboBox):
            box.activated.connect(self._give_back)
            line, completer = box.lineEdit(), box.completer()
            if line is not None:
                self._boxes |= {line: box, box: box}
            if completer is not None and (popup := completer.popup()) is not None:
                self._boxes[popup] = box
        for field in self._boxes:
            field.installEventFilter(self)

    def eventFilter(self, receiver: QObject | None, event: QEvent | None) -> bool:
        """Select what a field holds as it gets the focus; leave it by key."""
        if event is None or receiver not in self._boxes:
            return False
        box = self._boxes[receiver]
        if isinstance(event, QFocusEvent) and event.gotFocus():
            if event.reason() in STAYED:
                return False
            field = receiver if box is None else box.lineEdit()
            if isinstance(field, QLineEdit | QAbstractSpinBox):
                # After the click, which would put the cursor somewhere.
                QTimer.singleShot(0, field.selectAll)
        elif _pressed(event) in LEAVE:
            if box is not None and _pressed(event) == Qt.Key.Key_Escape:
                box.setEditText(box.itemText(box.currentIndex()))
            # After the field has dealt with the key.
            QTimer.singleShot(0, self._give_back)
        return False

    def _give_back(self) -> None:
        focus = QApplication.focusWidget()
        if focus is None or self._owner.isAncestorOf(focus):
            focus_canvas(self._owner)


def is_typed_in(widget: QWidget) -> bool:
    """Whether keys pressed in a widget are text."""
    if isinstance(widget, QLineEdit | QTextEdit | QPlainTextEdit):
        return not widget.isReadOnly()
    if isinstance(widget, QComboBox):
        return widget.isEditable()
    return isinstance(widget, QAbstractSpinBox | QKeySequenceEdit)


def main_window(widget: QWidget) -> QMainWindow | None:
    """Return the main window that a widget is in, also in a floating dock of it."""
    window: QWidget | None = widget.window()
    while isinstance(window, QDockWidget):
        parent = window.parentWidget()
        window = None if parent is None else parent.window()
    return window if isinstance(window, QMainWindow) else None


def focus_canvas(widget: QWidget) -> None:
    """Give the focus to the canvas of the window that a widget is in."""
    main = main_window(widget)
    centre = None if main is None else main.centralWidget()
    canvas = None if centre is None else centre.findChild(QtViewer)
    if canvas is not None:
        canvas.setFocus()


def _pressed(event: QEvent) -> int | None:
    """Return the key that an event tells to be pressed."""
    if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
        return event.key()
    return None


def _stroke(key: str) -> Stroke:
    combination = QKeySequence(key, QKeySequence.SequenceFormat.PortableText)[0]
    return int(combination.key()), combination.keyboardModifiers()


def _stroke_of(event: QKeyEvent) -> Stroke:
    key = Qt.Key.Key_Return if event.key() in ENTER else event.key()
    return int(key), event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
