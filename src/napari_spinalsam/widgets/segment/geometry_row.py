"""What is not known of an image's geometry, and the way to state it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magicgui.widgets import ComboBox, Container, FloatSpinBox, Label, PushButton
from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_spinalsam.actions import models as a
from napari_spinalsam.actions import pointer
from napari_spinalsam.widgets.parts import ROW_GAP_PX, add_fields, make_narrow

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
LEAST_MM, LARGEST_MM = 0.001, 100.0
# Three sizes and their button still fit a dock of 290 pixels.
LEAST_SIZE_PX = 36


class SpacingRow:
    """Asks how many millimetres a pixel or a voxel measures."""

    def __init__(self) -> None:
        self.text, self.state = Label(), PushButton(text="Set")
        self.sizes = [
            FloatSpinBox(
                value=1.0,
                min=LEAST_MM,
                max=LARGEST_MM,
                step=LEAST_MM,  # which also says how many decimals there are
                tooltip=f"Millimetres between {what}",
            )
            for what in ("slices", "rows", "columns")
        ]
        for box in self.sizes:
            box.native.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
            box.native.setStyleSheet(f"min-width: {LEAST_SIZE_PX}px")  # napari has one
        self._tip = self.sizes[0].tooltip
        self.form: Container[Label | FloatSpinBox | PushButton] = Container(
            widgets=[self.text, *self.sizes, self.state],
            layout="horizontal",
            labels=False,
        )
        self.form.margins = (0, 0, 0, 0)
        self.form.native.layout().setSpacing(ROW_GAP_PX)

    def ask(self, *, is_2d: bool) -> None:
        """Ask for the size of a pixel, or for the three of a voxel."""
        self.text.value = "mm per pixel" if is_2d else "mm"
        self.sizes[0].tooltip = "Side of a pixel in mm" if is_2d else self._tip
        for box in self.sizes[1:]:
            box.visible = not is_2d

    def show_sizes(self, sizes: Sequence[float]) -> None:
        """Fill in what is known, in mm, to be corrected; the nearest that there is."""
        for box, mm in zip(self.sizes, sizes, strict=False):
            box.value = min(max(mm, LEAST_MM), LARGEST_MM)

    def values(self) -> list[float]:
        """Return what is entered, in mm."""
        return [box.value for box in self.sizes]


class OrientationRow:
    """Asks where head, front and left of the patient are."""

    def __init__(self) -> None:
        self.boxes = {
            side: ComboBox(
                label=side,
                choices=list(ENDS),
                value=USUAL[side],
                tooltip=f"{side}: where it is in the image as slices show it",
            )
            for side in SIDES
        }
        self.state = PushButton(
            text="Turn the image so",
            tooltip="Show the image as it lies in the patient; labels are saved there, "
            "at the place where the viewer shows the image",
        )
        for box in self.boxes.values():
            make_narrow(box.native)
            box.changed.connect(self._check)
        self.form = QWidget()
        form = QFormLayout(self.form)
        form.setContentsMargins(0, 0, 0, 0)
        add_fields(form, *self.boxes.values(), self.state)

    def codes(self) -> str:
        """Return where slices, rows and columns grow to; "" if two sides share one."""
        letters = ["", "", ""]
        for side, box in self.boxes.items():
            axis, grows = ENDS[box.value]
            letters[axis] = SIDES[side][0 if grows else 1]
        return "".join(letters) if all(letters) else ""

    def _check(self) -> None:
        self.state.enabled = bool(self.codes())


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
        for part in (
            self.text,
            self.spacing.form.native,
            self.orientation.form,
        ):
            column.addWidget(part)
        self.spacing.state.changed.connect(self._set_spacing)
        self.orientation.state.changed.connect(self._set_orientation)
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
        self.spacing.form.visible = asked
        self.orientation.form.setVisible(orientation_unknown)
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
