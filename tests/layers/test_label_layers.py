"""Whoever edits the labels layer, however: layer and document say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers._layer_actions import _duplicate_layer

from napari_spinalsam.core.masks import LabelDelta
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.core.results import VolumeMask
from tests.layers.conftest import SHAPE, make_shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels

    from tests.layers.conftest import Shown

L3, L4, L5 = 22, 23, 24
LAST = np.array([-1]), np.array([-1]), np.array([-2])
AT = np.array([2, 3]), np.array([15, 16]), np.array([5, 5])


def with_l4(data: Any) -> np.ndarray:
    """Return a copy of labels with some of L4."""
    changed = np.array(data)
    changed[2, 15:18, 5:9] = L4
    return changed


def in_place(layer: Labels, **refresh: bool) -> None:
    layer.data[2, 15:18, 5:9] = L4
    layer.refresh(**refresh)


def while_hidden(layer: Labels) -> None:
    layer.visible = False
    in_place(layer)
    layer.visible = True


def stroke(layer: Labels) -> None:
    with layer.block_history():
        layer.paint((2, 15, 5), L4, refresh=False)
        layer._partial_labels_refresh()
        layer.paint((2, 16, 9), L4, refresh=False)
        layer._partial_labels_refresh()


def undone_by_napari(layer: Labels) -> None:
    layer.fill((2, 4, 6), L4)
    layer.undo()
    layer.redo()


EDITS: dict[str, Callable[[Labels], object]] = {
    "stroke": stroke,
    "paint": lambda layer: layer.paint((2, 15, 5), L4),
    "paint without refresh": lambda layer: layer.paint((2, 15, 5), L4, refresh=False),
    "fill": lambda layer: layer.fill((2, 4, 6), L4),
    "erase": lambda layer: layer.paint((2, 4, 6), 0),
    "polygon": lambda layer: layer.paint_polygon([[2, 3, 3], [2, 9, 3], [2, 9, 9]], L4),
    "items": lambda layer: layer.data_setitem(AT, L4),
    "items without refresh": lambda layer: layer.data_setitem(AT, L4, refresh=False),
    "items from the end": lambda layer: layer.data_setitem(LAST, L4),
    "data": lambda layer: setattr(layer, "data", with_l4(layer.data)),
    "data of int64": lambda layer: setattr(
        layer, "data", with_l4(layer.data).astype(np.int64)
    ),
    "in place": in_place,
    "in place, light refresh": lambda layer: in_place(layer, extent=False),
    "while hidden": while_hidden,
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_the_layer_is_one_step_of_undo(shown: Shown, name: str) -> None:
    shown.viewer.dims.set_point(0, 3.0 * 2 + 10)
    shown.labels.brush_size = 3
    before, steps = shown.annotation.labels.copy(), shown.annotation.history.undo_names
    EDITS[name](shown.labels)
    shown.check()
    assert len(shown.annotation.history.undo_names) == len(steps) + 1
    assert (shown.annotation.labels != before).any()
    shown.annotation.undo()
    shown.check()
    np.testing.assert_array_equal(shown.annotation.labels, before)
    shown.annotation.redo()
    shown.check()
    assert shown.told == []


def test_the_undo_of_napari_itself_is_followed(shown: Shown) -> None:
    before = shown.annotation.labels.copy()
    shown.labels.fill((2, 4, 6), L4)
    shown.labels.undo()
    shown.check()
    np.testing.assert_array_equal(shown.annotation.labels, before)
    shown.labels.redo()
    shown.check()
    assert len(shown.annotation.history.undo_names) == 4
    shown.annotation.undo(3)
    shown.labels.undo()  # of what is not there any more
    shown.check()


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (np.zeros((3, 9, 9), np.uint8), "(3, 9, 9)"),
        (np.zeros((20, 24), np.uint8), "(20, 24)"),
        (np.zeros((2, *SHAPE), np.uint8), "(2, 6, 20, 24)"),
        (np.full(SHAPE, 300, np.int32), "300"),
        (np.full(SHAPE, -1, np.int8), "-1"),
        (np.full(SHAPE, 199, np.uint8), "199"),
    ],
    ids=["grid", "slice", "four axes", "300", "negative", "no structure"],
)
def test_data_that_cannot_be_labels_are_put_back_with_a_sentence(
    shown: Shown, data: np.ndarray, word: str
) -> None:
    before, place = shown.annotation.state, shown.labels.scale
    shown.labels.data = data
    shown.check()
    assert shown.annotation.state is before
    assert len(shown.told) == 1
    assert word in shown.told[0]
    np.testing.assert_array_equal(shown.labels.scale, place)
    np.testing.assert_array_equal(shown.labels.translate, shown.image.translate)
    assert shown.viewer.dims.ndim == 3
    shown.labels.paint((2, 15, 5), L4)
    shown.check()
    assert (shown.annotation.labels == L4).any()


def test_a_value_without_a_structure_is_taken_back(shown: Shown) -> None:
    shown.labels.paint((2, 15, 5), 199)
    shown.check()
    assert "199 names no structure" in shown.told[0]


def test_what_is_locked_is_spared_and_the_rest_is_taken(shown: Shown) -> None:
    shown.annotation.set_locked("L3", True)
    shown.labels.data = np.full(SHAPE, L4, np.uint8)
    shown.check()
    assert (shown.annotation.labels == L3).sum() == 4 * 6 * 16
    assert (shown.annotation.labels == L4).any()
    assert "384 voxels are locked" in shown.told[0]


def test_the_array_of_somebody_else_is_copied(shown: Shown) -> None:
    theirs = with_l4(shown.labels.data)
    shown.labels.data = theirs
    shown.annotation.undo()
    assert (theirs == L4).any()
    theirs[...] = L5
    shown.labels.refresh()
    shown.check()
    assert not (shown.annotation.labels == L5).any()


def test_what_was_written_without_a_word_is_taken_once_it_is_seen(
    shown: Shown,
) -> None:
    shown.viewer.dims.set_point(0, 10)
    shown.labels.data[0, 15, 5] = L4
    shown.labels.data[3, 15, 5] = L4
    shown.annotation.paint(
        LabelDelta.between(
            shown.annotation.labels,
            np.full((1, 1, 1), L5, np.uint8),
            (slice(3, 4), slice(19, 20), slice(5, 6)),
        )
    )
    shown.draw_frame()
    assert shown.annotation.labels[0, 15, 5] == L4
    shown.viewer.dims.set_point(0, 3.0 * 3 + 10)
    shown.check()
    assert shown.annotation.labels[3, 15, 5] == L4


def test_a_stroke_is_one_step_though_a_job_ends_meanwhile(shown: Shown) -> None:
    layer, steps = shown.labels, len(shown.annotation.history.undo_names)
    layer.brush_size = 1
    whole = VolumeMask(
        np.ones((1, 1, 6), np.bool_), (slice(2, 3), slice(15, 16), slice(4, 10)), 1
    )
    with layer.block_history():
        layer.paint((2, 15, 5), L4)
        shown.annotation.write_masks({"L5": whole}, "Segment L5", ModelIdentity("a"))
        shown.draw_frame()
        layer.paint((2, 15, 8), L4)
    shown.check()
    assert shown.annotation.labels[2, 15, 4:10].tolist() == [L5, L4, L5, L5, L4, L5]
    assert len(shown.annotation.history.undo_names) == steps + 2


def test_edits_while_no_dock_was_open_are_taken(shown: Shown) -> None:
    shown.layers.close()
    shown.viewer.layers["small labels"].data[2, 15, 5] = L4
    shown.open()
    shown.check()
    assert shown.annotation.labels[2, 15, 5] == L4
    assert shown.annotation.history.undo_names[0] == "Edit labels"

    shown.layers.close()
    shown.annotation.undo()
    shown.open()  # here the annotation is newer than the layer
    shown.check()
    assert shown.annotation.labels[2, 15, 5] == 0


def test_a_duplicate_is_a_layer_like_any_other(shown: Shown) -> None:
    layers = shown.viewer.layers
    for layer in list(layers):
        layers.selection = {layer}
        _duplicate_layer(layers)
    copy = layers["small labels copy"]
    layers.move(layers.index(copy), 0)
    before = shown.annotation.state
    copy.data = np.zeros_like(copy.data)
    layers["small points copy"].add([2, 5, 5])
    assert shown.annotation.state is before
    assert shown.labels.name == "small labels"
    shown.check()
    layers.remove(copy)
    shown.labels.name = "mine"
    stroke(shown.labels)
    shown.check()
    assert (shown.annotation.labels == L4).any()


def test_a_flat_image_is_followed_too() -> None:
    shown = make_shown((1, 20, 24), is_2d=True)
    shown.labels.paint((15, 5), L4)
    shown.labels.data_setitem((np.array([3]), np.array([4])), L3)
    shown.labels.data = np.roll(shown.labels.data, 1, 0)
    shown.check()
    assert len(shown.annotation.history.undo_names) == 3
