"""The Objects panel and clicks on structures, with real mouse and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QCoreApplication, QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_spinalsam.actions import models as a
from napari_spinalsam.core.masks import LabelDelta
from napari_spinalsam.core.metrics import dice
from napari_spinalsam.layers.roles import Role
from napari_spinalsam.widgets.handle import attach
from napari_spinalsam.widgets.objects.table import Column

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.handle import SegmentHandle
    from napari_spinalsam.widgets.objects.panel import ObjectsPanel

LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier
L2, L3, L4 = 21, 22, 23
ML_PER_VOXEL = 3.0 * 1.0 * 0.7 / 1000


def block_labels() -> np.ndarray:
    """Return an L2 of 3 slices and an L3 of 4, which is largest in slice 7."""
    labels = np.zeros((12, 40, 48), np.uint8)
    labels[1:4, 12:28, 14:34] = L2
    labels[5:9, 12:28, 14:34] = L3
    labels[7, 10:30, 14:34] = L3
    return labels


@pytest.fixture
def annotated(handle: SegmentHandle, qtbot: QtBot) -> SegmentHandle:
    """Return a dock with two structures, counted."""
    handle.annotation.replace_labels(block_labels())
    counted(handle, qtbot)
    return handle


def counted(handle: SegmentHandle, qtbot: QtBot) -> ObjectsPanel:
    """Return the panel once all voxels are counted."""
    panel = handle.widget.objects
    qtbot.waitUntil(lambda: panel.live.is_done)
    return panel


def texts(panel: ObjectsPanel, column: Column) -> list[str]:
    model = panel.model
    return [model.index(row, column).data() for row in range(model.rowCount())]


def click(panel: ObjectsPanel, name: str, column: Column = Column.NAME) -> None:
    index = panel.model.index(panel.model.place_of(name), column)
    place = panel.table.visualRect(index).center()
    QTest.mouseClick(panel.table.viewport(), LEFT, NONE, place)


def selected_row(panel: ObjectsPanel) -> str | None:
    rows = panel.table.selectionModel().selectedRows()
    return panel.model.rows[rows[0].row()].name if rows else None


def test_each_structure_is_a_row_with_its_volume(
    annotated: SegmentHandle, qtbot: QtBot
) -> None:
    panel = counted(annotated, qtbot)
    labels = block_labels()
    assert texts(panel, Column.NAME) == ["L2", "L3"]
    assert texts(panel, Column.SIZE) == [
        f"{(labels == label).sum() * ML_PER_VOXEL:.2f}" for label in (L2, L3)
    ]
    assert panel.table.isColumnHidden(Column.DICE)


def test_rows_are_in_the_order_of_the_spine(
    annotated: SegmentHandle, qtbot: QtBot
) -> None:
    labels = block_labels()
    labels[0, :2, :2] = 28  # T13, whose value is above that of L2
    labels[0, 4:6, :2] = 1
    annotated.annotation.replace_labels(labels)
    panel = counted(annotated, qtbot)
    assert texts(panel, Column.NAME) == ["C1", "T13", "L2", "L3"]


def test_volumes_follow_strokes_and_undo(
    annotated: SegmentHandle, qtbot: QtBot
) -> None:
    labels = block_labels()
    before = texts(annotated.widget.objects, Column.SIZE)
    painted = labels.copy()
    painted[9, :10, :10] = L3
    annotated.annotation.paint(LabelDelta.between(labels, painted))
    panel = counted(annotated, qtbot)
    wanted = f"{(painted == L3).sum() * ML_PER_VOXEL:.2f}"
    assert texts(panel, Column.SIZE) == [before[0], wanted]
    annotated.run(a.Undo())
    assert texts(counted(annotated, qtbot), Column.SIZE) == before


def test_counting_does_not_hold_up_the_click(annotated: SegmentHandle) -> None:
    panel = annotated.widget.objects
    before = texts(panel, Column.SIZE)
    annotated.run(a.Undo())
    assert not panel.live.is_done
    annotated.run(a.Redo())
    assert texts(panel, Column.NAME) == ["L2", "L3"]
    assert before == texts(panel, Column.SIZE)


def test_what_is_not_counted_yet_has_no_number(
    annotated: SegmentHandle, qtbot: QtBot
) -> None:
    labels = block_labels()
    labels[10, :3, :3] = L4
    annotated.annotation.replace_labels(labels)
    panel = annotated.widget.objects
    assert texts(panel, Column.SIZE)[2] == "–"
    assert "3 objects · – mL" in panel.summary.text()
    counted(annotated, qtbot)
    assert texts(panel, Column.SIZE)[2] == f"{9 * ML_PER_VOXEL:.2f}"


def test_dice_is_shown_only_against_a_reference(
    annotated: SegmentHandle, qtbot: QtBot
) -> None:
    reference = np.roll(block_labels(), 2, axis=1)
    image = annotated.widget.controller.layers.image
    layer = annotated.viewer.add_labels(
        reference, scale=image.scale, translate=image.translate
    )
    annotated.widget.controller.choose_reference(layer)
    panel = counted(annotated, qtbot)
    values = [dice(block_labels() == n, reference == n) for n in (L2, L3)]
    assert not panel.table.isColumnHidden(Column.DICE)
    assert texts(panel, Column.DICE) == [f"{value:.3f}" for value in values]
    mean = f"{sum(values) / 2:.3f}"
    assert f"Dice {mean}" in panel.summary.text()
    alone = np.zeros(annotated.annotation.geometry.shape, np.uint8)
    alone[7] = block_labels()[7]  # one slice of the four of L3
    annotated.annotation.replace_labels(alone)
    counted(annotated, qtbot)
    within = dice(alone[7] == L3, reference[7] == L3)
    whole = dice(alone == L3, reference == L3)
    cell = panel.model.index(panel.model.place_of("L3"), Column.DICE)
    assert cell.data() == f"{within:.3f}"
    assert cell.data(Qt.ItemDataRole.ToolTipRole) == (
        f"Dice {within:.3f} within 1 labelled axial slice (the reference has 4); "
        f"whole image {whole:.3f}"
    )
    annotated.widget.controller.choose_reference(None)
    counted(annotated, qtbot)
    assert panel.table.isColumnHidden(Column.DICE)


def test_a_reference_without_a_structure_says_nothing_about_it(
    annotated: SegmentHandle, qtbot: QtBot
) -> None:
    reference = np.where(block_labels() == L2, L2, 0)
    image = annotated.widget.controller.layers.image
    layer = annotated.viewer.add_labels(
        reference, scale=image.scale, translate=image.translate
    )
    annotated.widget.controller.choose_reference(layer)
    panel = counted(annotated, qtbot)

    assert texts(panel, Column.DICE) == ["1.000", "–"]
    assert "Dice 1.000" in panel.summary.text()


@pytest.mark.parametrize(("plane", "index"), [("axial", 7), ("sagittal", 24)])
def test_clicking_a_row_selects_it_and_shows_the_slice_with_most_of_it(
    annotated: SegmentHandle, qtbot: QtBot, plane: str, index: int
) -> None:
    annotated.run(a.SetPlane(plane=plane), a.GoToSlice(index=0))
    click(counted(annotated, qtbot), "L3")
    assert annotated.annotation.state.selected == "L3"
    assert annotated.widget.controller.view.current_slice()[1] == index
    assert "L3" in annotated.widget.status.text()


def test_the_selected_row_follows_the_annotation(
    annotated: SegmentHandle, qtbot: QtBot
) -> None:
    panel = counted(annotated, qtbot)
    annotated.run(a.SelectStructure(structure="L2"))
    assert selected_row(panel) == "L2"
    annotated.run(a.SelectStructure(structure="L3"))
    assert selected_row(panel) == "L3"
    annotated.run(a.SelectStructure(structure="L5"))
    assert selected_row(panel) is None


def test_arrow_keys_select_and_delete_removes_with_a_word_and_undo(
    annotated: SegmentHandle, qtbot: QtBot
) -> None:
    panel = counted(annotated, qtbot)
    click(panel, "L2")
    QTest.keyClick(panel.table, Qt.Key.Key_Down)
    assert annotated.annotation.state.selected == "L3"
    QTest.keyClick(panel.table, Qt.Key.Key_Delete)
    assert texts(panel, Column.NAME) == ["L2"]
    assert not (annotated.annotation.labels == L3).any()
    assert "L3 is deleted" in annotated.widget.status.text()
    annotated.run(a.Undo())
    assert np.array_equal(annotated.annotation.labels, block_labels())
    assert texts(panel, Column.NAME) == ["L2", "L3"]


def test_a_click_on_the_lock_locks_without_selecting(
    annotated: SegmentHandle, qtbot: QtBot
) -> None:
    panel = counted(annotated, qtbot)
    annotated.run(a.SelectStructure(structure="L2"))
    click(panel, "L3", Column.LOCKED)
    assert annotated.annotation.state.find("L3").locked
    assert annotated.annotation.state.selected == "L2"
    assert selected_row(panel) == "L2"
    click(panel, "L3", Column.LOCKED)
    assert not annotated.annotation.state.find("L3").locked


def test_a_locked_structure_is_not_deleted(
    annotated: SegmentHandle, qtbot: QtBot
) -> None:
    panel = counted(annotated, qtbot)
    click(panel, "L3")
    click(panel, "L3", Column.LOCKED)
    QTest.keyClick(panel.table, Qt.Key.Key_Delete)
    assert (annotated.annotation.labels == L3).any()
    assert "locked" in annotated.widget.status.text()


def test_a_click_on_the_eye_hides_the_structure_in_the_image(
    annotated: SegmentHandle, qtbot: QtBot
) -> None:
    panel = counted(annotated, qtbot)
    layer = annotated.widget.controller.layers.labels
    click(panel, "L3", Column.VISIBLE)
    assert layer.get_color(L3)[3] == 0
    assert layer.get_color(L2)[3] == 1
    annotated.run(a.Undo())
    assert layer.get_color(L3)[3] == 1


def test_a_hidden_structure_stays_hidden_in_a_labels_layer_made_anew(
    annotated: SegmentHandle,
) -> None:
    layers = annotated.widget.controller.layers
    annotated.annotation.set_visible("L3", False)
    annotated.viewer.layers.remove(layers.labels)
    assert layers.layer(Role.LABELS).get_color(L3)[3] == 0


def chosen(panel: ObjectsPanel, name: str, *path: str) -> None:
    """Trigger an entry of a structure's menu."""
    menu = panel.commands.menu_of(name, panel)
    for step in path[:-1]:
        found = [each for each in menu.actions() if each.text() == step]
        menu = found[0].menu()
    entry = [each for each in menu.actions() if each.text().startswith(path[-1])]
    entry[0].trigger()


