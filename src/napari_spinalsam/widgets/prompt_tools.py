"""The prompt tools of the Segment dock: take in hand, put away, clear prompts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QMenu

from napari_spinalsam.actions import models as a
from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.layers.tools import TOOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spinalsam.widgets.controller import SegmentController
    from napari_spinalsam.widgets.sections import PromptRow


class PromptTools:
    """Ties the row of prompt tools to the controller.

    Parameters
    ----------
    controller : SegmentController
        What the tools act through.
    row : PromptRow
        The buttons.
    """

    def __init__(self, controller: SegmentController, row: PromptRow) -> None:
        self._controller, self._row = controller, row
        controller.tool_changed.connect(row.show_tool)
        row.tool_pressed.connect(self._toggle)
        menu = QMenu(row)
        for text, action in (
            ("Points", a.ClearPoints()),
            ("Boxes", a.ClearBoxes()),
            ("All prompts and the mask", a.ClearAll()),
        ):
            menu.addAction(text, partial(controller.perform, action))
        for text, clear in (
            ("Scribbles", Annotation.clear_scribbles),
            ("Lassos", Annotation.clear_lassos),
        ):
            menu.addAction(text, partial(self._clear, text, clear))
        row.clear.setMenu(menu)

    def keys(self) -> dict[str, Callable[[], object]]:
        """Return what each key does."""
        tools = {tool.key: partial(self._toggle, name) for name, tool in TOOLS.items()}
        return {**tools, "Esc": self._escape}

    def _toggle(self, name: str) -> None:
        """Take a tool in hand, saying what to do with it, or put it away."""
        controller = self._controller
        controller.attempt(lambda: controller.view.toggle(name))
        in_hand = controller.view.tool
        self._row.show_tool(in_hand)
        if in_hand:
            tool = TOOLS[in_hand]
            told = f"{tool.tip}. {tool.key} puts the tool away."
            controller.message.emit(told, False)

    def _escape(self) -> None:
        """Drop the mask, once more the prompts it came from, then put the tool away."""
        annotation, view = self._controller.annotation, self._controller.view
        tell = self._controller.message.emit
        if annotation is not None and annotation.state.preview is not None:
            self._controller.perform(a.RejectMask())
            tell("The mask is dropped; Esc once more drops its prompts too.", False)
        elif annotation is not None and (cleared := self._clear_here(annotation)):
            tell(f"Prompts dropped in this slice: {cleared}. Ctrl+Z undoes it.", False)
        elif view.tool:
            view.disarm()
        else:
            self._controller.perform(a.RejectMask())

    def _clear_here(self, annotation: Annotation) -> int:
        """Remove prompts not yet accepted from the slice in view; count them."""
        if self._controller.viewer.dims.ndisplay != 2:
            return 0
        key = self._controller.view.current_slice()
        return annotation.clear_slice(*key)

    def _clear(self, what: str, clear: Callable[[Annotation], int]) -> None:
        """Remove drawn prompts, which no action does."""
        annotation = self._controller.annotation
        if annotation is not None:
            told = f"{what} cleared: {clear(annotation)}; accepted ones stay."
            self._controller.message.emit(told, False)
