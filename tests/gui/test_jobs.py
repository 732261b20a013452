"""Propagating in the window: slices appear, Cancel keeps them, one step of undo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_spinalsam.core.masks import LabelDelta

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.widgets.handle import SegmentHandle

pytestmark = pytest.mark.gui
L3, L5, SLICE = 22, 24, 6


def paint_block(annotation: Annotation) -> None:
    """Label one axial slice of the block as L3."""
    labels = annotation.labels.copy()
    labels[SLICE, 12:28, 14:34] = L3
    annotation.paint(LabelDelta.between(annotation.labels, labels))


@pytest.fixture
def painted(handle: SegmentHandle) -> SegmentHandle:
    """Return a dock on the slice of the block that is labelled."""
    handle.run({"action": "select_structure", "structure": "L3"})
    paint_block(handle.annotation)
    handle.run({"action": "go_to_slice", "index": SLICE})
    return handle


def test_a_mask_is_propagated_without_blocking_and_undone_at_once(
    painted: SegmentHandle, qtbot: QtBot
) -> None:
    predictions = painted.widget.controller.predictions
    before = painted.annotation.labels.copy()
    steps = len(painted.annotation.history.undo_names)
    with qtbot.waitSignal(predictions.job_ended, timeout=60_000):
        painted.run("propagate the mask")
        assert predictions.has_jobs()

    after = painted.annotation.labels
    np.testing.assert_array_equal(after[SLICE], before[SLICE])
    assert len(painted.annotation.history.undo_names) <= steps + 1
    layers = painted.widget.controller.layers
    np.testing.assert_array_equal(layers.labels.data, after)
    assert not np.asarray(layers.preview.layer.data).any()
    painted.annotation.undo(len(painted.annotation.history.undo_names) - steps)
    np.testing.assert_array_equal(painted.annotation.labels, before)


def test_slices_are_shown_as_they_are_reached(
    painted: SegmentHandle, qtbot: QtBot
) -> None:
    controller = painted.widget.controller
    with qtbot.waitSignal(
        controller.predictions.slice_propagated, timeout=60_000
    ) as shown:
        painted.run({"action": "propagate"})
    name, item = shown.args
    assert name == "L3"
    drawn = np.asarray(controller.layers.preview.layer.data)
    assert drawn[item.index].any() == item.mask.any()
    with qtbot.waitSignal(controller.predictions.job_ended, timeout=60_000):
        pass


def test_cancel_ends_it_and_keeps_what_is_done(
    painted: SegmentHandle, qtbot: QtBot
) -> None:
    controller = painted.widget.controller
    seed = painted.annotation.labels[SLICE].copy()
    with qtbot.waitSignal(controller.predictions.job_ended, timeout=60_000):
        controller.predictions.slice_propagated.connect(lambda *_: controller.cancel())
        painted.run({"action": "propagate"})
    assert not controller.predictions.has_jobs()
    np.testing.assert_array_equal(painted.annotation.labels[SLICE], seed)


def test_another_size_of_the_voxels_stops_what_was_begun_with_the_old_one(
    painted: SegmentHandle, qtbot: QtBot
) -> None:
    controller, told = painted.widget.controller, []
    controller.predictions.job_ended.connect(lambda each: told.append(each.job.end))
    controller.message.connect(lambda text, _: told.append(text))
    assert controller.layers is not None
    image = controller.layers.image

    def scale_once(*_: object) -> None:
        controller.predictions.slice_propagated.disconnect(scale_once)
        image.scale = np.asarray(image.scale) * 2

    controller.predictions.slice_propagated.connect(scale_once)
    painted.run({"action": "propagate"})
    qtbot.waitUntil(lambda: "stopped" in told, timeout=60_000)
    assert any("the work on whole objects is stopped" in text for text in told)
    assert painted.annotation.labels[SLICE].any()


def test_nothing_to_propagate_is_told(handle: SegmentHandle) -> None:
    handle.run({"action": "select_structure", "structure": "L3"})
    handle.widget.whole.propagate_pressed.emit("both")
    assert "no mask of L3" in handle.widget.status.text()


def test_strokes_painted_meanwhile_stay_and_are_steps_of_their_own(
    painted: SegmentHandle, qtbot: QtBot
) -> None:
    controller, annotation = painted.widget.controller, painted.annotation
    layer = controller.layers.labels
    before, steps = annotation.labels.copy(), len(annotation.history.undo_names)
    strokes: list[int] = []

    def stroke(*_: object) -> None:
        if len(strokes) < 3:
            strokes.append(2 + 3 * len(strokes))
            layer.brush_size = 1
            layer.paint((SLICE, strokes[-1], 2), L5)

    controller.predictions.slice_propagated.connect(stroke)
    with qtbot.waitSignal(controller.predictions.job_ended, timeout=60_000):
        painted.run({"action": "propagate"})

    assert strokes
    assert all(annotation.labels[SLICE, row, 2] == L5 for row in strokes)
    np.testing.assert_array_equal(layer.data, annotation.labels)
    after, made = annotation.labels.copy(), len(annotation.history.undo_names) - steps
    assert made >= len(strokes)
    annotation.undo(made)
    np.testing.assert_array_equal(annotation.labels, before)
    annotation.redo(made)
    np.testing.assert_array_equal(annotation.labels, after)
