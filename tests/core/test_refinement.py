"""Drawn prompts, corrections of labels, and what the planes around say."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.masks import MaskRuns
from napari_spinalsam.core.prompts import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    Polarity,
    ScribblePrompt,
    SlicePrompts,
)
from napari_spinalsam.core.refinement import (
    LASSO_MARGIN_MM,
    as_logits,
    as_points_and_box,
    corrected,
    joined_mask,
    lasso_region,
    limit_of,
    scribble_points,
    signed_distance,
    with_meant_label,
    with_points,
)
from napari_spinalsam.core.results import VolumeMask

# A sagittal slice of 30 rows (z, 3 mm) and 60 columns (y, 0.7 mm).
PLANE = Geometry.from_spacing((30, 60, 9), (3.0, 0.7, 1.0)).plane(2, 4)
LINE = ScribblePrompt(((5.0, 10.0), (5.0, 50.0)))  # 28 mm
LASSO = LassoPrompt(((4.0, 10.0), (4.0, 40.0), (20.0, 40.0), (20.0, 10.0)))
EMPTY = SlicePrompts(2, 4)


def test_a_scribble_becomes_points_at_equal_distances_in_mm() -> None:
    points = scribble_points(LINE, PLANE.spacing)
    assert len(points) == 5
    assert np.allclose([point.row for point in points], 5.0)
    assert np.allclose(np.diff([point.col for point in points]), 8.0)
    down = ScribblePrompt(((5.0, 10.0), (15.0, 10.0)))  # 30 mm
    assert np.allclose(
        np.diff([point.row for point in scribble_points(down, PLANE.spacing)]), 2.0
    )


@pytest.mark.parametrize(
    ("polarity", "count"), [(Polarity.POSITIVE, 6), (Polarity.NEGATIVE, 1)]
)
def test_a_long_scribble_is_a_stated_number_of_points(polarity, count) -> None:
    long = ScribblePrompt(((0.0, 0.0), (29.0, 59.0), (0.0, 59.0)), polarity)
    points = scribble_points(long, PLANE.spacing)
    assert len(points) == count
    assert {point.polarity for point in points} == {polarity}


def test_a_scribble_that_stays_in_place_is_one_point() -> None:
    assert scribble_points(ScribblePrompt(((3.0, 4.0), (3.0, 4.0))), (1, 1)) == (
        PointPrompt(3.0, 4.0),
    )


def test_a_lasso_is_its_box_and_a_drawn_box_comes_first() -> None:
    own = BoxPrompt(5, 12, 18, 30)
    asked = as_points_and_box(EMPTY.with_lasso(LASSO).with_scribble(LINE), (3, 0.7))
    assert asked.box == BoxPrompt(4, 10, 20, 40)
    assert len(asked.points) == 5
    assert not asked.is_drawn
    both = EMPTY.with_lasso(LASSO).with_box(own)
    assert as_points_and_box(both, (3, 0.7)).box == own


def test_the_limit_is_the_lasso_and_a_margin_in_mm() -> None:
    limit = limit_of(EMPTY.with_lasso(LASSO), PLANE)
    region = lasso_region(LASSO, PLANE.shape)
    assert region[12, 25]
    assert limit[region].all()
    outside = signed_distance(region, PLANE.spacing)
    assert np.array_equal(limit, outside >= -LASSO_MARGIN_MM)
    # One column of 0.7 mm is within the margin, one row of 3 mm is not.
    assert limit[12].sum() == region[12].sum() + 2
    assert limit[:, 25].sum() == region[:, 25].sum()
    assert limit_of(EMPTY, PLANE).all()


def test_a_mask_as_logits_is_positive_inside_and_bounded() -> None:
    mask = lasso_region(LASSO, PLANE.shape)
    logits = as_logits(mask, PLANE.spacing)
    assert logits.dtype == np.float32
    assert np.array_equal(logits > 0, mask)
    assert np.abs(logits).max() == 6.0
    assert (as_logits(np.zeros_like(mask), PLANE.spacing) == -6.0).all()


@pytest.mark.parametrize(
    "build",
    [
        lambda: ScribblePrompt(((1.0, 2.0),)),
        lambda: LassoPrompt(((1.0, 2.0), (3.0, 4.0))),
    ],
)
def test_too_short_a_drawing_is_refused(build) -> None:
    with pytest.raises(InputError, match="draw it longer"):
        build()


def test_drawings_outside_of_the_slice_are_refused() -> None:
    away = ScribblePrompt(((5.0, 10.0), (5.0, 70.0)))
    with pytest.raises(InputError, match="scribble at row 5, column 70"):
        EMPTY.with_scribble(away).check_inside(PLANE)
    far = LassoPrompt(((-9.0, 10.0), (5.0, 7.0), (8.0, 8.0)))
    with pytest.raises(InputError, match="lasso at row -9"):
        EMPTY.with_lasso(far).check_inside(PLANE)


def test_what_asks_for_a_mask_and_what_extends() -> None:
    negative = ScribblePrompt(LINE.path, Polarity.NEGATIVE)
    assert not EMPTY.with_scribble(negative).asks_for_something
    assert EMPTY.with_scribble(LINE).asks_for_something
    assert EMPTY.with_lasso(LASSO).asks_for_something
    first = EMPTY.with_scribble(LINE)
    assert first.with_scribble(negative).extends(first)
    assert first.with_lasso(LASSO).extends(first)
    assert not first.extends(first)
    assert not EMPTY.with_scribble(negative).with_scribble(LINE).extends(first)


def test_a_label_changes_only_where_prompts_point() -> None:
    label = np.zeros((20, 30), np.bool_)
    label[5:15, 5:15] = True
    mask = label.copy()
    mask[8:12, 15:20] = True  # a region to add
    mask[5:8, 5:8] = False  # a region to remove
    mask[0:2, 25:28] = True  # another structure
    added = corrected(label, mask, EMPTY.with_point(PointPrompt(9, 17)))
    assert added[8:12, 15:20].all()
    assert added.sum() == label.sum() + 20
    stroke = ScribblePrompt(((6.0, 2.0), (6.0, 12.0)), Polarity.NEGATIVE)
    removed = corrected(label, mask, EMPTY.with_scribble(stroke))
    assert not removed[5:8, 5:8].any()
    assert removed.sum() == label.sum() - 9
    nothing = corrected(label, mask, EMPTY.with_point(PointPrompt(18, 28)))
    assert np.array_equal(nothing, label)


def test_the_box_of_the_label_says_what_is_meant_unless_a_prompt_does() -> None:
    label = np.zeros((20, 30), np.bool_)
    label[5:15, 5:15] = True
    outside = EMPTY.with_point(PointPrompt(9, 17))
    assert with_meant_label(outside, label).box == BoxPrompt(5, 5, 14, 17)
    leak = EMPTY.with_point(PointPrompt(6, 6, Polarity.NEGATIVE))
    assert with_meant_label(leak, label).box == BoxPrompt(5, 5, 14, 14)
    inside = EMPTY.with_point(PointPrompt(6, 6))
    assert with_meant_label(inside, label) == inside
    boxed = leak.with_box(BoxPrompt(1, 1, 9, 9))
    assert with_meant_label(boxed, label) == boxed


def test_masks_come_back_from_their_runs() -> None:
    rng = np.random.default_rng(0)
    for mask in (
        rng.random((7, 5)) < 0.5,
        np.zeros((3, 4), bool),
        np.ones((3, 4), bool),
    ):
        runs = MaskRuns.of(mask)
        assert np.array_equal(runs.mask(), mask)
        assert runs == MaskRuns.of(mask)
    for lengths in ((), (5,), (3, 0, 3), (-1, 7)):
        with pytest.raises(ValueError, match="do not fill"):
            MaskRuns((2, 3), lengths)


SPACING = (3.0, 0.7)


def prompts(*points: PointPrompt) -> SlicePrompts:
    return SlicePrompts(0, 0, points)


def square() -> np.ndarray:
    mask = np.zeros((20, 60), bool)
    mask[5:15, 10:40] = True
    return mask


def test_points_that_the_mask_holds_change_nothing() -> None:
    held = prompts(PointPrompt(8, 20), PointPrompt(2, 2, Polarity.NEGATIVE))

    np.testing.assert_array_equal(with_points(square(), held, SPACING), square())


def test_a_denied_point_changes_the_millimetres_around_it() -> None:
    mask = square()
    denied = prompts(PointPrompt(8, 20, Polarity.NEGATIVE), PointPrompt(2, 50))
    held = with_points(mask, denied, SPACING)
    rows, cols = np.nonzero(held != mask)

    assert not held[8, 20]
    assert held[2, 50]
    # Within 1.5 mm: rows are 3 mm apart, columns 0.7 mm.
    assert set(rows) == {2, 8}
    assert set(cols) == {*range(18, 23), *range(48, 53)}
    assert mask[8, 20], "the mask that was given stays as it was"


KEY = (2, 7)
SHAPE = (20, 30)


def two_parts() -> np.ndarray:
    """Return a body and, apart from it, a process."""
    mask = np.zeros(SHAPE, bool)
    mask[4:12, 3:13] = True
    mask[8:14, 20:28] = True
    return mask


@pytest.fixture
def whole() -> VolumeMask:
    """Return a structure that fills slices 5 to 9 of the last axis."""
    box = (slice(0, 20), slice(0, 30), slice(5, 10))
    return VolumeMask(np.repeat(two_parts()[..., None], 5, axis=2), box, 0.9)


def test_a_box_means_all_of_the_structure_inside_of_it(whole: VolumeMask) -> None:
    own = two_parts()
    own[4:6] = False
    prompts = SlicePrompts(*KEY, box=BoxPrompt(4, 3, 13, 27))
    np.testing.assert_array_equal(joined_mask(whole, prompts, own), two_parts())


def test_what_lies_outside_of_the_box_is_cut_off(whole: VolumeMask) -> None:
    own = two_parts()
    own[:, 15:] = False
    prompts = SlicePrompts(*KEY, box=BoxPrompt(4, 3, 11, 12))
    np.testing.assert_array_equal(joined_mask(whole, prompts, own), own)


def test_a_click_means_the_part_that_it_hits(whole: VolumeMask) -> None:
    body = two_parts()
    body[:, 15:] = False
    prompts = SlicePrompts(*KEY, (PointPrompt(8, 8),))
    np.testing.assert_array_equal(joined_mask(whole, prompts, body), body)
    both = prompts.with_point(PointPrompt(10, 24))
    np.testing.assert_array_equal(joined_mask(whole, both, two_parts()), two_parts())


@pytest.mark.parametrize(
    "prompts",
    [
        SlicePrompts(*KEY, (PointPrompt(1, 1),)),
        SlicePrompts(*KEY, (PointPrompt(8, 8), PointPrompt(10, 10, Polarity.NEGATIVE))),
        SlicePrompts(2, 12, (PointPrompt(8, 8),)),
    ],
    ids=["a point outside", "a negative point inside", "a slice without it"],
)
def test_the_own_mask_stands_where_a_point_speaks_against_the_joined_one(
    whole: VolumeMask, prompts: SlicePrompts
) -> None:
    own = np.zeros(SHAPE, bool)
    own[0:3, 0:3] = True
    assert joined_mask(whole, prompts, own) is own


def test_the_own_mask_stands_where_the_two_disagree(whole: VolumeMask) -> None:
    own = np.zeros(SHAPE, bool)
    own[8, 8] = True
    prompts = SlicePrompts(*KEY, (PointPrompt(8, 8),))
    assert joined_mask(whole, prompts, own) is own


def test_a_point_at_the_edge_of_the_slice_counts_for_its_last_pixel(
    whole: VolumeMask,
) -> None:
    rows, cols = SHAPE
    edge = PointPrompt(rows - 0.5, cols - 0.5, Polarity.NEGATIVE)
    body = two_parts()
    body[:, 15:] = False
    denied = SlicePrompts(*KEY, (PointPrompt(8, 8), edge))
    np.testing.assert_array_equal(joined_mask(whole, denied, body), body)
    meant = SlicePrompts(*KEY, (PointPrompt(rows - 0.5, cols - 0.5),))
    assert joined_mask(whole, meant, body) is body
