"""Nothing lost: autosave after an accept, the offer to recover, one file to reopen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox

from napari_spinalsam.actions import models as a
from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.storage.autosave import Autosave, find_recoverable
from napari_spinalsam.annotation.storage.files import open_annotation, save_annotation
from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.masks import LabelDelta
from napari_spinalsam.core.prompts import BoxPrompt, PointPrompt
from napari_spinalsam.io.layer_data import METADATA_KEY, image_layer
from napari_spinalsam.widgets import autosave
from napari_spinalsam.widgets.handle import attach
from napari_spinalsam.widgets.preferences import segment_settings
from tests.gui.conftest import make_volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.autosave import RecoveryOffer
    from napari_spinalsam.widgets.handle import SegmentHandle

pytestmark = pytest.mark.gui


def painted(annotation: Annotation, name: str = "L3") -> Annotation:
    """Label a part of the block."""
    labels = annotation.labels.copy()
    labels[4:8, 12:28, 14:34] = structure(name).label
    annotation.paint(LabelDelta.between(annotation.labels, labels))
    return annotation


@pytest.fixture
def left_behind(recovery: Path) -> Annotation:
    """Return work that another process did not save before it ended."""
    annotation = Annotation(make_volume())
    autosave = Autosave(recovery)
    autosave.follow(annotation)
    painted(annotation)
    autosave.close()
    return annotation


def test_an_accepted_mask_is_saved_by_itself(
    handle: SegmentHandle, recovery: Path, qtbot: QtBot
) -> None:
    keeper = handle.widget.autosave_controller
    handle.run("select L3 and go to slice 6")
    handle.annotation.set_box(0, 6, BoxPrompt(12, 14, 27, 33))
    handle.wait_for_mask()
    with qtbot.waitSignal(keeper.saved, timeout=30_000):
        handle.run({"action": "accept_mask"})
    assert list(recovery.glob("*.spinalsam"))


def offered(handle: SegmentHandle, qtbot: QtBot) -> RecoveryOffer:
    """Return the offer once something was found."""
    offer = handle.widget.offer
    qtbot.waitUntil(lambda: not offer.isHidden(), timeout=30_000)
    return offer


def add_block(viewer: Viewer) -> None:
    data, attributes, _ = image_layer(make_volume())
    viewer.add_image(data, **attributes)


@contextmanager
def answering(button: str) -> Iterator[list[str]]:
    """Press a button of the question that comes; the list gets the question."""
    asked: list[str] = []
    timer = QTimer()
    timer.setInterval(10)

    def press() -> None:
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox) and box.isVisible():
            timer.stop()
            asked.append(box.text())
            (found,) = (b for b in box.buttons() if b.text().strip("&") == button)
            QTest.mouseClick(found, Qt.MouseButton.LeftButton)

    timer.timeout.connect(press)
    timer.start()
    yield asked
    timer.stop()
    assert asked, "nothing was asked"


def test_unsaved_work_is_offered_once_and_stays_until_it_is_saved(
    left_behind: Annotation, viewer: Viewer, qtbot: QtBot, recovery: Path
) -> None:
    (found,) = find_recoverable(recovery)
    add_block(viewer)
    handle = attach(viewer)
    offer = offered(handle, qtbot)
    assert "L3" in offer.text.text()
    offer.recover.click()

    np.testing.assert_array_equal(handle.annotation.labels, left_behind.labels)
    layers = handle.widget.controller.layers
    np.testing.assert_array_equal(layers.labels.data, left_behind.labels)
    assert len([layer for layer in viewer.layers if "labels" in layer.name]) == 1
    assert offer.isHidden()
    assert find_recoverable(recovery) == ()  # this window has it now

    before = handle.annotation
    offer.recover.click()
    assert handle.widget.autosave_controller.recover(found)
    assert handle.annotation is before

    viewer.window.remove_dock_widget(handle.widget)
    assert [each.path for each in find_recoverable(recovery)] == [found.path]
    again = open_annotation(found.path, make_volume())
    np.testing.assert_array_equal(again.labels, left_behind.labels)

    # A dock that is opened again finds it in the layers, and offers nothing.
    handle = attach(viewer)
    assert handle.annotation is before
    with qtbot.waitSignal(
        handle.widget.autosave_controller.found, timeout=30_000
    ) as told:
        handle.widget.autosave_controller.look_for_work()
    assert told.args == [()]


def test_work_is_discarded_only_when_sure(
    left_behind: Annotation, viewer: Viewer, qtbot: QtBot, recovery: Path
) -> None:
    add_block(viewer)
    handle = attach(viewer)
    offer = offered(handle, qtbot)
    offer.discard.click()
    assert "Discard L3, 20" in offer.text.text()
    assert offer.recover.isHidden()
    offer.keep.click()
    assert len(find_recoverable(recovery)) == 1
    assert not offer.recover.isHidden()
    offer.discard.click()
    offer.discard_for_good.click()
    assert find_recoverable(recovery) == ()
    assert offer.isHidden()
    assert not handle.annotation.labels.any()


def test_what_cannot_be_read_is_told_and_stays(
    left_behind: Annotation, viewer: Viewer, qtbot: QtBot, recovery: Path
) -> None:
    (whole,) = recovery.glob("*.spinalsam")
    cut = whole.with_name(whole.name.replace(".spinalsam", "0.spinalsam"))
    cut.write_bytes(whole.read_bytes()[:-30])
    add_block(viewer)
    handle = attach(viewer)
    offer = offered(handle, qtbot)
    assert offer.another.text() == "Another (1)"
    offer.another.click()
    assert "cannot be read" in offer.text.text()
    assert cut.name in offer.text.text()
    assert not offer.recover.isEnabled()
    offer.another.click()
    offer.recover.click()
    assert handle.annotation.labels.any()
    assert cut.exists()


def test_work_on_an_image_that_was_closed_is_offered_when_it_is_opened_again(
    handle: SegmentHandle, recovery: Path, qtbot: QtBot
) -> None:
    viewer, offer = handle.viewer, handle.widget.offer
    labels = painted(handle.annotation).labels.copy()
    viewer.layers.remove(handle.widget.controller.layers.image)
    assert len(list(recovery.glob("*.spinalsam"))) == 1
    add_block(viewer)
    offered(handle, qtbot)
    other, attributes, _ = image_layer(make_volume((10, 30, 30)))
    handle.widget.choose_image(viewer.add_image(other, **attributes))
    assert offer.isHidden()  # it is no work on that image
    handle.widget.choose_image(viewer.layers["block"])
    offered(handle, qtbot).recover.click()
    np.testing.assert_array_equal(handle.annotation.labels, labels)


def test_opening_over_unsaved_work_asks_and_both_can_be_recovered(
    handle: SegmentHandle,
    tmp_path: Path,
    recovery: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "case.spinalsam"
    chosen = lambda *_, **__: (str(path), "")  # noqa: E731
    monkeypatch.setattr(QFileDialog, "getSaveFileName", chosen)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", chosen)
    keeper = handle.widget.autosave_controller
    first = painted(handle.annotation).labels.copy()
    keeper.save_as()
    handle.annotation.delete_object("L3")
    mine = painted(handle.annotation, "L4").labels.copy()
    keeper.autosave.save()
    before = handle.annotation

    with answering("Cancel") as asked:
        keeper.open()
    assert "L4 on block is not saved in a file" in asked[0]
    assert handle.annotation is before
    assert "Nothing was opened" not in handle.widget.status.text()

    with answering("Do not save"):
        keeper.open()
    np.testing.assert_array_equal(handle.annotation.labels, first)
    (found,) = find_recoverable(recovery)
    kept = open_annotation(found.path, make_volume())
    np.testing.assert_array_equal(kept.labels, mine)
    assert handle.widget.offer.isHidden()

    handle.annotation.delete_object("L3")
    keeper.autosave.save()
    assert keeper.autosave.path != found.path
    assert not handle.annotation.labels.any()
    with answering("Save"):
        keeper.open()
    assert not handle.annotation.labels.any()
    assert [each.path for each in find_recoverable(recovery)] == [found.path]


def test_an_annotation_is_saved_as_one_file_and_opened_again(
    handle: SegmentHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "case.spinalsam"
    chosen = lambda *_, **__: (str(path), "")  # noqa: E731
    monkeypatch.setattr(QFileDialog, "getSaveFileName", chosen)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", chosen)
    keeper = handle.widget.autosave_controller
    saved = painted(handle.annotation).labels.copy()
    keeper.save_as()
    handle.annotation.undo()
    assert not handle.annotation.labels.any()
    keeper.open()
    np.testing.assert_array_equal(handle.annotation.labels, saved)


def test_what_was_written_into_the_layer_without_a_word_is_saved(
    handle: SegmentHandle,
    tmp_path: Path,
    recovery: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
) -> None:
    path = tmp_path / "case.spinalsam"
    chosen = lambda *_, **__: (str(path), "")  # noqa: E731
    monkeypatch.setattr(QFileDialog, "getSaveFileName", chosen)
    keeper, controller = handle.widget.autosave_controller, handle.widget.controller
    layer, image = controller.layers.labels, controller.layers.image
    layer.data[2, 3, 4] = 20
    keeper.save()
    assert open_annotation(path, make_volume()).labels[2, 3, 4] == 20

    at_once = segment_settings().model_copy(update={"autosave_s": 0.0})
    monkeypatch.setattr(autosave, "segment_settings", lambda: at_once)
    layer.data[2, 3, 5] = 21
    with qtbot.waitSignal(keeper.saved, timeout=30_000):
        keeper.save_if_due()
    (file,) = recovery.glob("*.spinalsam")
    assert open_annotation(file, make_volume()).labels[2, 3, 5] == 21

    layer.data[2, 3, 6] = 22
    handle.viewer.layers.remove(image)  # the annotation is put down
    assert open_annotation(file, make_volume()).labels[2, 3, 6] == 22


def test_ctrl_s_saves_to_the_file_that_was_saved_or_opened_last(
    handle: SegmentHandle,
    tmp_path: Path,
    recovery: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "cases"
    folder.mkdir()
    proposals: list[str] = []

    def chosen(*arguments: object, **_: object) -> tuple[str, str]:
        proposals.append(str(arguments[2]))
        return str(folder / "case"), ""

    def press() -> str:
        QTest.keyClick(native, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
        return str(handle.widget.status.text())

    monkeypatch.setattr(QFileDialog, "getSaveFileName", chosen)
    viewer, status = handle.viewer, handle.widget.status
    native = viewer.window._qt_viewer.canvas.native
    layers = handle.widget.controller.layers
    layers.image.metadata[METADATA_KEY]["path"] = folder / "spine.nii.gz"
    painted(handle.annotation)
    handle.widget.autosave_controller.autosave.save()
    for layer in viewer.layers[:2]:
        viewer.layers.selection.active = layer
        assert "Saved case.spinalsam" in press()
        assert list(recovery.glob("*.spinalsam")) == []
        painted(handle.annotation, "L4")
    assert proposals == [str(folder / "spine.spinalsam")]
    path = folder / "case.spinalsam"

    save_annotation(painted(Annotation(make_volume()), "L2"), path)  # somebody else
    before = path.read_bytes()
    with answering("Cancel") as asked:
        press()
    assert "Another program has changed case.spinalsam" in asked[0]
    assert path.read_bytes() == before
    with answering("Replace"):
        press()
    np.testing.assert_array_equal(
        open_annotation(path, make_volume()).labels, handle.annotation.labels
    )
    # The dialog has not asked about the name that gets its suffix from here.
    with answering("Cancel"):
        handle.widget.autosave_controller.save_as()

    painted(handle.annotation, "L1")
    handle.widget.autosave_controller.autosave.save()
    shutil.rmtree(folder)
    assert "case.spinalsam cannot be written" in press()
    assert "color" in status.styleSheet()  # an error
    assert list(recovery.glob("*.spinalsam"))  # what is not saved can be recovered

    handle.annotation.storage.file = None
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: ("", ""))
    press()
    assert list(recovery.glob("*.spinalsam"))


def test_labels_are_proposed_beside_the_image(
    handle: SegmentHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "spine.nii.gz"
    volume = make_volume()
    array = volume.grid.from_canonical(volume.data)
    nib.save(nib.Nifti1Image(array, volume.grid.affine), source)
    proposals: list[str] = []

    def chosen(*arguments: object, **_: object) -> tuple[str, str]:
        proposals.append(str(arguments[2]))
        return proposals[-1], ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", chosen)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(source), ""))
    monkeypatch.chdir(tmp_path)
    painted(handle.annotation)
    handle.run(a.SaveLabels())  # this image came from no file
    handle.run(a.OpenImage())
    painted(handle.annotation)
    handle.run(a.SaveLabels())
    (layer,) = handle.viewer.open(str(source), plugin="napari-spinalsam")
    handle.widget.choose_image(layer)
    painted(handle.annotation)
    handle.run(a.SaveLabels(format="nrrd"))
    assert proposals == [
        "block_labels.nii.gz",
        str(tmp_path / "spine_labels.nii.gz"),
        str(tmp_path / "spine_labels.nrrd"),
    ]
    assert all((tmp_path / name).exists() for name in proposals)


def test_work_that_cannot_be_kept_at_the_end_can_be_saved_elsewhere(
    handle: SegmentHandle,
    tmp_path: Path,
    recovery: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "case.spinalsam"
    chosen = lambda *_, **__: (str(path), "")  # noqa: E731
    monkeypatch.setattr(QFileDialog, "getSaveFileName", chosen)
    labels = painted(handle.annotation).labels.copy()
    recovery.touch()  # no folder can be made
    with answering("Save as…") as asked:
        handle.viewer.window.remove_dock_widget(handle.widget)
    assert "block will be lost" in asked[0]
    again = open_annotation(path, make_volume())
    np.testing.assert_array_equal(again.labels, labels)


def test_a_file_of_another_image_is_refused(
    handle: SegmentHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "none.spinalsam"
    path.write_bytes(b"no annotation")
    chosen = lambda *_, **__: (str(path), "")  # noqa: E731
    monkeypatch.setattr(QFileDialog, "getOpenFileName", chosen)
    before = handle.annotation
    handle.widget.autosave_controller.open()
    assert handle.annotation is before
    assert "none.spinalsam" in handle.widget.status.text()


NAPARI_UNTIL_KILLED = """
import sys
import napari
from qtpy.QtCore import QEventLoop, Qt
from qtpy.QtTest import QTest
from napari_spinalsam.io.layer_data import image_layer
from napari_spinalsam.core.prompts import PointPrompt
from napari_spinalsam.widgets import keeping
from napari_spinalsam.widgets.handle import attach
from napari_spinalsam.widgets.preferences import segment_settings
from tests.gui.conftest import make_volume
from tests.gui.test_autosave import painted

