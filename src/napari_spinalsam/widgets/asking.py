"""A thread that waits for a language model, so that the window does not."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QThread, Signal

from napari_spinalsam.core.errors import SpinalSamError

if TYPE_CHECKING:
    from napari_spinalsam.language.interpreter import Interpreter
    from napari_spinalsam.language.settings import ViewerContext


class AskingThread(QThread):
    """Understands one sentence; the network is used here and nowhere else.

    Signals
    -------
    understood(Understanding)
        What the sentence means.
    failed(sentence)
        Why nothing could be understood.
    """

    understood = Signal(object)
    failed = Signal(str)

    def __init__(
        self,
        interpreter: Interpreter,
        text: str,
        context: ViewerContext,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._interpreter, self._text, self._context = interpreter, text, context
        self._cancel = Event()

    def cancel(self) -> None:
        """Break the connection off; called from the window's thread."""
        self._cancel.set()

    def run(self) -> None:
        """Ask; called by Qt in the new thread."""
        try:
            understanding = self._interpreter.understand(
                self._text, self._context, cancel=self._cancel
            )
        except SpinalSamError as error:
            self.failed.emit(str(error))
        else:
            self.understood.emit(understanding)
