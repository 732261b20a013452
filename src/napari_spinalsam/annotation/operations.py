"""What each action does to an annotation and its view, in the order of the actions.

The executor calls the function that has the name of the action.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from napari_spinalsam.actions import models as a
from napari_spinalsam.actions import pointer
from napari_spinalsam.actions.describe import (
    layer_name,
    plane_name,
    point_count,
    preset_name,
)
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
from napari_spinalsam.core.anatomy import REGIONS, Plane, listed, named, structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.intensity import PRESETS, Window
from napari_spinalsam.core.messages import join, msg, msgn
from napari_spinalsam.core.prompts import Polarity
from napari_spinalsam.core.results import check_findable

if TYPE_CHECKING:
    from napari_spinalsam.annotation.ports import EngineInfo, Run, VolumeJob
    from napari_spinalsam.annotation.requests import PromptKind
    from napari_spinalsam.annotation.state import Preview
    from napari_spinalsam.core.messages import Message


# Images and slices.


def open_image(run: Run, action: a.OpenImage) -> Outcome:
    """Open an image through a dialog."""
    return Outcome(msg("Opened {file}.", file=run.view.open_image()))


def open_sample(run: Run, action: a.OpenSample) -> Outcome:
    """Open the sample CT."""
    return Outcome(msg("Opened {file}.", file=run.view.open_sample()))


def previous_image(run: Run, action: a.PreviousImage) -> Outcome:
    """Open the image before in the list."""
    return Outcome(msg("Opened {file}.", file=run.view.step_image(-1)))


def next_image(run: Run, action: a.NextImage) -> Outcome:
    """Open the image after in the list."""
    return Outcome(msg("Opened {file}.", file=run.view.step_image(1)))


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
    return Outcome(
        msg(
            "Slice {index} (of 0 to {last}), {plane}.",
            index=index,
            last=last,
            plane=plane_name(Plane.of_axis(axis)),
        )
    )


def set_plane(run: Run, action: a.SetPlane) -> Outcome:
    """Turn the view."""
    if run.annotation.geometry.is_2d and action.plane.axis != 0:
        raise InputError(
            msg(
                "A flat image has no {plane} plane: open a volume to turn it.",
                plane=plane_name(action.plane),
            )
        )
    run.view.set_plane(action.plane)
    return Outcome(msg("The {plane} plane is shown.", plane=plane_name(action.plane)))


def set_window(run: Run, action: a.SetWindow) -> Outcome:
    """Set the window from a preset or from level and width."""
    if action.preset is not None:
        window = PRESETS[action.preset]
        name = msg("Window {preset}", preset=preset_name(action.preset))
    elif action.level is not None and action.width is not None:
        window, name = Window(action.level, action.width), msg("Window")
    else:
        raise InputError(
            msg("The window is not given: name a preset, or level and width.")
        )
    run.annotation.set_window(window)
    return Outcome(
        msg(
            "{window}: level {level:g}, width {width:g}.",
            window=name,
            level=window.level,
            width=window.width,
        )
    )


# Structure and prompts.


def select_structure(run: Run, action: a.SelectStructure) -> Outcome:
    """Choose the structure that the next mask is written to."""
    run.annotation.select_structure(action.structure)
    return Outcome(
        msg("{name} is selected.", name=named(selected_name(run.annotation.state)))
    )


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
        document.set_prompts(prompts, msg("Add points"))
        placed += len(points)
    names = listed(name for name in located.masks if counts[name])
    what = point_count(placed, action.polarity)
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
    what = msgn("{count} box", "{count} boxes", len(located.masks))
    return Outcome(located.told(what, listed(located.masks), key[1]))


def _arm(run: Run, place: str | None, arming: Arming) -> Outcome:
    document = run.annotation
    region = None if place is None else REGIONS.get(place)
    if place is not None and region is not None:
        if document.state.selected not in region:
            raise InputError(
                msg(
                    "Nothing of {place} is labelled on this slice: choose one "
                    "structure of it, such as {name}, to place the prompts "
                    "yourself.",
                    place=named(place),
                    name=region[0],
                )
            )
    elif place is not None:
        document.select_structure(place)
    name = selected_name(document.state)
    run.armings.append(arming)
    lost = run.search is not None and name in run.search.names
    why = [msg("{name} could not be located.", name=named(name))] if lost else []
    geometry = document.geometry
    if place is not None and not (geometry.is_2d or can_search(geometry)):
        why = [
            msg(
                "The size or the orientation of the image is unknown, so {name} is not "
                "looked for.",
                name=named(name),
            )
        ]
    return Outcome(join([*why, _request_by_hand(arming, name)]))


def _request_by_hand(arming: Arming, name: str) -> Message:
    """Say what the user is to click or draw."""
    if arming.kind == "box":
        return msg("Draw a box around {name}.", name=named(name))
    points = msgn("{count} point", "{count} points", arming.count)
    if arming.polarity is Polarity.POSITIVE:
        return msg("Click {points} inside {name}.", points=points, name=named(name))
    return msg("Click {points} outside {name}.", points=points, name=named(name))


# Masks.


def generate_point_mask(run: Run, action: a.GeneratePointMask) -> Outcome:
    """Predict from the points of the current slice."""
    return _generate(run, "points")


def generate_box_mask(run: Run, action: a.GenerateBoxMask) -> Outcome:
    """Predict from the box of the current slice."""
    return _generate(run, "box")


def generate_mask(run: Run, action: a.GenerateMask) -> Outcome:
    """Predict from all prompts of the current slice."""
    return _generate(run, "all")


def _generate(run: Run, kind: PromptKind) -> Outcome:
    if run.armings:
        run.then_predict = True
        return Outcome(msg("The mask follows once the prompts are placed."))
    request = run.annotation.prediction_request(*run.view.current_slice(), kind)
    if run.predict is None:
        raise InputError(msg("There is no model to predict with: load one first."))
    wait = any(isinstance(s, a.AcceptMask | a.RejectMask) for s in run.following)
    run.predict.request(request, wait=wait)
    preview = run.annotation.state.preview
    if preview is None or preview.prediction is request.answered:
        return Outcome(
            msg(
                "The mask of {name} is being predicted.",
                name=named(request.structure),
            ),
            request=request,
        )
    return predicted(preview)


def predicted(preview: Preview) -> Outcome:
    """Tell of a mask that is shown now."""
    return Outcome(
        msg(
            "Mask of {name}: predicted IoU {iou:.2f}, candidate {number} of {count}.",
            name=named(preview.structure),
            iou=preview.predicted_iou,
            number=preview.chosen + 1,
            count=preview.count,
        )
    )


def segment_structures(run: Run, action: a.SegmentStructures) -> Outcome:
    """Find structures along the spine, from those that are labelled already."""
    document = run.annotation
    if document.geometry.is_2d:
        raise InputError(
            msg("Structures cannot be found in a flat image: choose one and prompt it.")
        )
    purpose = msg("structures cannot be found by name")
    document.geometry.require_orientation(purpose)
    document.geometry.require_spacing(purpose)
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
        raise InputError(
            msg("{names} are locked: unlock one to segment it.", names=listed(names))
        )
    anchors = anchors_of(document, run.view.current_slice())
    return _submit(run, DetectionJob(unlocked, anchors, document.state.window))


def propagate(run: Run, action: a.Propagate) -> Outcome:
    """Propagate the selected structure's mask through the volume.

    A mask that waits is accepted first. Accepted slices are kept as they are; what an
    earlier propagation wrote between them is written again.
    """
    document = run.annotation
    if document.geometry.is_2d:
        raise InputError(
            msg("A flat image has no other slices to propagate to: open a volume.")
        )
    document.geometry.require_spacing(msg("masks cannot be propagated"))
    name = selected_name(document.state)
    if document.state.object_of(name).locked:
        raise InputError(
            msg("{name} is locked: unlock it to propagate its mask.", name=named(name))
        )
    preview = document.state.preview
    if preview is not None and preview.structure == name:
        document.accept()
    seeds = known_slices(document, name, run.view.current_slice())
    if not seeds:
        raise InputError(
            msg(
                "There is no mask of {name} to propagate: place a point or a "
                "box first.",
                name=named(name),
            )
        )
    job = PropagationJob(
        name, seeds, document.state.window, action.direction, action.slices
    )
    return _submit(run, job)


def _submit(run: Run, job: VolumeJob) -> Outcome:
    """Let a job begin when the plan has succeeded, or do it now in a script."""
    if run.predict is None:
        raise InputError(msg("There is no model to predict with: load one first."))
    if run.predict.at_once:
        return Outcome(run.predict.submit(job).sentence)
    ahead = run.jobs[-1].step if run.jobs else run.predict.work_ahead()
    run.jobs.append(job)
    if ahead:
        return Outcome(
            msg(
                "{step} waits until this has ended: {ahead}. Cancel stops both.",
                step=job.step,
                ahead=ahead,
            ),
            job=job,
        )
    return Outcome(
        msg("{step} has begun; Cancel keeps what is done.", step=job.step), job=job
    )


def accept_mask(run: Run, action: a.AcceptMask) -> Outcome:
    """Write the preview into the labels."""
    left = run.annotation.accept()
    name = selected_name(run.annotation.state)
    if left:
        return Outcome(
            msg(
                "The mask is written as {name}; {left} pixels belong to other "
                "structures and stay.",
                name=named(name),
                left=left,
            )
        )
    return Outcome(msg("The mask is written as {name}.", name=named(name)))


def reject_mask(run: Run, action: a.RejectMask) -> Outcome:
    """Drop the preview."""
    run.annotation.reject()
    return Outcome(msg("The mask is dropped; the prompts stay."))


# Taking back.


def clear_points(run: Run, action: a.ClearPoints) -> Outcome:
    """Remove all points not yet accepted."""
    count = run.annotation.clear_points()
    if not count:
        return Outcome(msg("There is no point to clear."), ok=False)
    return Outcome(msgn("{count} point cleared.", "{count} points cleared.", count))


def clear_boxes(run: Run, action: a.ClearBoxes) -> Outcome:
    """Remove all boxes not yet accepted."""
    count = run.annotation.clear_boxes()
    if not count:
        return Outcome(msg("There is no box to clear."), ok=False)
    return Outcome(msgn("{count} box cleared.", "{count} boxes cleared.", count))


def clear_all(run: Run, action: a.ClearAll) -> Outcome:
    """Remove all prompts not yet accepted, and the preview."""
    if not run.annotation.clear_all():
        return Outcome(msg("There are no prompts and no preview to clear."), ok=False)
    return Outcome(msg("Prompts and preview are cleared; accepted labels stay."))


def _share(count: int, names: list[str]) -> dict[str, int]:
    """Deal a number of points out to structures, the first ones first."""
    each, rest = divmod(count, len(names))
    return {name: each + (place < rest) for place, name in enumerate(names)}


def undo(run: Run, action: a.Undo) -> Outcome:
    """Take steps back."""
    names = run.annotation.undo(action.steps)
    if not names:
        return Outcome(msg("There is nothing to undo."), ok=False)
    return Outcome(msg("Undone: {steps}.", steps=join(names, "; ")))


def redo(run: Run, action: a.Redo) -> Outcome:
    """Repeat steps that were taken back."""
    names = run.annotation.redo(action.steps)
    if not names:
        return Outcome(msg("There is nothing to redo."), ok=False)
    return Outcome(msg("Done again: {steps}.", steps=join(names, "; ")))


# Measures, files and layers.


def measure(run: Run, action: a.Measure) -> Outcome:
    """Show volumes and agreement in a table."""
    report = measure_report(run.annotation, action.metrics, action.structure)
    run.view.show_measures(report)
    if len(report.rows) > 1:
        text = msg(
            "{title}: {count} structures.", title=report.title, count=len(report.rows)
        )
        return Outcome(text, data=report)
    values = zip(report.columns[1:], report.rows[0][1:], strict=True)
    text = msg(
        "{name}: {values}.",
        name=report.rows[0][0],
        values=join((join(pair) for pair in values), ", "),
    )
    return Outcome(text, data=report)


def _show_rows(run: Run, report: Report) -> Outcome:
    run.view.show_report(report)
    text = join((join(row, ": ") for row in report.rows), ", ")
    return Outcome(msg("{text}.", text=text), data=report)


def save_labels(run: Run, action: a.SaveLabels) -> Outcome:
    """Save the labels through a dialog."""
    if not run.annotation.labels.any():
        raise InputError(
            msg("There are no labels to save: accept a mask or paint first.")
        )
    return Outcome(msg("Saved {file}.", file=run.view.save_labels(action.format)))


def set_visibility(run: Run, action: a.SetVisibility) -> Outcome:
    """Show or hide a layer by its role."""
    run.view.set_visibility(action.layer, action.visible)
    if action.visible:
        return Outcome(
            msg("The {layer} layer is shown.", layer=layer_name(action.layer))
        )
    return Outcome(msg("The {layer} layer is hidden.", layer=layer_name(action.layer)))


def cancel(run: Run, action: a.Cancel) -> Outcome:
    """Stop what runs and what waits; what is done by then is written."""
    if not run.view.cancel_work():
        return Outcome(msg("Nothing is running that could be stopped."), ok=False)
    return Outcome(msg("Stopped; what is done by now stays."))


# Whole structures.


def set_lock(run: Run, action: a.SetLock) -> Outcome:
    """Protect a structure from every change, also before it has labels."""
    name = structure(action.structure).name
    if run.annotation.state.object_of(name).locked == action.locked:
        if action.locked:
            return Outcome(msg("{name} is locked already.", name=named(name)), ok=False)
        return Outcome(msg("{name} is not locked.", name=named(name)), ok=False)
    run.annotation.set_locked(name, action.locked)
    if action.locked:
        return Outcome(
            msg("{name} is locked: nothing overwrites it.", name=named(name))
        )
    return Outcome(msg("{name} is unlocked.", name=named(name)))


def set_structure_visibility(run: Run, action: a.SetStructureVisibility) -> Outcome:
    """Show or hide one structure that is annotated."""
    name = structure(action.structure).name
    entry = run.annotation.state.find(name)
    if entry is None:
        raise InputError(
            msg(
                "{name} is not annotated, so there is nothing of it to show or hide.",
                name=named(name),
            )
        )
    run.annotation.set_visible(name, action.visible)
    if action.visible:
        return Outcome(msg("{name} is shown.", name=named(name)))
    return Outcome(msg("{name} is hidden.", name=named(name)))


def rename_structure(run: Run, action: a.RenameStructure) -> Outcome:
    """Give a structure a name that is free."""
    old, new = structure(action.structure).name, structure(action.to).name
    run.annotation.rename_object(old, new)
    return Outcome(msg("{old} is now named {new}.", old=named(old), new=named(new)))


def merge_structures(run: Run, action: a.MergeStructures) -> Outcome:
    """Give the voxels of a structure to another one."""
    gone, kept = structure(action.structure).name, structure(action.into).name
    run.annotation.merge_objects(gone, kept)
    return Outcome(
        msg("{name} is merged into {into}.", name=named(gone), into=named(kept))
    )


def delete_structure(run: Run, action: a.DeleteStructure) -> Outcome:
    """Remove a structure's labels and prompts."""
    name = structure(action.structure).name
    run.annotation.delete_object(name)
    return Outcome(
        msg("{name} is deleted, with its labels and prompts.", name=named(name))
    )


