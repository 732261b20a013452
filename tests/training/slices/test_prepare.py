"""A data set becomes a store of slices: windowed, filtered, split, reproducible."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage as ndi

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.intensity import PRESETS
from napari_spinalsam.io.images import read_volume
from napari_spinalsam.io.labels import read_labels
from tests.training.helpers import (
    block_image,
    block_labels,
    folder_tree,
    verse_tree,
    write_nifti,
)
from training.slices import prepare, slicing
from training.slices.overview import draw_summary
from training.slices.prepare import prepare_slices
from training.slices.slicing import LabelledScan, SliceSettings, plan, read_case
from training.slices.sources import find_cases
from training.slices.split import hold_back
from training.slices.store import SliceStore

if TYPE_CHECKING:
    from pathlib import Path

    from training.slices.store import Slice

SMALL = SliceSettings(size=64, window="bone")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Two scans in two folders."""
    return folder_tree(tmp_path / "own", ("a", "b"))


def slices(store: SliceStore) -> list[Slice]:
    return [store.read(key) for key in (*store.keys("train"), *store.keys("test"))]


def test_slices_are_windowed_by_equation_11_in_three_planes(
    own: Path, tmp_path: Path
) -> None:
    store = prepare_slices("folder", own, tmp_path / "store", SMALL)
    planes = set()
    for piece in slices(store):
        planes.add(piece.row.plane)
        bone = np.median(piece.image[piece.labels > 0])
        tissue = np.median(piece.image[piece.labels == 0])
        assert bone == pytest.approx(255 * (500 + 450) / 1500, abs=3)
        assert tissue == pytest.approx(255 * (40 + 450) / 1500, abs=3)

    assert planes == {"axial", "coronal", "sagittal"}


def test_the_longer_side_fills_the_size_and_pixels_are_square(
    own: Path, tmp_path: Path
) -> None:
    store = prepare_slices("folder", own, tmp_path / "store", SMALL)
    for piece in slices(store):
        assert max(piece.image.shape) == 64
        assert piece.image.shape == (piece.row.rows, piece.row.cols)
        assert piece.row.row_mm == pytest.approx(piece.row.col_mm, rel=0.02)
        millimetres = {"axial": (48, 48), "coronal": (70, 48), "sagittal": (70, 48)}
        extent = (
            piece.row.rows * piece.row.row_mm,
            piece.row.cols * piece.row.col_mm,
        )
        assert extent == pytest.approx(millimetres[piece.row.plane])


def test_slivers_are_no_targets(own: Path, tmp_path: Path) -> None:
    labels = block_labels()
    labels[8, 20, 5] = 19  # one voxel of 4,800 in the slice
    write_nifti(labels, own / "labels" / "a.nii.gz")
    store = prepare_slices("folder", own, tmp_path / "store", SMALL)

    assert all(piece.row.targets for piece in slices(store))
    for case in store.cases.values():
        for row in case.rows:
            assert 19 not in row.targets
    rare = SMALL.model_copy(update={"smallest_share": 0.0})
    store = prepare_slices("folder", own, tmp_path / "store", rare)
    assert any(19 in row.targets for row in store.cases["a"].rows)


DISCS = (119, 120, 121, 122)


@pytest.mark.parametrize(
    ("target", "expected"),
    [("disc", {*DISCS}), ("vertebra", {20, 21}), ("all", {*DISCS, 20, 21})],
)
def test_the_filter_is_on_the_mask_of_a_class(target: str, expected: set[int]) -> None:
    counts = np.zeros(256, np.int64)
    counts[[*DISCS, 20, 21, 61]] = (40, 30, 30, 20, 300, 90, 50)
    counts[0] = 10_000 - counts.sum()
    # No disc covers 1 % of 10,000 pixels, but together they do; the canal does not.
    settings = SliceSettings(target=target)
    assert set(slicing._targets(counts, settings)) == expected
    counts[list(DISCS)] //= 2
    assert not expected.issubset(DISCS) or not slicing._targets(counts, settings)


def test_discs_of_a_public_scan_keep_their_sagittal_slices(data_dir: Path) -> None:
    folder = data_dir / "totalsegmentator"
    names = {274: 119, 471: 120, 496: 121, 549: 122, 551: 123, 344: 124}
    volume = read_volume(folder / "ct.nii.gz")
    drawn = read_labels(folder / "bodies_discs.nii.gz", volume.grid).data
    parts, count = ndi.label(drawn == 2)
    sizes = np.bincount(parts.ravel())
    labels = np.zeros(drawn.shape, np.uint8)
    for part in range(1, count + 1):
        labels[parts == part] = names.get(int(sizes[part]), 0)
    scan = LabelledScan(volume, labels, PRESETS["bone"])
    rows = plan(scan, SliceSettings(target="disc"))
    sagittal = [row for row in rows if row.plane == "sagittal"]
    assert len(sagittal) >= 10
    assert max(len(row.targets) for row in sagittal) == 6


