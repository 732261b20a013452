"""Scribbles and lassos drawn by a real mouse, moved, undone and put away."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QCoreApplication, Qt
from qtpy.QtTest import QTest

from napari_spinalsam.actions import models as a
from napari_spinalsam.core.prompts import LassoPrompt, PointPrompt, Polarity
from tests.gui.test_mouse import LEFT, NONE, _canvas, _pixel, shown  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest
    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.handle import SegmentHandle

# Of a square in a slice, from its first corner on.
CORNERS = ((0, 0, 0), (0, 0, 9), (0, 9, 9), (0, 9, 0))


def drag(handle: SegmentHandle, voxels: Sequence[Sequence[float]]) -> None:
    """Press at the first voxel, move along the others, release at the last one."""
    native = _canvas(handle)
    at = [_pixel(handle, tuple(voxel)) for voxel in voxels]
    QTest.mouseMove(native, at[0])
    QTest.mousePress(native, LEFT, NONE, at[0])
    QCoreApplication.processEvents()
    for start, end in pairwise(at):
        for share in np.linspace(0, 1, 5)[1:]:
            QTest.mouseMove(native, start + (end - start) * float(share))
            QCoreApplication.processEvents()
    QTest.mouseRelease(native, LEFT, NONE, at[-1])
    QCoreApplication.processEvents()


def test_scribbles_of_both_polarities_in_a_sagittal_slice(
    shown: SegmentHandle,  # noqa: F811
    qtbot: QtBot,
) -> None:
    widget, native = shown.widget, _canvas(shown)
    shown.run(a.SetPlane(plane="sagittal"), a.SelectStructure(structure="L3"))
    shown.run(a.GoToSlice(index=24))
    QTest.keyClick(native, Qt.Key.Key_S)
    assert widget.prompts.tools["scribble"].isChecked()
    assert "Drag a line" in widget.status.text()
    # Straight along a row, where two axes do not vary.
    drag(shown, [(6, 13, 24), (6, 26, 24)])
    qtbot.waitUntil(lambda: len(shown.annotation.prompts_at(2, 24).scribbles) == 1)
    shown.wait_for_mask()
    assert shown.annotation.state.preview.key == (2, 24)
    QTest.keyClick(native, Qt.Key.Key_S, Qt.KeyboardModifier.ShiftModifier)
    assert widget.prompts.tools["negative scribble"].isChecked()
    drag(shown, [(2, 33, 24), (9, 37, 24)])
    qtbot.waitUntil(lambda: len(shown.annotation.prompts_at(2, 24).scribbles) == 2)
    first, second = shown.annotation.prompts_at(2, 24).scribbles
    assert [first.polarity, second.polarity] == [Polarity.POSITIVE, Polarity.NEGATIVE]
    path = np.array(first.path)
    assert np.abs(path[:, 0] - 6).max() < 0.5
    assert np.allclose(path[[0, -1], 1], [13, 26], atol=2.0)
    layer = widget.controller.layers.drawings
    assert list(layer.features["sign"]) == ["+", "−"]
    shown.wait_for_mask()
    QTest.keyClick(native, Qt.Key.Key_Escape)  # the mask
    assert shown.annotation.state.preview is None
    assert layer.mode == "add_path"
    QTest.keyClick(native, Qt.Key.Key_S, Qt.KeyboardModifier.ShiftModifier)
    assert layer.mode == "pan_zoom"
    assert not widget.prompts.tools["negative scribble"].isChecked()
    # Deleting one in the layer deletes the prompt.
    layer.selected_data = {0}
    layer.remove_selected()
    assert shown.annotation.prompts_at(2, 24).scribbles == (second,)


def test_the_tools_of_a_plan_come_one_after_the_other_and_then_the_mask(
    shown: SegmentHandle,  # noqa: F811
    qtbot: QtBot,
) -> None:
    widget, view = shown.widget, shown.widget.controller.view
    widget.prompts.live.setChecked(False)
    shown.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    shown.run(
        a.AddPoints(count=2),
        a.AddPoints(count=1, polarity="negative"),
        a.AddBox(),
        a.GenerateMask(),
    )
    tools = [view.tool]
    for place in ((6, 20, 24), (6, 22, 26), (6, 35, 4)):
        with qtbot.waitSignal(widget.controller.annotation_changed):
            QTest.mouseClick(_canvas(shown), LEFT, NONE, _pixel(shown, place))
        tools.append(view.tool)
    assert tools == ["positive", "positive", "negative", "box"]
    assert shown.annotation.state.preview is None
    drag(shown, [(6, 11, 13), (6, 28, 34)])
    shown.wait_for_mask()
    assert not view.tool
    prompts = shown.annotation.prompts_at(0, 6)
    assert [point.polarity for point in prompts.points] == [
        Polarity.POSITIVE,
        Polarity.POSITIVE,
        Polarity.NEGATIVE,
    ]
    assert prompts.box is not None


def test_a_lasso_limits_the_mask_and_follows_when_moved(
    shown: SegmentHandle,  # noqa: F811
    qtbot: QtBot,
) -> None:
    shown.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    shown.widget.prompts.tools["lasso"].click()
    outline = [(6, 10, 12), (6, 10, 36), (6, 30, 36), (6, 30, 12), (6, 12, 12)]
    drag(shown, outline)
    qtbot.waitUntil(lambda: shown.annotation.prompts_at(0, 6).lasso is not None)
    shown.wait_for_mask()
    lasso = shown.annotation.prompts_at(0, 6).lasso
    found = [lasso.box.row_min, lasso.box.col_min, lasso.box.row_max, lasso.box.col_max]
    assert np.allclose(found, [10, 12, 30, 36], atol=1.5)
    mask = shown.annotation.state.preview.mask
    assert mask.any()
    assert not mask[:8].any()
    assert not mask[33:].any()
    layer = shown.widget.controller.layers.drawings
    shown.widget.prompts.tools["lasso"].click()
    # The user drags it down with napari's own tool.
    layer.mode = "select"
    drag(shown, [(6, 20, 24), (6, 26, 24)])
    qtbot.waitUntil(lambda: shown.annotation.prompts_at(0, 6).lasso != lasso)
    moved = shown.annotation.prompts_at(0, 6).lasso
    assert np.isclose(moved.box.row_min - lasso.box.row_min, 6, atol=1.0)
    shown.wait_for_mask()
    assert not shown.annotation.state.preview.mask[:13].any()
    shown.run(a.Undo(steps=2))
    assert shown.annotation.prompts_at(0, 6).is_empty
    assert len(layer.data) == 0
    shown.run(a.Redo())
    assert shown.annotation.prompts_at(0, 6).lasso == lasso
    # Of two lassos in a slice the last one counts; an ellipse is none.
    layer.add(np.array([[6, 4, 4], [6, 4, 20], [6, 20, 20.0]]), shape_type="polygon")
    last = LassoPrompt(((4, 4), (4, 20), (20, 20)))
    assert shown.annotation.prompts_at(0, 6).lasso == last
    corners = np.array([[6, 4, 4], [6, 4, 20], [6, 20, 20], [6, 20, 4.0]])
    layer.add(corners, shape_type="ellipse")
    assert "no prompt" in shown.widget.status.text()
    assert len(layer.data) == 1


def test_a_half_drawn_shape_never_reaches_the_annotation(
    shown: SegmentHandle,  # noqa: F811
    qtbot: QtBot,
) -> None:
    native, annotation = _canvas(shown), shown.annotation
    drawings = shown.widget.controller.layers.drawings
    shown.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    at = [_pixel(shown, voxel) for voxel in ((6, 15, 20), (6, 25, 30))]

    def click(place: int) -> None:
        QTest.mouseMove(native, at[place])
        QTest.mouseClick(native, LEFT, NONE, at[place])
        QCoreApplication.processEvents()

    for key in (Qt.Key.Key_L, Qt.Key.Key_S):  # clicks without a drag
        QTest.keyClick(native, key)
        click(0)
        click(0)
        QTest.keyClick(native, Qt.Key.Key_Escape)
        assert annotation.prompts_at(0, 6).is_empty
        assert len(drawings.data) == len(drawings.features) == 0
    QTest.keyClick(native, Qt.Key.Key_B)
    click(0)
    assert annotation.prompts_at(0, 6).is_empty
    assert "drag" in shown.widget.status.text()
    drag(shown, [(6, 13, 16), (6, 26, 32)])
    box = annotation.prompts_at(0, 6).box
    assert box is not None
    click(1)  # a click is no box, and does not replace one
    assert annotation.prompts_at(0, 6).box == box
    assert len(shown.widget.controller.layers.boxes.data) == 1
    # Begun and put away, or begun and overtaken by another structure.
    QTest.keyClick(native, Qt.Key.Key_L)
    click(0)
    QTest.mouseMove(native, at[1])
    annotation.add_point(0, 6, PointPrompt(20, 24, Polarity.POSITIVE))
    QTest.keyClick(native, Qt.Key.Key_B)
    assert annotation.prompts_at(0, 6).lasso is None
    assert len(annotation.prompts_at(0, 6).points) == 1
    assert len(drawings.data) == len(drawings.features) == 0
    QTest.keyClick(native, Qt.Key.Key_L)
    QTest.mousePress(native, LEFT, NONE, at[0])
    QTest.mouseMove(native, at[1])
    shown.run(a.SelectStructure(structure="L4"))
    drag_on = [_pixel(shown, voxel) for voxel in ((6, 30, 20), (6, 30, 35))]
    for place in drag_on:
        QTest.mouseMove(native, place)
        QCoreApplication.processEvents()
    QTest.mouseRelease(native, LEFT, NONE, drag_on[-1])
    assert "dropped" in shown.widget.status.text()
    assert annotation.prompts_at(0, 6).is_empty
    assert len(drawings.data) == 0


def test_any_failure_of_a_layer_event_is_told_and_leaves_layer_and_annotation_equal(
    shown: SegmentHandle,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    annotation, layers = shown.annotation, shown.widget.controller.layers
    shown.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    annotation.add_point(0, 6, PointPrompt(20, 24, Polarity.POSITIVE))
    before = annotation.prompts_at(0, 6)
    corner = np.array([[6.0, 10, 10]])
    for layer, add in (
        (layers.points, lambda: layers.points.add(corner)),
        (layers.drawings, lambda: layers.drawings.add_polygons(corner + CORNERS)),
    ):
        # As any other plugin may do.
        with layer.events.features.blocker():
            layer.features = layer.features.drop(columns="polarity")
        add()
        assert "could not be taken" in shown.widget.status.text()
        assert annotation.prompts_at(0, 6) == before
        assert len(layers.points.data) == len(layers.points.features) == 1
        assert len(layers.drawings.data) == len(layers.drawings.features) == 0
        assert "polarity" in layer.features
    assert caplog.records  # for whoever looks for the reason
    layers.points.add(np.array([[6.0, 22, 26]]))
    assert len(annotation.prompts_at(0, 6).points) == 2
