"""Where to place prompts for a structure: by its mask, its neighbours, or the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import ndimage

from napari_spinalsam.annotation.requests import selected_name
from napari_spinalsam.core.anatomy import REGIONS, VERTEBRA_ORDER, Kind, structure
from napari_spinalsam.core.masks import bounding_box
from napari_spinalsam.core.messages import msg
from napari_spinalsam.core.prompts import BoxPrompt, PointPrompt, Polarity
from napari_spinalsam.core.results import VolumeMask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_spinalsam.annotation.ports import Run
    from napari_spinalsam.core.messages import Message

# Negative points: outside by enough to be clear, near enough to mean this border.
NEAREST_OUTSIDE_MM = 3.0
FARTHEST_OUTSIDE_MM = 10.0
# Depth, in mm, that a mm away from the middle counts less: only decides between equals.
TILT = 1e-6
# A vertebra of which the image would show less than this share is not in it.
LEAST_INSIDE = 0.5
Masks = dict[str, "NDArray[np.bool_]"]


def place_points(
    mask: NDArray[np.bool_],
    spacing: tuple[float, float],
    count: int,
    polarity: Polarity = Polarity.POSITIVE,
    avoid: Sequence[PointPrompt] = (),
) -> tuple[PointPrompt, ...]:
    """Place points deep inside a mask, or around it, and well apart.

    Each point is as far as can be from the border of where it may lie, and twice as
    far from the points before it. The same mask always gets the same points.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, cols)
        The structure.
    spacing : tuple of float
        Millimetres along (row, col).
    count : int
        How many to place.
    polarity : Polarity
        Positive inside, negative outside at 3 to 10 mm.
    avoid : sequence of PointPrompt
        Points to keep away from.

    Returns
    -------
    tuple of PointPrompt
        Fewer than asked for where there are not so many pixels.
    """
    allowed = mask if polarity is Polarity.POSITIVE else _around(mask, spacing)
    # The margin makes the border of the image count as a border.
    depth = ndimage.distance_transform_edt(np.pad(allowed, 1), sampling=spacing)
    room = np.asarray(depth, dtype=np.float64)[1:-1, 1:-1]
    rows, cols = np.ogrid[: mask.shape[0], : mask.shape[1]]
    if mask.any():  # among equally deep pixels the middle one comes first
        row, col = (float(at.mean()) for at in np.nonzero(mask))
        middle = PointPrompt(row, col)
        room = room - TILT * _distance(rows, cols, middle, spacing)
    for point in avoid:
        room = np.minimum(room, _distance(rows, cols, point, spacing) / 2)
    placed: list[PointPrompt] = []
    while len(placed) < count and room.max() > 0:
        row, col = divmod(int(room.argmax()), room.shape[1])
        point = PointPrompt(float(row), float(col), polarity)
        placed.append(point)
        room = np.minimum(room, _distance(rows, cols, point, spacing) / 2)
    return tuple(placed)


def place_box(mask: NDArray[np.bool_]) -> BoxPrompt | None:
    """Return the tight box around a mask, shape (rows, cols); None if it is empty.

    Around a single row or column it is a pixel wide, for a box needs an area.
    """
    box = bounding_box(mask)
    if box is None:
        return None
    (top, bottom), (left, right) = (
        (side.start, side.stop - 1)
        if side.stop - side.start > 1
        else (max(side.start - 0.5, 0), min(side.start + 0.5, n - 1))
        for side, n in zip(box, mask.shape, strict=True)
    )
    return BoxPrompt(top, left, bottom, right)


def _around(mask: NDArray[np.bool_], spacing: tuple[float, float]) -> NDArray[np.bool_]:
    distance = np.asarray(ndimage.distance_transform_edt(~mask, sampling=spacing))
    ring = (distance >= NEAREST_OUTSIDE_MM) & (distance <= FARTHEST_OUTSIDE_MM)
    return np.asarray(ring if ring.any() else ~mask, dtype=np.bool_)


def _distance(
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    point: PointPrompt,
    spacing: tuple[float, float],
) -> NDArray[np.float64]:
    """Return millimetres from a point to each pixel, shape (rows, cols)."""
    down, across = (rows - point.row) * spacing[0], (cols - point.col) * spacing[1]
    return np.asarray(np.hypot(down, across), dtype=np.float64)


def extrapolate(labels: NDArray[np.uint8], name: str) -> VolumeMask | None:
    """Predict the place and size of a vertebra from two labelled neighbours.

    Either the two that it lies between, or the next two on one side; the nearer one is
    moved by the step between them.

    Parameters
    ----------
    labels : ndarray of uint8, shape (z, y, x)
        What is labelled. Voxels of other structures are left out of the prediction.
    name : str
        Canonical name of a structure; only vertebrae are predicted.

    Returns
    -------
    VolumeMask or None
        None without such neighbours, or where the image ends before.
    """
    if structure(name).kind is not Kind.VERTEBRA:
        return None
    boxes = ndimage.find_objects(labels)
    known: dict[str, tuple[slice, ...]] = {
        each: box
        for each in VERTEBRA_ORDER
        if structure(each).kind is Kind.VERTEBRA
        if (number := structure(each).label) <= len(boxes)
        if (box := boxes[number - 1]) is not None
    }
    # A thirteenth thoracic or a sixth lumbar vertebra counts only where there is one.
    usual = {*REGIONS["spine"], *known, name}
    order = [each for each in VERTEBRA_ORDER if each in usual]
    pair = _neighbours(order, known, name)
    if pair is None:
        return None
    near, far, share = pair
    step = _centre(labels, known, near) - _centre(labels, known, far)
    return _moved(labels, known[near], near, np.rint(share * step).astype(int))


def _neighbours(
    order: list[str], known: Mapping[str, tuple[slice, ...]], name: str
) -> tuple[str, str, float] | None:
    """Return whom to move away from whom, and by which share of their distance."""
    at = order.index(name)
    for near, far, share in ((-1, 1, -0.5), (-1, -2, 1.0), (1, 2, 1.0)):
        places = at + near, at + far
        if all(0 <= place < len(order) and order[place] in known for place in places):
            return order[places[0]], order[places[1]], share
    return None


def _centre(
    labels: NDArray[np.uint8], known: Mapping[str, tuple[slice, ...]], name: str
) -> NDArray[np.float64]:
    """Return the middle of a structure in voxels along (z, y, x)."""
    inside = np.argwhere(labels[known[name]] == structure(name).label)
    return np.asarray(inside.mean(0) + [side.start for side in known[name]])


def _moved(
    labels: NDArray[np.uint8],
    box: tuple[slice, ...],
    name: str,
    step: NDArray[np.int64],
) -> VolumeMask | None:
    """Return a structure moved by some voxels, cut off where the image ends."""
    whole = labels[box] == structure(name).label
    sides, kept = [], []
    for side, by, length in zip(box, step, labels.shape, strict=True):
        start, stop = side.start + int(by), side.stop + int(by)
        first, last = max(start, 0), min(stop, length)
        if first >= last:
            return None
        sides.append(slice(first, last))
        kept.append(slice(first - start, last - start))
    there = (sides[0], sides[1], sides[2])
    mask = whole[tuple(kept)]
    if mask.sum() < LEAST_INSIDE * whole.sum():
        return None
    free = mask & (labels[there] == 0)
    return VolumeMask(free, there, 0.0) if free.any() else None


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

    def told(self, placed: Message, names: Message, index: int) -> Message:
        """Say what was placed for which structures, and what is to be checked."""
        if self.source == "labels":
            return msg("{placed} placed: {names}.", placed=placed, names=names)
        if self.source == "neighbours":
            return msg(
                "{placed} placed where labelled neighbours suggest {names} on slice "
                "{index}: check it.",
                placed=placed,
                names=names,
                index=index,
            )
        if self.confidence is None:
            return msg(
                "{placed} placed at the predicted place of {names} on slice {index}: "
                "check it.",
                placed=placed,
                names=names,
                index=index,
            )
        return msg(
            "{placed} placed at the predicted place of {names} on slice {index}: "
            "check it, as the name is a guess (confidence {confidence:.2f}).",
            placed=placed,
            names=names,
            index=index,
            confidence=self.confidence,
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
            None if search.detection.anchors else sure,
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
