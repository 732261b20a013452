"""Nothing lost: autosave after an accept, the offer to recover, one file to reopen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from napari_spinalsam.annotation.autosave import Autosave
from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.recovery import find_recoverable
from napari_spinalsam.contributions import image_layer
from napari_spinalsam.core.masks import LabelDelta
from napari_spinalsam.core.prompts import BoxPrompt
from napari_spinalsam.widgets.handle import attach
from tests.gui.conftest import make_volume

if TYPE_CHECKING:
    from pathlib import Path

    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.handle import SegmentHandle

pytestmark = pytest.mark.gui


def painted(annotation: Annotation) -> Annotation:
    """Label a part of the block as L3."""
    labels = annotation.labels.copy()
    labels[4:8, 12:28, 14:34] = 22
    annotation.paint(LabelDelta.between(annotation.labels, labels))
    return annotation


@pytest.fixture
def left_behind(recovery: Path) -> Annotation:
    """Return work that another process did not save before it ended."""
    annotation = painted(Annotation(make_volume()))
    autosave = Autosave(recovery)
    autosave.follow(annotation)
    autosave.note(annotation_change(annotation))
    autosave.save()
    autosave.close()
    return annotation


def annotation_change(annotation: Annotation):
    """Return a change as any edit tells it."""
    told = []
    annotation.changed.connect(told.append)
    annotation.set_visible("L3", False)
    annotation.set_visible("L3", True)
    return told[-1]


def test_an_accepted_mask_is_saved_by_itself(
    handle: SegmentHandle, recovery: Path, qtbot: QtBot
) -> None:
    keeper = handle.widget.keeper
    handle.run("select L3 and go to slice 6")
    handle.annotation.set_box(0, 6, BoxPrompt(12, 14, 27, 33))
    handle.wait_for_mask()
    handle.run({"action": "accept_mask"})
    with qtbot.waitSignal(keeper.saved, timeout=30_000):
        keeper.save_if_due()
    assert list(recovery.glob("*.spinalsam"))


def test_unsaved_work_is_offered_and_taken_up(
    left_behind: Annotation, viewer: Viewer, qtbot: QtBot, recovery: Path
) -> None:
    data, attributes, _ = image_layer(make_volume())
    viewer.add_image(data, **attributes)
    handle = attach(viewer)
    offer = handle.widget.offer
    qtbot.waitUntil(lambda: not offer.isHidden(), timeout=30_000)
    assert "L3" in offer.text.text()
    offer.recover.click()

    np.testing.assert_array_equal(handle.annotation.labels, left_behind.labels)
    layers = handle.widget.controller.layers
    np.testing.assert_array_equal(layers.labels.data, left_behind.labels)
    assert len([layer for layer in viewer.layers if "labels" in layer.name]) == 1
    assert offer.isHidden()
    assert find_recoverable(recovery) == ()


def test_discarded_work_is_not_offered_again(
    left_behind: Annotation, viewer: Viewer, qtbot: QtBot, recovery: Path
) -> None:
    data, attributes, _ = image_layer(make_volume())
    viewer.add_image(data, **attributes)
    handle = attach(viewer)
    qtbot.waitUntil(lambda: not handle.widget.offer.isHidden(), timeout=30_000)
    handle.widget.offer.discard.click()
    assert find_recoverable(recovery) == ()
    assert not handle.annotation.labels.any()


def test_an_annotation_is_saved_as_one_file_and_opened_again(
    handle: SegmentHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "case.spinalsam"
    chosen = lambda *_, **__: (str(path), "")  # noqa: E731
    monkeypatch.setattr(QFileDialog, "getSaveFileName", chosen)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", chosen)
    keeper = handle.widget.keeper
    saved = painted(handle.annotation).labels.copy()
    keeper.save_as()
    handle.annotation.undo()
    assert not handle.annotation.labels.any()
    keeper.open()
    np.testing.assert_array_equal(handle.annotation.labels, saved)


def test_a_file_of_another_image_is_refused(
    handle: SegmentHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "none.spinalsam"
    path.write_bytes(b"no annotation")
    chosen = lambda *_, **__: (str(path), "")  # noqa: E731
    monkeypatch.setattr(QFileDialog, "getOpenFileName", chosen)
    before = handle.annotation
    handle.widget.keeper.open()
    assert handle.annotation is before
    assert "none.spinalsam" in handle.widget.status.text()
