"""Three views of one annotation: linked, prompts anywhere, gone without a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QCoreApplication, QPoint, Qt
from qtpy.QtTest import QTest

from napari_spinalsam.actions import models as a
from napari_spinalsam.core.anatomy import Plane
from napari_spinalsam.io.layer_data import image_layer
from napari_spinalsam.layers.roles import Role
from napari_spinalsam.widgets.handle import attach
from tests.gui.conftest import make_volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QWidget

    from napari_spinalsam.layers.linked_views import SideView
    from napari_spinalsam.widgets.handle import SegmentHandle

pytestmark = pytest.mark.gui
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
PLACE = (6, 20, 24)  # inside of the block
L3 = 22


@pytest.fixture
def shown(on_screen: SegmentHandle, qtbot: QtBot) -> SegmentHandle:
    """Return the dock of a viewer on the screen, with all three views at one place."""
    on_screen.run(a.SelectStructure(structure="L3"))
    on_screen.widget.views.three.click()
    image = on_screen.widget.controller.layers.image
    on_screen.viewer.dims.point = tuple(image.data_to_world(PLACE))
    qtbot.waitUntil(lambda: canvas(on_screen, Plane.SAGITTAL).isVisible())
    QCoreApplication.processEvents()
    for side in sides(on_screen):
        side.model.reset_view()
    return on_screen


def sides(handle: SegmentHandle) -> tuple[SideView, ...]:
    return handle.widget.three_views.views.sides


def side(handle: SegmentHandle, plane: Plane) -> SideView:
    return next(each for each in sides(handle) if each.plane is plane)


def canvas(handle: SegmentHandle, plane: Plane) -> QWidget:
    place = sides(handle).index(side(handle, plane))
    return handle.widget.three_views._panel._canvases[place].canvas.native


def click(handle: SegmentHandle, plane: Plane, voxel: tuple[float, ...]) -> None:
    """Click where a voxel is on the canvas of a side view."""
    view, native = side(handle, plane), canvas(handle, plane)
    world = np.asarray(view.layers.image.data_to_world(voxel))
    camera = view.model.scene.camera
    middle = np.asarray(camera.center)[-2:]
    row, col = (world[list(view.model.dims.displayed)] - middle) * camera.zoom
    at = QPoint(round(native.width() / 2 + col), round(native.height() / 2 + row))
    QTest.mouseMove(native, at)
    QTest.mouseClick(native, LEFT, NONE, at)
    QCoreApplication.processEvents()


def voxel_of(handle: SegmentHandle, point: tuple[float, ...]) -> tuple[int, ...]:
    image = handle.widget.controller.layers.image
    return tuple(np.rint(image.world_to_data(point)).astype(int).tolist())


def test_prompts_keys_and_strokes_work_in_a_side_view(
    shown: SegmentHandle, qtbot: QtBot
) -> None:
    shown.widget.prompts.tools["positive"].click()
    click(shown, Plane.SAGITTAL, PLACE)
    qtbot.waitUntil(lambda: len(shown.annotation.prompts_at(2, 24).points) == 1)
    assert shown.annotation.prompts_at(0, 6).is_empty
    shown.wait_for_mask()
    preview = shown.annotation.state.preview
    assert preview.key == (2, 24)
    main = shown.widget.controller.layers
    for layers in (main, *shown.widget.three_views.views.layers):
        drawn = np.asarray(layers.layer(Role.PREVIEW).data)
        assert np.array_equal(drawn[:, :, 24] > 0, preview.mask)
        assert len(layers.points.data) == 1

    QTest.keyClick(canvas(shown, Plane.SAGITTAL), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: shown.annotation.labels.any())
    side(shown, Plane.CORONAL).layers.labels.paint((6, 3, 3), L3)
    assert shown.annotation.labels[6, 3, 3] == L3
    shown.run(a.Undo())
    for layers in (main, *shown.widget.three_views.views.layers):
        assert np.array_equal(layers.labels.data, shown.annotation.labels)

    # The main view active again: its slice is meant.
    shown.run(a.SetPlane(plane="coronal"))
    assert shown.widget.controller.view.current_slice()[0] == 1
    assert {each.plane for each in sides(shown)} == {Plane.SAGITTAL, Plane.AXIAL}
    QTest.keyClick(canvas(shown, Plane.AXIAL), Qt.Key.Key_T)
    qtbot.waitUntil(lambda: shown.widget.three_views.views is None)


def test_a_click_moves_the_place_in_all_views(shown: SegmentHandle) -> None:
    click(shown, Plane.SAGITTAL, (4, 30, 24))
    assert voxel_of(shown, shown.viewer.dims.point) == (4, 30, 24)
    for each in sides(shown):
        assert voxel_of(shown, each.model.dims.point) == (4, 30, 24)
    assert side(shown, Plane.CORONAL).model.canvas.overlays.text.text == "coronal 30"
    crossing = shown.viewer.layers["cross-hair"]
    starts = crossing.data_to_world(crossing.data[0, 0]), crossing.data[0, 1]
    assert np.allclose(starts[0][1:], shown.viewer.dims.point[1:])
    side(shown, Plane.CORONAL).model.dims.set_current_step(1, 10)
    assert voxel_of(shown, shown.viewer.dims.point) == (4, 10, 24)


def test_off_leaves_everything_as_it_was(handle: SegmentHandle, qtbot: QtBot) -> None:
    viewer, widget = handle.viewer, handle.widget
    viewer.layers.selection.active = viewer.layers["block"]
    before = [
        list(viewer.layers),
        viewer.layers.selection.active,
        viewer.dims.nsteps,
        viewer.dims.point,
        len(viewer.mouse_drag_callbacks),
        len(viewer.window.dock_widgets),
    ]
    for close in (
        widget.views.three.click,
        lambda: viewer.window.remove_dock_widget(widget.three_views._panel),
    ):
        widget.views.three.click()
        assert viewer.dims.nsteps == before[2]
        assert widget.views.three.isChecked()
        assert "Other planes" in viewer.window.dock_widgets
        close()
        qtbot.waitUntil(lambda: widget.three_views.views is None)
        assert not widget.views.three.isChecked()
        after = [
            list(viewer.layers),
            viewer.layers.selection.active,
            viewer.dims.nsteps,
            viewer.dims.point,
            len(viewer.mouse_drag_callbacks),
            len(viewer.window.dock_widgets),
        ]
        assert after == before


def test_deleted_layers_and_images_do_no_harm(handle: SegmentHandle) -> None:
    viewer, views = handle.viewer, handle.widget.three_views
    handle.run(a.SelectStructure(structure="L3"))
    views.toggle()
    viewer.layers.remove("cross-hair")
    layers = handle.widget.controller.layers
    viewer.layers.remove(layers.points)
    viewer.dims.set_current_step(0, 3)
    layers.points.add(np.array([[3.0, 20.0, 24.0]]))
    for each in views.views.layers:
        assert len(each.points.data) == 1
    layers.points.visible = False
    assert not any(each.points.visible for each in views.views.layers)
    viewer.layers.remove(layers.image)
    assert views.views is None

    viewer.add_image(np.zeros((20, 30)), name="flat")
    views.toggle()
    assert views.views is None
    assert "single slice" in handle.widget.status.text()


def test_two_viewers_have_views_of_their_own(
    handle: SegmentHandle, make_napari_viewer: Callable[..., Viewer]
) -> None:
    other = make_napari_viewer()
    data, attributes, _ = image_layer(make_volume())
    other.add_image(data, **attributes)
    second = attach(other)
    for each in (handle, second):
        each.widget.three_views.toggle()
    other.dims.set_current_step(0, 9)
    assert {side.model.dims.current_step[0] for side in sides(second)} == {9}
    assert {side.model.dims.current_step[0] for side in sides(handle)} != {9}
    second.widget.close()
    assert second.widget.three_views.views is None
    assert handle.widget.three_views.views is not None
