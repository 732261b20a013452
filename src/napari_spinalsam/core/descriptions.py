"""Actions in words, for a plan that is shown before it runs and for the history."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from napari_spinalsam.core import actions as a
from napari_spinalsam.core.action_fields import ALL_METRICS
from napari_spinalsam.core.anatomy import REGIONS, structure
from napari_spinalsam.core.descriptions_zh import describe_zh

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIXED: Mapping[str, str] = MappingProxyType(
    {
        "open_image": "Open an image",
        "open_sample": "Open the sample CT",
        "previous_image": "Go to the previous image",
        "next_image": "Go to the next image",
        "generate_point_mask": "Generate a mask from the points",
        "generate_box_mask": "Generate a mask from the box",
        "generate_mask": "Generate a mask",
        "accept_mask": "Accept the mask",
        "reject_mask": "Reject the mask",
        "clear_points": "Clear the points",
        "clear_boxes": "Clear the boxes",
        "clear_all": "Clear all prompts and the preview",
        "cancel": "Stop the running job",
        "next_candidate": "Show the next candidate mask",
        "previous_candidate": "Show the previous candidate mask",
        "check_gpu": "Check the GPU",
        "verify_parameters": "Verify the parameters of the model",
        "show_help": "Show help",
    }
)
_METRIC_NAMES: Mapping[str, str] = MappingProxyType(
    {"dice": "Dice", "iou": "IoU", "msd": "MSD", "hd95": "HD95", "volume": "volume"}
)
_FORMAT_NAMES: Mapping[str, str] = MappingProxyType(
    {"nifti": "NIfTI", "nrrd": "NRRD", "dicom_seg": "DICOM SEG"}
)


def describe(action: a.Action, language: Literal["en", "zh"] = "en") -> str:
    """Say what an action does, such as "Add 3 positive points in L3"."""
    if language == "zh":
        return describe_zh(action)
    return _FIXED.get(action.action) or _viewing(action) or _editing(action)


def _viewing(action: a.Action) -> str | None:
    match action:
        case a.GoToSlice(index=index):
            return f"Go to slice {index}"
        case a.MoveSlice(offset=offset):
            side = "forward" if offset > 0 else "back"
            return f"Move {side} by {_count(abs(offset), 'slice')}"
        case a.SetPlane(plane=plane):
            return f"Show the {plane} plane"
        case a.SetWindow(preset=str(preset)):
            return f"Set the {preset.replace('_', ' ')} window"
        case a.SetWindow(level=level, width=width):
            return f"Set the window to level {level:g}, width {width:g}"
        case a.Measure(metrics=metrics, structure=name):
            every = metrics == ALL_METRICS
            what = "" if every else " ".join(_listed(_METRIC_NAMES, metrics)) + " of "
            return f"Measure {what}{_named(name) if name else 'all structures'}"
        case a.SetVisibility(layer=layer, visible=visible):
            return f"{'Show' if visible else 'Hide'} the {layer}"
        case a.SetStructureVisibility(structure=name, visible=visible):
            return f"{'Show' if visible else 'Hide'} {_named(name)}"
        case a.SetViews(views=views):
            return "Show three views" if views == "three" else "Show one view"
        case _:
            return None


def _editing(action: a.Action) -> str:
    match action:
        case a.SelectStructure(structure=name):
            return f"Select {_named(name)}"
        case a.AddPoints(count=count, polarity=polarity, structure=name):
            return f"Add {_count(count, f'{polarity} point')}{_within(name)}"
        case a.AddBox(structure=name):
            return "Add a box" + (f" around {_named(name)}" if name else "")
        case a.SegmentStructures(structures=names):
            return f"Segment {', '.join(_named(name) for name in names)}"
        case a.Propagate(direction=direction, slices=slices):
            way = "in both directions" if direction == "both" else direction
            reach = f" by {_count(slices, 'slice')}" if slices else ""
            return f"Propagate the mask {way}{reach}"
        case a.Undo(steps=steps):
            return f"Undo {_count(steps, 'step')}"
        case a.Redo(steps=steps):
            return f"Redo {_count(steps, 'step')}"
        case a.SetLock(structure=name, locked=locked):
            return f"{'Lock' if locked else 'Unlock'} {_named(name)}"
        case a.RenameStructure(structure=name, to=to):
            return f"Rename {_named(name)} to {_named(to)}"
        case a.MergeStructures(structure=name, into=into):
            return f"Merge {_named(name)} into {_named(into)}"
        case a.DeleteStructure(structure=name):
            return f"Delete {_named(name)}, its labels and prompts"
        case a.ShiftNames(levels=levels):
            side = "down" if levels > 0 else "up"
            return f"Shift all names {side} {_count(abs(levels), 'level')}"
        case a.SetPixelSize(mm=mm):
            return f"Set the pixel size to {mm:g} mm"
        case a.SaveLabels(format=kind):
            return f"Save the labels as {_FORMAT_NAMES[kind]}"
        case _:  # a new action without words of its own
            return action.action.replace("_", " ").capitalize()


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _named(name: str) -> str:
    if name in REGIONS:
        return {"spine": "the spine", "discs": "the discs"}.get(
            name, f"the {name} spine"
        )
    return "S1" if name == "S1" else structure(name).display_name


def _within(name: str | None) -> str:
    return f" in {_named(name)}" if name else ""


def _listed(words: Mapping[str, str], keys: tuple[str, ...]) -> list[str]:
    names = [words[key] for key in keys]
    return [*(f"{n}," for n in names[:-2]), " and ".join(names[-2:])]
