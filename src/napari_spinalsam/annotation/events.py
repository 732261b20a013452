"""What differs between two moments of an annotation, for views to redraw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.annotation.state import State
    from napari_spinalsam.core.masks import Box, LabelDelta


@dataclass(frozen=True, slots=True)
class Change:
    """What a view has to redraw.

    Parameters
    ----------
    prompts : bool
        Whether pending or accepted prompts of any slice differ.
    preview : bool
        Whether another mask, or none, is shown.
    labels : tuple of slice or None
        The (z, y, x) box in which labels differ; None if none do.
    selection, window : bool
        Whether another structure is selected, another window set.
    objects : bool
        Whether anything about the objects differs: prompts, locks, visibility.
    reference : bool
        Whether another reference was chosen.
    geometry : bool
        Whether the image lies elsewhere or has voxels of another size.
    deltas : tuple of LabelDelta
        The changes of the labels, the first one first.
    """

    prompts: bool = False
    preview: bool = False
    labels: Box | None = None
    selection: bool = False
    window: bool = False
    objects: bool = False
    reference: bool = False
    geometry: bool = False
    deltas: tuple[LabelDelta, ...] = field(default=(), compare=False)

    @classmethod
    def between(
        cls, before: State, after: State, deltas: Sequence[LabelDelta] = ()
    ) -> Change:
        """Compare two states; the deltas are the changes of the labels."""
        return cls(
            prompts=_prompts(before) != _prompts(after),
            preview=before.preview is not after.preview,
            labels=changed_box(deltas),
            selection=before.selected != after.selected,
            window=before.window != after.window,
            objects=before.objects != after.objects,
            geometry=before.grid is not after.grid,
            deltas=tuple(deltas),
        )


# Another document is open; labels are drawn by whoever opens it.
EVERYTHING = Change(
    prompts=True,
    preview=True,
    selection=True,
    window=True,
    objects=True,
    reference=True,
    geometry=True,
)


def _prompts(state: State) -> dict[str, object]:
    """Return what prompts each structure has, for those that have any."""
    return {
        entry.name: (entry.prompts, entry.accepted)
        for entry in state.objects
        if entry.prompts or entry.accepted
    }


def changed_box(deltas: Sequence[LabelDelta]) -> Box | None:
    """Return the smallest box that holds all changes of labels; None without any."""
    lows, highs = [], []
    for delta in deltas:
        if not delta.is_empty:
            where = np.unravel_index(delta.indices, delta.shape)
            lows.append([int(at.min()) for at in where])
            highs.append([int(at.max()) + 1 for at in where])
    if not lows:
        return None
    z, y, x = (
        slice(min(low), max(high))
        for low, high in zip(
            zip(*lows, strict=True), zip(*highs, strict=True), strict=True
        )
    )
    return z, y, x


def slice_box(axis: int, index: int) -> Box:
    """Return the box that holds one slice of a volume."""
    whole = slice(None)
    first, second, third = (
        slice(index, index + 1) if here == axis else whole for here in range(3)
    )
    return first, second, third
