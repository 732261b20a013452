"""Menu commands go through the executor of the Segment dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from napari._app_model import get_app_model

from napari_spinalsam.actions.models import ACTION_TYPES
from napari_spinalsam.core.prompts import BoxPrompt
from napari_spinalsam.widgets import commands

if TYPE_CHECKING:
    from napari_spinalsam.widgets.handle import SegmentHandle

pytestmark = pytest.mark.gui
NAMES = [name for name in ACTION_TYPES if hasattr(commands, name)]


def test_the_menu_holds_one_command_an_action(handle: SegmentHandle) -> None:
    known = get_app_model().commands
    assert len(NAMES) == 16
    for name in NAMES:
        assert f"napari-spinalsam.{name}" in known


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
