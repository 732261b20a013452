"""The main window: where docks go, and what waits until it is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_spinalsam.widgets.preferences import PLUGIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from qtpy.QtGui import QCloseEvent, QShowEvent

# Qt gathers requests to draw for 5 ms, so that a timer of 0 comes before the frame.
DRAWN_MS = 20


class DockedWidget(QWidget):
    """What a dock of the plugin holds: it joins the other dock, and ends with its own.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer that it is docked in.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self._was_shown = self._has_ended = False

    def end(self) -> None:
        """End what goes on for this dock; called once, however the dock goes."""
        raise NotImplementedError

    def event(self, event: QEvent | None) -> bool:
        """End with the dock: napari takes the widget out of it and closes nothing."""
        handled = super().event(event)
        taken_out = event is not None and event.type() == QEvent.Type.ParentChange
        if taken_out and self.parent() is None:
            self._end_once()
        return handled

    def showEvent(self, event: QShowEvent | None) -> None:
        """Join the other dock of the plugin when this one has been opened."""
        super().showEvent(event)
        if not self._was_shown:
            self._was_shown = True
            join_tabs(self.viewer, self)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """End with the window."""
        self._end_once()
        super().closeEvent(event)

    def _end_once(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            self.end()


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
