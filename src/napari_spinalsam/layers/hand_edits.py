"""From what the user did to the prompt layers to the annotation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam.core.prompts import SlicePrompts
from napari_spinalsam.layers.drawings import read_drawings
from napari_spinalsam.layers.prompts import read_prompts, step_name

if TYPE_CHECKING:
    from napari.layers import Points, Shapes

    from napari_spinalsam.annotation.document import Annotation


def take_prompts(
    annotation: Annotation, points: Points, boxes: Shapes, drawings: Shapes
) -> None:
    """Offer what the prompt layers hold to the annotation, slice by slice.

    Raises
    ------
    InputError
        If something drawn is no prompt, or the annotation refuses it.
    """
    geometry = annotation.geometry
    found = read_drawings(drawings, geometry, read_prompts(points, boxes, geometry))
    name = annotation.state.selected
    known = None if name is None else annotation.state.find(name)
    keys = set(found)
    if known is not None:
        keys |= {prompts.key for prompts in known.prompts}
        keys |= {entry.prompts.key for entry in known.accepted}
    for key in sorted(keys):
        before = annotation.prompts_at(*key)
        after = found.get(key) or SlicePrompts(*key)
        if after != before:
            annotation.set_prompts(after, step_name(before, after))
