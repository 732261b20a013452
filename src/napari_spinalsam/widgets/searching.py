"""What a plan may have to wait for: structures that the model must find first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    from napari_spinalsam.annotation.jobs import Search
    from napari_spinalsam.widgets.controller import SegmentController


class Searching(QObject):
    """One search on its way; it begins at once.

    Parameters
    ----------
    controller : SegmentController
        Whose image is searched.
    search : Search
        From `Executor.search`.

    Signals
    -------
    ended(found)
        Whether the plan is to run now. Not so if the user pressed Cancel, or another
        image was chosen meanwhile.
    """

    ended = Signal(bool)

    def __init__(self, controller: SegmentController, search: Search) -> None:
        super().__init__(controller)
        self.search = search
        self._controller, self._annotation = controller, controller.annotation
        controller.predictions.job_ended.connect(self._on_job_ended)
        controller.cancelled.connect(self._give_up)
        controller.annotation_changed.connect(self._on_changed)
        controller.predictions.carry(search)

    def _on_job_ended(self, job: object) -> None:
        if job is self.search:
            self._end(True)

    def _on_changed(self) -> None:
        if self._controller.annotation is not self._annotation:
            self._give_up()

    def _give_up(self) -> None:
        self._end(False)

    def _end(self, found: bool) -> None:
        self._controller.predictions.job_ended.disconnect(self._on_job_ended)
        self._controller.cancelled.disconnect(self._give_up)
        self._controller.annotation_changed.disconnect(self._on_changed)
        self.ended.emit(found)
        self.deleteLater()
