"""Choose, load and, only when the user asks, download a model."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QPushButton, QWidget

from napari_spinalsam.annotation.jobs import sentence_of
from napari_spinalsam.core.errors import CancelledError
from napari_spinalsam.model.weights.adapter_files import base_of, list_adapters
from napari_spinalsam.model.weights.download import download
from napari_spinalsam.model.weights.registry import ENTRIES, is_downloaded, model_entry
from napari_spinalsam.widgets.parts import make_narrow
from napari_spinalsam.widgets.preferences import remember, segment_settings
from napari_spinalsam.widgets.workers import Worker

if TYPE_CHECKING:
    from napari_spinalsam.model.session import SegmentationSession
    from napari_spinalsam.widgets.controller import SegmentController

FROM_FILE = "file"
MEGABYTE = 1e6
STOP_SECONDS = 10.0


def build_session(model: str, device: str = "auto") -> SegmentationSession:
    """Load a model by name or path; imports torch, so only in the inference thread."""
    from napari_spinalsam.model.weights.loading import load_session

    return load_session(model, device)


class ModelBox(QComboBox):
    """The models of the registry, the user's adapters, and a file.

    An item's data is what `build_session` takes; the list is read again each time it
    opens, for an adapter may have been trained meanwhile.
    """

    def __init__(self) -> None:
        super().__init__()
        make_narrow(self)
        self.setToolTip("The network that predicts masks")
        self.setPlaceholderText("choose a model")
        self.fill()

    def showPopup(self) -> None:
        """Read the folder of adapters and open the list."""
        self.fill()
        super().showPopup()

    def fill(self) -> None:
        """Offer what there is now; the item that was shown stays."""
        text, chosen = self.currentText(), self.currentData()
        with QSignalBlocker(self):
            self.clear()
            for entry in ENTRIES.values():
                self._offer(entry.name, entry.name, entry.description)
            for each in list_adapters():
                base = each.config.family if each.base is None else each.base.name
                tip = f"Your adapter on {base}, {each.path}"
                self._offer(f"{each.name} ({base})", each.name, tip)
            self._offer("open a model file…", FROM_FILE, "Weights or an adapter")
            self.show_model(text, chosen)

    def show_model(self, text: str, model: str | None) -> None:
        """Show a model as chosen, and nothing for None; one not listed is added."""
        with QSignalBlocker(self):
            if model is not None and self.findData(model) < 0:
                self.insertItem(self.count() - 1, text, model)
            self.setCurrentIndex(-1 if model is None else self.findData(model))

    def _offer(self, text: str, model: str, tip: str) -> None:
        self.addItem(text, model)
        self.setItemData(self.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)


class ModelRow(QWidget):
    """The box of models, and a button that downloads one.

    Parameters
    ----------
    controller : SegmentController
        Loads what is chosen.

    Signals
    -------
    offered()
        The button was shown.
    """

    offered = Signal()
    _progressed = Signal(str)

    def __init__(self, controller: SegmentController) -> None:
        super().__init__()
        self._controller = controller
        self._worker: Worker | None = None
        self._cancelled = Event()
        self.box = ModelBox()
        self._wanted = ""
        self._files: dict[str, str] = {}  # stem and path of what was opened
        self.download = QPushButton()
        self.download.hide()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.box, 1)
        row.addWidget(self.download)
        self.box.activated.connect(self._on_activated)
        self.download.clicked.connect(self._on_download)
        self._progressed.connect(controller.working)
        controller.cancelled.connect(self._cancel)
        controller.model_changed.connect(self._show_loaded)
        controller.predictions.failed.connect(self._show_loaded)
        controller.annotation_changed.connect(self._load_first)

    def close_threads(self) -> None:
        """Stop a running download."""
        self._cancel()
        if self._worker is not None:
            self._worker.wait(STOP_SECONDS)

    def _load_first(self) -> None:
        """Load the preferred model with the first image: torch is not needed before."""
        if self._controller.annotation is not None:
            self._controller.annotation_changed.disconnect(self._load_first)
            if self._controller.session is None:
                self.choose(segment_settings().model)

    def _load(self, model: str) -> None:
        self._controller.load_model(partial(build_session, model))

    def _on_activated(self) -> None:
        self.download.hide()
        chosen = self.box.currentData()
        if chosen == FROM_FILE:
            chosen, _ = QFileDialog.getOpenFileName(
                self, "Open a model file", "", "Models (*.safetensors *.pth *.pt)"
            )
            if not chosen:
                self._show_loaded()
                return
            self._files[Path(chosen).stem] = chosen
        self.choose(chosen)

    def choose(self, model: str) -> None:
        """Load a model, or tell what it takes to have it here.

        Parameters
        ----------
        model : str
            A name of the list, or the path of a file.
        """
        self._wanted = model
        entry = ENTRIES.get(model)
        if entry is not None and not (entry.is_bundled or is_downloaded(model)):
            self.box.show_model(model, model)
            self._offer(model)
        elif self._has_base(model):
            self._load(model)

    def _has_base(self, name: str) -> bool:
        """Whether nothing is missing; the absent base of an adapter is told."""
        found = [each for each in list_adapters() if each.name == name]
        have = self._controller.attempt(
            lambda: [base_of(each.name, each.config) for each in found]
        )
        if not have:
            self._show_loaded()
        return have

    def _offer(self, name: str) -> None:
        """Offer the download of a model, with its size and licence."""
        entry = model_entry(name)
        size = f"{entry.size_bytes / MEGABYTE:.0f} MB"
        self.download.setText(f"Download {size}")
        self.download.setToolTip(f"{entry.description}; licence {entry.licence}")
        self.download.show()
        self.offered.emit()
        self._controller.message.emit(
            f"{name} is not here yet: press Download to fetch {size} from "
            f"{entry.url.split('/')[2]} (licence {entry.licence}).",
            False,
        )

    def _on_download(self) -> None:
        self.download.setEnabled(False)
        self._cancelled = Event()
        name, cancelled = self.box.currentData(), self._cancelled
        self._worker = Worker(partial(self._fetch, name, cancelled))
        self._worker.returned.connect(self._load)
        self._worker.errored.connect(self._on_failed)
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def _fetch(self, name: str, cancelled: Event) -> str:
        """Download in the worker; what was received stays for the next try."""

        def tell(done: int, total: int | None) -> None:
            whole = f" of {total / MEGABYTE:.0f}" if total else ""
            told = f"Downloading {name}: {done / MEGABYTE:.0f}{whole} MB"
            self._progressed.emit(told)

        try:
            download(name, tell, cancelled.is_set)
        except CancelledError as error:
            raise CancelledError(
                f"The download of {name} was cancelled; it goes on from there next "
                "time."
            ) from error
        return name

    def _cancel(self) -> None:
        self._cancelled.set()

    def _on_failed(self, error: Exception) -> None:
        self._controller.report_error(sentence_of(error))

    def _on_finished(self) -> None:
        self._controller.working.emit("")
        self._worker = None
        self.download.setEnabled(True)
        self.download.hide()

    def _show_loaded(self) -> None:
        """Show what is loaded, whatever was asked for."""
        if self._controller.session is None:
            self.box.show_model("", None)
            return
        loaded = self._controller.session.identity
        name = loaded.adapter or loaded.name
        if name == self._wanted:
            remember("model", name)
        self.box.show_model(loaded.title, self._files.get(name, name))
