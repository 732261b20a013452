"""What each action does to an annotation and its view."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from napari_spinalsam.actions import models as a
from napari_spinalsam.actions import pointer
from napari_spinalsam.annotation.jobs import (
    DetectionJob,
    PropagationJob,
    anchors_of,
    can_search,
    known_slices,
)
from napari_spinalsam.annotation.outcome import Outcome, Report
from napari_spinalsam.annotation.placement import locate, place_box, place_points
from napari_spinalsam.annotation.ports import Arming
from napari_spinalsam.annotation.requests import selected_name, waiting_preview
from napari_spinalsam.annotation.statistics import measure_report
from napari_spinalsam.core.anatomy import REGIONS, Plane, listed, structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.intensity import PRESETS, Window
from napari_spinalsam.core.prompts import Polarity
from napari_spinalsam.core.results import check_findable

if TYPE_CHECKING:
    from napari_spinalsam.annotation.ports import EngineInfo, Run, VolumeJob
    from napari_spinalsam.annotation.requests import PromptKind
    from napari_spinalsam.annotation.state import Preview


def open_image(run: Run, action: a.OpenImage) -> Outcome:
    """Open an image through a dialog."""
    return Outcome(f"Opened {run.view.open_image()}.")


def open_sample(run: Run, action: a.OpenSample) -> Outcome:
    """Open the sample CT."""
    return Outcome(f"Opened {run.view.open_sample()}.")


def previous_image(run: Run, action: a.PreviousImage) -> Outcome:
    """Open the image before in the list."""
    return Outcome(f"Opened {run.view.step_image(-1)}.")


def next_image(run: Run, action: a.NextImage) -> Outcome:
    """Open the image after in the list."""
    return Outcome(f"Opened {run.view.step_image(1)}.")


def go_to_slice(run: Run, action: a.GoToSlice) -> Outcome:
    """Show a slice by its index."""
    return _show_slice(run, action.index)


def move_slice(run: Run, action: a.MoveSlice) -> Outcome:
    """Show the slice so many away from the present one."""
    _, index = run.view.current_slice()
    return _show_slice(run, index + action.offset)


def _show_slice(run: Run, index: int) -> Outcome:
    geometry = run.annotation.geometry
    axis, _ = run.view.current_slice()
    geometry.plane(axis, index)  # refuses a slice that is not there
    run.view.go_to_slice(index)
    last = geometry.shape[axis] - 1
    return Outcome(f"Slice {index} (of 0 to {last}), {Plane.of_axis(axis)}.")


def set_plane(run: Run, action: a.SetPlane) -> Outcome:
    """Turn the view."""
    if run.annotation.geometry.is_2d and action.plane.axis != 0:
        raise InputError(
            f"A flat image has no {action.plane} plane: open a volume to turn it."
        )
    run.view.set_plane(action.plane)
    return Outcome(f"The {action.plane} plane is shown.")


def set_window(run: Run, action: a.SetWindow) -> Outcome:
    """Set the window from a preset or from level and width."""
    if action.preset is not None:
        window = PRESETS[action.preset]
        name = f"Window {action.preset.replace('_', ' ')}"
    elif action.level is not None and action.width is not None:
        window, name = Window(action.level, action.width), "Window"
    else:
        raise InputError("The window is not given: name a preset, or level and width.")
    run.annotation.set_window(window)
    return Outcome(f"{name}: level {window.level:g}, width {window.width:g}.")


def set_pixel_size(run: Run, action: a.SetPixelSize) -> Outcome:
    """State the size of a picture's pixels."""
    run.annotation.set_pixel_size(action.mm)
    return Outcome(f"A pixel measures {action.mm:g} mm.")


def set_visibility(run: Run, action: a.SetVisibility) -> Outcome:
    """Show or hide a layer by its role."""
    run.view.set_visibility(action.layer, action.visible)
    if action.visible:
        return Outcome(f"The {action.layer} layer is shown.")
    return Outcome(f"The {action.layer} layer is hidden.")


