"""Leaves for later what need not be in the next frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

if TYPE_CHECKING:
    from collections.abc import Callable

# Qt gathers requests to draw for 5 ms, so that a timer of 0 comes before the frame.
DRAWN_MS = 20


def after_drawing(operation: Callable[[], None]) -> None:
    """Call something after the frame that is asked for by now, if one is."""
    QTimer.singleShot(DRAWN_MS, operation)
