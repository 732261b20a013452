"""Layers that are removed: all at once, one alone, with the work on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_spinalsam.actions import models as a
from napari_spinalsam.core.prompts import BoxPrompt, LassoPrompt, PointPrompt, Polarity
from napari_spinalsam.io.layer_data import image_layer
from napari_spinalsam.layers.roles import Role, find_layer
from tests.gui.conftest import make_volume

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.handle import SegmentHandle


def remove_by_key(viewer: Viewer) -> None:
    layer_list = viewer.window._qt_viewer.layers
    layer_list.setFocus()
    QTest.keyClick(layer_list, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(layer_list, Qt.Key.Key_Delete)


def accept_a_box(handle: SegmentHandle) -> None:
    handle.run(a.SelectStructure(structure="L3"), a.SetPlane(plane="sagittal"))
    handle.run(a.GoToSlice(index=24))
    handle.annotation.set_box(2, 24, BoxPrompt(3, 12, 8, 27))
    handle.wait_for_mask()
    handle.run(a.AcceptMask())


@pytest.mark.parametrize("remove", [lambda v: v.layers.clear(), remove_by_key])
def test_removing_all_layers_is_the_way_to_the_next_case(
    handle: SegmentHandle, qtbot: QtBot, remove
) -> None:
    viewer, widget = handle.viewer, handle.widget
    accept_a_box(handle)
    handle.annotation.set_box(2, 20, BoxPrompt(3, 12, 8, 27))
    handle.run(a.AddBox())
    widget.three_views.show()
    widget.controller.report_error("An old error.")

    remove(viewer)

    qtbot.waitUntil(lambda: "was closed" in widget.status.text())
    assert not viewer.layers
    assert widget.status.styleSheet() == ""
    assert widget.controller.annotation is None
    assert widget.controller.view.tool == ""
    data, attributes, _ = image_layer(make_volume((7, 60, 30)))
    image = viewer.add_image(data, **attributes | {"name": "next"})
    assert widget.controller.layers.image is image
    assert "closed" not in widget.status.text()
    assert {layer.name.split()[0] for layer in viewer.layers} == {"next"}
    assert viewer.dims.order == (0, 1, 2)
    middle = np.asarray(image.data_to_world((np.array(data.shape) - 1) / 2))
    assert np.allclose(viewer.scene.camera.center[-2:], middle[-2:])
    assert abs(viewer.dims.point[0] - middle[0]) <= image.scale[0] / 2
    handle.run(a.SelectStructure(structure="L4"), a.GoToSlice(index=3))
    handle.annotation.set_box(0, 3, BoxPrompt(10, 5, 30, 20))
    handle.wait_for_mask()


def test_a_prompt_layer_that_is_removed_alone_takes_no_prompts_with_it(
    handle: SegmentHandle, qtbot: QtBot
) -> None:
    viewer, layers = handle.viewer, handle.widget.controller.layers
    errors: list[str] = []
    handle.widget.controller.message.connect(
        lambda sentence, is_error: errors.append(sentence) if is_error else None
    )
    handle.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    annotation = handle.annotation
    annotation.set_box(0, 6, BoxPrompt(12, 14, 28, 34))
    annotation.set_lasso(0, 6, LassoPrompt(((10, 10), (10, 36), (30, 36), (30, 10))))
    annotation.add_point(0, 6, PointPrompt(20, 24, Polarity.POSITIVE))
    before = annotation.prompts_at(0, 6)
    count = len(viewer.layers)
    for role in (Role.POINTS, Role.BOXES, Role.DRAWINGS):
        old = layers.layer(role)
        viewer.layers.remove(old)
        assert find_layer(viewer.layers, role, annotation) is None
        if role is not Role.POINTS:  # an edit of another layer while it is gone
            layers.points.add([[6.0, 21.0 + len(layers.points.data), 25.0]])
            annotation.undo()
        assert annotation.prompts_at(0, 6) == before
        qtbot.waitUntil(lambda: len(viewer.layers) == count)
        again = layers.layer(role)
        assert again is not old
        assert len(again.data) == 1
    handle.run(a.ClearAll())
    for role in (Role.POINTS, Role.BOXES, Role.DRAWINGS, Role.PREVIEW):
        viewer.layers.remove(layers.layer(role))
    count = len(viewer.layers)
    handle.run(a.GoToSlice(index=5), a.AddPoints(), a.SelectStructure(structure="L4"))
    assert len(viewer.layers) == count + 1  # the one that the tool needs
    assert errors == []


def test_a_labels_layer_that_is_removed_alone_comes_back_with_the_work(
    handle: SegmentHandle, qtbot: QtBot
) -> None:
    viewer, layers = handle.viewer, handle.widget.controller.layers
    accept_a_box(handle)
    viewer.layers.remove(layers.labels)
    qtbot.waitUntil(
        lambda: find_layer(viewer.layers, Role.LABELS, handle.annotation) is not None
    )
    assert np.array_equal(layers.labels.data, handle.annotation.labels)
    assert handle.annotation.labels.any()
    assert "is back" in handle.widget.status.text()
    handle.run(a.Undo())
    assert not layers.labels.data.any()
