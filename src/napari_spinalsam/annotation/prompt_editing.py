"""Operations on the prompts of an annotation: set, add, clear."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_spinalsam.annotation.requests import selected_name
from napari_spinalsam.core.prompts import SlicePrompts

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.core.prompts import (
        BoxPrompt,
        LassoPrompt,
        PointPrompt,
        ScribblePrompt,
    )


def prompts_at(annotation: Annotation, axis: int, index: int) -> SlicePrompts:
    """Return the selected structure's prompts of a slice, pending or accepted."""
    state = annotation.state
    return state.object_of(selected_name(state)).prompts_at((axis, index))


def set_prompts(
    annotation: Annotation, prompts: SlicePrompts, step: str = "Edit prompts"
) -> None:
    """Replace all prompts of the selected structure on one slice.

    With none the slice has none left, accepted ones included.
    """
    prompts.check_inside(annotation.geometry.plane(*prompts.key))
    if prompts != prompts_at(annotation, *prompts.key):
        state = annotation.state
        after = state.with_prompts(selected_name(state), prompts)
        annotation.history.do(step, after)


def add_point(
    annotation: Annotation, axis: int, index: int, point: PointPrompt
) -> None:
    """Add a point for the selected structure on a slice."""
    prompts = prompts_at(annotation, axis, index).with_point(point)
    set_prompts(annotation, prompts, f"Add {point.polarity} point")


def set_box(
    annotation: Annotation, axis: int, index: int, box: BoxPrompt | None
) -> None:
    """Set the box of the selected structure on a slice, or remove it with None."""
    prompts = prompts_at(annotation, axis, index).with_box(box)
    set_prompts(annotation, prompts, "Remove box" if box is None else "Add box")


def add_scribble(
    annotation: Annotation, axis: int, index: int, scribble: ScribblePrompt
) -> None:
    """Add a scribble for the selected structure on a slice."""
    prompts = prompts_at(annotation, axis, index).with_scribble(scribble)
    set_prompts(annotation, prompts, f"Add {scribble.polarity} scribble")


def set_lasso(
    annotation: Annotation, axis: int, index: int, lasso: LassoPrompt | None
) -> None:
    """Set the lasso of the selected structure on a slice, or remove it with None."""
    prompts = prompts_at(annotation, axis, index).with_lasso(lasso)
    set_prompts(annotation, prompts, "Remove lasso" if lasso is None else "Add lasso")


def clear_points(annotation: Annotation) -> int:
    """Remove all points not yet accepted; return how many there were."""
    return _clear(annotation, "Clear points", SlicePrompts.without_points)


def clear_boxes(annotation: Annotation) -> int:
    """Remove all boxes not yet accepted; return how many there were."""
    return _clear(annotation, "Clear boxes", lambda prompts: prompts.with_box(None))


def clear_scribbles(annotation: Annotation) -> int:
    """Remove all scribbles not yet accepted; return how many there were."""
    return _clear(annotation, "Clear scribbles", SlicePrompts.without_scribbles)


def clear_lassos(annotation: Annotation) -> int:
    """Remove all lassos not yet accepted; return how many there were."""
    return _clear(annotation, "Clear lassos", lambda prompts: prompts.with_lasso(None))


def clear_slice(annotation: Annotation, axis: int, index: int) -> int:
    """Remove the selected structure's prompts of a slice that were not accepted.

    Returns
    -------
    int
        How many there were.
    """
    none = SlicePrompts(axis, index)
    after, count = annotation.state.cleared(
        lambda prompts: none if prompts.key == none.key else prompts,
        only=annotation.state.selected,
    )
    if count:
        annotation.history.do("Drop prompts", after)
    return count


def clear_all(annotation: Annotation) -> int:
    """Remove all prompts not yet accepted and the preview; return how many."""
    state = annotation.state
    with annotation.group("Clear all"):
        annotation.history.do("Clear preview", replace(state, preview=None))
        cleared = _clear(annotation, "Clear", lambda p: SlicePrompts(*p.key))
    return cleared + (state.preview is not None)


def _clear(
    annotation: Annotation, step: str, edit: Callable[[SlicePrompts], SlicePrompts]
) -> int:
    after, count = annotation.state.cleared(edit)
    annotation.history.do(step, after)
    return count