def test_a_right_click_opens_the_menu_and_selects_nothing(
    annotated: SegmentHandle, qtbot: QtBot
) -> None:
    panel = counted(annotated, qtbot)
    annotated.run(a.SelectStructure(structure="L2"))
    place = panel.table.visualRect(panel.model.index(1, Column.NAME)).center()
    panel.table.customContextMenuRequested.emit(place)
    menu = QApplication.activePopupWidget()
    assert "Delete L3" in " ".join(entry.text() for entry in menu.actions())
    menu.close()
    assert annotated.annotation.state.selected == "L2"
    assert selected_row(panel) == "L2"


def test_the_menu_renames(annotated: SegmentHandle, qtbot: QtBot) -> None:
    panel = counted(annotated, qtbot)
    chosen(panel, "L3", "Rename to", "L4")
    assert texts(panel, Column.NAME) == ["L2", "L4"]
    assert np.array_equal(annotated.annotation.labels == 23, block_labels() == L3)
    assert "L3 is now named L4" in annotated.widget.status.text()


def test_the_menu_merges(annotated: SegmentHandle, qtbot: QtBot) -> None:
    panel = counted(annotated, qtbot)
    chosen(panel, "L3", "Merge into", "L2")
    assert texts(panel, Column.NAME) == ["L2"]
    assert np.array_equal(annotated.annotation.labels == L2, block_labels() > 0)


