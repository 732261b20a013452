import math

import pytest

from napari_spinalsam.core.errors import (
    CancelledError,
    InputError,
    ModelError,
    SpinalSamError,
)
from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.prompts import (
    BoxPrompt,
    PointPrompt,
    Polarity,
    SlicePrompts,
)

# A sagittal slice of 5 rows (z, 3 mm) and 7 columns (y, 1 mm).
PLANE = Geometry.from_spacing((5, 7, 9), (3.0, 1.0, 0.7)).plane(2, 4)
POSITIVE = PointPrompt(1, 2)
NEGATIVE = PointPrompt(3, 4, Polarity.NEGATIVE)
BOX = BoxPrompt(0, 1, 4, 6)


@pytest.mark.parametrize(
    "corners", [(0, 1, 4, 6), (4, 6, 0, 1), (0, 6, 4, 1), (4, 1, 0, 6)]
)
def test_box_is_the_same_from_any_corner(corners: tuple[int, ...]) -> None:
    assert BoxPrompt(*corners) == BOX


def test_prompts_are_added_and_removed_without_change_of_the_old() -> None:
    empty = SlicePrompts(axis=2, index=4)
    full = empty.with_point(POSITIVE).with_point(NEGATIVE).with_box(BOX)
    assert empty.is_empty
    assert full.points == (POSITIVE, NEGATIVE)
    assert full.key == (2, 4)
    assert full.without_points().box == BOX
    assert full.without_points().with_box(None) == empty


@pytest.mark.parametrize(
    ("points", "box", "asks"),
    [
        ((), None, False),
        ((NEGATIVE,), None, False),
        ((POSITIVE,), None, True),
        ((NEGATIVE, POSITIVE), None, True),
        ((NEGATIVE,), BOX, True),
    ],
)
def test_a_mask_needs_a_box_or_a_positive_point(points, box, asks: bool) -> None:
    assert SlicePrompts(2, 4, points, box).asks_for_something is asks


@pytest.mark.parametrize(
    ("row", "col"), [(-0.5, -0.5), (4.5, 6.5), (0, 6), (2.25, 3.75)]
)
def test_whole_area_of_the_border_pixels_is_inside(row: float, col: float) -> None:
    SlicePrompts(2, 4, (PointPrompt(row, col),)).check_inside(PLANE)
    SlicePrompts(2, 4, box=BoxPrompt(0, 0, row, col)).check_inside(PLANE)


@pytest.mark.parametrize(
    ("row", "col"),
    [(-0.6, 0), (0, 6.6), (5, 0), (6, 4), (math.nan, 0), (0, math.inf)],
)
def test_outside_of_the_slice_is_refused_with_the_place(row, col) -> None:
    with pytest.raises(InputError, match=r"point at row .*5 x 7 slice 4"):
        SlicePrompts(2, 4, (POSITIVE, PointPrompt(row, col))).check_inside(PLANE)
    with pytest.raises(InputError, match="box corner"):
        SlicePrompts(2, 4, box=BoxPrompt(0, 0, row, col)).check_inside(PLANE)


@pytest.mark.parametrize("error", [InputError, ModelError, CancelledError])
def test_every_error_for_the_user_is_caught_by_one_name(error) -> None:
    with pytest.raises(SpinalSamError, match="because"):
        raise error("because")


def test_an_input_error_is_a_value_error() -> None:
    assert issubclass(InputError, ValueError)
    assert not issubclass(ModelError, ValueError)