def shift_names(run: Run, action: a.ShiftNames) -> Outcome:
    """Rename all vertebrae and discs by some levels."""
    run.annotation.shift_names(action.levels)
    levels = msgn("{count} level", "{count} levels", abs(action.levels))
    if action.levels > 0:
        return Outcome(msg("All names are shifted down by {levels}.", levels=levels))
    return Outcome(msg("All names are shifted up by {levels}.", levels=levels))


# Views, candidates and the size of pixels.


def set_views(run: Run, action: a.SetViews) -> Outcome:
    """Show one plane, or all three at once."""
    run.view.set_views(action.views)
    if action.views == "three":
        return Outcome(msg("Axial, sagittal and coronal are shown at once."))
    return Outcome(msg("One view is shown."))


def next_candidate(run: Run, action: a.NextCandidate) -> Outcome:
    """Show the next candidate mask; the first comes after the last."""
    run.annotation.next_candidate()
    return _candidate(run)


def previous_candidate(run: Run, action: a.PreviousCandidate) -> Outcome:
    """Show the candidate mask before; the last comes before the first."""
    run.annotation.previous_candidate()
    return _candidate(run)


def _candidate(run: Run) -> Outcome:
    preview = waiting_preview(run.annotation.state, msg("choose from"))
    if preview.count == 1:
        return Outcome(msg("There is only one candidate."), ok=False)
    return Outcome(
        msg(
            "Candidate {number} of {count}: predicted IoU {iou:.2f}.",
            number=preview.chosen + 1,
            count=preview.count,
            iou=preview.predicted_iou,
        )
    )


