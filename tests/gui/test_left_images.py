"""Results that come after another image was chosen, or after the image was closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_spinalsam.actions import models as a
from napari_spinalsam.annotation.storage.autosave import find_recoverable
from napari_spinalsam.annotation.storage.files import open_annotation
from napari_spinalsam.io.layer_data import image_layer
from tests.gui.conftest import make_volume
from tests.gui.finding import BLOCK, LingeringSession, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.handle import SegmentHandle

pytestmark = pytest.mark.gui
L3, L4 = 22, 23


@pytest.fixture(autouse=True)
def _small_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from serve(monkeypatch, LingeringSession)


@pytest.fixture
def finding(handle: SegmentHandle, qtbot: QtBot) -> SegmentHandle:
    """Return a dock whose work has found the block and goes on."""
    predictions = handle.widget.controller.predictions
    with qtbot.waitSignal(predictions.progress, timeout=30_000):
        handle.run(a.SegmentStructures(structures=["L3"]))
    return handle


def test_what_is_found_for_an_image_that_was_closed_is_recovered(
    finding: SegmentHandle, recovery: Path, qtbot: QtBot
) -> None:
    viewer, predictions = finding.viewer, finding.widget.controller.predictions
    with qtbot.waitSignal(predictions.job_ended, timeout=30_000) as ended:
        viewer.layers.clear()
    assert "belongs to block" in ended.args[0].sentence
    (found,) = find_recoverable(recovery)
    kept = open_annotation(found.path, make_volume())
    assert (kept.labels[BLOCK] == L3).all()


def test_what_is_found_by_the_time_the_dock_is_closed_is_recovered(
    finding: SegmentHandle, recovery: Path
) -> None:
    annotation = finding.annotation
    finding.widget.end()
    assert (annotation.labels[BLOCK] == L3).all()
    (found,) = find_recoverable(recovery)
    kept = open_annotation(found.path, make_volume())
    assert (kept.labels[BLOCK] == L3).all()


def test_a_layer_that_was_left_shows_its_result_beside_what_was_painted(
    finding: SegmentHandle, qtbot: QtBot
) -> None:
    viewer, controller = finding.viewer, finding.widget.controller
    annotation, layers = finding.annotation, controller.layers
    image, layer = layers.image, layers.labels
    data, attributes, _ = image_layer(make_volume((8, 32, 32)))
    with qtbot.waitSignal(controller.predictions.job_ended, timeout=30_000):
        controller.choose_image(viewer.add_image(data, **attributes))
        layer.brush_size = 1
        layer.paint((1, 4, 4), L4)
        layer.paint((6, 20, 20), L4)
    layer.paint((1, 6, 6), L4)
    assert layer.data[5, 20, 20] == L3  # what napari would save

    controller.choose_image(image)
    assert finding.annotation is annotation
    labels = annotation.labels
    assert labels[5, 20, 20] == L3
    assert [labels[1, 4, 4], labels[6, 20, 20], labels[1, 6, 6]] == [L4] * 3
    np.testing.assert_array_equal(controller.layers.labels.data, labels)
    finding.run(a.Undo(), a.Undo())
    assert not annotation.labels.any()
    np.testing.assert_array_equal(controller.layers.labels.data, annotation.labels)
