"""`evaluate`: figures as in the contract, and files that do not go together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest

from napari_spinalsam.cli import main
from napari_spinalsam.io.images import read_volume
from napari_spinalsam.io.labels import write_labels

if TYPE_CHECKING:
    from pathlib import Path


def test_evaluate_json_is_as_in_the_contract(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *pair, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result.keys() == {"labels", "mean", "missing", "extra"}
    assert (result["missing"], result["extra"]) == ([23], [24])
    shifted, gone, new = (result["labels"][key] for key in ("22", "23", "24"))
    assert shifted["name"] == "L3"
    assert shifted["dice"] == pytest.approx(0.9)
    assert shifted["iou"] == pytest.approx(9 / 11)
    assert shifted["hd95_mm"] == pytest.approx(3)
    assert 0 < shifted["msd_mm"] < 3
    assert shifted["volume_mm3"] == pytest.approx([240 * 2.1] * 2)
    for one_sided in (gone, new):
        assert (one_sided["dice"], one_sided["iou"]) == (0, 0)
        assert one_sided["msd_mm"] is one_sided["hd95_mm"] is None
    assert gone["volume_mm3"] == pytest.approx([0, 80 * 2.1])
    assert result["mean"].keys() == {"dice", "iou", "msd_mm", "hd95_mm"}
    # Over L3 and the missing L4; L5, which the reference lacks, is in no mean.
    assert result["mean"]["dice"] == pytest.approx(0.45)
    assert result["mean"]["msd_mm"] == shifted["msd_mm"]


def test_evaluate_takes_names_and_numbers(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *pair, "--labels", "L3, 23,T1", "--json"]) == 0
    labels = json.loads(capsys.readouterr().out)["labels"]
    assert labels.keys() == {"8", "22", "23"}
    assert labels["8"]["dice"] is None


def test_evaluate_prints_a_table_for_people(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *pair]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == [
        "label",
        "L3",
        "L4",
        "L5",
        "mean",
    ]
    assert lines[5:] == [
        "missing (only in the reference, Dice 0 in the mean): L4",
        "extra (only in the prediction, not in the mean): L5",
    ]


def test_many_missing_labels_are_told_by_first_and_last(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = read_volume(image).grid
    labels = np.zeros(grid.geometry.shape, np.uint8)
    paths = str(tmp_path / "prediction.nii.gz"), str(tmp_path / "reference.nii.gz")
    write_labels(paths[0], labels, grid)
    for at in range(8):  # T8 to T12, L1 to L3
        labels[at] = 15 + at
    write_labels(paths[1], labels, grid)
    assert main(["evaluate", *paths]) == 0
    assert capsys.readouterr().out.endswith("in the mean): T8 to L3\n")


def test_evaluate_reconciles_another_orientation(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turned = str(tmp_path / "turned.nii.gz")
    nib.save(nib.as_closest_canonical(nib.load(pair[0])), turned)
    assert main(["evaluate", turned, pair[0], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mean"]["dice"] == 1


def test_evaluate_refuses_another_grid_and_images(
    pair: tuple[str, str],
    image: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    moved = nib.load(pair[0])
    affine = moved.affine.copy()
    affine[2, 3] += 1
    nib.save(nib.Nifti1Image(np.asarray(moved.dataobj), affine), tmp_path / "moved.nii")
    assert main(["evaluate", str(tmp_path / "moved.nii"), pair[1]]) == 2
    assert "does not lie on the wanted grid" in capsys.readouterr().err
    assert main(["evaluate", str(image), pair[1]]) == 2
    assert "no label" in capsys.readouterr().err


def test_evaluate_gives_the_published_dice(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = data_dir / "panoptica"
    names = ("matched_instance_pred.nii.gz", "matched_instance_ref.nii.gz")
    pair = [str(folder / name) for name in names]
    assert main(["evaluate", *pair, "--json"]) == 0
    labels = json.loads(capsys.readouterr().out)["labels"]
    expected = json.loads((data_dir / "expected.json").read_text())
    dice = {key: each["dice"] for key, each in labels.items()}
    assert dice == pytest.approx(expected["panoptica_matched_dice"], abs=1e-4)
