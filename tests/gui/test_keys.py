"""Our keys: whichever layer is active, only while the dock is open, never as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Points, Shapes
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QDockWidget,
    QLineEdit,
    QPlainTextEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_spinalsam.actions import models as a
from napari_spinalsam.core.prompts import BoxPrompt
from napari_spinalsam.widgets import linked_views
from napari_spinalsam.widgets.handle import attach
from tests.gui.conftest import docked_block

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.handle import SegmentHandle

Key = Qt.Key
SHIFT = Qt.KeyboardModifier.ShiftModifier
CTRL = Qt.KeyboardModifier.ControlModifier
NONE = Qt.KeyboardModifier.NoModifier
TOOL_KEYS = {
    "positive": (Key.Key_P, NONE),
    "negative": (Key.Key_N, NONE),
    "box": (Key.Key_B, NONE),
    "scribble": (Key.Key_S, NONE),
    "negative scribble": (Key.Key_S, SHIFT),
    "lasso": (Key.Key_L, NONE),
}


def canvas(viewer: Viewer) -> QWidget:
    return viewer.window._qt_viewer.canvas.native


def take_keyboard(handle: SegmentHandle, qtbot: QtBot) -> None:
    window = handle.widget.window()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)


def look_of(layer: Any) -> tuple[Any, ...]:
    """Return what napari's own keys would change of a labels layer."""
    return layer.mode, layer.selected_label, layer.preserve_labels


def test_every_key_works_whichever_layer_is_active(handle: SegmentHandle) -> None:
    viewer, view = handle.viewer, handle.widget.controller.view
    native, annotation = canvas(viewer), handle.annotation
    volume = np.zeros((12, 40, 48), np.uint8)
    reference = Labels(volume.copy(), name="reference", visible=False)
    scale = {"scale": handle.widget.controller.layers.image.scale}
    for layer in (reference, Points(ndim=3), Shapes(ndim=3), Image(volume, **scale)):
        viewer.add_layer(layer)
    handle.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    before = look_of(reference)
    for layer in (None, *viewer.layers):
        for tool, (key, held) in TOOL_KEYS.items():
            viewer.layers.selection.active = layer
            QTest.keyClick(native, key, held)
            assert view.tool == tool
            viewer.layers.selection.active = layer
            QTest.keyClick(native, Key.Key_Escape)
            assert view.tool == ""
        viewer.layers.selection.active = layer
        for key, selected in ((Key.Key_Period, "L4"), (Key.Key_Comma, "L3")):
            QTest.keyClick(native, key)
            assert annotation.state.selected == selected
    viewer.layers.selection.active = reference
    QTest.keyClick(native, Key.Key_M)  # the next structure without a mask
    handle.run(a.SelectStructure(structure="L3"))
    annotation.set_box(0, 6, BoxPrompt(12, 14, 28, 34))
    handle.wait_for_mask()
    QTest.keyClick(native, Key.Key_C)
    assert annotation.state.preview.chosen == 1
    QTest.keyClick(native, Key.Key_C, SHIFT)
    assert annotation.state.preview.chosen == 0
    QTest.keyClick(native, Key.Key_Return)
    assert annotation.labels.any()
    QTest.keyClick(native, Key.Key_Z, CTRL)
    assert not annotation.labels.any()
    QTest.keyClick(native, Key.Key_Z, CTRL | SHIFT)
    assert annotation.labels.any()
    assert look_of(reference) == before
    assert not reference.data.any()


def test_a_key_works_from_list_and_buttons_but_is_text_where_one_types(
    on_screen: SegmentHandle, qtbot: QtBot
) -> None:
    handle = on_screen
    take_keyboard(handle, qtbot)
    view = handle.widget.controller.view
    handle.run(a.SelectStructure(structure="L3"))
    fields = QWidget()
    column = QVBoxLayout(fields)
    typed = QComboBox()
    typed.setEditable(True)
    texts = (QLineEdit(), QPlainTextEdit(), QSpinBox(), typed)
    for each in texts:
        column.addWidget(each)
    handle.viewer.window.add_dock_widget(fields, name="another")
    for each in texts:
        each.setFocus()
        assert QApplication.focusWidget() is each
        for key in (Key.Key_B, Key.Key_Return):
            QTest.keyClick(QApplication.focusWidget(), key)
        QTest.keyClick(QApplication.focusWidget(), Key.Key_Z, CTRL)
        assert view.tool == ""
        assert handle.annotation.state.selected == "L3"
    assert texts[0].text() == ""  # its own undo
    layer_list = handle.viewer.window._qt_viewer.layers
    for each in (layer_list, handle.widget.save, handle.widget.window_):
        each.setFocus()
        QTest.keyClick(each, Key.Key_B)
        assert view.tool == "box"
        QTest.keyClick(each, Key.Key_Escape)
        assert view.tool == ""


