"""Work beside the window that is none of the model's: one superqt worker each."""

from __future__ import annotations

import logging
from threading import Event
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QThreadPool
from superqt.utils import WorkerBase

from napari_spinalsam.core.errors import SpinalSamError

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


class Worker(WorkerBase[Any]):
    """Does one thing that may take a while, such as asking a server.

    Its signals are those of superqt: `returned` with the result, `errored` with the
    exception, then `finished`, also where it never began. They come in the thread of
    the window.

    Parameters
    ----------
    work : callable
        What to do; it looks at its own cancel token, if it can be cancelled.
    """

    # superqt declares an argument for each, also where none is sent.
    returned: Any
    finished: Any

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__()
        self._work = work
        self._begun, self._dropped, self._ended = Event(), Event(), Event()

    def start(self, pool: QThreadPool | None = None) -> None:
        """Begin now, in a pool of one's own or with all other workers."""
        self._worker_set.add(self)
        self._finished.connect(self._set_discard)
        chosen = pool or QThreadPool.globalInstance()
        chosen.start(self)  # type: ignore[union-attr]  # Qt always has one

    def wait(self, seconds: float) -> bool:
        """Wait for the end, and let what has not begun never begin.

        Returns
        -------
        bool
            Whether nothing of it goes on.
        """
        self._dropped.set()
        return not self._begun.is_set() or self._ended.wait(seconds)

    def work(self) -> Any:
        """Do it; called in the other thread."""
        return self._work()

    def run(self) -> None:
        """Work and tell; called by Qt in the other thread.

        superqt's own method would replace the filters of warnings meanwhile. They are
        of the whole process, and whoever reads a file records warnings by them.
        """
        self._begun.set()
        try:
            if not self._dropped.is_set():
                self._tell()
        finally:
            self._ended.set()
            self.finished.emit()
            self._finished.emit(self)

    def _tell(self) -> None:
        self.started.emit()
        try:
            result = self.work()
        except Exception as error:  # the edge of the thread: `errored` tells it
            if not isinstance(error, SpinalSamError):
                logger.exception("A worker met an unexpected error")
            self.errored.emit(error)
        else:
            self.returned.emit(result)
