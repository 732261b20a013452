"""What actions on structures and prompts do: choose, place, arm, clear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam.annotation.placement import place_box, place_points
from napari_spinalsam.annotation.ports import Arming, Outcome
from napari_spinalsam.annotation.requests import selected_name
from napari_spinalsam.core.anatomy import REGIONS, structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.prompts import Polarity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_spinalsam.annotation.ports import Run
    from napari_spinalsam.core import actions as a

Masks = dict[str, "NDArray[np.bool_]"]


def select_structure(run: Run, action: a.SelectStructure) -> Outcome:
    """Choose the structure that the next mask is written to."""
    run.annotation.select_structure(action.structure)
    return Outcome(f"{selected_name(run.annotation.state)} is selected.")


def add_points(run: Run, action: a.AddPoints) -> Outcome:
    """Place points where labels show the structure, or arm the tool."""
    located = _locate(run, action.structure)
    if not located:
        return _arm(
            run, action.structure, Arming("point", action.polarity, action.count)
        )
    document, key = run.annotation, run.view.current_slice()
    spacing = document.geometry.plane(*key).spacing
    counts = _share(action.count, list(located))
    placed = 0
    for name, mask in located.items():
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
    names = ", ".join(name for name in located if counts[name])
    return Outcome(f"{_several(placed, f'{action.polarity} point')} placed: {names}.")


def add_box(run: Run, action: a.AddBox) -> Outcome:
    """Place the tight box where labels show the structure, or arm the tool."""
    located = _locate(run, action.structure)
    if not located:
        return _arm(run, action.structure, Arming("box", Polarity.POSITIVE, 1))
    for name, mask in located.items():
        run.annotation.select_structure(name)
        run.annotation.set_box(*run.view.current_slice(), place_box(mask))
    return Outcome(f"{_several(len(located), 'box')} placed: {', '.join(located)}.")


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


def _locate(run: Run, place: str | None) -> Masks:
    """Return the masks on the current slice of a structure or of a region's.

    The largest comes first, the selected structure last, so that prompting them in
    turn leaves it selected.
    """
    document = run.annotation
    names = REGIONS.get(place or "") or (place or selected_name(document.state),)
    labels = document.geometry.plane(*run.view.current_slice()).take(document.labels)
    masks = {
        entry.name: labels == entry.label for entry in (structure(n) for n in names)
    }
    found = [name for name, mask in masks.items() if mask.any()]
    found.sort(key=lambda name: -int(masks[name].sum()))
    found.sort(key=lambda name: name == document.state.selected)
    return {name: masks[name] for name in found}


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
    if arming.kind == "box":
        return Outcome(f"Draw a box around {name}.")
    where = "inside" if arming.polarity is Polarity.POSITIVE else "outside"
    return Outcome(f"Click {_several(arming.count, 'point')} {where} {name}.")


def _several(count: int, what: str) -> str:
    ending = "" if count == 1 else "es" if what.endswith("x") else "s"
    return f"{count} {what}{ending}"