def set_pixel_size(run: Run, action: a.SetPixelSize) -> Outcome:
    """State the size of a picture's pixels."""
    run.annotation.set_pixel_size(action.mm)
    return Outcome(msg("A pixel measures {mm:g} mm.", mm=action.mm))


# Model and help.


def check_gpu(run: Run, action: a.CheckGpu) -> Outcome:
    """Show what the model runs on."""
    rows = tuple(_engine(run).device_report())
    return _show_rows(run, Report(msg("Device"), (msg("What"), msg("Value")), rows))


def verify_parameters(run: Run, action: a.VerifyParameters) -> Outcome:
    """Show which weights of the model match."""
    rows = tuple(_engine(run).parameter_report())
    return _show_rows(run, Report(msg("Parameters"), (msg("What"), msg("Value")), rows))


def _engine(run: Run) -> EngineInfo:
    if run.engine is None:
        raise InputError(msg("There is no model to ask: load one first."))
    return run.engine


def show_help(run: Run, action: a.ShowHelp) -> Outcome:
    """Show what can be asked for."""
    rows = tuple(
        (name.replace("_", " "), inspect.getdoc(kind) or "")
        for name, kind in a.ACTION_TYPES.items()
    )
    title = msg("What you can ask for")
    report = Report(title, (msg("Action"), msg("What it does")), rows)
    run.view.show_help(report)
    return Outcome(
        msg("There are {count} things that you can ask for.", count=len(rows)),
        data=report,
    )