def test_the_structure_box_is_left_by_enter_escape_and_a_click_on_the_canvas(
    on_screen: SegmentHandle, qtbot: QtBot
) -> None:
    handle, viewer = on_screen, on_screen.viewer
    take_keyboard(handle, qtbot)
    native, view = canvas(viewer), handle.widget.controller.view
    box, state = handle.widget.structures.combo_box, lambda: handle.annotation.state

    def say(text: str, key: Key) -> None:
        QTest.mouseClick(box.lineEdit(), Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: box.lineEdit().selectedText() == box.currentText())
        for letter in text:  # the suggestions, once they are shown, get the keys
            QTest.keyClicks(QApplication.activePopupWidget() or box, letter)
            QApplication.processEvents()
        QTest.keyClick(QApplication.activePopupWidget() or box, key)
        QApplication.processEvents()
        qtbot.waitUntil(lambda: not box.hasFocus())
        assert QApplication.activePopupWidget() is None

    for text, name in (("L3", "L3"), ("l4/5", "L4-L5"), ("s1", "sacrum")):
        say(text, Key.Key_Return)
        assert state().selected == name
        assert box.currentData() == name
        assert state().preview is None
    QTest.keyClick(QApplication.focusWidget(), Key.Key_B)
    assert view.tool == "box"
    said = box.currentText()
    say("L3", Key.Key_Escape)
    assert (state().selected, box.currentText()) == ("sacrum", said)
    say("L9", Key.Key_Return)
    assert (state().selected, box.currentText()) == ("sacrum", said)
    assert "no structure 'L9'" in handle.widget.status.text()
    QTest.mouseClick(box.lineEdit(), Qt.MouseButton.LeftButton)
    QTest.mouseClick(native, Qt.MouseButton.RightButton)
    assert QApplication.focusWidget() is native
    box.setFocus()
    box.showPopup()
    QTest.keyClick(box.view(), Key.Key_Home)
    QTest.keyClick(box.view(), Key.Key_Down)
    QTest.keyClick(box.view(), Key.Key_Return)
    qtbot.waitUntil(lambda: not box.hasFocus())
    assert state().selected == "C1"


def test_keys_belong_to_the_open_dock_of_their_viewer(
    make_napari_viewer: Callable[..., Viewer],
) -> None:
    first, second = (docked_block(make_napari_viewer()) for _ in range(2))
    tools = first.widget.controller.view, second.widget.controller.view
    QTest.keyClick(canvas(second.viewer), Key.Key_B)
    assert [each.tool for each in tools] == ["", "box"]
    dock = next(
        each
        for each in first.widget.window().findChildren(QDockWidget)
        if each.widget() is first.widget
    )
    dock.hide()
    QTest.keyClick(canvas(first.viewer), Key.Key_B)
    assert tools[0].tool == ""
    dock.show()
    QTest.keyClick(canvas(first.viewer), Key.Key_B)
    assert tools[0].tool == "box"
    points = first.widget.controller.layers.points

    first.viewer.window.remove_dock_widget(dock)

    first.viewer.layers.selection.active = points
    for key in (Key.Key_T, Key.Key_N, Key.Key_M):
        QTest.keyClick(canvas(first.viewer), key)
    assert linked_views.DOCK not in first.viewer.window.dock_widgets
    assert first.widget.controller.layers is None
    again = attach(first.viewer)
    assert again.widget is not first.widget
    QTest.keyClick(canvas(first.viewer), Key.Key_B)
    assert again.widget.controller.view.tool == "box"
    assert [each.tool for each in tools] == ["", "box"]
