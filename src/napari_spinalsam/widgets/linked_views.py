"""Axial, sagittal and coronal at once: two more canvases in a dock below the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.qt import QtViewer
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from qtpy.QtWidgets import QMainWindow, QSplitter

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.layers.linked_views import SideViews

if TYPE_CHECKING:
    from qtpy.QtGui import QCloseEvent

    from napari_spinalsam.annotation.events import Change
    from napari_spinalsam.core.results import SliceMask
    from napari_spinalsam.layers.annotation_layers import AnnotationLayers
    from napari_spinalsam.widgets.controller import SegmentController

DOCK = "Other planes"
SIZE_PX = QSize(640, 340)
CORNERS = (
    (Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea),
    (Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea),
)


class CanvasPanel(QSplitter):
    """Two canvases side by side.

    Parameters
    ----------
    views : SideViews
        What they show.
    """

    closed = Signal()

    def __init__(self, views: SideViews) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._canvases = [QtViewer(side.model) for side in views.sides]
        for canvas in self._canvases:
            canvas.setAcceptDrops(False)
            self.addWidget(canvas)
        self.setSizes([1, 1])
        self._corners: list[tuple[QMainWindow, Qt.Corner, Qt.DockWidgetArea]] = []

    def sizeHint(self) -> QSize:
        """Return the size that the dock opens with."""
        return SIZE_PX

    def keep_below_canvas(self, window: QMainWindow) -> None:
        """Leave the docks on either side their height while this is open."""
        for corner, area in CORNERS:
            self._corners.append((window, corner, window.corner(corner)))
            window.setCorner(corner, area)
        window.installEventFilter(self)

    def event(self, event: QEvent | None) -> bool:
        """Close when the dock lets go of this, as napari has it do."""
        done = super().event(event)
        parted = event is not None and event.type() == QEvent.Type.ParentChange
        if parted and self.parent() is None:
            self.close()
        return done

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Close before the window does: a canvas must not outlive it."""
        if event is not None and event.type() == QEvent.Type.Close:
            self.close()
        return super().eventFilter(watched, event)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """End the canvases with the panel, whoever closes it."""
        if not self._canvases:
            return
        for canvas in self._canvases:
            canvas.close()
        self._canvases = []
        self._give_corners_back()
        self.closed.emit()
        super().closeEvent(event)

    def _give_corners_back(self) -> None:
        for window, corner, area in self._corners:
            window.setCorner(corner, area)
        self._corners = []


class ThreeViews(QObject):
    """Shows and hides the two planes that the main view does not show.

    Parameters
    ----------
    controller : SegmentController
        Knows viewer, layers and tools.
    parent : QObject
        Owns this.

    Signals
    -------
    shown(bool)
        The views were opened or closed.
    """

    shown = Signal(bool)

    def __init__(self, controller: SegmentController, parent: QObject) -> None:
        super().__init__(parent)
        self._controller = controller
        self._panel: CanvasPanel | None = None
        self._main: AnnotationLayers | None = None
        self.views: SideViews | None = None
        controller.annotation_changed.connect(self._on_changed)
        controller.tool_changed.connect(self._arm)
        controller.predictions.slice_propagated.connect(self._show_slice)
        controller.predictions.job_ended.connect(self._show_preview)
        controller.closing.connect(self.hide)
        controller.view.three_views = self

    def toggle(self) -> None:
        """Show the views, or hide them if they are shown; a problem is told."""
        if self.views is None:
            self._controller.attempt(self.show)
        else:
            self.hide()
        self.shown.emit(self.views is not None)

    def toggle_by_key(self) -> None:
        """Do so once the key is dealt with, which a canvas must outlive."""
        QTimer.singleShot(0, self.toggle)

    def show(self) -> None:
        """Open both other planes below the image.

        Raises
        ------
        InputError
            If there is no image, or it is a single slice.
        """
        main = self._controller.layers
        if main is None:
            raise InputError("There is no image: open one, or the sample CT, first.")
        if main.image.ndim != 3:
            raise InputError(
                "The image is a single slice: only a volume has three planes."
            )
        if self.views is not None:
            return
        self._main = main
        self.views = SideViews(main, self._controller.report_error, self._take)
        self._panel = CanvasPanel(self.views)
        self._panel.closed.connect(self._on_panel_closed)
        for side in self.views.sides:
            side.show_reference(self._controller.reference)
        dock = self._controller.viewer.window.add_dock_widget(
            self._panel, name=DOCK, area="bottom", add_vertical_stretch=False
        )
        self._panel.keep_below_canvas(dock.window())
        self._arm(self._controller.view.tool)
        self.shown.emit(True)

    def hide(self) -> None:
        """Close both other planes; the main view stays as it is."""
        if self._panel is not None:
            self._controller.viewer.window.remove_dock_widget(self._panel)

    def _on_panel_closed(self) -> None:
        views, panel = self.views, self._panel
        self.views = self._panel = self._main = None
        self._controller.view.active_view = self._controller.viewer
        if views is not None and panel is not None:
            views.close()
            panel.deleteLater()
        self.shown.emit(False)

    def _take(self, model: object) -> None:
        """Let what is placed from now on be meant for the slice of this view."""
        self._controller.view.active_view = model

    def _on_changed(self, change: Change) -> None:
        if self.views is None:
            return
        if self._controller.layers is not self._main or change.geometry:
            self.hide()  # another image, another annotation of it, or another place
            if self._controller.layers is not None:
                self._controller.attempt(self.show)
        elif change.reference:
            for side in self.views.sides:
                side.show_reference(self._controller.reference)

    def _arm(self, tool: str) -> None:
        """Put the tool of the dock into the hand in every view."""
        for layers in self.views.layers if self.views is not None else ():
            if tool:
                layers.arm(tool)
            else:
                layers.disarm()

    def _show_slice(self, name: str, item: SliceMask) -> None:
        for layers in self.views.layers if self.views is not None else ():
            if layers.preview is not None:
                layers.preview.add_slice(name, (item.axis, item.index), item.mask)

    def _show_preview(self) -> None:
        for layers in self.views.layers if self.views is not None else ():
            layers.show_preview()
