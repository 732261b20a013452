"""The docks at the sizes that windows have, and what their status line tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QMainWindow, QScrollArea

from napari_spinalsam.actions import models as a
from napari_spinalsam.core.prompts import PointPrompt
from napari_spinalsam.layers.roles import Role
from napari_spinalsam.widgets.parts import LEAST_WIDTH_PX
from napari_spinalsam.widgets.segment.geometry_row import LARGEST_MM
from napari_spinalsam.widgets.segment.rows import ProgressRow
from tests.gui.conftest import make_volume

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QMenu, QWidget

    from napari_spinalsam.widgets.handle import SegmentHandle

pytestmark = pytest.mark.gui
# What napari begins with on a laptop, and a screen of 1366 x 768 without its bars.
WINDOWS_PX = ((1089, 630), (1366, 728))
L2, L3 = 21, 22
INSIDE = (5, 20, 24)  # of the block


def is_whole(widget: QWidget) -> bool:
    """Whether nothing of a widget is cut or covered."""
    return widget.visibleRegion().boundingRect() == widget.rect()


def labelled(handle: SegmentHandle) -> None:
    """Label one half of the block L2 and select L3."""
    labels = np.zeros(handle.annotation.geometry.shape, np.uint8)
    labels[3:9, 12:28, 14:34] = L2
    handle.annotation.replace_labels(labels)
    handle.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=INSIDE[0]))


def press(handle: SegmentHandle, key: Qt.Key) -> None:
    window = handle.viewer.window
    QTest.keyClick(window._qt_viewer.canvas.native, key)


def test_all_that_each_minute_needs_is_in_sight(
    on_screen: SegmentHandle, qtbot: QtBot
) -> None:
    handle, window = on_screen, on_screen.widget.window()
    assert isinstance(window, QMainWindow)
    # Both docks as tabs, as `napari -w napari-spinalsam __all__` opens them.
    dock, _ = handle.viewer.window.add_plugin_dock_widget(
        "napari-spinalsam", "Segment", tabify=True
    )
    handle.viewer.window.add_plugin_dock_widget("napari-spinalsam", "Chat", tabify=True)
    dock.show()
    dock.raise_()
    widget, area = handle.widget, handle.widget.findChild(QScrollArea)
    for width, height in WINDOWS_PX:
        window.resize(width, height)
        qtbot.waitUntil(lambda height=height: window.height() == height)
        window.resizeDocks([dock], [LEAST_WIDTH_PX], Qt.Orientation.Horizontal)
        parts = {
            "first steps": widget.first_steps,
            "structure": widget.structures,
            "planes": widget.views,
            "prompts": widget.prompts,
            "propagate": widget.whole,
            "accept": widget.preview,
            "status": widget.status,
            "progress": widget.progress_row,
        }

        def all_are_whole(parts: dict[str, QWidget] = parts) -> None:
            widget.progress_row.show()  # the thread may have ended, and hidden it
            assert not [name for name, part in parts.items() if not is_whole(part)]

        qtbot.waitUntil(all_are_whole)
        assert area.widget().width() <= area.viewport().width()
    # What is asked of an image of unknown geometry makes nothing wider.
    thick = handle.viewer.add_image(make_volume().data, scale=(150, 1, 1))
    widget.choose_image(thick)
    qtbot.waitUntil(widget.geometry_.isVisible)
    least = area.widget().minimumSizeHint().width()
    assert least <= area.viewport().width()
    assert widget.geometry_.spacing.values() == [LARGEST_MM, 1, 1]


def test_a_dock_opened_from_the_menu_is_a_tab_beside_the_other(
    on_screen: SegmentHandle, qtbot: QtBot
) -> None:
    window = on_screen.widget.window()
    assert isinstance(window, QMainWindow)
    chat, widget = on_screen.viewer.window.add_plugin_dock_widget(
        "napari-spinalsam", "Chat"
    )
    qtbot.waitUntil(lambda: len(window.tabifiedDockWidgets(chat)) == 1)
    qtbot.waitUntil(widget.isVisible)


def test_the_first_progress_bar_has_its_text(qtbot: QtBot) -> None:
    row = ProgressRow()
    qtbot.addWidget(row)
    row.show_working("Loading the model …")
    assert row.bar.text() == "Loading the model …"


def test_an_error_goes_with_its_cause(handle: SegmentHandle, qtbot: QtBot) -> None:
    controller, status = handle.widget.controller, handle.widget.status

    def is_told() -> bool:
        return "3-D" in status.text()

    handle.viewer.dims.ndisplay = 3
    controller.perform(a.GenerateMask())
    controller.report_error("The view is in 3-D.")
    assert is_told()
    qtbot.waitUntil(lambda: handle.widget._error_stands)
    handle.viewer.dims.ndisplay = 2
    assert not is_told()
    assert not status.styleSheet()
    # What changes with an error does not take it back.
    controller.report_error("The view is in 3-D.")
    handle.run(a.SelectStructure(structure="L3"))
    controller.report_error("The view is in 3-D.")
    assert is_told()


def test_a_click_on_the_label_of_another_structure_says_which_it_is(
    handle: SegmentHandle, qtbot: QtBot
) -> None:
    labelled(handle)
    status = handle.widget.status
    handle.annotation.add_point(0, INSIDE[0], PointPrompt(*map(float, INSIDE[1:])))
    handle.wait_for_mask()
    qtbot.waitUntil(lambda: "You clicked on L2" in status.text())
    assert "L3" in status.text()
    handle.run(a.RejectMask(), a.ClearPoints())
    handle.widget.prompts.live.setChecked(False)
    handle.annotation.add_point(0, INSIDE[0], PointPrompt(*map(float, INSIDE[1:])))
    assert "You clicked on L2" in status.text()
    handle.annotation.select_structure("L2")  # as a click without a tool does
    assert "L2 is selected" in status.text()


def test_a_mask_that_a_click_made_is_shown_though_its_layer_was_hidden(
    handle: SegmentHandle,
) -> None:
    handle.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=INSIDE[0]))
    preview = handle.widget.controller.layers.layer(Role.PREVIEW)
    preview.visible = False
    handle.annotation.add_point(0, INSIDE[0], PointPrompt(*map(float, INSIDE[1:])))
    handle.wait_for_mask()
    assert preview.visible


def test_escape_drops_the_mask_then_its_prompts_then_the_tool(
    on_screen: SegmentHandle,
) -> None:
    handle, status = on_screen, on_screen.widget.status
    handle.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=INSIDE[0]))
    handle.widget.prompts.tools["positive"].click()
    handle.annotation.add_point(0, INSIDE[0], PointPrompt(*map(float, INSIDE[1:])))
    handle.wait_for_mask()
    press(handle, Qt.Key.Key_Escape)
    assert handle.annotation.state.preview is None
    assert "Esc once more drops its prompts" in status.text()
    assert not handle.annotation.prompts_at(0, INSIDE[0]).is_empty
    press(handle, Qt.Key.Key_Escape)
    assert handle.annotation.prompts_at(0, INSIDE[0]).is_empty
    assert handle.widget.controller.view.tool
    press(handle, Qt.Key.Key_Escape)
    assert not handle.widget.controller.view.tool
    handle.run(a.Undo())
    assert not handle.annotation.prompts_at(0, INSIDE[0]).is_empty


def entries(menu: QMenu) -> dict[str, object]:
    """Fill a menu as its button does, and return what it offers."""
    menu.aboutToShow.emit()
    return {entry.text(): entry for entry in menu.actions()}


def test_rename_merge_and_shift_have_buttons(handle: SegmentHandle) -> None:
    panel = handle.widget.objects
    labels = np.zeros(handle.annotation.geometry.shape, np.uint8)
    labels[1:4, 12:28, 14:34] = L2
    labels[5:9, 12:28, 14:34] = L3
    assert not panel.rename.isEnabled()
    handle.annotation.replace_labels(labels)
    handle.run(a.SelectStructure(structure="L3"))
    assert panel.rename.isEnabled()
    offered = entries(panel.rename.menu())
    assert "L2" not in offered
    offered["L4"].trigger()
    entries(panel.shift.menu())["Shift all names up one level"].trigger()
    assert [row.name for row in panel.model.rows] == ["L1", "L3"]
    handle.run(a.SelectStructure(structure="L3"))
    merging = entries(panel.merge.menu())
    assert list(merging) == ["L1"]
    merging["L1"].trigger()
    assert [row.name for row in panel.model.rows] == ["L1"]
    assert (handle.annotation.labels == 20).sum() == np.count_nonzero(labels)
