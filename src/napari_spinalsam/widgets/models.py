"""Choose, load and, when asked, download a model."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from napari_spinalsam.widgets.choosers import make_narrow

if TYPE_CHECKING:
    from napari_spinalsam.model.session import SegmentationSession
    from napari_spinalsam.widgets.controller import SegmentController

DEFAULT_MODEL = "spinalsam-tiny"
FROM_FILE = "file"


def build_session(model: str, device: str = "auto") -> SegmentationSession:
    """Load a model by name or path; imports torch, so only in the inference thread."""
    from napari_spinalsam.model.loading import load_session

    return load_session(model, device)


class ModelChooser(QComboBox):
    """Offers the models of the registry and the user's own file.

    Parameters
    ----------
    controller : SegmentController
        Loads what is chosen.
    """

    def __init__(
        self, controller: SegmentController, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._controller = controller
        make_narrow(self)
        self.setToolTip("The network that predicts masks")
        self.addItem(DEFAULT_MODEL, DEFAULT_MODEL)
        self.addItem("open a model file…", FROM_FILE)
        self.activated.connect(lambda _: self._on_activated())
        controller.model_changed.connect(self._show_loaded)
        controller.load_model(partial(build_session, DEFAULT_MODEL))

    def _on_activated(self) -> None:
        chosen = self.currentData()
        if chosen == FROM_FILE:
            chosen, _ = QFileDialog.getOpenFileName(
                self, "Open a model file", "", "Models (*.safetensors *.pth *.pt)"
            )
            if not chosen:
                self._show_loaded()
                return
        self._controller.load_model(partial(build_session, chosen))

    def _show_loaded(self) -> None:
        session = self._controller.session
        if session is None:
            return
        name = session.record.name
        with QSignalBlocker(self):
            if self.findText(name) < 0:
                self.insertItem(self.count() - 1, name, name)
            self.setCurrentIndex(self.findText(name))