data, attributes, _ = image_layer(make_volume())
viewer = napari.Viewer()
viewer.add_image(data, **attributes)
handle = attach(viewer)
if sys.argv[1] == "work":
    painted(handle.annotation)
    handle.annotation.select_structure("L4")
    handle.annotation.add_point(0, 2, PointPrompt(8, 8))
    viewer.close()  # long before a change is saved by itself
else:
    offer, loop = handle.widget.offer, QEventLoop()
    handle.widget.autosave_controller.found.connect(lambda found: found and loop.quit())
    if offer.isHidden():
        loop.exec()
    QTest.mouseClick(offer.recover, Qt.MouseButton.LeftButton)
    print(int(handle.annotation.labels.sum()), flush=True)
    sys.stdin.read()
"""


@pytest.mark.heavy
@pytest.mark.skipif(os.name != "posix", reason="kills")
def test_closing_napari_and_two_crashes_lose_nothing(recovery: Path) -> None:
    wanted = painted(Annotation(make_volume())).labels
    command = [sys.executable, "-c", NAPARI_UNTIL_KILLED]
    subprocess.run([*command, "work"], check=True)
    for _ in range(2):
        with subprocess.Popen(
            [*command, "recover"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{int(wanted.sum())}\n"
            process.kill()
        (found,) = find_recoverable(recovery)
        again = open_annotation(found.path, make_volume())
        np.testing.assert_array_equal(again.labels, wanted)
        assert again.prompts_at(0, 2).points == (PointPrompt(8, 8),)
