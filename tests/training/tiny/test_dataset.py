"""Scans come to the 1 mm grid with their labels renumbered, and doubt is marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_spinalsam.core.errors import InputError
from tests.training.helpers import (
    SPACING,
    block_image,
    block_labels,
    write_nifti,
)
from training.common.losses import IGNORED
from training.tiny.config import ScanConfig
from training.tiny.dataset import load_store, prepare, read_labelled

if TYPE_CHECKING:
    from pathlib import Path


def changed(scan: ScanConfig, **values: object) -> ScanConfig:
    return ScanConfig.model_validate(scan.model_dump() | values)


def test_prepared_scan_is_isotropic_and_keeps_volumes(
    scan: ScanConfig, data: Path, tmp_path: Path
) -> None:
    prepare((scan,), data, tmp_path / "store")
    (prepared,) = load_store(tmp_path / "store", ["blocks"])
    fine = prepared.labels.numpy()

    assert fine.shape == (70, 48, 48)
    assert prepared.structures == [20, 21, 22]
    for value in (20, 21, 22):
        cubic_mm = (block_labels() == value).sum() * np.prod(SPACING)
        assert (fine == value).sum() == pytest.approx(cubic_mm, rel=0.1)


def test_prepared_scan_is_canonical(
    scan: ScanConfig, data: Path, tmp_path: Path
) -> None:
    prepare((scan,), data, tmp_path / "store")
    (prepared,) = load_store(tmp_path / "store", ["blocks"])
    z, y, x = prepared.centres[[20, 21, 22]].T

    assert list(z) == sorted(z), "L1 is above L2, and z grows to the feet"
    # The file's j grows to the front and y to the back: 14..35 of 48 becomes 12..33.
    np.testing.assert_allclose(y, 22.5, atol=0.6)
    # Voxels 5..11 of 3 mm: their middle is 25.5 mm from the corner.
    np.testing.assert_allclose(x, 25.0, atol=0.6)


def test_image_counts_from_air_so_that_padding_is_air(
    scan: ScanConfig, data: Path, tmp_path: Path
) -> None:
    prepare((scan,), data, tmp_path / "store")
    (prepared,) = load_store(tmp_path / "store", ["blocks"])
    assert prepared.image is not None
    inside = prepared.image[prepared.labels == 21] - 1024

    assert float(inside.median()) == pytest.approx(500, abs=20)


def test_values_are_renumbered_and_others_dropped(scan: ScanConfig, data: Path) -> None:
    _, labels = read_labelled(changed(scan, label_values={22: 8, 20: 1}), data)

    assert set(np.unique(labels.data)) == {0, 1, 8}


def test_without_a_mapping_only_vertebrae_are_kept(
    scan: ScanConfig, data: Path
) -> None:
    labels = block_labels()
    labels[labels == 21] = 121
    write_nifti(labels, data / "labels.nii.gz")
    _, read = read_labelled(scan, data)

    assert set(np.unique(read.data)) == {0, 20, 22}


def test_second_labels_fill_only_what_the_first_left_empty(
    scan: ScanConfig, data: Path
) -> None:
    first, second = block_labels(), block_labels()
    first[first != 22] = 0
    second[second > 0] = 7
    write_nifti(first, data / "labels.nii.gz")
    write_nifti(second, data / "more.nii.gz")
    both = changed(scan, also=[{"labels": "more.nii.gz", "values": {7: 26}}])
    _, labels = read_labelled(both, data)
    expected = np.where(block_labels() == 22, 22, np.where(block_labels() > 0, 26, 0))

    np.testing.assert_array_equal(labels.grid.from_canonical(labels.data), expected)


def test_parts_of_one_value_are_named_from_head_to_feet(
    scan: ScanConfig, data: Path
) -> None:
    labels = block_labels()
    write_nifti(np.where(labels == 20, 20, 0).astype(np.uint8), data / "labels.nii.gz")
    write_nifti(np.isin(labels, (21, 22)).astype(np.uint8), data / "discs.nii.gz")
    also = [{"labels": "discs.nii.gz", "numbered": {1: [120, 121]}}]
    _, read = read_labelled(changed(scan, also=also), data)
    expected = block_labels()
    expected[labels == 21], expected[labels == 22] = 120, 121

    np.testing.assert_array_equal(read.grid.from_canonical(read.data), expected)


def test_bodies_come_along(scan: ScanConfig, data: Path, tmp_path: Path) -> None:
    labels = block_labels()
    write_nifti(np.where(labels == 21, 49, 41).astype(np.uint8), data / "parts.nii.gz")
    with_bodies = changed(
        scan, bodies={"labels": "parts.nii.gz", "values": [49]}, complete=["disc"]
    )
    prepare((with_bodies,), data, tmp_path / "store")
    (prepared,) = load_store(tmp_path / "store", ["blocks"])

    assert prepared.bodies is not None
    assert torch.equal(prepared.bodies, prepared.labels == 21)
    assert prepared.complete == ("disc",)


def test_near_an_open_end_bone_is_unknown_and_soft_tissue_is_not(
    scan: ScanConfig, data: Path, tmp_path: Path
) -> None:
    labels = block_labels()
    image = block_image(labels)
    image[0:3, 14:36, 42:62] = 500  # a rib beside L2, unlabelled
    labels[labels == 20] = 0  # a vertebra above L2, unlabelled
    write_nifti(image, data / "ct.nii.gz")
    write_nifti(labels, data / "labels.nii.gz")
    unknown = {}
    for ends in ("none", "superior", "inferior"):
        open_ends = () if ends == "none" else (ends,)
        prepare((changed(scan, open_ends=open_ends),), data, tmp_path / "store")
        (prepared,) = load_store(tmp_path / "store", ["blocks"])
        unknown[ends] = prepared.labels.numpy() == IGNORED
    levels = np.flatnonzero(np.isin(prepared.labels.numpy(), [21, 22]).any(axis=(1, 2)))
    top, bottom = levels[0], levels[-1]

    assert not unknown["none"].any()
    assert unknown["superior"][:top].all(), "beyond the end nothing is known"
    assert unknown["inferior"][bottom + 1 :].all()
    # File index i of 3 mm is x, and z counts 0.7 mm steps from the top.
    rib = (slice(29, 39), slice(15, 31), slice(2, 7))
    assert unknown["superior"][rib].all()
    assert not unknown["superior"][top : bottom + 1, 0].any(), "soft tissue"
    assert not unknown["inferior"][: bottom - 40].any(), "far from the end"


def test_unlabelled_structures_of_a_store_exclude_the_unknown(
    scan: ScanConfig, data: Path, tmp_path: Path
) -> None:
    prepare((changed(scan, open_ends=["superior"]),), data, tmp_path / "store")
    (prepared,) = load_store(tmp_path / "store", ["blocks"])

    assert IGNORED not in prepared.structures


@pytest.mark.parametrize("which", ["image", "second labels"])
def test_different_grids_are_refused(
    which: str, scan: ScanConfig, data: Path, tmp_path: Path
) -> None:
    write_nifti(block_labels(), data / "other.nii.gz", (3.0, 1.0, 0.8))
    if which == "image":
        scan = changed(scan, image="other.nii.gz")
    else:
        scan = changed(scan, also=[{"labels": "other.nii.gz", "values": {22: 26}}])

    with pytest.raises(InputError, match="blocks lie on different grids"):
        prepare((scan,), data, tmp_path / "store")


def test_empty_labels_are_refused(scan: ScanConfig, data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="labels of blocks are empty"):
        prepare((changed(scan, label_values={99: 20}),), data, tmp_path / "store")


def test_open_ends_without_an_image_are_refused(painted: ScanConfig) -> None:
    with pytest.raises(ValueError, match="open_ends"):
        changed(painted, open_ends=["superior"])


def test_a_scan_that_is_ready_is_not_prepared_again(
    scan: ScanConfig, data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "store" / "blocks.npz"
    prepare((scan,), data, tmp_path / "store")
    first = file.stat().st_mtime_ns
    prepare((changed(scan, weight=3.0),), data, tmp_path / "store")
    assert file.stat().st_mtime_ns == first

    prepare((changed(scan, label_values={20: 20}),), data, tmp_path / "store")
    (prepared,) = load_store(tmp_path / "store", ["blocks"])
    assert prepared.structures == [20]


def test_a_missing_scan_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="training prepare"):
        load_store(tmp_path, ["blocks"])