# What only a hand or a script does.

_BY_HAND = {
    ("point", Polarity.POSITIVE): msg("Placed a positive point."),
    ("point", Polarity.NEGATIVE): msg("Placed a negative point."),
    ("scribble", Polarity.POSITIVE): msg("Drew a positive scribble."),
    ("scribble", Polarity.NEGATIVE): msg("Drew a negative scribble."),
}


def place_point(run: Run, action: pointer.PlacePoint) -> Outcome:
    """Place a point by hand."""
    run.annotation.add_point(action.axis, action.index, action.point)
    return Outcome(_BY_HAND["point", action.point.polarity])


def set_box(run: Run, action: pointer.SetBox) -> Outcome:
    """Draw or remove the box of a slice by hand."""
    run.annotation.set_box(action.axis, action.index, action.box)
    if action.box is None:
        return Outcome(msg("Removed the box."))
    return Outcome(msg("Drew a box."))


def add_scribble(run: Run, action: pointer.AddScribble) -> Outcome:
    """Draw a scribble by hand."""
    run.annotation.add_scribble(action.axis, action.index, action.scribble)
    return Outcome(_BY_HAND["scribble", action.scribble.polarity])


def set_lasso(run: Run, action: pointer.SetLasso) -> Outcome:
    """Draw or remove the lasso of a slice by hand."""
    run.annotation.set_lasso(action.axis, action.index, action.lasso)
    if action.lasso is None:
        return Outcome(msg("Removed the lasso."))
    return Outcome(msg("Drew a lasso."))


