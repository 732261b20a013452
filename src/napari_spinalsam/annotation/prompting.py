"""What actions on structures and prompts do: choose, place, arm, clear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam.annotation.locating import locate
from napari_spinalsam.annotation.placement import place_box, place_points
from napari_spinalsam.annotation.ports import Arming, Outcome
from napari_spinalsam.annotation.requests import selected_name
from napari_spinalsam.annotation.searching import can_search
from napari_spinalsam.core.anatomy import REGIONS, listed
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.prompts import Polarity

if TYPE_CHECKING:
    from napari_spinalsam.actions import models as a
    from napari_spinalsam.annotation.ports import Run


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