def set_views(run: Run, action: a.SetViews) -> Outcome:
    """Show one plane, or all three at once."""
    run.view.set_views(action.views)
    if action.views == "three":
        return Outcome("Axial, sagittal and coronal are shown at once.")
    return Outcome("One view is shown.")


def save_labels(run: Run, action: a.SaveLabels) -> Outcome:
    """Save the labels through a dialog."""
    if not run.annotation.labels.any():
        raise InputError("There are no labels to save: accept a mask or paint first.")
    return Outcome(f"Saved {run.view.save_labels(action.format)}.")


def measure(run: Run, action: a.Measure) -> Outcome:
    """Show volumes and agreement in a table."""
    report = measure_report(run.annotation, action.metrics, action.structure)
    run.view.show_measures(report)
    if len(report.rows) > 1:
        return Outcome(f"{report.title}: {len(report.rows)} structures.", data=report)
    values = zip(report.columns[1:], report.rows[0][1:], strict=True)
    text = ", ".join(f"{heading} {value}" for heading, value in values)
    return Outcome(f"{report.rows[0][0]}: {text}.", data=report)


def check_gpu(run: Run, action: a.CheckGpu) -> Outcome:
    """Show what the model runs on."""
    rows = tuple(_engine(run).device_report())
    return _show_rows(run, Report("Device", ("What", "Value"), rows))


def verify_parameters(run: Run, action: a.VerifyParameters) -> Outcome:
    """Show which weights of the model match."""
    rows = tuple(_engine(run).parameter_report())
    return _show_rows(run, Report("Parameters", ("What", "Value"), rows))


def _engine(run: Run) -> EngineInfo:
    if run.engine is None:
        raise InputError("There is no model to ask: load one first.")
    return run.engine


def _show_rows(run: Run, report: Report) -> Outcome:
    run.view.show_report(report)
    text = ", ".join(f"{name}: {value}" for name, value in report.rows)
    return Outcome(f"{text}.", data=report)


def show_help(run: Run, action: a.ShowHelp) -> Outcome:
    """Show what can be asked for."""
    rows = tuple(
        (name.replace("_", " "), inspect.getdoc(kind) or "")
        for name, kind in a.ACTION_TYPES.items()
    )
    report = Report("What you can ask for", ("Action", "What it does"), rows)
    run.view.show_help(report)
    return Outcome(f"There are {len(rows)} things that you can ask for.", data=report)


def select_structure(run: Run, action: a.SelectStructure) -> Outcome:
    """Choose the structure that the next mask is written to."""
    run.annotation.select_structure(action.structure)
    return Outcome(f"{selected_name(run.annotation.state)} is selected.")


def add_points(run: Run, action: a.AddPoints) -> Outcome:
    """Place points where the structure is known to be, or arm the tool."""
    located = locate(run, action.structure)
    if not located.masks:
        return _arm(
            run, action.structure, Arming("point", action.polarity, action.count)
        )
    document, key = run.annotation, run.view.current_slice()
    spacing = document.geometry.plane(*key).spacing
    counts = _share(action.count, list(located.masks))
    placed = 0
    for name, mask in located.masks.items():
        if not counts[name]:
            continue
        document.select_structure(name)
        prompts = document.prompts_at(*key)
        points = place_points(
            mask, spacing, counts[name], action.polarity, prompts.points
        )
        for point in points:
            prompts = prompts.with_point(point)
        document.set_prompts(prompts, "Add points")
        placed += len(points)
    names = listed(name for name in located.masks if counts[name])
    what = _several(placed, f"{action.polarity} point")
    return Outcome(located.told(what, names, key[1]))


