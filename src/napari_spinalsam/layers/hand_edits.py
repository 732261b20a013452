"""From what the user did to the prompt layers to the annotation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.prompts import SlicePrompts
from napari_spinalsam.layers.drawings import read_drawings
from napari_spinalsam.layers.prompts import read_prompts, step_name

if TYPE_CHECKING:
    from napari.layers import Points, Shapes

    from napari_spinalsam.annotation.document import Annotation


# Rows and columns; a box that is smaller was a click or a line.
LEAST_BOX = 1.0


def take_prompts(
    annotation: Annotation,
    points: Points | None,
    boxes: Shapes | None,
    drawings: Shapes | None,
) -> int:
    """Offer what the prompt layers hold to the annotation, slice by slice.

    Parameters
    ----------
    annotation : Annotation
        The document.
    points, boxes, drawings : layer or None
        The prompt layers. Prompts whose layer is not there stay as they are.

    Returns
    -------
    int
        Number of slices whose prompts have changed.

    Raises
    ------
    InputError
        If something drawn is no prompt, or the annotation refuses it.
    """
    geometry = annotation.geometry
    found = read_drawings(drawings, geometry, read_prompts(points, boxes, geometry))
    unseen = [
        field
        for layer, fields in (
            (points, ("points",)),
            (boxes, ("box",)),
            (drawings, ("scribbles", "lasso")),
        )
        for field in fields
        if layer is None
    ]
    name = annotation.state.selected
    known = None if name is None else annotation.state.find(name)
    keys = set(found)
    if known is not None:
        keys |= {prompts.key for prompts in known.prompts}
        keys |= {entry.prompts.key for entry in known.accepted}
    changed = []
    for key in sorted(keys):
        before = annotation.prompts_at(*key)
        drawn = found.get(key) or SlicePrompts(*key)
        after = replace(drawn, **{field: getattr(before, field) for field in unseen})
        if after != before:
            _check_box(before, after)
            changed.append((before, after))
    for before, after in changed:
        annotation.set_prompts(after, step_name(before, after))
    return len(changed)


def _check_box(before: SlicePrompts, after: SlicePrompts) -> None:
    box = after.box
    if box is None or box == before.box:
        return
    if min(box.row_max - box.row_min, box.col_max - box.col_min) < LEAST_BOX:
        raise InputError(
            "The box is thinner than a pixel: drag from one corner of the structure "
            "to the other."
        )
