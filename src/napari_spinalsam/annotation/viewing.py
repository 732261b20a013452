"""What actions on images, slices, window, files and reports do."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from napari_spinalsam.actions import models as a
from napari_spinalsam.annotation.measuring import measure_report
from napari_spinalsam.annotation.ports import Outcome, Report
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Plane
from napari_spinalsam.core.intensity import PRESETS, Window

if TYPE_CHECKING:
    from napari_spinalsam.annotation.ports import EngineInfo, Run


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