def test_the_menu_shifts_all_names(annotated: SegmentHandle, qtbot: QtBot) -> None:
    panel = counted(annotated, qtbot)
    chosen(panel, "L3", "Shift all names down")
    assert texts(panel, Column.NAME) == ["L3", "L4"]
    chosen(panel, "L3", "Shift all names up")
    assert texts(panel, Column.NAME) == ["L2", "L3"]


def test_the_menu_offers_only_names_that_are_free_and_objects_that_are_there(
    annotated: SegmentHandle, qtbot: QtBot
) -> None:
    panel = counted(annotated, qtbot)
    menu = panel.commands.menu_of("L3", panel)
    offers = {
        entry.text(): [each.text() for each in entry.menu().actions()]
        for entry in menu.actions()
        if entry.menu() is not None
    }
    assert offers["Merge into"] == ["L2"]
    assert {"L4", "sacrum"} <= set(offers["Rename to"])
    assert not {"L2", "L3", "L3-L4"} & set(offers["Rename to"])


def test_the_next_free_structure_is_selected_by_button(
    annotated: SegmentHandle,
) -> None:
    annotated.run(a.SelectStructure(structure="L1"))
    annotated.widget.objects.next_free.click()
    assert annotated.annotation.state.selected == "L4"


def test_numbers_are_not_cut_in_a_narrow_dock(
    annotated: SegmentHandle, qtbot: QtBot
) -> None:
    panel = counted(annotated, qtbot)
    panel.resize(290, panel.height())
    for column in (Column.SIZE, Column.LOCKED):
        needed = panel.table.sizeHintForColumn(column)
        assert panel.table.columnWidth(column) >= needed