def add_box(run: Run, action: a.AddBox) -> Outcome:
    """Place the tight box where the structure is known to be, or arm the tool."""
    located = locate(run, action.structure)
    if not located.masks:
        return _arm(run, action.structure, Arming("box", Polarity.POSITIVE, 1))
    key = run.view.current_slice()
    for name, mask in located.masks.items():
        run.annotation.select_structure(name)
        run.annotation.set_box(*key, place_box(mask))
    what = _several(len(located.masks), "box")
    return Outcome(located.told(what, listed(located.masks), key[1]))


def clear_points(run: Run, action: a.ClearPoints) -> Outcome:
    """Remove all points not yet accepted."""
    return _cleared(run.annotation.clear_points(), "point")


def clear_boxes(run: Run, action: a.ClearBoxes) -> Outcome:
    """Remove all boxes not yet accepted."""
    return _cleared(run.annotation.clear_boxes(), "box")


def clear_all(run: Run, action: a.ClearAll) -> Outcome:
    """Remove all prompts not yet accepted, and the preview."""
    if not run.annotation.clear_all():
        return Outcome("There are no prompts and no preview to clear.", ok=False)
    return Outcome("Prompts and preview are cleared; accepted labels stay.")


def _cleared(count: int, what: str) -> Outcome:
    if not count:
        return Outcome(f"There is no {what} to clear.", ok=False)
    return Outcome(f"{_several(count, what)} cleared.")


def _share(count: int, names: list[str]) -> dict[str, int]:
    """Deal a number of points out to structures, the first ones first."""
    each, rest = divmod(count, len(names))
    return {name: each + (place < rest) for place, name in enumerate(names)}


def _arm(run: Run, place: str | None, arming: Arming) -> Outcome:
    document = run.annotation
    region = REGIONS.get(place or "")
    if region is not None:
        if document.state.selected not in region:
            raise InputError(
                f"Nothing of {place} is labelled on this slice: choose one structure "
                f"of it, such as {region[0]}, to place the prompts yourself."
            )
    elif place is not None:
        document.select_structure(place)
    name = selected_name(document.state)
    run.armings.append(arming)
    lost = run.search is not None and name in run.search.names
    why = f"{name} could not be located. " if lost else ""
    geometry = document.geometry
    if place is not None and not (geometry.is_2d or can_search(geometry)):
        why = (
            "The size or the orientation of the image is unknown, so "
            f"{name} is not looked for. "
        )
    if arming.kind == "box":
        return Outcome(f"{why}Draw a box around {name}.")
    points = _several(arming.count, "point")
    if arming.polarity is Polarity.POSITIVE:
        return Outcome(f"{why}Click {points} inside {name}.")
    return Outcome(f"{why}Click {points} outside {name}.")


def _several(count: int, what: str) -> str:
    ending = "" if count == 1 else "es" if what.endswith("x") else "s"
    return f"{count} {what}{ending}"


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


def propagate(run: Run, action: a.Propagate) -> Outcome:
    """Propagate the selected structure's mask through the volume.

    A mask that waits is accepted first. Accepted slices are kept as they are; what an
    earlier propagation wrote between them is written anew.
    """
    document = run.annotation
    if document.geometry.is_2d:
        raise InputError(
            "A flat image has no other slices to propagate to: open a volume."
        )
    document.geometry.require_spacing("masks cannot be propagated")
    name = selected_name(document.state)
    if document.state.object_of(name).locked:
        raise InputError(f"{name} is locked: unlock it to propagate its mask.")
    preview = document.state.preview
    if preview is not None and preview.structure == name:
        document.accept()
    seeds = known_slices(document, name, run.view.current_slice())
    if not seeds:
        raise InputError(
            f"There is no mask of {name} to propagate: place a point or a box first."
        )
    job = PropagationJob(
        name, seeds, document.state.window, action.direction, action.slices
    )
    return _submit(run, job)


