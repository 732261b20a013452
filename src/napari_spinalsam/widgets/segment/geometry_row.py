"""What is not known of an image's geometry, and the way to state it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_spinalsam.actions import models as a
from napari_spinalsam.actions import pointer
from napari_spinalsam.widgets.parts import make_narrow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.annotation.events import Change
    from napari_spinalsam.widgets.controller import SegmentController

# The ends of an image as its axial slices are shown before it is turned: the axis, and
# whether it grows to that end.
ENDS = {
    "first slice": (0, False),
    "last slice": (0, True),
    "top of a slice": (1, False),
    "bottom of a slice": (1, True),
    "left of a slice": (2, False),
    "right of a slice": (2, True),
}
# Letters of both ends of an anatomical axis: where it grows to the named side, or not.
SIDES = {"Head": "SI", "Front": "AP", "Patient's left": "LR"}
# An array of SimpleITK, and the ends that it has there.
USUAL = {
    "Head": "last slice",
    "Front": "top of a slice",
    "Patient's left": "right of a slice",
}
LARGEST_MM = 100.0


class SpacingRow(QWidget):
    """Asks how many millimetres a pixel or a voxel measures."""

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.text = QLabel()
        row.addWidget(self.text)
        self.sizes = [QDoubleSpinBox() for _ in range(3)]
        for box, what in zip(self.sizes, ("slices", "rows", "columns"), strict=True):
            box.setRange(0.001, LARGEST_MM)
            box.setDecimals(3)
            box.setValue(1.0)
            box.setToolTip(f"Millimetres between {what}")
            row.addWidget(box, 1)
        self._tip = self.sizes[0].toolTip()
        self.state = QPushButton("Set")
        row.addWidget(self.state)

    def ask(self, *, is_2d: bool) -> None:
        """Ask for the size of a pixel, or for the three of a voxel."""
        self.text.setText("mm per pixel" if is_2d else "mm")
        self.sizes[0].setToolTip("Side of a pixel in mm" if is_2d else self._tip)
        for box in self.sizes[1:]:
            box.setVisible(not is_2d)

    def show_sizes(self, sizes: Sequence[float]) -> None:
        """Fill in what is known, in mm, to be corrected."""
        for box, mm in zip(self.sizes, sizes, strict=False):
            box.setValue(mm)

    def values(self) -> list[float]:
        """Return what is entered, in mm."""
        return [box.value() for box in self.sizes]


class OrientationRow(QWidget):
    """Asks where head, front and left of the patient are."""

    def __init__(self) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        self.boxes: dict[str, QComboBox] = {}
        for place, side in enumerate(SIDES):
            box = QComboBox()
            make_narrow(box)
            box.addItems(list(ENDS))
            box.setCurrentText(USUAL[side])
            box.setToolTip(f"{side}: where it is in the image as slices show it")
            grid.addWidget(QLabel(side), place, 0)
            grid.addWidget(box, place, 1)
            self.boxes[side] = box
        self.state = QPushButton("Turn the image so")
        self.state.setToolTip(
            "Show the image as it lies in the patient; labels are saved there, at the "
            "place where the viewer shows the image"
        )
        grid.addWidget(self.state, len(SIDES), 0, 1, 2)
        for box in self.boxes.values():
            box.currentTextChanged.connect(self._check)

    def codes(self) -> str:
        """Return where slices, rows and columns grow to; "" if two sides share one."""
        letters = ["", "", ""]
        for side, box in self.boxes.items():
            axis, grows = ENDS[box.currentText()]
            letters[axis] = SIDES[side][0 if grows else 1]
        return "".join(letters) if all(letters) else ""

    def _check(self) -> None:
        self.state.setEnabled(bool(self.codes()))


class GeometryRow(QWidget):
    """Says what is unknown of the image and asks for it; hidden if its file tells all.

    A size that was stated, or that a picture notes as its resolution, stays in the row
    to be corrected.

    Parameters
    ----------
    controller : SegmentController
        Whose image.
    """

    def __init__(self, controller: SegmentController) -> None:
        super().__init__()
        self._controller = controller
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.spacing, self.orientation = SpacingRow(), OrientationRow()
        for part in (self.text, self.spacing, self.orientation):
            column.addWidget(part)
        self.spacing.state.clicked.connect(self._set_spacing)
        self.orientation.state.clicked.connect(self._set_orientation)
        controller.annotation_changed.connect(self._on_changed)
        self._show()

    def _on_changed(self, change: Change) -> None:
        if change.geometry:
            self._show()

    def _show(self) -> None:
        annotation = self._controller.annotation
        self.setVisible(False)
        if annotation is None:
            return
        geometry = annotation.geometry
        spacing_unknown = not geometry.spacing_known
        orientation_unknown = not geometry.orientation_known and not geometry.is_2d
        told = []
        if spacing_unknown:
            size = "pixel" if geometry.is_2d else "voxel"
            told.append(f"The {size} size is unknown: nothing is measured in mm.")
        if orientation_unknown:
            told.append("The way of the head is unknown: nothing is found by name.")
        self.text.setText(" ".join(told))
        self.text.setVisible(bool(told))
        self.spacing.ask(is_2d=geometry.is_2d)
        self.spacing.show_sizes(geometry.spacing[1 if geometry.is_2d else 0 :])
        asked = not annotation.size_from_file
        self.spacing.setVisible(asked)
        self.orientation.setVisible(orientation_unknown)
        self.setVisible(asked or orientation_unknown)

    def _set_spacing(self) -> None:
        controller, annotation = self._controller, self._controller.annotation
        values = self.spacing.values()
        if annotation is None:
            return
        if annotation.geometry.is_2d:
            controller.perform(a.SetPixelSize(mm=values[0]))
        else:
            controller.perform(pointer.SetVoxelSize(spacing=tuple(values)))

    def _set_orientation(self) -> None:
        controller, codes = self._controller, self.orientation.codes()
        controller.perform(pointer.SetOrientation(codes=codes))
