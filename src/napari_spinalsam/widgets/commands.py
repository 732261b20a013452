"""Menu commands, which napari also offers in its command palette.

Each is one action of the contract, run by the executor of the viewer's Segment dock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari import Viewer  # noqa: TC002, napari hands the viewer over by this name

from napari_spinalsam.actions import models as a
from napari_spinalsam.widgets.handle import attach

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spinalsam.actions.models import Action


def _command(action: Action) -> Callable[[Viewer], None]:
    def run(viewer: Viewer) -> None:
        attach(viewer).widget.controller.perform(action)

    return run


def three_views(viewer: Viewer) -> None:
    """Show axial, sagittal and coronal at once, or the main view alone again."""
    attach(viewer).widget.three_views.toggle()


def first_steps(viewer: Viewer) -> None:
    """Show the hint of the first steps in the dock, or put it away."""
    attach(viewer).widget.first_steps.toggle()


generate_mask = _command(a.GenerateMask())
accept_mask = _command(a.AcceptMask())
reject_mask = _command(a.RejectMask())
undo = _command(a.Undo())
redo = _command(a.Redo())
clear_points = _command(a.ClearPoints())
clear_boxes = _command(a.ClearBoxes())
clear_all = _command(a.ClearAll())
measure = _command(a.Measure())
save_labels = _command(a.SaveLabels())
cancel = _command(a.Cancel())
next_candidate = _command(a.NextCandidate())
previous_candidate = _command(a.PreviousCandidate())
check_gpu = _command(a.CheckGpu())
verify_parameters = _command(a.VerifyParameters())
show_help = _command(a.ShowHelp())