def segment_structures(run: Run, action: a.SegmentStructures) -> Outcome:
    """Find structures along the spine, from those that are labelled already."""
    document = run.annotation
    if document.geometry.is_2d:
        raise InputError(
            "Structures cannot be found in a flat image: choose one and prompt it."
        )
    document.geometry.require_orientation("structures cannot be found by name")
    document.geometry.require_spacing("structures cannot be found by name")
    names = [
        structure(name).name
        for given in action.structures
        for name in REGIONS.get(given, (given,))
    ]
    check_findable(structure(name) for name in names)
    unlocked = tuple(
        name
        for name in dict.fromkeys(names)
        if not document.state.object_of(name).locked
    )
    if not unlocked:
        raise InputError(f"{listed(names)} are locked: unlock one to segment it.")
    anchors = anchors_of(document, run.view.current_slice())
    return _submit(run, DetectionJob(unlocked, anchors, document.state.window))


def cancel(run: Run, action: a.Cancel) -> Outcome:
    """Stop what runs and what waits; what is done by then is written."""
    if not run.view.cancel_work():
        return Outcome("Nothing is running that could be stopped.", ok=False)
    return Outcome("Stopped; what is done by now stays.")


def _submit(run: Run, job: VolumeJob) -> Outcome:
    """Let a job begin when the plan has succeeded, or do it now in a script."""
    if run.predict is None:
        raise InputError("There is no model to predict with: load one first.")
    if run.predict.at_once:
        return Outcome(run.predict.submit(job).sentence)
    ahead = run.jobs[-1].step if run.jobs else run.predict.work_ahead()
    run.jobs.append(job)
    if ahead:
        return Outcome(
            f"{job.step} waits until this has ended: {ahead}. Cancel stops both.",
            job=job,
        )
    return Outcome(f"{job.step} has begun; Cancel keeps what is done.", job=job)


def set_lock(run: Run, action: a.SetLock) -> Outcome:
    """Protect a structure from every change, also before it has labels."""
    name = structure(action.structure).name
    if run.annotation.state.object_of(name).locked == action.locked:
        was = "locked already" if action.locked else "not locked"
        return Outcome(f"{name} is {was}.", ok=False)
    run.annotation.set_locked(name, action.locked)
    if action.locked:
        return Outcome(f"{name} is locked: nothing overwrites it.")
    return Outcome(f"{name} is unlocked.")


def set_structure_visibility(run: Run, action: a.SetStructureVisibility) -> Outcome:
    """Show or hide one structure that is annotated."""
    name = structure(action.structure).name
    entry = run.annotation.state.find(name)
    if entry is None:
        raise InputError(
            f"{name} is not annotated, so there is nothing of it to show or hide."
        )
    run.annotation.set_visible(name, action.visible)
    if action.visible:
        return Outcome(f"{name} is shown.")
    return Outcome(f"{name} is hidden.")


def rename_structure(run: Run, action: a.RenameStructure) -> Outcome:
    """Give a structure a name that is free."""
    old, new = structure(action.structure).name, structure(action.to).name
    run.annotation.rename_object(old, new)
    return Outcome(f"{old} is now named {new}.")


def merge_structures(run: Run, action: a.MergeStructures) -> Outcome:
    """Give the voxels of a structure to another one."""
    gone, kept = structure(action.structure).name, structure(action.into).name
    run.annotation.merge_objects(gone, kept)
    return Outcome(f"{gone} is merged into {kept}.")


def delete_structure(run: Run, action: a.DeleteStructure) -> Outcome:
    """Remove a structure's labels and prompts."""
    name = structure(action.structure).name
    run.annotation.delete_object(name)
    return Outcome(f"{name} is deleted, with its labels and prompts.")


def shift_names(run: Run, action: a.ShiftNames) -> Outcome:
    """Rename all vertebrae and discs by some levels."""
    run.annotation.shift_names(action.levels)
    way = "down" if action.levels > 0 else "up"
    count = abs(action.levels)
    levels = "1 level" if count == 1 else f"{count} levels"
    return Outcome(f"All names are shifted {way} by {levels}.")


