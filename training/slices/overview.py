"""One picture that shows what a store holds, to be looked at before training."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.core.anatomy import Plane, by_label

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from training.slices.store import Slice, SliceKey, SliceStore

PICTURE = "summary.png"
SHOWN = 4


def draw_summary(store: SliceStore) -> Path:
    """Draw slices of each plane with their labels, and how often structures occur."""
    from matplotlib.figure import Figure

    shown = {plane: keys for plane in Plane if (keys := _of_plane(store, plane))}
    heights = (3 * len(shown), 3)
    figure = Figure(figsize=(3 * SHOWN, sum(heights)), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    above, below = parts
    axes = above.subplots(len(shown), SHOWN, squeeze=False)
    for cell in axes.flat:
        cell.axis("off")
    for line, keys in zip(axes, shown.values(), strict=True):
        for cell, key in zip(line, _spread(keys), strict=False):
            show_slice(cell, store.read(key))
    _draw_counts(below.subplots(), store)
    figure.savefig(store.folder / PICTURE, dpi=80)
    return store.folder / PICTURE


def show_slice(axes: Any, piece: Slice) -> None:
    """Show a slice in millimetres with its labels in their colours."""
    row = piece.row
    extent = (0, row.cols * row.col_mm, row.rows * row.row_mm, 0)
    axes.imshow(piece.image, cmap="gray", vmin=0, vmax=255, extent=extent)
    axes.imshow(_coloured(piece.labels), extent=extent)
    axes.set_title(f"{piece.key.case} {piece.row.plane} {piece.row.index}", fontsize=7)


def _coloured(labels: Any) -> Any:
    present = [int(value) for value in np.unique(labels) if value]
    colours = np.zeros((256, 4))
    for value in present:
        known = by_label(value, present)
        colours[value] = known.color if known else (1, 1, 1, 1)
        colours[value, 3] = 0.4
    return colours[labels]


def _of_plane(store: SliceStore, plane: Plane) -> list[SliceKey]:
    return [
        key
        for key in (*store.keys("train"), *store.keys("test"))
        if store.cases[key.case].rows[key.row].plane == plane
    ]


def _spread(keys: list[SliceKey]) -> list[SliceKey]:
    return (
        [keys[round((n + 0.5) * len(keys) / SHOWN - 0.5)] for n in range(SHOWN)]
        if (len(keys) > SHOWN)
        else keys
    )


def _draw_counts(axes: Any, store: SliceStore) -> None:
    counts: dict[str, Counter[int]] = {}
    for part in ("train", "test"):
        counts[part] = Counter(
            target
            for key in store.keys(part)
            for target in store.cases[key.case].rows[key.row].targets
        )
    values = sorted(set(counts["train"]) | set(counts["test"]))
    names = [known.name if (known := by_label(v)) else str(v) for v in values]
    bottom = np.zeros(len(values))
    for part, count in counts.items():
        heights = np.array([count[value] for value in values], float)
        axes.bar(names, heights, bottom=bottom, label=part)
        bottom += heights
    axes.tick_params(axis="x", rotation=90, labelsize=7)
    axes.set_ylabel("slices that show it")
    axes.legend()