def remove_prompt(run: Run, action: pointer.RemovePrompt) -> Outcome:
    """Remove one point or scribble of a slice."""
    run.annotation.remove_prompt(action.axis, action.index, action.kind, action.number)
    if action.kind == "point":
        return Outcome(msg("Removed point {number}.", number=action.number))
    return Outcome(msg("Removed scribble {number}.", number=action.number))


def edit_prompts(run: Run, action: pointer.EditPrompts) -> Outcome:
    """Leave the prompts of a slice as the hand has left them."""
    run.annotation.set_prompts(action.prompts)
    return Outcome(msg("Changed the prompts."))


def clear_slice(run: Run, action: pointer.ClearSlice) -> Outcome:
    """Drop the prompts of a slice that were not accepted."""
    count = run.annotation.clear_slice(action.axis, action.index)
    if not count:
        return Outcome(msg("There is no prompt to clear."), ok=False)
    return Outcome(msgn("{count} prompt cleared.", "{count} prompts cleared.", count))


def clear_scribbles(run: Run, action: pointer.ClearScribbles) -> Outcome:
    """Remove all scribbles that were not accepted."""
    count = run.annotation.clear_scribbles()
    if not count:
        return Outcome(msg("There is no scribble to clear."), ok=False)
    return Outcome(
        msgn("{count} scribble cleared.", "{count} scribbles cleared.", count)
    )


