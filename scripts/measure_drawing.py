"""Measure what scribbles, lassos and corrections of labels bring, on a labelled scan.

Prompts are simulated from the reference on slices of all three planes: a lasso is its
wavy outline drawn about 2.5 mm outside, a scribble a part of its skeleton, a label to
correct the reference with a bite taken out or a lump added, and the correction a point
in the middle of the largest error. Prints mean slice Dice of the first candidate.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage as ndi
from skimage.graph import route_through_array
from skimage.measure import approximate_polygon, find_contours
from skimage.morphology import skeletonize

from napari_spinalsam import api
from napari_spinalsam.annotation.placement import place_box, place_points
from napari_spinalsam.core.masks import largest_component
from napari_spinalsam.core.metrics import dice
from napari_spinalsam.core.refinement import signed_distance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import SlicePlane
    from napari_spinalsam.core.volume import Volume

LEAST_AREA_MM2 = 150.0
OUTSIDE_MM, WAVE_MM, WAVE_LENGTH_MM = 2.5, 1.0, 6.0
SHARE_OF_SKELETON = 0.7
BITE_MM = (5.0, 9.0)
LEAST_ERROR_MM2 = 25.0


def main() -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("labels")
    parser.add_argument("--model", default="spinalsam-tiny")
    parser.add_argument("--step", type=int, default=6, help="take every so many slices")
    options = parser.parse_args()
    volume = api.load_volume(options.image)
    labels = api.load_labels(options.labels, volume.grid).data
    session = api.load_session(options.model)
    session.set_volume(volume)
    rng = np.random.default_rng(0)
    scores: dict[str, list[float]] = {}
    for plane, truth in sections(volume, labels, options.step):
        for name, prompts, start in trials(plane, truth, rng):
            if prompts is None:
                mask = start
            else:
                mask = session.predict(
                    plane, prompts, window=api.PRESETS["bone"], start=start
                ).masks[0]
            scores.setdefault(name, []).append(dice(mask, truth) or 0.0)
    for name, found in scores.items():
        print(f"{name:40s} {np.mean(found):.3f}  ({len(found)} slices)")
    return 0


def sections(
    volume: Volume, labels: NDArray[np.uint8], step: int
) -> Iterator[tuple[SlicePlane, NDArray[np.bool_]]]:
    """Yield slices with the mask of each structure that is large enough there."""
    for axis, count in enumerate(labels.shape):
        for index in range(0, count, step):
            plane = volume.geometry.plane(axis, index)
            part = plane.take(labels)
            for value in set(np.unique(part).tolist()) - {0}:
                mask = part == value
                if mask.sum() * np.prod(plane.spacing) >= LEAST_AREA_MM2:
                    yield plane, mask


Trial = tuple[str, "api.SlicePrompts | None", "NDArray[np.bool_] | None"]


def trials(
    plane: SlicePlane, truth: NDArray[np.bool_], rng: np.random.Generator
) -> Iterator[Trial]:
    """Yield what to compare: name, prompts, label to correct."""
    empty = api.SlicePrompts(plane.axis, plane.index)
    outline = lasso(truth, plane.spacing, rng)
    yield "tight true box", empty.with_box(place_box(truth)), None
    if outline is not None:
        yield "box around the lasso", empty.with_box(outline.box), None
        yield "lasso", empty.with_lasso(outline), None
    (click,) = place_points(truth, plane.spacing, 1)
    yield "one click", empty.with_point(click), None
    path = scribble(truth, rng)
    if path is not None:
        yield "scribble", empty.with_scribble(path), None
    label = damaged(truth, plane.spacing, rng)
    error = correction(label, truth, plane.spacing)
    if label.any() and error is not None:
        point = empty.with_point(error)
        yield "damaged label", None, label
        if point.asks_for_something:
            yield "damaged label, positive point afresh", point, None
            yield "damaged label, positive point corrects", point, label
        yield "damaged label, a point corrects", point, label


def lasso(
    mask: NDArray[np.bool_], spacing: tuple[float, float], rng: np.random.Generator
) -> api.LassoPrompt | None:
    """Return a wavy outline outside of a mask; None where that is several."""
    wave = ndi.gaussian_filter(
        rng.normal(size=mask.shape), [WAVE_LENGTH_MM / step for step in spacing]
    )
    wave *= WAVE_MM / wave.std()
    grown = signed_distance(mask, spacing) + OUTSIDE_MM + wave > 0
    grown = ndi.binary_fill_holes(grown | mask)
    if ndi.label(grown)[1] > 1:
        return None
    outer = max(find_contours(np.pad(grown, 1).astype(float), 0.5), key=len) - 1
    places = np.clip(approximate_polygon(outer[:-1], 0.5), 0, np.array(mask.shape) - 1)
    return api.LassoPrompt(tuple((row, col) for row, col in places.tolist()))


def scribble(
    mask: NDArray[np.bool_], rng: np.random.Generator
) -> api.ScribblePrompt | None:
    """Return a part of the longest way through the skeleton of the largest part."""
    line = skeletonize(largest_component(mask))
    pixels = np.argwhere(line)
    if len(pixels) < 3:
        return None
    apart = np.linalg.norm(pixels[:, None] - pixels[None], axis=2)
    first, last = np.unravel_index(apart.argmax(), apart.shape)
    cost = np.where(line, 1.0, 1e4)
    way = np.array(route_through_array(cost, pixels[first], pixels[last])[0])
    count = max(2, round(SHARE_OF_SKELETON * len(way)))
    begin = int(rng.integers(len(way) - count + 1))
    places = way[begin : begin + count].tolist()
    return api.ScribblePrompt(tuple((float(row), float(col)) for row, col in places))


def damaged(
    mask: NDArray[np.bool_], spacing: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return a mask with a round bite taken out of its border, or a lump added."""
    border = np.argwhere(mask & ~ndi.binary_erosion(mask))
    middle = border[rng.integers(len(border))]
    away = (np.indices(mask.shape).T - middle) * spacing
    distance = np.hypot(away[..., 0], away[..., 1]).T
    disc = distance <= rng.uniform(*BITE_MM)
    return mask & ~disc if rng.random() < 0.5 else mask | disc


def correction(
    label: NDArray[np.bool_], truth: NDArray[np.bool_], spacing: tuple[float, float]
) -> api.PointPrompt | None:
    """Return a point in the middle of the largest error; None if all are small."""
    missed, extra = largest_component(truth & ~label), largest_component(label & ~truth)
    error = missed if missed.sum() >= extra.sum() else extra
    if error.sum() * np.prod(spacing) < LEAST_ERROR_MM2:
        return None
    (point,) = place_points(error, spacing, 1)
    positive = error is missed
    polarity = api.Polarity.POSITIVE if positive else api.Polarity.NEGATIVE
    return replace(point, polarity=polarity)


if __name__ == "__main__":
    sys.exit(main())
