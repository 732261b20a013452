"""Images that come, go, or cannot be annotated at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_spinalsam.actions import models as a
from napari_spinalsam.core.errors import InputError, InputWarning
from napari_spinalsam.core.prompts import BoxPrompt
from napari_spinalsam.io.layer_data import image_layer
from napari_spinalsam.layers.images import volume_of
from napari_spinalsam.widgets.handle import attach
from napari_spinalsam.widgets.jobs import wait_for
from tests.gui.conftest import make_volume

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.handle import SegmentHandle


# A turn by 30 degrees within axial slices.
IN_PLANE = np.array([[1, 0, 0], [0, 0.866, -0.5], [0, 0.5, 0.866]])
BAD_IMAGES = {
    "colour": (np.zeros((16, 16, 3), np.uint8), {"rgb": True}, "colour"),
    "four axes": (np.zeros((2, 4, 16, 16), np.float32), {}, "4"),
    "one row": (np.zeros((1, 64), np.float32), {}, "64"),
    "not a number": (np.full((4, 16, 16), np.nan, np.float32), {}, "1024 of 1024"),
    "infinite": (np.full((4, 16, 16), np.inf, np.float32), {}, "infinite"),
    "turned": (np.zeros((4, 16, 16), np.float32), {"rotate": IN_PLANE}, "turned"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_an_image_that_cannot_serve_is_told_in_one_sentence(
    viewer: Viewer, handle: SegmentHandle, name: str
) -> None:
    data, attributes, word = BAD_IMAGES[name]
    layer = viewer.add_image(data, **attributes)
    with pytest.raises(InputError, match=word):
        volume_of(layer)
    before = handle.annotation
    handle.widget.choose_image(layer)
    assert handle.annotation is before
    assert handle.widget.images.currentText() == "block"


def test_without_an_image_actions_say_what_to_do(viewer: Viewer) -> None:
    docked = attach(viewer)
    with pytest.raises(InputError, match="open one"):
        docked.run(a.AddBox())
    docked.widget.prompts.tool_pressed.emit("box")
    assert "open one" in docked.widget.status.text()


def test_a_flat_image_is_annotated_in_its_one_slice(viewer: Viewer) -> None:
    image = make_volume().data[6]
    viewer.add_image(image, name="flat", scale=(1.0, 0.7))
    docked = attach(viewer)
    docked.wait_for_model()
    docked.run(a.SelectStructure(structure="L3"))
    docked.widget.controller.layers.points.add(np.array([[20.0, 24.0]]))
    docked.wait_for_mask()
    docked.run(a.AcceptMask())
    assert docked.annotation.labels.shape == (1, *image.shape)
    assert docked.widget.controller.layers.labels.data.shape == image.shape


def test_leading_axes_of_one_and_voxels_without_a_number_are_no_hindrance(
    viewer: Viewer, qtbot: QtBot
) -> None:
    data = make_volume().data.astype(np.float32)[None]
    data[0, 0] = np.nan
    layer = viewer.add_image(data, name="four", scale=(1, 3, 1, 0.7), units="mm")
    with pytest.warns(InputWarning, match="four has no number"):
        docked = attach(viewer)
    assert layer.data.shape == data.shape[1:]
    assert layer.scale == pytest.approx((3, 1, 0.7))
    assert (layer.data[0] == np.nanmin(data)).all()
    assert (layer.data[1:] == data[0, 1:]).all()
    docked.wait_for_model()
    docked.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    docked.annotation.set_box(0, 6, BoxPrompt(11, 13, 28, 34))
    docked.wait_for_mask()
    docked.run(a.AcceptMask())
    labels = docked.widget.controller.layers.labels
    assert labels.data.shape == layer.data.shape
    assert (labels.data[6] == 22).any()


def test_closing_the_image_keeps_the_labels_and_stays_usable(
    viewer: Viewer, handle: SegmentHandle, qtbot: QtBot
) -> None:
    handle.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    handle.annotation.set_box(0, 6, BoxPrompt(11, 13, 28, 34))
    labels = handle.widget.controller.layers.labels
    viewer.layers.remove(handle.widget.controller.layers.image)
    assert labels in viewer.layers
    qtbot.waitUntil(lambda: "labels layer stays" in handle.widget.status.text())
    data, attributes, _ = image_layer(make_volume((8, 32, 32)))
    viewer.add_image(data, **attributes)
    assert handle.annotation.geometry.shape == (8, 32, 32)


def test_replacing_the_data_of_the_image_puts_its_annotation_down(
    handle: SegmentHandle,
) -> None:
    handle.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    handle.annotation.set_box(0, 6, BoxPrompt(11, 13, 28, 34))
    image = handle.widget.controller.layers.image
    image.data = np.zeros((5, 20, 20), np.float32)
    assert "replaced" in handle.widget.status.text()
    handle.widget.choose_image(image)
    assert handle.annotation.geometry.shape == (5, 20, 20)


def test_a_reopened_dock_takes_the_annotation_up_again(
    viewer: Viewer, handle: SegmentHandle
) -> None:
    handle.run(a.SelectStructure(structure="L3"))
    before = handle.annotation
    viewer.window.remove_dock_widget(handle.widget)
    handle.widget.close()
    again = attach(viewer)
    assert again.widget is not handle.widget
    assert again.annotation is before


def test_two_viewers_keep_apart(make_napari_viewer: object) -> None:
    docks = []
    for _ in range(2):
        one = make_napari_viewer()
        data, attributes, _ = image_layer(make_volume())
        one.add_image(data, **attributes)
        docks.append(attach(one))
    docks[0].run(a.SelectStructure(structure="L3"))
    assert docks[1].annotation.state.selected is None


def test_a_reference_on_another_grid_is_refused(
    viewer: Viewer, handle: SegmentHandle
) -> None:
    layer = viewer.add_labels(np.zeros((3, 9, 9), np.uint8))
    with pytest.raises(InputError):
        handle.widget.controller.choose_reference(layer)
    assert handle.widget.controller.reference is None


def test_a_model_that_cannot_be_loaded_leaves_the_old_one(
    handle: SegmentHandle,
) -> None:
    from functools import partial

    from napari_spinalsam.model.weights.loading import load_session

    controller = handle.widget.controller
    before = controller.session
    told = []
    controller.message.connect(lambda sentence, _: told.append(sentence))
    controller.load_model(partial(load_session, "/nowhere/model.pth"))
    wait_for(30, controller.message)
    assert controller.session is before
    assert any("model.pth" in sentence for sentence in told)


def test_the_thread_ends_with_the_viewer(viewer: Viewer, handle: SegmentHandle) -> None:
    thread = handle.widget.controller.predictions.thread_
    assert thread.isRunning()
    handle.widget.close()
    assert not thread.isRunning()
