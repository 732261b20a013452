"""Where a structure is that is to be prompted: by labels, the model or neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_spinalsam.annotation.requests import selected_name
from napari_spinalsam.core.anatomy import REGIONS, structure
from napari_spinalsam.core.extrapolation import extrapolate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.annotation.ports import Run
    from napari_spinalsam.core.results import VolumeMask

Masks = dict[str, "NDArray[np.bool_]"]


@dataclass(frozen=True, slots=True)
class Located:
    """Structures on the slice shown.

    Parameters
    ----------
    masks : dict of str to ndarray of bool, shape (rows, cols)
        The largest comes first, the selected structure last, so that prompting them
        in turn leaves it selected. Empty if nothing is known of them.
    source : {"labels", "model", "neighbours"}
        What knows them.
    confidence : float or None
        How likely the names are right, 0 to 1, where they are a guess.
    """

    masks: Masks
    source: Literal["labels", "model", "neighbours"] = "labels"
    confidence: float | None = None

    def told(self, placed: str, names: str, index: int) -> str:
        """Say what was placed for which structures, and what is to be checked."""
        if self.source == "labels":
            return f"{placed} placed: {names}."
        if self.source == "neighbours":
            return (
                f"{placed} placed where labelled neighbours suggest {names} on slice "
                f"{index}: check it."
            )
        if self.confidence is None:
            return (
                f"{placed} placed at the predicted place of {names} on slice {index}: "
                "check it."
            )
        return (
            f"{placed} placed at the predicted place of {names} on slice {index}: "
            f"check it, as the name is a guess (confidence {self.confidence:.2f})."
        )


def locate(run: Run, place: str | None) -> Located:
    """Locate a structure or a region's on the slice shown.

    Labels come first. What a plan names and nobody has labelled is where the model has
    found it, or else where its labelled neighbours suggest; if the slice shows nothing
    of it, the slice of the same plane that shows most of it is turned to.

    Parameters
    ----------
    run : Run
        With the search that was made for the plan.
    place : str or None
        A structure or a region; None for the selected structure.
    """
    document = run.annotation
    names = REGIONS.get(place or "") or (place or selected_name(document.state),)
    entries = [structure(name) for name in names]
    labels = document.geometry.plane(*run.view.current_slice()).take(document.labels)
    masks = {entry.name: labels == entry.label for entry in entries}
    if any(mask.any() for mask in masks.values()):
        return Located(_ordered(masks, document.state.selected))
    search = run.search
    wanted = [e.name for e in entries if search is not None and e.name in search.names]
    if search is None or not wanted:
        return Located({})
    found = [each for name in wanted if (each := search.found(name)) is not None]
    if found:
        sure = min(each.confidence for each in found)
        return Located(
            _turn_to(run, {each.name: each.whole for each in found}),
            "model",
            None if search.finding.anchors else sure,
        )
    predicted = {
        name: whole
        for name in wanted
        if (whole := extrapolate(document.labels, name)) is not None
    }
    return Located(_turn_to(run, predicted), "neighbours")


def _turn_to(run: Run, wholes: dict[str, VolumeMask]) -> Masks:
    """Show a slice with the structures, the present one if it will do."""
    geometry, (axis, index) = run.annotation.geometry, run.view.current_slice()
    shape = geometry.plane(axis, index).shape
    others = tuple(other for other in range(3) if other != axis)
    counts = np.zeros(geometry.shape[axis], np.intp)
    for whole in wholes.values():
        counts[whole.box[axis]] += whole.mask.sum(axis=others)
    if not counts.any():
        return {}
    if not counts[index]:
        index = int(counts.argmax())
        run.view.go_to_slice(index)
    masks = {name: whole.on_slice(axis, index, shape) for name, whole in wholes.items()}
    return _ordered(masks, run.annotation.state.selected)


def _ordered(masks: Masks, selected: str | None) -> Masks:
    found = [name for name, mask in masks.items() if mask.any()]
    found.sort(key=lambda name: -int(masks[name].sum()))
    found.sort(key=lambda name: name == selected)
    return {name: masks[name] for name in found}
