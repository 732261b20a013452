"""Labels to go on from: chosen in the menu, or opened beside the image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_spinalsam.actions import pointer
from napari_spinalsam.core.anatomy import by_label
from napari_spinalsam.core.errors import CancelledError, InputError
from napari_spinalsam.io.formats import LABEL_SUFFIXES
from napari_spinalsam.io.images import counts_of, sample_of, to_labels
from napari_spinalsam.io.labels import read_labels_for
from napari_spinalsam.layers.roles import role_of
from napari_spinalsam.widgets.dialogs import REPLACE, choose

if TYPE_CHECKING:
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.events import Change
    from napari_spinalsam.widgets.controller import SegmentController

FILES = f"Labels ({' '.join(f'*{one}' for one in LABEL_SUFFIXES)});;All files (*)"
UNDO = "Ctrl+Z brings the present ones back."


class StartLabels(QWidget):
    """Opens labels to go on from; offers it for a file of labels beside the image.

    Hidden until there is something to offer.

    Parameters
    ----------
    controller : SegmentController
        Knows viewer and annotation.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__()
        self._controller = controller
        # What is offered, and for which annotation.
        self._layer: Layer | None = None
        self._annotation: Annotation | None = None
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.go_on, self.leave = QPushButton("Go on from them"), QPushButton("Leave")
        column, row = QVBoxLayout(self), QHBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.text)
        for made, pressed in ((self.go_on, self._take), (self.leave, self._forget)):
            made.clicked.connect(lambda _, pressed=pressed: pressed())
            row.addWidget(made)
        column.addLayout(row)
        controller.viewer.layers.events.inserted.connect(self._on_inserted)
        controller.viewer.layers.events.removed.connect(self._on_removed)
        controller.annotation_changed.connect(self._on_changed)
        self.hide()

    def disconnect_viewer(self) -> None:
        """Stop following the viewer's layers."""
        events = self._controller.viewer.layers.events
        events.inserted.disconnect(self._on_inserted)
        events.removed.disconnect(self._on_removed)

    def choose(self) -> None:
        """Let the user choose a file, and ask before present labels are replaced."""
        chosen, _ = QFileDialog.getOpenFileName(
            None, "Open labels to go on from", "", FILES
        )
        if chosen:
            self._controller.attempt(lambda: self._ask_and_open(Path(chosen)))

    def open(self, path: Path) -> str:
        """Put the labels of a file in place of all present ones, as one step.

        Returns
        -------
        str
            What was done.

        Raises
        ------
        InputError
            If there is no image, or the file cannot be gone on from; nothing has
            changed then.
        """
        annotation = self._controller.annotation
        if annotation is None:
            raise InputError("There is no image: open the image of the labels first.")
        labels = read_labels_for(annotation.volume, path)
        self._controller.executor.run(pointer.OpenLabels(labels=labels))
        told = f"{path.name} is open to go on from. Ctrl+Z takes that back."
        self._controller.message.emit(told, False)
        return told

    def _ask_and_open(self, path: Path) -> None:
        annotation = self._controller.annotation
        if annotation is not None and annotation.labels.any():
            question = f"{path.name} replaces the present labels."
            if not choose(question, UNDO, REPLACE, parent=self.window()):
                raise CancelledError("The present labels stay.")
        self.open(path)

    def _on_inserted(self, event: Any) -> None:
        """Offer to go on from a layer that came out of a file of labels."""
        layers, layer = self._controller.layers, event.value
        if layers is None or layer == layers.image or not self._fits(layer):
            return
        self._layer, self._annotation = layer, self._controller.annotation
        self._show_offer()
        self.show()

    def _show_offer(self) -> None:
        """Say what is offered, and what it costs now."""
        if self._layer is None or self._annotation is None:
            return
        present = self._annotation.labels.any()
        cost = f" They replace the present labels; {UNDO}" if present else ""
        self.text.setText(f"{self._layer.name} holds labels of this image.{cost}")
        self.go_on.setText(REPLACE if present else "Go on from them")

    def _fits(self, layer: Layer) -> bool:
        """Whether a layer of a file holds nothing but labels, as large as the image."""
        layers = self._controller.layers
        if layers is None or role_of(layer) is not None or not layer.source.path:
            return False
        if not isinstance(layer, Image | Labels) or layer.multiscale:
            return False
        data = np.asarray(layer.data)
        if data.shape != layers.image.data.shape:
            return False
        # A few voxels tell an image already, in no time.
        if not _labels_in(sample_of(data)):
            return False
        labels = _labels_in(data)
        return 0 in labels and len(labels) > 1

    def _take(self) -> None:
        layer = self._layer
        self._forget()
        if layer is None:
            return
        path = Path(str(layer.source.path))
        if self._controller.attempt(lambda: self.open(path)):
            self._controller.viewer.layers.remove(layer)

    def _forget(self) -> None:
        self._layer = self._annotation = None
        self.hide()

    def _on_removed(self, event: Any) -> None:
        if self._layer is not None and event.value == self._layer:
            self._forget()

    def _on_changed(self, change: Change) -> None:
        if self._controller.annotation is not self._annotation:
            self._forget()
        elif change.labels is not None:
            self._show_offer()


def _labels_in(values: NDArray[Any]) -> list[int]:
    """Return the labels among values, 0 included; none if a value is no structure."""
    try:
        counts = counts_of(to_labels(values, "The layer"))
    except InputError:
        return []
    labels = [int(label) for label in np.flatnonzero(counts)]
    return labels if all(label == 0 or by_label(label) for label in labels) else []
