"""The Segment dock as a user meets it: prompts in, masks and labels out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_spinalsam.actions import models as a
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.prompts import BoxPrompt, PointPrompt, Polarity
from napari_spinalsam.io.labels import read_labels
from napari_spinalsam.layers.roles import Role

if TYPE_CHECKING:
    from pathlib import Path

    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.handle import SegmentHandle

BOX = BoxPrompt(11, 13, 28, 34)
L3 = 22


def add_box(handle: SegmentHandle, axis: int = 0, index: int = 6) -> None:
    """Select L3 and box the block."""
    handle.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=index))
    handle.annotation.set_box(axis, index, BOX)
    handle.wait_for_mask()


def test_the_first_grey_image_is_chosen_by_itself(handle: SegmentHandle) -> None:
    assert handle.annotation.volume.name == "block"
    assert handle.widget.images.currentText() == "block"


def test_a_box_gives_a_preview_and_accept_writes_it_in_its_slice_only(
    handle: SegmentHandle,
) -> None:
    add_box(handle)
    mask = handle.annotation.state.preview.mask
    handle.run(a.AcceptMask())
    labels = handle.annotation.labels
    assert mask.any()
    assert np.array_equal(labels[6] == L3, mask)
    assert not np.delete(labels, 6, axis=0).any()
    shown = handle.widget.controller.layers.labels
    assert np.array_equal(shown.data, labels)


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_prompts_work_in_every_plane(handle: SegmentHandle, plane: str) -> None:
    handle.run(a.SetPlane(plane=plane), a.SelectStructure(structure="L3"))
    axis, index = handle.widget.controller.view.current_slice()
    points = handle.widget.controller.layers.points
    points.add(np.array([[6, 20, 24]]) * 1.0)
    voxel = [6, 20, 24]
    assert axis == ("axial", "coronal", "sagittal").index(plane)
    prompts = handle.annotation.prompts_at(axis, voxel[axis])
    assert prompts.points[0] == PointPrompt(*np.delete(voxel, axis).astype(float))
    assert index in range(handle.annotation.geometry.shape[axis])


def test_layers_lie_on_the_image(handle: SegmentHandle) -> None:
    layers = handle.widget.controller.layers
    for role in Role:
        layer = layers.layer(role)
        assert np.allclose(layer.scale, layers.image.scale)
        assert np.allclose(layer.translate, layers.image.translate)
        assert layer.units == layers.image.units


def test_labels_are_named_under_the_mouse(handle: SegmentHandle) -> None:
    add_box(handle)
    handle.run(a.AcceptMask())
    layer = handle.widget.controller.layers.labels
    where = np.argwhere(np.asarray(layer.data) == L3)[0]
    told = layer.get_status(layer.data_to_world(where), world=True)
    assert "structure: L3" in told["value"]


def test_a_point_added_in_the_layer_becomes_a_prompt_and_is_predicted(
    handle: SegmentHandle,
) -> None:
    handle.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    handle.widget.prompts.tools["negative"].click()
    layers = handle.widget.controller.layers
    layers.points.add(np.array([[6.0, 3.0, 3.0]]))
    handle.widget.prompts.tools["positive"].click()
    layers.points.add(np.array([[6.0, 20.0, 24.0]]))
    handle.wait_for_mask()
    points = handle.annotation.prompts_at(0, 6).points
    assert [point.polarity for point in points] == [
        Polarity.NEGATIVE,
        Polarity.POSITIVE,
    ]
    assert list(layers.points.symbol.astype(str)) != []


def test_undo_takes_click_and_mask_back_together(handle: SegmentHandle) -> None:
    add_box(handle)
    handle.run(a.Undo())
    assert handle.annotation.state.preview is None
    assert handle.annotation.prompts_at(0, 6).is_empty
    assert len(handle.widget.controller.layers.boxes.data) == 0
    handle.run(a.Redo())
    assert handle.annotation.state.preview is not None
    assert len(handle.widget.controller.layers.boxes.data) == 1


def test_clicks_made_while_the_thread_is_busy_are_kept_and_answered_as_one(
    handle: SegmentHandle,
) -> None:
    handle.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    for place in ((20.0, 24.0), (18.0, 22.0), (22.0, 26.0)):
        handle.annotation.add_point(0, 6, PointPrompt(*place))
    handle.wait_for_mask()
    preview = handle.annotation.state.preview
    assert len(preview.prompts.points) == 3


def test_without_live_nothing_is_predicted_until_asked(
    handle: SegmentHandle, qtbot: QtBot
) -> None:
    handle.widget.prompts.live.setChecked(False)
    handle.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    handle.annotation.set_box(0, 6, BOX)
    assert handle.widget.controller.predictions.asked is None
    handle.run(a.GenerateMask())
    handle.wait_for_mask()
    assert handle.annotation.state.preview is not None


def test_saved_labels_come_back_on_the_same_grid(
    handle: SegmentHandle, tmp_path: Path
) -> None:
    add_box(handle)
    handle.run(a.AcceptMask())
    handle.save(tmp_path / "out.nii.gz")
    read = read_labels(tmp_path / "out.nii.gz", handle.annotation.volume.grid)
    assert np.array_equal(read.data, handle.annotation.labels)


def test_a_tool_pressed_again_is_off(handle: SegmentHandle) -> None:
    tool = handle.widget.prompts.tools["box"]
    tool.click()
    assert handle.widget.controller.layers.boxes.mode == "add_rectangle"
    tool.click()
    assert handle.widget.controller.layers.boxes.mode == "pan_zoom"
    assert not tool.isChecked()


def test_an_armed_tool_counts_down_and_is_put_away(handle: SegmentHandle) -> None:
    handle.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    handle.run(a.AddPoints(count=2))
    points, view = (
        handle.widget.controller.layers.points,
        handle.widget.controller.view,
    )
    assert view.tool == "positive"
    points.add(np.array([[6.0, 20.0, 24.0]]))
    assert view.tool == "positive"
    points.add(np.array([[6.0, 22.0, 26.0]]))
    assert not view.tool


def test_an_armed_tool_that_does_not_fit_the_view_is_put_away_and_told(
    handle: SegmentHandle, viewer: Viewer, qtbot: QtBot
) -> None:
    handle.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    handle.widget.controller.layers.points.add(np.array([[6.0, 20.0, 24.0]]))
    handle.run(a.AddPoints(count=1), a.AddBox())
    viewer.dims.ndisplay = 3

    with qtbot.waitSignal(handle.widget.controller.message) as told:
        handle.run(a.Undo(steps=20))

    assert not handle.annotation.state.selected
    assert not handle.widget.controller.view.tool
    assert told.args is not None
    assert "3-D" in told.args[0]


def test_the_status_tells_times_model_and_measures(
    handle: SegmentHandle, qtbot: QtBot
) -> None:
    reference = np.zeros(handle.annotation.geometry.shape, np.uint8)
    reference[3:9, 12:28, 14:34] = L3
    image = handle.widget.controller.layers.image
    layer = handle.widget.viewer.add_labels(
        reference, scale=image.scale, translate=image.translate
    )
    handle.widget.controller.choose_reference(layer)
    add_box(handle)
    qtbot.waitUntil(lambda: "mask in" in handle.widget.status.text())
    told = handle.widget.status.text()
    for part in ("test-net on CPU", "mask in", "Dice", "IoU"):
        assert part in told


@pytest.mark.parametrize("contour", [0, 1])
def test_a_brush_stroke_is_one_step_of_the_annotation(
    handle: SegmentHandle, contour: int
) -> None:
    handle.run(a.SelectStructure(structure="L3"))
    labels = handle.widget.controller.layers.labels
    labels.contour = contour  # napari refreshes the whole layer at each move then
    labels.brush_size = 3
    with labels.block_history():  # as napari does from press to release
        labels.paint((6, 20, 20), L3)
        labels.paint((6, 20, 22), L3)
    assert handle.annotation.labels[6, 20, 20] == L3
    assert handle.annotation.labels[6, 20, 22] == L3
    handle.run(a.Undo())
    assert not handle.annotation.labels.any()
    assert not np.asarray(labels.data).any()


def test_a_fill_from_elsewhere_is_a_step_too(handle: SegmentHandle) -> None:
    labels = handle.widget.controller.layers.labels
    labels.data_setitem((np.array([6]), np.array([4]), np.array([5])), L3)
    assert handle.annotation.labels[6, 4, 5] == L3


def test_deleting_a_prompt_layer_loses_nothing(
    handle: SegmentHandle, viewer: Viewer
) -> None:
    add_box(handle)
    viewer.layers.remove(handle.widget.controller.layers.boxes)
    assert handle.annotation.prompts_at(0, 6).box == BOX
    assert len(handle.widget.controller.layers.boxes.data) == 0
    handle.run(a.SelectStructure(structure="L4"), a.SelectStructure(structure="L3"))
    assert len(handle.widget.controller.layers.boxes.data) == 1


def test_a_renamed_prompt_layer_still_prompts(handle: SegmentHandle) -> None:
    handle.run(a.SelectStructure(structure="L3"))
    points = handle.widget.controller.layers.points
    points.name = "something else"
    points.add(np.array([[6.0, 20.0, 24.0]]))
    assert len(handle.annotation.prompts_at(0, 6).points) == 1


def test_prompts_without_a_structure_are_refused_and_taken_away(
    handle: SegmentHandle,
) -> None:
    points = handle.widget.controller.layers.points
    points.add(np.array([[6.0, 20.0, 24.0]]))
    assert len(points.data) == 0
    assert "Choose a structure" in handle.widget.status.text()


def test_a_prompt_outside_of_the_image_is_refused_and_taken_away(
    handle: SegmentHandle,
) -> None:
    handle.run(a.SelectStructure(structure="L3"))
    points = handle.widget.controller.layers.points
    points.add(np.array([[6.0, 400.0, 24.0]]))
    assert len(points.data) == 0
    assert "outside" in handle.widget.status.text()


def test_prompting_in_3d_is_refused(handle: SegmentHandle, viewer: Viewer) -> None:
    handle.run(a.SelectStructure(structure="L3"))
    points = handle.widget.controller.layers.points
    viewer.dims.ndisplay = 3
    points.add(np.array([[6.0, 20.0, 24.0]]))
    assert len(points.data) == 0
    assert "3-D" in handle.widget.status.text()
    for action in (a.AddBox(), a.GoToSlice(index=2), a.GenerateMask()):
        with pytest.raises(InputError, match="3-D"):
            handle.run(action)


def test_what_needs_no_slice_works_in_3d(handle: SegmentHandle, viewer: Viewer) -> None:
    add_box(handle)
    viewer.dims.ndisplay = 3
    handle.run(a.AcceptMask())
    handle.run(a.Undo(), a.Redo())
    handle.run(a.SelectStructure(structure="L4"), a.SetWindow(preset="bone"))
    assert (handle.annotation.labels == L3).any()
    assert handle.annotation.state.selected == "L4"
    handle.run(a.SetPlane(plane="sagittal"), a.GoToSlice(index=20))
    assert viewer.dims.ndisplay == 2