def test_the_panel_of_no_image_is_empty(viewer: Viewer) -> None:
    panel = attach(viewer).widget.objects
    assert panel.model.rowCount() == 0
    assert not panel.empty.isHidden()
    assert not panel.isEnabled()


@pytest.fixture
def shown(on_screen: SegmentHandle, qtbot: QtBot) -> SegmentHandle:
    """Return an annotated dock of a viewer that is on the screen."""
    on_screen.annotation.replace_labels(block_labels())
    on_screen.run(a.GoToSlice(index=6))
    qtbot.waitUntil(lambda: _canvas(on_screen).isVisible())
    counted(on_screen, qtbot)
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


@pytest.mark.parametrize("active", ["image", "labels", "points", "none"])
def test_a_click_on_a_structure_selects_it(
    shown: SegmentHandle, qtbot: QtBot, active: str
) -> None:
    layers = shown.widget.controller.layers
    shown.viewer.layers.selection.active = {
        "image": layers.image,
        "labels": layers.labels,
        "points": layers.points,
        "none": None,
    }[active]
    QTest.mouseClick(_canvas(shown), LEFT, NONE, _pixel(shown, (6, 20, 24)))
    qtbot.waitUntil(lambda: shown.annotation.state.selected == "L3")
    assert selected_row(shown.widget.objects) == "L3"
    QTest.mouseClick(_canvas(shown), LEFT, NONE, _pixel(shown, (6, 4, 4)))
    assert shown.annotation.state.selected == "L3"


def test_a_drag_a_tool_and_a_hidden_structure_select_nothing(
    shown: SegmentHandle, qtbot: QtBot
) -> None:
    native = _canvas(shown)
    start = _pixel(shown, (6, 20, 24))
    QTest.mouseMove(native, start)
    QTest.mousePress(native, LEFT, NONE, start)
    QCoreApplication.processEvents()
    for step in (4, 8, 12):
        QTest.mouseMove(native, start + QPoint(step, step))
        QCoreApplication.processEvents()
    QTest.mouseRelease(native, LEFT, NONE, start + QPoint(12, 12))
    assert shown.annotation.state.selected is None
    shown.viewer.reset_view()
    QCoreApplication.processEvents()
    shown.annotation.set_visible("L3", False)
    QTest.mouseClick(native, LEFT, NONE, _pixel(shown, (6, 20, 24)))
    assert shown.annotation.state.selected is None
    shown.annotation.set_visible("L3", True)
    shown.run(a.SelectStructure(structure="L2"))
    shown.widget.prompts.tools["positive"].click()
    QTest.mouseClick(native, LEFT, NONE, _pixel(shown, (6, 20, 24)))
    qtbot.waitUntil(lambda: len(shown.annotation.prompts_at(0, 6).points) == 1)
    assert shown.annotation.state.selected == "L2"