def test_planes_much_longer_than_wide_are_left_out_by_millimetres(
    tmp_path: Path,
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    # 48 x 48 x 20 mm: flat in voxels and in mm; 16 voxels of 3 mm are not.
    write_nifti(block_image(block_labels())[:, :, 10:40], own / "a.nii.gz")
    write_nifti(block_labels()[:, :, 10:40], own / "a_labels.nii.gz")
    store = prepare_slices("folder", own, tmp_path / "s", SMALL, test_share=0)

    assert {row.plane for row in store.cases["a"].rows} == {"axial"}


def test_the_same_input_and_seed_give_the_same_store(own: Path, tmp_path: Path) -> None:
    first = prepare_slices("folder", own, tmp_path / "one", SMALL, seed=3)
    second = prepare_slices("folder", own, tmp_path / "two", SMALL, seed=3)
    assert first.digest == second.digest
    for one, two in zip(slices(first), slices(second), strict=True):
        np.testing.assert_array_equal(one.image, two.image)

    wider = SMALL.model_copy(update={"window": "300,2000"})
    third = prepare_slices("folder", own, tmp_path / "two", wider, seed=3)
    assert third.digest != first.digest
    assert third.window == (300, 2000)


def test_patients_are_never_split(tmp_path: Path) -> None:
    tree = verse_tree(tmp_path / "verse", patients=3)
    store = prepare_slices("verse", tree, tmp_path / "s", SMALL)
    chosen = set()
    for seed in range(8):
        held = hold_back(list(store.cases.values()), 0.4, seed, "patient")
        patients = {store.cases[name].patient for name in held}
        others = {case.patient for case in store.cases.values()} - patients
        assert len(patients) == 1
        for name, case in store.cases.items():
            assert (name in held) == (case.patient not in others)
        chosen |= patients
    assert len(chosen) > 1, "the seed decides"


def test_a_split_by_slice_warns_that_it_leaks(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare_slices("folder", own, tmp_path / "s", SMALL)
    assert "leaks" not in capsys.readouterr().err
    store = prepare_slices("folder", own, tmp_path / "s", SMALL, split="slice")
    assert "leaks" in capsys.readouterr().err
    train, test = ({key.case for key in store.keys(part)} for part in ("train", "test"))
    assert train & test
    every = len(store.keys("train")) + len(store.keys("test"))
    assert len(store.keys("test")) == round(0.2 * every)


def test_one_patient_cannot_be_held_back(tmp_path: Path) -> None:
    own = folder_tree(tmp_path / "own", ("a",))
    with pytest.raises(InputError, match="none can be held back"):
        prepare_slices("folder", own, tmp_path / "s", SMALL)
    store = prepare_slices("folder", own, tmp_path / "s", SMALL, test_share=0)
    assert not store.keys("test")


def test_a_killed_preparation_goes_on_with_the_scans_that_are_left(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepare_slices("folder", own, tmp_path / "whole", SMALL)
    read: list[str] = []

    def killed_at_the_second(case: object, settings: SliceSettings) -> object:
        read.append(case.name)  # type: ignore[attr-defined]
        if len(read) == 2:
            raise KeyboardInterrupt
        return read_case(case, settings)  # type: ignore[arg-type]

    monkeypatch.setattr(prepare, "read_case", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        prepare_slices("folder", own, tmp_path / "s", SMALL)
    with pytest.raises(InputError, match="no complete store"):
        SliceStore(tmp_path / "s")
    again = prepare_slices("folder", own, tmp_path / "s", SMALL)

    assert read == ["a", "b", "b"]
    assert again.digest == whole.digest


def test_a_changed_file_is_prepared_again(own: Path, tmp_path: Path) -> None:
    first = prepare_slices("folder", own, tmp_path / "s", SMALL)
    labels = np.where(block_labels() == 22, 23, block_labels()).astype(np.int16)
    write_nifti(labels, own / "labels" / "a.nii.gz")
    second = prepare_slices("folder", own, tmp_path / "s", SMALL)

    assert first.digest != second.digest
    assert any(23 in row.targets for row in second.cases["a"].rows)


def test_a_picture_shows_what_the_store_holds(own: Path, tmp_path: Path) -> None:
    store = prepare_slices("folder", own, tmp_path / "s", SMALL)
    assert draw_summary(store).stat().st_size > 10_000


def test_a_data_set_of_which_nothing_is_left_is_refused(
    own: Path, tmp_path: Path
) -> None:
    strict = SMALL.model_copy(update={"smallest_share": 0.9})
    with pytest.raises(InputError, match=r"No slice of .* passes the filters"):
        prepare_slices("folder", own, tmp_path / "s", strict)


def test_values_that_are_no_labels_are_refused(own: Path) -> None:
    labels = np.where(block_labels() == 22, 300, block_labels()).astype(np.int16)
    write_nifti(labels, own / "labels" / "a.nii.gz")
    with pytest.raises(InputError, match="holds the label 300"):
        read_case(find_cases("folder", own)[0], SMALL)
