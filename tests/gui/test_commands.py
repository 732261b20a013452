"""Menu commands go through the executor of the Segment dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from napari._app_model import get_app_model
from npe2 import PluginManifest
from npe2.manifest.contributions import MenuCommand
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QComboBox, QDialog

from napari_spinalsam.actions.models import ACTION_TYPES, COMMANDS
from napari_spinalsam.core.prompts import BoxPrompt

if TYPE_CHECKING:
    from napari_spinalsam.widgets.handle import SegmentHandle

pytestmark = pytest.mark.gui


def test_every_action_has_a_command_in_the_menus_and_the_palette(
    handle: SegmentHandle,
) -> None:
    known = get_app_model().commands
    assert {action for action, _ in COMMANDS.values()} == set(ACTION_TYPES)
    manifest = PluginManifest.from_distribution("napari-spinalsam")
    in_menus = {
        entry.command
        for entries in manifest.contributions.menus.values()
        for entry in entries
        if isinstance(entry, MenuCommand)
    }
    for name in COMMANDS:
        assert f"napari-spinalsam.{name}" in known
        assert f"napari-spinalsam.{name}" in in_menus


def test_what_a_command_leaves_open_is_asked_for(handle: SegmentHandle) -> None:
    handle.run({"action": "set_lock", "structure": "L3"})
    handle.run({"action": "select_structure", "structure": "L3"})
    asked: list[list[str]] = []

    def answer() -> None:
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, QDialog)
        boxes = dialog.findChildren(QComboBox)
        asked.append([box.currentText() for box in boxes])
        dialog.accept()

    QTimer.singleShot(0, answer)
    get_app_model().commands.execute_command("napari-spinalsam.unlock").result()
    assert asked == [["L3"]]
    assert not handle.annotation.state.object_of("L3").locked


def test_a_command_acts_on_the_viewer_in_front(handle: SegmentHandle) -> None:
    handle.run({"action": "select_structure", "structure": "L3"})
    handle.annotation.set_box(0, 6, BoxPrompt(12, 14, 27, 33))
    run = get_app_model().commands.execute_command
    run("napari-spinalsam.clear_boxes").result()
    assert handle.annotation.prompts_at(0, 6).box is None
    run("napari-spinalsam.undo").result()
    assert handle.annotation.prompts_at(0, 6).box is not None


def test_a_command_that_fails_tells_why_in_the_dock(handle: SegmentHandle) -> None:
    get_app_model().commands.execute_command("napari-spinalsam.accept_mask").result()
    assert "no mask" in handle.widget.status.text().lower()
