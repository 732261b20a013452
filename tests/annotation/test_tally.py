"""Counts that follow the labels agree with counts from scratch."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spinalsam.annotation.statistics import Tally, parts_of
from napari_spinalsam.core.masks import bounding_box
from napari_spinalsam.core.metrics import dice

SHAPE = (9, 14, 11)
WHOLE = (slice(None), slice(None), slice(None))


@pytest.fixture
def labels() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.choice(np.array([0, 0, 20, 21, 255], np.uint8), SHAPE)


@pytest.fixture
def reference() -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.choice(np.array([0, 0, 20, 21, 23, 1000], np.int32), SHAPE)


def counted(labels: np.ndarray, reference: np.ndarray | None) -> Tally:
    tally = Tally(labels, reference)
    for part in parts_of(WHOLE, SHAPE, 300):
        tally.update(part)
        tally.count_reference(part)
    return tally


def check(tally: Tally, labels: np.ndarray, reference: np.ndarray) -> None:
    for label in (20, 21, 23, 255):
        mine, true = labels == label, reference == label
        assert tally.count(label) == mine.sum()
        assert tally.true_count(label) == true.sum()
        assert tally.dice(label) == pytest.approx(dice(mine, true))
        assert tally.box(label) == bounding_box(mine | true)


def test_parts_make_the_whole(labels: np.ndarray, reference: np.ndarray) -> None:
    tally = counted(labels, reference)
    check(tally, labels, reference)
    assert tally.present == {20, 21, 255}
    assert tally.present_in_reference == {20, 21, 23}


def test_changes_are_followed_and_told(
    labels: np.ndarray, reference: np.ndarray
) -> None:
    tally = counted(labels, reference)
    box = (slice(2, 5), slice(1, 9), slice(None))
    part = labels[box]
    part[part == 255] = 23
    assert tally.update(box) == {23, 255}
    assert tally.update(box) == frozenset()
    check(tally, labels, reference)


def test_a_change_before_its_part_is_counted_is_not_counted_twice(
    labels: np.ndarray, reference: np.ndarray
) -> None:
    tally = Tally(labels, reference)
    labels[0] = 21
    tally.update((slice(0, 1), slice(None), slice(None)))
    for part in parts_of(WHOLE, SHAPE, 300):
        tally.update(part)
        tally.count_reference(part)
    check(tally, labels, reference)


def test_the_fullest_slice_lies_in_the_middle_of_equals() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:7, 3:6, 4:9] = 22
    tally = counted(labels, None)
    assert [tally.fullest_slice(22, axis) for axis in range(3)] == [4, 4, 6]
    assert tally.fullest_slice(21, 0) is None


def test_dice_of_labelled_slices_leaves_the_others_out() -> None:
    reference = np.zeros(SHAPE, np.uint8)
    reference[:, 2:9, 2:9] = 21
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:6, 3:9, 2:9] = 21
    tally = counted(labels, reference)
    assert tally.sparsest_axis(21) == 0
    assert tally.labelled_slices(21, 0) == 2
    assert tally.true_slices(21, 0) == SHAPE[0]
    there = labels[4:6] == 21, reference[4:6] == 21
    assert tally.dice_where_labelled(21, 0) == pytest.approx(dice(*there))
    assert tally.dice_where_labelled(22, 0) is None


def test_without_voxels_there_is_no_box_and_no_dice() -> None:
    tally = counted(np.zeros(SHAPE, np.uint8), None)
    assert tally.box(22) is None
    assert tally.dice(22) is None
    assert tally.present == frozenset()


def test_parts_of_a_box_cover_it_once() -> None:
    seen = np.zeros(SHAPE, int)
    box = (slice(1, 8), slice(2, 14), slice(0, 11))
    for part in parts_of(box, SHAPE, 100):
        seen[part] += 1
    assert seen[box].min() == seen[box].max() == 1
    assert seen.sum() == seen[box].size
