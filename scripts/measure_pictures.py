"""How well pictures without a scale are segmented, on slices written as PNG.

For each vertebra of a scan, the axial slice with most of it and the
sagittal slice through its centre are brought to several pixel sizes, windowed for bone,
written as 8-bit PNG, which says nothing of the size, and read again. Each is asked by a
tight box and by one click, with the size taken as 1 mm (as it once was), found by the
model, and known. Scores are 2-D Dice: of a box against the whole structure, of a click
against the part that was clicked.

    python scripts/measure_pictures.py --pixel-mm 0.35,0.5,0.7 CT LABELS [CT LABELS ...]

Labels are in the numbers of VerSe, or of TotalSegmentator with --totalsegmentator.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage as ndi
from skimage.transform import resize

from napari_spinalsam.cli.segment import with_pixel_size
from napari_spinalsam.core.anatomy import Kind, by_label
from napari_spinalsam.core.intensity import PRESETS, default_window
from napari_spinalsam.core.metrics import dice
from napari_spinalsam.core.prompts import BoxPrompt, PointPrompt, SlicePrompts
from napari_spinalsam.io.images import read_volume
from napari_spinalsam.io.labels import read_labels
from napari_spinalsam.model.weights.loading import load_session
from training.slices.label_maps import TOTAL_SEGMENTATOR_VALUES
from training.tiny.evaluate import spread_points

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_spinalsam.model.session import SegmentationSession

WAYS = ("taken as 1 mm", "found", "known")
EIGHT = np.ones((3, 3))
# Less of a vertebra is a sliver that the border of the scan leaves.
SMALLEST_MM2 = 300.0


def read_scan(
    ct: str, labels: str, *, numbers: dict[int, int] | None
) -> tuple[object, NDArray[np.uint8]]:
    """Return a scan and its labels on its array."""
    volume, values = read_volume(ct), read_labels(labels).data
    if volume.data.shape != values.shape:
        raise SystemExit(f"{labels} is not on the grid of {ct}")
    if numbers is not None:
        table = np.zeros(max(int(values.max()), *numbers) + 1, np.uint8)
        for source, target in numbers.items():
            table[source] = target
        values = table[values]
    return volume, values


def sections(volume, labels) -> Iterator[tuple[str, object, int]]:
    """Yield plane name, slice and label of what is measured."""
    for value in np.unique(labels[labels > 0]):
        known = by_label(int(value))
        mask = labels == value
        if known is None or known.kind is not Kind.VERTEBRA:
            continue
        fullest = int(mask.sum((1, 2)).argmax())
        middle = round(float(ndi.center_of_mass(mask)[2]))
        planes = {
            "axial": volume.geometry.plane(0, fullest),
            "sagittal": volume.geometry.plane(2, middle),
        }
        for name, plane in planes.items():
            if plane.take(mask).sum() * np.prod(plane.spacing) >= SMALLEST_MM2:
                yield name, plane, int(value)


def picture_of(plane, data, mask, mm: float):
    """Return a slice as 8 bits and its mask, at a pixel size."""
    shape = [
        max(2, round(n * s / mm))
        for n, s in zip(plane.shape, plane.spacing, strict=True)
    ]
    shown = PRESETS["bone"].apply(plane.take(data))
    shown = resize(shown, shape, order=1, anti_aliasing=True)
    drawn = resize(plane.take(mask).astype(float), shape, order=1) > 0.5
    return np.rint(255 * shown).astype(np.uint8), drawn


def questions(mask: NDArray[np.bool_]):
    """Return the prompts of a section and what each means."""
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    row, col = spread_points(mask, (1.0, 1.0), 1)[0]
    parts, _ = ndi.label(mask, EIGHT)
    asked = SlicePrompts(0, 0)
    box = BoxPrompt(rows[0], cols[0], rows[-1], cols[-1])
    point = PointPrompt(float(row), float(col))
    return {
        "box": (asked.with_box(box), mask),
        "click": (asked.with_point(point), parts == parts[row, col]),
    }


def ask(session: SegmentationSession, volume, prompts) -> tuple[object, float | None]:
    """Return the mask and the size that was taken."""
    session.set_volume(volume)
    window = default_window(volume.data, volume.modality)
    answer = session.predict(volume.geometry.plane(0, 0), prompts, window=window)
    return answer.masks[0], answer.pixel_mm


def main() -> None:
    """Measure the scans and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", metavar="CT LABELS")
    parser.add_argument("--pixel-mm", default="0.35,0.5,0.7")
    parser.add_argument("--model", default="spinalsam-tiny")
    parser.add_argument("--totalsegmentator", action="store_true")
    options = parser.parse_args()
    numbers = dict(TOTAL_SEGMENTATOR_VALUES) if options.totalsegmentator else None
    session = load_session(options.model)
    scores: dict[tuple[str, str, str, str], list[float]] = defaultdict(list)
    factors: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slice.png"
        for ct, labels in zip(options.files[::2], options.files[1::2], strict=True):
            volume, values = read_scan(ct, labels, numbers=numbers)
            for mm in map(float, options.pixel_mm.split(",")):
                for name, plane, value in sections(volume, values):
                    pixels, mask = picture_of(plane, volume.data, values == value, mm)
                    if not mask.any():
                        continue
                    Image.fromarray(pixels).save(path)
                    read = read_volume(path)
                    seen = (with_pixel_size(read, 1.0), read, with_pixel_size(read, mm))
                    for kind, (prompts, meant) in questions(mask).items():
                        for way, each in zip(WAYS, seen, strict=True):
                            found, taken = ask(session, each, prompts)
                            key = (f"{mm:g}", name, kind, way)
                            scores[key].append(dice(found, meant) or 0.0)
                            if taken is not None:
                                factors[kind].append(taken / mm)
    show(scores, factors)


def show(scores, factors) -> None:
    """Print the means, and how far the sizes that were found are off."""
    print("| mm per pixel | plane | prompt | n | " + " | ".join(WAYS) + " |")
    print("|---|---|---|---|" + "---|" * len(WAYS))
    for mm, name, kind in dict.fromkeys(key[:3] for key in scores):
        each = [scores[mm, name, kind, way] for way in WAYS]
        means = " | ".join(f"{np.mean(listed):.3f}" for listed in each)
        print(f"| {mm} | {name} | {kind} | {len(each[0])} | {means} |")
    for kind, listed in factors.items():
        off = np.exp(np.abs(np.log(listed)))
        print(
            f"{kind}: size found is off by a factor of {np.median(off):.2f} (median), "
            f"{np.percentile(off, 90):.2f} (9 of 10)"
        )


if __name__ == "__main__":
    main()
