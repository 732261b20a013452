"""Choices made in the dock that the next start begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam.actions import models as a
from napari_spinalsam.widgets.preferences import remember, segment_settings

if TYPE_CHECKING:
    from napari_spinalsam.actions.models import PresetName
    from napari_spinalsam.core.results import Direction
    from napari_spinalsam.widgets.controller import SegmentController


class Choices:
    """Does what is chosen, and keeps it if the user wants that.

    Parameters
    ----------
    controller : SegmentController
        Through which it is done.
    """

    def __init__(self, controller: SegmentController) -> None:
        self._controller = controller

    def set_window(self, preset: PresetName) -> None:
        """Show an image in a preset, which the next CT begins with."""
        self._controller.perform(a.SetWindow(preset=preset))
        annotation = self._controller.annotation
        if annotation is not None and annotation.volume.modality == "CT":
            remember("window", preset)

    def set_live(self, live: bool) -> None:
        """Answer prompts at once, or on demand."""
        self._controller.predictions.live = live
        remember("live", live)

    def propagate(self, direction: Direction) -> None:
        """Propagate one way, which is the way of the key from now on."""
        self._controller.perform(a.Propagate(direction=direction))
        remember("propagate", direction)

    def propagate_again(self) -> None:
        """Propagate the way that the Preferences have."""
        self.propagate(segment_settings().propagate)
