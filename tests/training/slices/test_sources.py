"""Scans of public data sets are found, with their patients and what labels mean."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_spinalsam.core.errors import InputError
from tests.training.helpers import (
    block_labels,
    folder_tree,
    saved_tree,
    spider_tree,
    total_segmentator_tree,
    verse_tree,
)
from training.common.losses import IGNORED
from training.slices.slicing import LabelledScan, SliceSettings, read_case
from training.slices.sources import SOURCES, Case, find_cases

if TYPE_CHECKING:
    from pathlib import Path


def canonical(case: Case) -> tuple[LabelledScan, np.ndarray]:
    """Return a scan as read, and the blocks on its grid."""
    scan = read_case(case, SliceSettings())
    return scan, scan.volume.grid.to_canonical(block_labels())


def test_scans_of_one_verse_subject_are_of_one_patient(tmp_path: Path) -> None:
    cases = find_cases("verse", verse_tree(tmp_path))

    assert [case.patient for case in cases] == ["sub-verse000"] * 2 + ["sub-verse001"]
    scan, blocks = canonical(cases[0])
    np.testing.assert_array_equal(scan.labels, blocks)
    assert scan.window.limits == (-450, 1050), "bone, for it is CT"


def test_total_segmentator_is_read_from_many_files_or_one(tmp_path: Path) -> None:
    several, one = find_cases("totalsegmentator", total_segmentator_tree(tmp_path))

    for case in (several, one):
        scan, blocks = canonical(case)
        np.testing.assert_array_equal(scan.labels, np.where(blocks == 22, 0, blocks))


def test_spider_counts_from_below_and_what_is_cut_off_is_unknown(
    tmp_path: Path,
) -> None:
    (case,) = find_cases("spider", spider_tree(tmp_path))
    scan, blocks = canonical(case)

    assert case.patient == "7"
    assert set(np.unique(scan.labels[blocks == 22])) == {24}, "1 is L5"
    assert set(np.unique(scan.labels[blocks == 21])) == {124}, "201 lies below it"
    assert set(np.unique(scan.labels[blocks == 20])) == {IGNORED}, "partly visible"
    assert scan.window.limits[0] >= 0, "MR has no Hounsfield units"


@pytest.mark.parametrize("tree", [folder_tree, saved_tree])
def test_own_scans_lie_in_two_folders_or_as_the_plugin_saves_them(
    tree: object, tmp_path: Path
) -> None:
    cases = find_cases("folder", tree(tmp_path / "own", ("a", "b")))  # type: ignore[operator]

    assert [(case.name, case.patient) for case in cases] == [("a", "a"), ("b", "b")]
    scan, blocks = canonical(cases[1])
    np.testing.assert_array_equal(scan.labels, blocks)


def test_a_table_says_which_scans_are_of_one_patient(tmp_path: Path) -> None:
    own = folder_tree(tmp_path / "own")
    (own / "patients.csv").write_text("name,patient\na,anna\nb,anna\n")
    assert [case.patient for case in find_cases("folder", own)] == ["anna", "anna", "c"]

    (own / "patients.csv").write_text("a;anna\n")
    with pytest.raises(InputError, match="columns name and patient"):
        find_cases("folder", own)


def test_a_scan_without_labels_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = saved_tree(tmp_path / "own")
    (own / "a_labels.nii.gz").unlink()
    with caplog.at_level(logging.WARNING):
        assert [case.name for case in find_cases("folder", own)] == ["b"]
    assert "a.nii.gz has no labels" in caplog.text


@pytest.mark.parametrize("source", SOURCES)
def test_a_folder_of_another_layout_is_refused_with_the_wanted_one(
    source: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no labelled scan in the layout"):
        find_cases(source, tmp_path)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="There is no folder"):
        find_cases(source, tmp_path / "none")  # type: ignore[arg-type]


def test_two_scans_of_one_name_are_refused(tmp_path: Path) -> None:
    verse_tree(tmp_path / "one")
    verse_tree(tmp_path / "two")
    with pytest.raises(InputError, match="same name in the store"):
        find_cases("verse", tmp_path)
