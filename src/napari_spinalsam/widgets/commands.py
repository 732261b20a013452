"""Menu commands, which napari also offers in its command palette.

Each asks for one action, as its row in `actions.models` says, and the executor of the
viewer's Segment dock runs it. What a row leaves open is asked for in a small form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import request_values
from napari import Viewer  # noqa: TC002, napari hands the viewer over by this name

from napari_spinalsam.actions.models import ACTION_TYPES, COMMANDS
from napari_spinalsam.actions.replies import parse_action
from napari_spinalsam.core.anatomy import STRUCTURES
from napari_spinalsam.widgets.handle import attach

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spinalsam.actions.models import Command
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.widgets.segment.widget import SegmentWidget

# Arguments that name a structure which is there already.
PRESENT = ("structure", "into")
LABELS = {
    "structure": "Structure",
    "into": "Merge into",
    "to": "New name",
    "index": "Slice",
    "mm": "Millimetres of a pixel",
}


def three_views(viewer: Viewer) -> None:
    """Show axial, sagittal and coronal at once, or the main view alone again."""
    attach(viewer).widget.three_views.toggle()


def first_steps(viewer: Viewer) -> None:
    """Show the hint of the first steps in the dock, or put it away."""
    attach(viewer).widget.first_steps.toggle()


def __getattr__(name: str) -> Callable[[Viewer], None]:
    """Return the command of a row, which the manifest names."""
    if name not in COMMANDS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    action, command = COMMANDS[name]

    def run(viewer: Viewer) -> None:
        widget = attach(viewer).widget
        widget.controller.attempt(lambda: _perform(widget, action, command))

    run.__name__ = name
    return run


def _perform(widget: SegmentWidget, action: str, command: Command) -> None:
    """Run an action once all that it needs is known; closing the form runs nothing."""
    controller = widget.controller
    fields = ACTION_TYPES[action].model_fields
    missing = {
        name: _form(name, field.annotation, controller.annotation)
        for name, field in fields.items()
        if field.is_required() and name not in command.arguments
    }
    arguments = {"action": action, **command.arguments}
    if missing:
        # In the window it has the style of napari.
        given = request_values(title=command.title, parent=widget.window(), **missing)
        if given is None:
            return
        arguments |= given
    controller.perform(parse_action(arguments))


def _form(name: str, kind: Any, annotation: Annotation | None) -> dict[str, Any]:
    """Return how an argument is asked for."""
    form: dict[str, Any] = {"label": LABELS[name], "annotation": kind}
    if kind is not str:
        return {**form, "options": {"min": 0}}
    names = [each.name for each in STRUCTURES]
    if name in PRESENT and annotation is not None and annotation.state.objects:
        selected = annotation.state.selected
        present = [entry.name for entry in annotation.state.objects]
        # What is selected comes first, what it may be merged into after it.
        names = sorted(present, key=lambda each: each != selected)
        form["value"] = names[-1] if name == "into" else names[0]
    return {**form, "options": {"choices": names}}
