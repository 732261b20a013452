"""Going on from an existing segmentation, by menu, by a dropped file and by script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
from napari._qt.dialogs.qt_reader_dialog import QtReaderDialog
from napari.layers import Labels
from napari.layers._source import layer_source
from napari.settings import get_settings
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_spinalsam.actions import models as a
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.io.labels import read_labels_for, write_labels
from napari_spinalsam.io.layer_data import image_layer
from napari_spinalsam.widgets.segment import start_labels
from tests.gui.conftest import make_volume

if TYPE_CHECKING:
    from pathlib import Path

    from napari_spinalsam.widgets.handle import SegmentHandle

L3, L4 = 22, 23
COPY = Qt.DropAction.CopyAction
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Return a file of labels of the block."""
    grid = make_volume().grid
    labels = np.zeros(grid.geometry.shape, np.uint8)
    labels[3:6, 12:28, 14:34], labels[6:9, 12:28, 14:34] = L3, L4
    write_labels(tmp_path / "of_before.nii.gz", labels, grid)
    return tmp_path / "of_before.nii.gz"


def test_opening_labels_is_one_step_and_asks_before_it_replaces(
    handle: SegmentHandle, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotation, asked = handle.annotation, []
    monkeypatch.setattr(
        QFileDialog, "getOpenFileName", lambda *_, **__: (str(saved), "")
    )
    answer = [""]
    monkeypatch.setattr(
        start_labels, "choose", lambda *told, **_: asked.append(told) or answer[0]
    )
    entry = next(
        each
        for each in handle.widget.more.menu().actions()
        if each.text() == "Open labels to go on from…"
    )
    entry.trigger()
    assert asked == []  # nothing to replace
    assert set(np.unique(annotation.labels)) == {0, L3, L4}
    shown = handle.widget.controller.layers.labels.data
    assert np.array_equal(shown, annotation.labels)
    names = [each.name for each in annotation.state.objects]
    assert {"L3", "L4"} <= set(names)
    annotation.replace_labels(np.where(annotation.labels == L3, L3, 0))
    entry.trigger()
    assert len(asked) == 1
    assert set(np.unique(annotation.labels)) == {0, L3}
    answer[0] = start_labels.REPLACE
    entry.trigger()
    assert set(np.unique(annotation.labels)) == {0, L3, L4}
    handle.run(a.Undo())
    assert set(np.unique(annotation.labels)) == {0, L3}
    handle.open_labels(saved)  # a script is not asked
    assert len(asked) == 2
    assert set(np.unique(annotation.labels)) == {0, L3, L4}
    foreign = make_volume((7, 20, 20)).grid
    write_labels(saved, np.full((7, 20, 20), L3, np.uint8), foreign)
    with pytest.raises(InputError, match="grid"):
        handle.open_labels(saved)
    assert set(np.unique(annotation.labels)) == {0, L3, L4}


def drop(handle: SegmentHandle, path: Path) -> list[str]:
    """Drag a file over the canvas and drop it, as the window system tells Qt of it.

    Where napari asks for the reader, what it proposes is taken.

    Returns
    -------
    list of str
        The readers that were proposed.
    """
    canvas = handle.viewer.window._qt_viewer.canvas.native
    files = QMimeData()
    files.setUrls([QUrl.fromLocalFile(str(path))])
    entered = QDragEnterEvent(QPoint(9, 9), COPY, files, LEFT, NONE)
    proposed = []

    def answer() -> None:
        asking = QApplication.activeModalWidget()
        if isinstance(asking, QtReaderDialog):
            proposed.append(asking.reader_btn_group.checkedButton().text())
            asking.accept()

    timer = QTimer()
    timer.timeout.connect(answer)
    timer.start(0)
    # Qt looks for who takes it, from the canvas up to the window.
    QApplication.sendEvent(canvas, entered)
    dropped = QDropEvent(QPointF(9, 9), COPY, files, LEFT, NONE)
    QApplication.sendEvent(canvas, dropped)
    timer.stop()
    assert entered.isAccepted()
    return proposed


def test_a_dropped_file_of_labels_is_offered_to_go_on_from(
    handle: SegmentHandle, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer, start = handle.viewer, handle.widget.start
    count = len(viewer.layers)
    assert drop(handle, saved) == ["SpinalSAM"]
    assert not start.isHidden()
    assert len(viewer.layers) == count + 1
    dropped = viewer.layers[-1]
    assert isinstance(dropped, Labels)  # in colours, with the image to be seen below
    assert dropped.units == handle.widget.controller.layers.image.units
    assert not handle.annotation.labels.any()
    start.go_on.click()
    assert set(np.unique(handle.annotation.labels)) == {0, L3, L4}
    assert len(viewer.layers) == count
    assert start.isHidden()
    # As VerSe has it: its numbers, floating point, nothing in the header; and napari
    # no longer asks.
    remembered = {"*.nii.gz": "napari-spinalsam"}
    monkeypatch.setattr(get_settings().plugins, "extension2reader", remembered)
    verse = saved.with_name("sub-7_seg-vert_msk.nii.gz")
    stored = nib.load(saved)
    values = np.asarray(stored.dataobj).astype(np.float32)
    nib.Nifti1Image(values, stored.affine).to_filename(verse)
    assert drop(handle, verse) == []
    assert isinstance(viewer.layers[-1], Labels)
    assert "replace the present labels" in start.text.text()
    start.leave.click()
    assert len(viewer.layers) == count + 1
    assert start.isHidden()
    handle.run(a.Undo())
    assert not handle.annotation.labels.any()


def test_an_offer_is_of_the_image_that_is_open_and_tells_what_it_costs_now(
    handle: SegmentHandle, saved: Path
) -> None:
    viewer, start = handle.viewer, handle.widget.start
    (layer,) = viewer.open(str(saved), plugin="napari-spinalsam")
    assert "replace" not in start.text.text()
    handle.annotation.replace_labels((layer.data == L3) * np.uint8(L3))
    assert "replace the present labels" in start.text.text()
    assert start.go_on.text() == start_labels.REPLACE
    handle.run(a.Undo())
    assert "replace" not in start.text.text()

    data, attributes, _ = image_layer(make_volume())
    handle.widget.choose_image(viewer.add_image(data, **attributes))
    assert start.isHidden()
    start.go_on.click()
    assert not handle.annotation.labels.any()


def test_a_file_with_other_values_is_an_image_and_not_offered(
    handle: SegmentHandle, saved: Path
) -> None:
    start = handle.widget.start
    labels = read_labels_for(handle.annotation.volume, saved).astype(np.float32)

    def drop(data: np.ndarray) -> None:
        with layer_source(path=str(saved)):
            handle.viewer.add_image(data)

    for value in (np.nan, 0.5, 250, -1, 1e9):
        odd = labels.copy()
        odd[4, 14, 15] = value
        drop(odd)
        assert start.isHidden(), value
    drop(labels)
    assert not start.isHidden()
