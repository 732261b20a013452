"""The main window: where docks go, and what waits until it is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow

from napari_spinalsam.widgets.preferences import PLUGIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from qtpy.QtWidgets import QWidget

# Qt gathers requests to draw for 5 ms, so that a timer of 0 comes before the frame.
DRAWN_MS = 20


def join_tabs(viewer: Viewer, widget: QWidget) -> None:
    """Make the dock of a widget that was just opened a tab beside the other one.

    From a menu napari opens docks below each other, where neither has room.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose docks.
    widget : QWidget
        What was opened; its tab comes to the front.
    """
    mine, window = dock_of(widget), widget.window()
    for name, other in viewer.window.dock_widgets.items():
        dock = dock_of(other) if name.endswith(f"({PLUGIN})") else None
        if mine in (None, dock) or dock is None or not isinstance(window, QMainWindow):
            continue
        beside = window.dockWidgetArea(mine) == window.dockWidgetArea(dock)
        if beside and mine not in window.tabifiedDockWidgets(dock):
            window.tabifyDockWidget(dock, mine)
            mine.raise_()


def dock_of(widget: QWidget) -> QDockWidget | None:
    """Return the dock that a widget lies in."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent


def after_drawing(operation: Callable[[], None]) -> None:
    """Call something after the frame that is asked for by now, if one is."""
    QTimer.singleShot(DRAWN_MS, operation)