def place_point(run: Run, action: pointer.PlacePoint) -> Outcome:
    """Place a point by hand."""
    run.annotation.add_point(action.axis, action.index, action.point)
    return Outcome(f"Placed a {action.point.polarity} point.")


def set_box(run: Run, action: pointer.SetBox) -> Outcome:
    """Draw or remove the box of a slice by hand."""
    run.annotation.set_box(action.axis, action.index, action.box)
    return Outcome("Removed the box." if action.box is None else "Drew a box.")


def add_scribble(run: Run, action: pointer.AddScribble) -> Outcome:
    """Draw a scribble by hand."""
    run.annotation.add_scribble(action.axis, action.index, action.scribble)
    return Outcome(f"Drew a {action.scribble.polarity} scribble.")


def set_lasso(run: Run, action: pointer.SetLasso) -> Outcome:
    """Draw or remove the lasso of a slice by hand."""
    run.annotation.set_lasso(action.axis, action.index, action.lasso)
    return Outcome("Removed the lasso." if action.lasso is None else "Drew a lasso.")


def remove_prompt(run: Run, action: pointer.RemovePrompt) -> Outcome:
    """Remove one point or scribble of a slice."""
    run.annotation.remove_prompt(action.axis, action.index, action.kind, action.number)
    return Outcome(f"Removed {action.kind} {action.number}.")


def edit_prompts(run: Run, action: pointer.EditPrompts) -> Outcome:
    """Leave the prompts of a slice as the hand has left them."""
    run.annotation.set_prompts(action.prompts)
    return Outcome("Changed the prompts.")


def clear_slice(run: Run, action: pointer.ClearSlice) -> Outcome:
    """Drop the prompts of a slice that were not accepted."""
    count = run.annotation.clear_slice(action.axis, action.index)
    return _cleared(count, "prompt")


def clear_scribbles(run: Run, action: pointer.ClearScribbles) -> Outcome:
    """Remove all scribbles that were not accepted."""
    return _cleared(run.annotation.clear_scribbles(), "scribble")


def clear_lassos(run: Run, action: pointer.ClearLassos) -> Outcome:
    """Remove all lassos that were not accepted."""
    return _cleared(run.annotation.clear_lassos(), "lasso")


def paint(run: Run, action: pointer.Paint) -> Outcome:
    """Enter a brush stroke; what it would write into a locked structure stays."""
    if spared := run.annotation.paint(action.stroke, action.step):
        return Outcome(
            f"{spared} voxels are locked: unlock them to paint there.", ok=False
        )
    return Outcome("Changed the labels.")


def open_labels(run: Run, action: pointer.OpenLabels) -> Outcome:
    """Go on from other labels."""
    run.annotation.replace_labels(action.labels, "Open labels")
    return Outcome("The labels are open to go on from. Ctrl+Z takes that back.")


def set_reference(run: Run, action: pointer.SetReference) -> Outcome:
    """Measure against other labels, or against none."""
    run.annotation.set_reference(action.labels, action.geometry)
    return Outcome(
        "There is no reference." if action.labels is None else "The reference is set."
    )


def move_image(run: Run, action: pointer.MoveImage) -> Outcome:
    """Let the image lie elsewhere."""
    run.annotation.set_grid(action.grid)
    return Outcome("The image lies elsewhere.")


def set_voxel_size(run: Run, action: pointer.SetVoxelSize) -> Outcome:
    """State the size of a voxel."""
    run.annotation.set_spacing(action.spacing)
    told = " x ".join(f"{mm:.4g}" for mm in run.annotation.geometry.spacing)
    return Outcome(f"A voxel measures {told} mm.")


def set_orientation(run: Run, action: pointer.SetOrientation) -> Outcome:
    """Show the image anew as it is said to lie."""
    return Outcome(run.view.set_orientation(action.codes))
