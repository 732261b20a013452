"""Scribbles and lassos drawn by a real mouse, moved, undone and put away."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QCoreApplication, Qt
from qtpy.QtTest import QTest

from napari_spinalsam.core import actions as a
from napari_spinalsam.core.prompts import LassoPrompt, Polarity
from tests.gui.test_mouse import LEFT, NONE, _canvas, _pixel, shown  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.handle import SegmentHandle


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
    QTest.keyClick(native, Qt.Key.Key_Escape)  # the tool
    assert layer.mode == "pan_zoom"
    assert not widget.prompts.tools["negative scribble"].isChecked()
    # Deleting one in the layer deletes the prompt.
    layer.selected_data = {0}
    layer.remove_selected()
    assert shown.annotation.prompts_at(2, 24).scribbles == (second,)


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
