"""The row with the switch for three views, and the way back to the first steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QToolButton, QWidget

from napari_spinalsam.widgets.sections import STEP_GAP_PX, button

if TYPE_CHECKING:
    from napari_spinalsam.widgets.first_steps import FirstSteps
    from napari_spinalsam.widgets.three_views import ThreeViews


class ViewsRow(QWidget):
    """A button that stays pressed while three views are shown, and a question mark.

    Parameters
    ----------
    views : ThreeViews
        What the button shows and hides.
    steps : FirstSteps
        What the question mark shows and hides.
    """

    def __init__(self, views: ThreeViews, steps: FirstSteps) -> None:
        super().__init__()
        self.three = button(
            "Three views",
            "Axial, sagittal and coronal at once; a click moves the cross-hair, and "
            "every tool works in every view",
            "T",
            views.toggle,
        )
        self.three.setCheckable(True)
        self.steps = QToolButton()
        self.steps.setText("?")
        self.steps.setToolTip("The first steps and their keys")
        self.steps.clicked.connect(steps.toggle)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(STEP_GAP_PX)
        row.addWidget(self.three, 1)
        row.addWidget(self.steps)
        views.shown.connect(self.three.setChecked)
