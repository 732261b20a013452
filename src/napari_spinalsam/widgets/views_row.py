"""The row of planes, with the switch for three views at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_spinalsam.widgets.sections import (
    PLANE_SHARES,
    STEP_GAP_PX,
    PlaneRow,
    button,
)

if TYPE_CHECKING:
    from napari_spinalsam.widgets.three_views import ThreeViews

THREE_SHARE = 6


class ViewsRow(QWidget):
    """One plane, or all three: the last button stays pressed while they are shown.

    Parameters
    ----------
    views : ThreeViews
        What that button shows and hides.
    """

    def __init__(self, views: ThreeViews) -> None:
        super().__init__()
        self.planes = PlaneRow()
        self.three = button(
            "3 views",
            "Axial, sagittal and coronal at once; a click moves the cross-hair, and "
            "every tool works in every view",
            "T",
            views.toggle,
        )
        self.three.setCheckable(True)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(STEP_GAP_PX)
        row.addWidget(self.planes, sum(PLANE_SHARES.values()))
        row.addWidget(self.three, THREE_SHARE)
        views.shown.connect(self.three.setChecked)
