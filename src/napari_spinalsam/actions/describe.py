"""Actions in words, for a plan that is shown before it runs and for the history."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_spinalsam.actions import models as a
from napari_spinalsam.actions.models import ALL_METRICS
from napari_spinalsam.core.anatomy import Plane
from napari_spinalsam.core.messages import Message, join, msg, msgc, msgn, render
from napari_spinalsam.core.prompts import Polarity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_spinalsam.core.messages import Language

_FIXED: Mapping[str, Message] = MappingProxyType(
    {
        "open_image": msg("Open an image"),
        "open_sample": msg("Open the sample CT"),
        "previous_image": msg("Go to the previous image"),
        "next_image": msg("Go to the next image"),
        "generate_point_mask": msg("Generate a mask from the points"),
        "generate_box_mask": msg("Generate a mask from the box"),
        "generate_mask": msg("Generate a mask"),
        "accept_mask": msg("Accept the mask"),
        "reject_mask": msg("Reject the mask"),
        "clear_points": msg("Clear the points"),
        "clear_boxes": msg("Clear the boxes"),
        "clear_all": msg("Clear all prompts and the preview"),
        "cancel": msg("Stop the running job"),
        "next_candidate": msg("Show the next candidate mask"),
        "previous_candidate": msg("Show the previous candidate mask"),
        "check_gpu": msg("Check the GPU"),
        "verify_parameters": msg("Verify the parameters of the model"),
        "show_help": msg("Show help"),
    }
)
_METRICS: Mapping[str, Message] = MappingProxyType(
    {
        "dice": msgc("metric", "Dice"),
        "iou": msgc("metric", "IoU"),
        "msd": msgc("metric", "MSD"),
        "hd95": msgc("metric", "HD95"),
        "volume": msgc("metric", "volume"),
    }
)
_LAYERS: Mapping[str, Message] = MappingProxyType(
    {
        "image": msgc("layer", "image"),
        "labels": msgc("layer", "labels"),
        "points": msgc("layer", "points"),
        "boxes": msgc("layer", "boxes"),
        "reference": msgc("layer", "reference"),
    }
)
_FORMATS: Mapping[str, str] = MappingProxyType(
    {"nifti": "NIfTI", "nrrd": "NRRD", "dicom_seg": "DICOM SEG"}
)
_PLANES: Mapping[Plane, Message] = MappingProxyType(
    {
        Plane.AXIAL: msgc("plane", "axial"),
        Plane.CORONAL: msgc("plane", "coronal"),
        Plane.SAGITTAL: msgc("plane", "sagittal"),
    }
)
_PRESETS: Mapping[str, Message] = MappingProxyType(
    {
        "bone": msgc("window", "bone"),
        "soft_tissue": msgc("window", "soft tissue"),
        "disc": msgc("window", "disc"),
        "lung": msgc("window", "lung"),
        "full": msgc("window", "full"),
    }
)
_DIRECTIONS: Mapping[str, Message] = MappingProxyType(
    {
        "both": msgc("direction", "in both directions"),
        "forward": msgc("direction", "forward"),
        "backward": msgc("direction", "backward"),
    }
)
# What has words of its own in a request; levels and discs are called by their names.
_PLACES: Mapping[str, Message] = MappingProxyType(
    {
        "cervical": msgc("in a request", "the cervical spine"),
        "thoracic": msgc("in a request", "the thoracic spine"),
        "lumbar": msgc("in a request", "the lumbar spine"),
        "spine": msgc("in a request", "the spine"),
        "discs": msgc("in a request", "the discs"),
        "sacrum": msgc("in a request", "sacrum"),
        "coccyx": msgc("in a request", "coccyx"),
        "spinal_canal": msgc("in a request", "spinal canal"),
        "spinal_cord": msgc("in a request", "spinal cord"),
    }
)
_COMMA = msgc("between names", ", ")


def describe(action: a.Action, language: Language = "en") -> str:
    """Say what an action does, such as "Add 3 positive points in L3"."""
    return render(description(action), language)


def description(action: a.Action) -> Message:
    """Say what an action does, in a message."""
    return _FIXED.get(action.action) or _viewing(action) or _editing(action)


def plane_name(plane: Plane) -> Message:
    """Return the name of a plane as a part of messages."""
    return _PLANES[plane]


def preset_name(preset: str) -> Message:
    """Return the name of a preset of the window as a part of messages."""
    return _PRESETS[preset]


def layer_name(layer: a.LayerRole) -> Message:
    """Return the name of a layer as a part of messages."""
    return _LAYERS[layer]


def _viewing(action: a.Action) -> Message | None:
    match action:
        case a.GoToSlice(index=index):
            return msg("Go to slice {index}", index=index)
        case a.MoveSlice(offset=offset):
            slices = msgn("{count} slice", "{count} slices", abs(offset))
            if offset > 0:
                return msg("Move forward by {slices}", slices=slices)
            return msg("Move back by {slices}", slices=slices)
        case a.SetPlane(plane=plane):
            return msg("Show the {plane} plane", plane=plane_name(plane))
        case a.SetWindow(preset=str(preset)):
            return msg("Set the {preset} window", preset=preset_name(preset))
        case a.SetWindow(level=level, width=width):
            return msg(
                "Set the window to level {level:g}, width {width:g}",
                level=level,
                width=width,
            )
        case a.Measure(metrics=metrics, structure=name):
            return _measuring(metrics, name)
        case a.SetVisibility(layer=layer, visible=visible):
            if visible:
                return msg("Show the {layer}", layer=layer_name(layer))
            return msg("Hide the {layer}", layer=layer_name(layer))
        case a.SetStructureVisibility(structure=name, visible=visible):
            if visible:
                return msgc("request", "Show {name}", name=_last(name))
            return msgc("request", "Hide {name}", name=_last(name))
        case a.SetViews(views=views):
            if views == "three":
                return msg("Show three views")
            return msg("Show one view")
        case _:
            return None


def _measuring(metrics: tuple[a.MetricName, ...], name: str | None) -> Message:
    if metrics == ALL_METRICS:
        if name is None:
            return msg("Measure all structures")
        return msg("Measure {name}", name=_last(name))
    *first, last = (_METRICS[metric] for metric in metrics)
    what = last
    if first:
        what = msg("{first} and {last}", first=join(first, _COMMA), last=last)
    if name is None:
        return msg("Measure {metrics} of all structures", metrics=what)
    return msg("Measure {metrics} of {name}", metrics=what, name=_inside(name))


def _editing(action: a.Action) -> Message:
    match action:
        case a.SelectStructure(structure=name):
            return msgc("request", "Select {name}", name=_last(name))
        case a.AddPoints(count=count, polarity=polarity, structure=name):
            points = point_count(count, polarity)
            if name is None:
                return msg("Add {points}", points=points)
            return msg("Add {points} in {name}", points=points, name=_inside(name))
        case a.AddBox(structure=name):
            if name is None:
                return msg("Add a box")
            return msg("Add a box around {name}", name=_inside(name))
        case a.SegmentStructures(structures=names):
            named = [*map(_inside, names[:-1]), _last(names[-1])]
            return msgc("request", "Segment {names}", names=join(named, _COMMA))
        case a.Propagate(direction=direction, slices=slices):
            way = _DIRECTIONS[direction]
            if slices is None:
                return msg("Propagate the mask {way}", way=way)
            reach = msgn("{count} slice", "{count} slices", slices)
            return msg("Propagate the mask {way} by {slices}", way=way, slices=reach)
        case a.Undo(steps=steps):
            return msgn("Undo {count} step", "Undo {count} steps", steps)
        case a.Redo(steps=steps):
            return msgn("Redo {count} step", "Redo {count} steps", steps)
        case a.SetLock(structure=name, locked=locked):
            if locked:
                return msgc("request", "Lock {name}", name=_last(name))
            return msgc("request", "Unlock {name}", name=_last(name))
        case a.RenameStructure(structure=name, to=to):
            return msgc(
                "request", "Rename {name} to {new}", name=_inside(name), new=_last(to)
            )
        case a.MergeStructures(structure=name, into=into):
            return msgc(
                "request",
                "Merge {name} into {into}",
                name=_inside(name),
                into=_last(into),
            )
        case a.DeleteStructure(structure=name):
            return msg("Delete {name}, its labels and prompts", name=_inside(name))
        case a.ShiftNames(levels=levels):
            far = msgn("{count} level", "{count} levels", abs(levels))
            if levels > 0:
                return msg("Shift all names down {levels}", levels=far)
            return msg("Shift all names up {levels}", levels=far)
        case a.SetPixelSize(mm=mm):
            return msg("Set the pixel size to {mm:g} mm", mm=mm)
        case a.SaveLabels(format=kind):
            return msg("Save the labels as {format}", format=_FORMATS[kind])
        case _:  # a new action without words of its own
            return Message(action.action.replace("_", " ").capitalize())


def point_count(count: int, polarity: Polarity) -> Message:
    """Say how many points of which polarity, as a part of messages."""
    if polarity is Polarity.POSITIVE:
        return msgn("{count} positive point", "{count} positive points", count)
    return msgn("{count} negative point", "{count} negative points", count)


def _inside(name: str) -> Message:
    """Return a structure or a region in the middle of a request."""
    if name in _PLACES:
        return _PLACES[name]
    if "-" in name:
        return msgc("in a request", "{disc}", disc=name)
    return msgc("in a request", "{level}", level=name)


def _last(name: str) -> Message:
    """Return a structure or a region at the end of a request."""
    if name in _PLACES or "-" in name:
        return _inside(name)
    return msgc("at the end of a request", "{level}", level=name)
