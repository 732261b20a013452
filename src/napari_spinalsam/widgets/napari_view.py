"""What the executor needs from the viewer: slices, planes, tools and dialogs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_spinalsam.core.errors import CancelledError, InputError
from napari_spinalsam.core.messages import msg, msgc
from napari_spinalsam.io.formats import FORMAT_OF_SUFFIX, FileFormat
from napari_spinalsam.io.images import read_volume
from napari_spinalsam.io.labels import write_labels
from napari_spinalsam.layers import dims
from napari_spinalsam.layers.images import add_sample, add_volume, path_beside
from napari_spinalsam.layers.roles import Role
from napari_spinalsam.widgets.dialogs import path_to_write

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_spinalsam.actions.models import LabelFormat, LayerRole, ViewCount
    from napari_spinalsam.annotation.outcome import Report
    from napari_spinalsam.annotation.ports import ToolKind
    from napari_spinalsam.core.anatomy import Plane
    from napari_spinalsam.core.messages import Message
    from napari_spinalsam.core.prompts import Polarity
    from napari_spinalsam.layers.annotation_layers import AnnotationLayers
    from napari_spinalsam.widgets.controller import SegmentController
    from napari_spinalsam.widgets.linked_views import ThreeViews

# What the save dialog offers for each format of the action, the usual one first.
SUFFIXES_OF_FORMAT = {"nifti": (".nii.gz", ".nii"), "nrrd": (".nrrd",)}


class ReportWindow(QDialog):
    """Shows a table; not modal, and gone when it is closed.

    Parameters
    ----------
    report : Report
        Title, columns and rows.
    parent : QWidget or None
        Window that it belongs to.
    """

    def __init__(self, report: Report, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(report.title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.table = QTableWidget(len(report.rows), len(report.columns), self)
        self.table.setHorizontalHeaderLabels(report.columns)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setWordWrap(True)
        for row, cells in enumerate(report.rows):
            for column, cell in enumerate(cells):
                self.table.setItem(row, column, QTableWidgetItem(cell))
        header = self.table.horizontalHeader()
        if header is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            header.setStretchLastSection(True)
        numbers = self.table.verticalHeader()
        if numbers is not None:
            numbers.setVisible(False)
        QVBoxLayout(self).addWidget(self.table)
        self.resize(640, 360)


def show_table(report: Report, parent: QWidget | None = None) -> ReportWindow:
    """Open a window with a report and return it."""
    window = ReportWindow(report, parent)
    window.show()
    return window


class NapariView:
    """The ViewPort of a viewer; see annotation.ports.

    Parameters
    ----------
    controller : SegmentController
        Knows viewer, layers and annotation.
    """

    def __init__(self, controller: SegmentController) -> None:
        self._controller = controller
        # The view that the mouse was used in last; slices are meant there.
        self.active_view: ViewerModel = controller.viewer
        # Set by whoever owns the other two canvases.
        self.three_views: ThreeViews | None = None
        self._tool = ""
        # Tools and counts still to come; none while a tool stays active.
        self._armed: list[tuple[str, int]] = []
        self._then_predict = False

    @property
    def tool(self) -> str:
        """One of `layers.tools.TOOLS`, or empty."""
        return self._tool

    def current_slice(self) -> tuple[int, int]:
        """Return axis and index of the slice that is shown."""
        return dims.current_slice(self.active_view, self._image())

    def go_to_slice(self, index: int) -> None:
        """Show a slice of the current plane."""
        dims.go_to_slice(self.active_view, self._image(), index)

    def set_plane(self, plane: Plane) -> None:
        """Turn the main view to a plane, and make it the active view."""
        self.active_view = self._controller.viewer
        dims.set_plane(self._controller.viewer, self._image(), plane)

    def set_visibility(self, layer: LayerRole, visible: bool) -> None:
        """Show or hide what has this role."""
        layers = self._layers()
        if layer == "image":
            layers.image.visible = visible
        elif layer == "reference":
            reference = self._controller.reference
            if reference is None:
                raise InputError(
                    msg(
                        "There is no reference to show or hide: choose one in the dock."
                    )
                )
            reference.visible = visible
        else:
            layers.layer(Role(layer)).visible = visible

    def arm_tool(
        self, kind: ToolKind, polarity: Polarity, count: int, *, then_predict: bool
    ) -> None:
        """Let the user place so many prompts by mouse."""
        tool = polarity.value if kind == "point" else "box"
        if not self._armed:
            self._take(tool)
        self._armed.append((tool, count))
        self._then_predict = then_predict

    def toggle(self, tool: str) -> None:
        """Activate a tool, or put it away when it is pressed again."""
        if tool == self._tool:
            self.disarm()
            return
        self._armed = []
        self._take(tool)

    def disarm(self) -> None:
        """Put the tool away."""
        if self._tool and self._controller.layers is not None:
            self._controller.layers.disarm()
        self._tool, self._armed = "", []
        self._controller.tool_changed.emit("")

    def count_down(self) -> None:
        """Note that prompts changed; the next tool comes, or all are put away.

        What cannot be done in the present view, such as in 3-D, is told, and the tools
        are put away: the change itself has been made already.
        """
        if not self._armed:
            return
        tool, count = self._armed.pop(0)
        if count > 1:
            self._armed.insert(0, (tool, count - 1))
            return
        attempt = self._controller.attempt
        if self._armed and attempt(lambda: self._take(self._armed[0][0])):
            return
        predicts = self._then_predict and not self._armed
        self.disarm()
        if predicts and not self._controller.predictions.live:
            attempt(self._predict)

    def follow_plane(self) -> None:
        """Let points placed from now on belong to slices of the plane shown."""
        layers = self._controller.layers
        viewer = self._controller.viewer
        if layers is not None and viewer.dims.ndisplay == 2:
            layers.set_axis(dims.current_slice(viewer, self._image())[0])

    def set_views(self, views: ViewCount) -> None:
        """Show one plane, or all three at once."""
        if self.three_views is None:
            raise InputError(
                msg("There are no other planes here: open the Segment dock first.")
            )
        if views == "three":
            self.three_views.show()
        else:
            self.three_views.hide()

    def set_orientation(self, codes: str) -> Message:
        """Show the image as it is said to lie."""
        return self._controller.turn_image(codes)

    def cancel_work(self) -> bool:
        """Stop what the inference thread does and what waits for it."""
        predictions = self._controller.predictions
        if not (predictions.has_jobs() or predictions.asked):
            return False
        self._controller.cancel()
        return True

    def open_image(self) -> str:
        """Let the user choose an image file and annotate it."""
        patterns = " ".join(
            f"*{suffix}"
            for suffix, kind in FORMAT_OF_SUFFIX.items()
            if kind is not FileFormat.DICOM
        )
        chosen, _ = QFileDialog.getOpenFileName(
            None, "Open an image", "", f"Images ({patterns})"
        )
        if not chosen:
            raise CancelledError(msg("No file was chosen."))
        volume = read_volume(chosen)
        self._annotate(add_volume(self._controller.viewer, volume, Path(chosen)))
        return volume.name

    def open_sample(self) -> str:
        """Open the shipped sample CT with its reference labels and annotate it."""
        layer, reference = add_sample(self._controller.viewer)
        self._annotate(layer)
        self._controller.choose_reference(reference)
        return str(layer.name)

    def step_image(self, offset: Literal[-1, 1]) -> str:
        """Annotate the image layer before or after in the list of layers."""
        layers = self._controller.viewer.layers
        images = [layer for layer in layers if isinstance(layer, Image)]
        place = images.index(self._image()) + offset
        if not 0 <= place < len(images):
            which = (
                msgc("which image", "after")
                if offset > 0
                else msgc("which image", "before")
            )
            raise InputError(
                msg(
                    "There is no image {which} {name!r}: open more images.",
                    which=which,
                    name=self._image().name,
                )
            )
        self._annotate(images[place])
        return str(images[place].name)

    def save_labels(self, file_format: LabelFormat) -> str:
        """Let the user choose a file and write the labels to it."""
        suffixes = SUFFIXES_OF_FORMAT[file_format]
        proposal = path_beside(self._image(), f"_labels{suffixes[0]}")
        path = path_to_write("Save labels", proposal, "Labels", suffixes)
        return self.write_labels(path)

    def write_labels(self, path: Path) -> str:
        """Write the labels on the grid of the image's file; return the file's name."""
        layers = self._layers()
        layers.take_edits()
        annotation = layers.annotation
        write_labels(path, annotation.labels, annotation.volume.grid)
        return path.name

    def show_report(self, report: Report) -> None:
        """Show a table in a window of its own."""
        show_table(report, self._owner())

    def show_measures(self, report: Report) -> None:
        """Show the Measures window, which follows every change, with all structures."""
        self._controller.measures_wanted.emit()

    def show_help(self, report: Report) -> None:
        """Show what can be said."""
        show_table(report, self._owner())

    def _owner(self) -> QWidget | None:
        """Return the dock: a window that nobody owns would be gone at once."""
        parent = self._controller.parent()
        return parent if isinstance(parent, QWidget) else None

    def _predict(self) -> None:
        request = self._layers().annotation.prediction_request(*self.current_slice())
        self._controller.predictions.request(request)

    def _take(self, tool: str) -> None:
        layers = self._layers()
        layers.arm(tool)
        self._tool = tool
        self._controller.tool_changed.emit(tool)

    def _annotate(self, layer: Image) -> None:
        self._controller.choose_image(layer)

    def _layers(self) -> AnnotationLayers:
        if self._controller.layers is None:
            raise InputError(
                msg("There is no image: open one, or the sample CT, first.")
            )
        return self._controller.layers

    def _image(self) -> Image:
        return self._layers().image