def clear_lassos(run: Run, action: pointer.ClearLassos) -> Outcome:
    """Remove all lassos that were not accepted."""
    count = run.annotation.clear_lassos()
    if not count:
        return Outcome(msg("There is no lasso to clear."), ok=False)
    return Outcome(msgn("{count} lasso cleared.", "{count} lassos cleared.", count))


def paint(run: Run, action: pointer.Paint) -> Outcome:
    """Enter a brush stroke; what it would write into a locked structure stays."""
    if spared := run.annotation.paint(action.stroke, action.step):
        return Outcome(
            msg("{count} voxels are locked: unlock them to paint there.", count=spared),
            ok=False,
        )
    return Outcome(msg("Changed the labels."))


def open_labels(run: Run, action: pointer.OpenLabels) -> Outcome:
    """Go on from other labels."""
    run.annotation.replace_labels(action.labels, msg("Open labels"))
    return Outcome(msg("The labels are open to go on from. Ctrl+Z takes that back."))


def set_reference(run: Run, action: pointer.SetReference) -> Outcome:
    """Measure against other labels, or against none."""
    run.annotation.set_reference(action.labels, action.geometry)
    return Outcome(
        msg("There is no reference.")
        if action.labels is None
        else msg("The reference is set.")
    )


def move_image(run: Run, action: pointer.MoveImage) -> Outcome:
    """Let the image lie elsewhere."""
    run.annotation.set_grid(action.grid)
    return Outcome(msg("The image lies elsewhere."))


def set_voxel_size(run: Run, action: pointer.SetVoxelSize) -> Outcome:
    """State the size of a voxel."""
    run.annotation.set_spacing(action.spacing)
    told = " x ".join(f"{mm:.4g}" for mm in run.annotation.geometry.spacing)
    return Outcome(msg("A voxel measures {size} mm.", size=told))


def set_orientation(run: Run, action: pointer.SetOrientation) -> Outcome:
    """Show the image as it is said to lie."""
    return Outcome(run.view.set_orientation(action.codes))
