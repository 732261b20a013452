"""The buttons for whole objects: propagate a mask, find structures by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_spinalsam.widgets.sections import ROW_GAP_PX, menu_button

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QPushButton

DIRECTIONS = (
    ("Both ways", "both"),
    ("Forward, to higher slice numbers", "forward"),
    ("Backward, to lower slice numbers", "backward"),
)
REGIONS = (
    ("Lumbar, L1 to L5", "lumbar"),
    ("Thoracic, T1 to T12", "thoracic"),
    ("Cervical, C1 to C7", "cervical"),
    ("The whole spine", "spine"),
    ("Discs", "discs"),
)


class CarryRow(QWidget):
    """Two buttons with menus.

    Signals
    -------
    propagate_pressed(direction)
        ``"both"``, ``"forward"`` or ``"backward"``.
    find_pressed(region)
        Name of a region.
    """

    propagate_pressed = Signal(str)
    find_pressed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(ROW_GAP_PX)
        self.propagate = _offering(
            "Propagate  F",
            "Carry the mask of the structure through the volume; what you accepted or "
            "painted stays as it is (F: the way chosen last, at first both)",
            DIRECTIONS,
            self.propagate_pressed.emit,
        )
        self.find_button = _offering(
            "Find",
            "Find and name vertebrae and the discs between them; label a vertebra "
            "first, and the others are counted from it",
            REGIONS,
            self.find_pressed.emit,
        )
        row.addWidget(self.propagate)
        row.addWidget(self.find_button)


def _offering(
    text: str,
    tip: str,
    choices: tuple[tuple[str, str], ...],
    chosen: Callable[[str], None],
) -> QPushButton:
    made, menu = menu_button(text, tip)
    for title, value in choices:
        menu.addAction(title, partial(chosen, value))
    return made
