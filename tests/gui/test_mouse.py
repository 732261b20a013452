"""The mouse and the keys on a real canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QCoreApplication, QPoint, Qt
from qtpy.QtTest import QTest

from napari_spinalsam.actions import models as a
from napari_spinalsam.core.prompts import Polarity

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.handle import SegmentHandle

LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier
# Corners of the block, and where the block is cut, for each plane.
CORNERS = {
    "axial": ((6, 11, 13), (6, 28, 34)),
    "coronal": ((3, 20, 13), (9, 20, 34)),
    "sagittal": ((3, 11, 24), (9, 28, 24)),
}


@pytest.fixture
def shown(on_screen: SegmentHandle, qtbot: QtBot) -> SegmentHandle:
    """Return the dock of a viewer that is on the screen."""
    qtbot.waitUntil(lambda: _canvas(on_screen).isVisible())
    return on_screen


def _canvas(handle: SegmentHandle):
    return handle.viewer.window._qt_viewer.canvas.native


def _pixel(handle: SegmentHandle, voxel: tuple[float, ...]) -> QPoint:
    """Return where a voxel is on the canvas."""
    viewer, native = handle.viewer, _canvas(handle)
    image = handle.widget.controller.layers.image
    world = np.asarray(image.data_to_world(voxel))[list(viewer.dims.displayed)]
    camera = viewer.scene.camera
    row, col = (world - np.asarray(camera.center)[-2:]) * camera.zoom
    return QPoint(round(native.width() / 2 + col), round(native.height() / 2 + row))


@pytest.mark.parametrize("plane", CORNERS)
def test_dragging_with_the_box_tool_sets_a_box_in_the_shown_slice(
    shown: SegmentHandle, qtbot: QtBot, plane: str
) -> None:
    first, last = CORNERS[plane]
    axis = ("axial", "coronal", "sagittal").index(plane)
    shown.run(a.SetPlane(plane=plane), a.SelectStructure(structure="L3"))
    shown.run(a.GoToSlice(index=first[axis]))
    shown.widget.prompts.tools["box"].click()
    native = _canvas(shown)
    start, end = _pixel(shown, first), _pixel(shown, last)
    QTest.mouseMove(native, start)
    QTest.mousePress(native, LEFT, NONE, start)
    QCoreApplication.processEvents()
    for share in np.linspace(0, 1, 5)[1:]:
        QTest.mouseMove(native, start + (end - start) * float(share))
        QCoreApplication.processEvents()
    QTest.mouseRelease(native, LEFT, NONE, end)
    qtbot.waitUntil(
        lambda: shown.annotation.prompts_at(axis, first[axis]).box is not None
    )
    box = shown.annotation.prompts_at(axis, first[axis]).box
    found = [box.row_min, box.col_min, box.row_max, box.col_max]
    wanted = [*np.delete(first, axis), *np.delete(last, axis)]
    assert np.allclose(found, wanted, atol=0.5)


def test_a_click_with_the_negative_tool_then_enter(
    shown: SegmentHandle, qtbot: QtBot
) -> None:
    shown.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    native = _canvas(shown)
    shown.widget.prompts.tools["positive"].click()
    QTest.mouseClick(native, LEFT, NONE, _pixel(shown, (6, 20, 24)))
    qtbot.waitUntil(lambda: len(shown.annotation.prompts_at(0, 6).points) == 1)
    shown.widget.prompts.tools["negative"].click()
    QTest.mouseClick(native, LEFT, NONE, _pixel(shown, (6, 35, 4)))
    qtbot.waitUntil(lambda: len(shown.annotation.prompts_at(0, 6).points) == 2)
    points = shown.annotation.prompts_at(0, 6).points
    assert [point.polarity for point in points] == [
        Polarity.POSITIVE,
        Polarity.NEGATIVE,
    ]
    shown.wait_for_mask()
    QTest.keyClick(native, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: shown.annotation.labels.any())
    assert shown.annotation.state.preview is None


def test_a_click_is_predicted_before_its_point_is_drawn(
    shown: SegmentHandle, qtbot: QtBot
) -> None:
    shown.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    points = shown.widget.controller.layers.points
    shown.widget.prompts.tools["positive"].click()
    QTest.mouseClick(_canvas(shown), LEFT, NONE, _pixel(shown, (6, 20, 24)))
    assert len(shown.annotation.prompts_at(0, 6).points) == 1
    assert len(points.data) == 0
    points.add(np.array([[6.0, 22.0, 26.0]]))  # an edit finds the layer as it must be
    assert len(points.data) == 2
    assert len(shown.annotation.prompts_at(0, 6).points) == 2
    shown.wait_for_mask()
    assert len(shown.annotation.state.preview.prompts.points) == 2


def test_dragging_with_the_point_tool_moves_the_image(
    shown: SegmentHandle, qtbot: QtBot
) -> None:
    shown.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    shown.widget.prompts.tools["positive"].click()
    native, start = _canvas(shown), _pixel(shown, (6, 20, 24))
    centre = shown.viewer.scene.camera.center
    QTest.mousePress(native, LEFT, NONE, start)
    for step in (10, 20, 30):
        QTest.mouseMove(native, start + QPoint(step, 0))
        QCoreApplication.processEvents()
    QTest.mouseRelease(native, LEFT, NONE, start + QPoint(30, 0))
    qtbot.waitUntil(lambda: shown.viewer.scene.camera.center != centre)
    assert shown.annotation.prompts_at(0, 6).is_empty
