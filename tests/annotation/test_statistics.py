"""Measures of structures, and voxel counts that follow each change."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.statistics import (
    Tally,
    measure,
    measure_report,
    parts_of,
)
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.masks import bounding_box
from napari_spinalsam.core.metrics import dice
from napari_spinalsam.core.volume import Volume

VOXEL_ML = 3.0 * 1.0 * 0.7 / 1000


@pytest.fixture
def measured(document: Annotation) -> Annotation:
    labels = np.zeros(document.geometry.shape, dtype=np.uint8)
    labels[1:4, 3:9, 3:9] = 22
    labels[1:4, 10:14, 3:9] = 23
    document.replace_labels(labels)
    return document


def test_volumes_need_no_reference(measured: Annotation) -> None:
    entries = measure(measured)
    assert [(e.structure, e.label) for e in entries] == [("L3", 22), ("L4", 23)]
    assert [e.size for e in entries] == pytest.approx([108 * VOXEL_ML, 72 * VOXEL_ML])
    assert all(e.agreement is None for e in entries)
    report = measure_report(measured)
    assert report.columns == ("Structure", "Volume (mL)")
    assert report.rows == (("L3", "0.23"), ("L4", "0.15"))


def test_agreement_is_measured_against_the_reference(measured: Annotation) -> None:
    reference = np.zeros(measured.geometry.shape, dtype=np.uint8)
    reference[1:4, 4:9, 3:9] = 22
    reference[5, 0, 0] = 61
    measured.set_reference(reference)
    l3, l4, canal = measure(measured)
    assert l3.agreement is not None
    assert l3.agreement.dice == dice(measured.labels == 22, reference == 22)
    assert l3.agreement.hd95_mm == pytest.approx(1.0)
    assert l4.agreement is not None
    assert (l4.agreement.dice, l4.agreement.msd_mm) == (0.0, None)
    assert (canal.structure, canal.size) == ("spinal_canal", 0.0)
    report = measure_report(measured, ("dice", "msd"), "l4")
    assert report.columns == ("Structure", "Dice", "MSD (mm)")
    # L4 is not in the reference and in no mean, the canal was missed and counts 0.
    assert measure_report(measured, ("dice", "volume")).rows[-1] == (
        "mean",
        f"{l3.agreement.dice / 2:.3f}",
        f"{l3.size / 2:.2f}",
    )
    assert report.rows == (("L4", "0.000", "-"),)


def test_what_cannot_be_measured_is_said(
    document: Annotation, measured: Annotation
) -> None:
    with pytest.raises(InputError, match="no reference"):
        measure_report(measured, ("dice",))
    with pytest.raises(InputError, match="L5 has no labels"):
        measure(measured, "L5")
    document.undo()
    with pytest.raises(InputError, match="There are no labels"):
        measure(document)


def test_a_flat_image_is_measured_as_an_area_with_its_outline() -> None:
    geometry = Geometry.from_spacing((1, 20, 30), (1.0, 2.0, 0.5), is_2d=True)
    data = np.zeros(geometry.shape, dtype=np.float32)
    document = Annotation(Volume.from_geometry(data, geometry))
    labels, reference = (np.zeros(geometry.shape, np.uint8) for _ in range(2))
    labels[0, 2:12, 5:25] = reference[0, 2:11, 5:25] = 22
    document.replace_labels(labels)
    document.set_reference(reference)
    (entry,) = measure(document)
    assert entry.size == pytest.approx(200.0)
    assert entry.agreement is not None
    assert entry.agreement.hd_mm == pytest.approx(2.0)
    assert "Area (mm2)" in measure_report(document).columns


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
