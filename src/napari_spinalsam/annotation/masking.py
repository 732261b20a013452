"""What actions on masks and on the history do: predict, accept, reject, undo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam.actions import models as a
from napari_spinalsam.annotation.ports import Outcome
from napari_spinalsam.annotation.requests import selected_name, waiting_preview
from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from napari_spinalsam.annotation.ports import Run
    from napari_spinalsam.annotation.requests import PromptKind
    from napari_spinalsam.annotation.state import Preview


def generate_mask(run: Run, action: a.GenerateMask) -> Outcome:
    """Predict from all prompts of the current slice."""
    return _generate(run, "all")


def generate_point_mask(run: Run, action: a.GeneratePointMask) -> Outcome:
    """Predict from the points of the current slice."""
    return _generate(run, "points")


def generate_box_mask(run: Run, action: a.GenerateBoxMask) -> Outcome:
    """Predict from the box of the current slice."""
    return _generate(run, "box")


def _generate(run: Run, kind: PromptKind) -> Outcome:
    if run.armings:
        run.then_predict = True
        return Outcome("The mask follows once the prompts are placed.")
    request = run.annotation.prediction_request(*run.view.current_slice(), kind)
    if run.predict is None:
        raise InputError("There is no model to predict with: load one first.")
    wait = any(isinstance(s, a.AcceptMask | a.RejectMask) for s in run.following)
    run.predict.request(request, wait=wait)
    preview = run.annotation.state.preview
    if preview is None or preview.prediction is request.answered:
        return Outcome(
            f"The mask of {request.structure} is being predicted.", request=request
        )
    return predicted(preview)


def predicted(preview: Preview) -> Outcome:
    """Tell of a mask that is shown now."""
    return Outcome(
        f"Mask of {preview.structure}: predicted IoU {preview.predicted_iou:.2f}, "
        f"candidate {preview.chosen + 1} of {preview.count}."
    )


def accept_mask(run: Run, action: a.AcceptMask) -> Outcome:
    """Write the preview into the labels."""
    left = run.annotation.accept()
    name = selected_name(run.annotation.state)
    if left:
        return Outcome(
            f"The mask is written as {name}; {left} pixels belong to other structures "
            "and stay."
        )
    return Outcome(f"The mask is written as {name}.")


def reject_mask(run: Run, action: a.RejectMask) -> Outcome:
    """Drop the preview."""
    run.annotation.reject()
    return Outcome("The mask is dropped; the prompts stay.")


def next_candidate(run: Run, action: a.NextCandidate) -> Outcome:
    """Show the next candidate mask; the first comes after the last."""
    run.annotation.next_candidate()
    return _candidate(run)


def previous_candidate(run: Run, action: a.PreviousCandidate) -> Outcome:
    """Show the candidate mask before; the last comes before the first."""
    run.annotation.previous_candidate()
    return _candidate(run)


def _candidate(run: Run) -> Outcome:
    preview = waiting_preview(run.annotation.state, "choose from")
    if preview.count == 1:
        return Outcome("There is only one candidate.", ok=False)
    return Outcome(
        f"Candidate {preview.chosen + 1} of {preview.count}: predicted IoU "
        f"{preview.predicted_iou:.2f}."
    )


def undo(run: Run, action: a.Undo) -> Outcome:
    """Take steps back."""
    names = run.annotation.undo(action.steps)
    if not names:
        return Outcome("There is nothing to undo.", ok=False)
    return Outcome(f"Undone: {'; '.join(names)}.")


def redo(run: Run, action: a.Redo) -> Outcome:
    """Repeat steps that were taken back."""
    names = run.annotation.redo(action.steps)
    if not names:
        return Outcome("There is nothing to redo.", ok=False)
    return Outcome(f"Done again: {'; '.join(names)}.")
