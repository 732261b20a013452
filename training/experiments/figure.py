"""A panel of pictures: three views, and what each method finds there (figure 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.core.anatomy import Plane
from training.experiments.scores import target_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from training.experiments.methods import Method
    from training.slices.store import Slice, SliceKey, SliceStore

REFERENCE_COLOUR, FOUND_COLOUR = "#00e5ff", "#ff3366"


def draw_panel(
    methods: Mapping[str, Method],
    store: SliceStore,
    keys: Sequence[SliceKey],
    path: Path,
) -> Path:
    """Draw the slice of each plane that shows most, by every method.

    The outline of the reference is drawn over what was found.

    Parameters
    ----------
    methods : mapping of str to Method
        By the name over their column.
    store : SliceStore
        The slices.
    keys : sequence of SliceKey
        Those to choose from.
    path : Path
        The picture to write.
    """
    from matplotlib.figure import Figure

    chosen = [piece for plane in Plane if (piece := _fullest(store, keys, plane))]
    columns = ("reference", *methods)
    figure = Figure(figsize=(2.2 * len(columns), 2.4 * len(chosen)))
    figure.set_layout_engine("constrained")
    axes = figure.subplots(len(chosen), len(columns), squeeze=False)
    for line, piece in zip(axes, chosen, strict=True):
        for cell, name in zip(line, columns, strict=True):
            found = methods[name].segment(piece) if name in methods else None
            _show(cell, piece, found)
        line[0].set_ylabel(piece.row.plane)
    for cell, name in zip(axes[0], columns, strict=True):
        cell.set_title(name, fontsize=8)
    figure.savefig(path, dpi=120)
    return path


def _fullest(store: SliceStore, keys: Sequence[SliceKey], plane: Plane) -> Slice | None:
    here = [key for key in keys if store.cases[key.case].rows[key.row].plane == plane]
    if not here:
        return None
    pieces = (store.read(key) for key in here)
    return max(pieces, key=lambda piece: int(target_of(piece)[0].sum()))


def _show(axes: Any, piece: Slice, found: NDArray[np.bool_] | None) -> None:
    axes.imshow(piece.image, cmap="gray", vmin=0, vmax=255)
    if found is not None:
        axes.imshow(
            np.where(found, 1.0, np.nan), cmap=_one_colour(), vmin=0, vmax=1, alpha=0.45
        )
    axes.contour(target_of(piece)[0], [0.5], colors=REFERENCE_COLOUR, linewidths=0.8)
    axes.set_xticks([])
    axes.set_yticks([])


def _one_colour() -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap([FOUND_COLOUR])
