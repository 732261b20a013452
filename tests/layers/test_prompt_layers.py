"""Whoever edits the prompt layers, however: layers and document say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from napari_spinalsam.core.prompts import (
    BoxPrompt,
    PointPrompt,
    Polarity,
    ScribblePrompt,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.layers.conftest import Shown

KEY = (0, 2)


@pytest.fixture
def prompted(shown: Shown) -> Shown:
    """Return an annotation with one prompt of each kind on a slice."""
    shown.annotation.select_structure("L3")
    shown.annotation.add_point(*KEY, PointPrompt(4, 5))
    shown.annotation.add_point(*KEY, PointPrompt(9, 9, Polarity.NEGATIVE))
    shown.annotation.set_box(*KEY, BoxPrompt(2, 3, 9, 12))
    scribble = ScribblePrompt(((4, 4), (6, 8)), Polarity.POSITIVE)
    shown.annotation.add_scribble(*KEY, scribble)
    shown.viewer.dims.set_point(0, 3.0 * 2 + 10)
    return shown


def check(shown: Shown) -> None:
    """Assert that the layers show the prompts of the document, and no others."""
    shown.draw_frame()
    prompts = shown.annotation.prompts_at(*KEY)
    points = shown.layers.points
    assert [tuple(at) for at in points.data] == [
        (KEY[1], point.row, point.col) for point in prompts.points
    ]
    assert list(points.features["polarity"]) == [p.polarity for p in prompts.points]
    assert [str(symbol) for symbol in points.symbol] == [
        "disc" if p.polarity is Polarity.POSITIVE else "cross" for p in prompts.points
    ]
    assert len(shown.layers.boxes.data) == (prompts.box is not None)
    assert len(shown.layers.drawings.data) == len(prompts.scribbles)


def in_place(shown: Shown) -> None:
    shown.layers.points.data[0] = [2, 7, 7]
    shown.layers.points.refresh()


def turned(shown: Shown) -> None:
    features = shown.layers.points.features.copy()
    features["polarity"] = ["negative", "positive"]
    shown.layers.points.features = features


def boxes_set(shown: Shown) -> None:
    shown.layers.boxes.data = [np.array([[2, 1, 1], [2, 1, 8], [2, 8, 8], [2, 8, 1]])]


def points_set(shown: Shown) -> None:
    shown.layers.points.data = np.array([[2.0, 5.0, 5.0]])


def cleared(shown: Shown) -> None:
    shown.layers.points.data = []


def scribbles_cleared(shown: Shown) -> None:
    shown.layers.drawings.data = []


@pytest.mark.parametrize(
    "edit", [in_place, turned, boxes_set, points_set, cleared, scribbles_cleared]
)
def test_an_edit_of_a_prompt_layer_is_one_step_of_undo(
    prompted: Shown, edit: Callable[[Shown], None]
) -> None:
    before, steps = prompted.annotation.state, prompted.annotation.history.undo_names
    edit(prompted)
    check(prompted)
    assert prompted.annotation.prompts_at(*KEY) != before.object_of("L3").prompts_at(
        KEY
    )
    assert len(prompted.annotation.history.undo_names) == len(steps) + 1
    prompted.annotation.undo()
    check(prompted)
    assert prompted.annotation.state == before
    prompted.annotation.redo()
    check(prompted)
    assert prompted.told == []


def without_features(shown: Shown) -> None:
    shown.layers.points.features = pd.DataFrame({"mine": [1, 2]})


def with_a_wrong_polarity(shown: Shown) -> None:
    features = shown.layers.points.features.copy()
    features["polarity"] = ["positive", "maybe"]
    shown.layers.points.features = features


def of_another_axis(shown: Shown) -> None:
    features = shown.layers.points.features.copy()
    features["axis"] = [0, 9]
    shown.layers.points.features = features


def not_a_number(shown: Shown) -> None:
    shown.layers.points.data = np.array([[2, np.nan, 5], [2, 4, 4]])


def drawings_without_features(shown: Shown) -> None:
    with pytest.warns(RuntimeWarning, match="encoding"):
        shown.layers.drawings.features = pd.DataFrame({"mine": [1]})


def an_ellipse(shown: Shown) -> None:
    shown.layers.drawings.add_ellipses([[2, 1, 1], [2, 1, 8], [2, 8, 8], [2, 8, 1]])


@pytest.mark.parametrize(
    "edit",
    [
        without_features,
        with_a_wrong_polarity,
        of_another_axis,
        not_a_number,
        drawings_without_features,
        an_ellipse,
    ],
)
def test_what_is_no_prompt_is_put_back_with_a_sentence(
    prompted: Shown, edit: Callable[[Shown], None]
) -> None:
    before = prompted.annotation.state
    edit(prompted)
    check(prompted)
    assert prompted.annotation.state is before
    assert len(prompted.told) == 1
    prompted.layers.points.add([2, 11, 11])
    check(prompted)
    assert len(prompted.annotation.prompts_at(*KEY).points) == 3


def test_scrolling_and_showing_change_no_prompt(prompted: Shown) -> None:
    before = prompted.annotation.state
    for index in (0, 3, 5):
        prompted.viewer.dims.set_point(0, 3.0 * index + 10)
    for role in (prompted.layers.points, prompted.layers.boxes):
        role.visible = False
        role.visible = True
    prompted.viewer.dims.ndisplay = 3
    prompted.viewer.dims.ndisplay = 2
    check(prompted)
    assert prompted.annotation.state is before
    assert prompted.told == []


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_box_of_one_row_stays_in_its_plane(shown: Shown, axis: int) -> None:
    shown.annotation.select_structure("L3")
    box = BoxPrompt(3, 0, 3, 5)
    shown.annotation.set_box(axis, 4, box)
    before = shown.annotation.state
    shown.layers.boxes.refresh()
    shown.layers.points.add([2, 11, 11])
    assert shown.annotation.prompts_at(axis, 4).box == box
    shown.annotation.undo()
    assert shown.annotation.state == before
    assert shown.told == []
