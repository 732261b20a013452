"""The command line: what it writes and prints, and what it never touches."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from napari_spinalsam.annotation.storage.files import open_annotation
from napari_spinalsam.cli import main, segment
from napari_spinalsam.core.errors import InputWarning, ModelError
from napari_spinalsam.core.intensity import PRESETS
from napari_spinalsam.core.prompts import MaskPrediction
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.core.results import FoundStructure, Progress, VolumeMask
from napari_spinalsam.io.images import read_volume
from napari_spinalsam.io.labels import read_labels, write_labels
from napari_spinalsam.model.backends.base import ModelRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_spinalsam.core.geometry import SlicePlane
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.prompts import SlicePrompts
    from napari_spinalsam.core.volume import Volume

SHAPE = (10, 20, 30)
WHERE = (slice(1, 4), slice(2, 6))


class FillsTheBox:
    """A session that answers a box with the box."""

    pixel_mm = None

    device = "cpu"

    def __init__(self) -> None:
        self.record = ModelRecord(ModelIdentity("", "box"), "box", "", 0)
        self.windows: list[Window] = []

    @property
    def identity(self) -> ModelIdentity:
        return self.record.identity

    def set_volume(self, volume: Volume) -> None:
        self.volume = volume

    def choose_pixel_mm(self, prompts: Any, window: Window) -> float:
        return 0.35

    def predict(
        self, plane: SlicePlane, prompts: SlicePrompts, /, *, window: Window
    ) -> MaskPrediction:
        self.windows.append(window)
        box = prompts.box
        assert box is not None
        mask = np.zeros(plane.shape, bool)
        rows = slice(round(box.row_min), round(box.row_max) + 1)
        mask[rows, round(box.col_min) : round(box.col_max) + 1] = True
        return MaskPrediction(
            masks=mask[None],
            predicted_iou=np.array([0.75], np.float32),
            low_res_logits=np.zeros((1, 4, 4), np.float32),
            encode_ms=2.0,
            decode_ms=1.0,
        )

    def propagate_all(self, objects: Any, *, window: Window) -> Iterator[Any]:
        yield Progress("working", 0.5)
        whole = VolumeMask(np.ones((2, 3, 4), bool), (slice(5, 7), *WHERE), 0.8)
        yield [whole for _ in objects]

    def find_structures(
        self, names: Any, *, window: Window, anchors: Any
    ) -> Iterator[Any]:
        """Everything but L5 is there, in the first slices."""
        for at, name in enumerate(name for name in names if name != "L5"):
            whole = VolumeMask(
                np.ones((1, 3, 4), bool), (slice(at, at + 1), *WHERE), 0.8
            )
            yield FoundStructure(name, whole, 0.99 if anchors else 0.4)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> FillsTheBox:
    """The session that `segment` is given instead of a real model."""
    fake = FillsTheBox()
    monkeypatch.setattr(segment, "load_session", lambda model, device, adapter: fake)
    return fake


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A CT with axes to posterior, inferior and right, tilted by 8 degrees."""
    c, s = np.cos(np.radians(8)), np.sin(np.radians(8))
    pir = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ pir * (0.7, 1, 3)
    affine[:3, 3] = (12.5, -40.0, 7.25)
    array = np.random.default_rng(0).integers(-1000, 1000, SHAPE, dtype=np.int16)
    nib.save(nib.Nifti1Image(array, affine), tmp_path / "ct.nii.gz")
    return tmp_path / "ct.nii.gz"


def boxed(name: str = "L3", **changes: Any) -> dict[str, Any]:
    prompt = {"axis": 2, "index": 7, "box": [[1, 4, 7], [6, 12, 7]]}
    return {"structure": name, "prompts": [prompt], **changes}


def save_prompts(folder: Path, *objects: dict[str, Any]) -> str:
    path = folder / "prompts.json"
    path.write_text(json.dumps({"objects": objects or [boxed()]}))
    return str(path)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_segment_writes_the_prompted_slice_in_the_coordinates_of_the_file(
    image: Path, tmp_path: Path, session: FillsTheBox, suffix: str
) -> None:
    out = tmp_path / f"out{suffix}"
    code = main(
        ["segment", str(image), "--prompts", save_prompts(tmp_path), "-o", str(out)]
    )
    assert code == 0
    grid = read_volume(image).grid
    labels = read_labels(out)
    expected = np.zeros(SHAPE, np.uint8)
    expected[1:7, 4:13, 7] = 22
    assert (labels.grid.from_canonical(labels.data) == expected).all()
    assert labels.grid.affine == pytest.approx(grid.affine, abs=1e-5)


def test_segment_json_is_as_in_the_contract(
    image: Path,
    tmp_path: Path,
    session: FillsTheBox,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = str(tmp_path / "out.nii.gz")
    prompts = save_prompts(tmp_path, boxed(), boxed("L4-L5"))
    assert main(["segment", str(image), "--prompts", prompts, "-o", out, "--json"]) == 0
    printed, errors = capsys.readouterr()
    result = json.loads(printed)
    assert errors == ""
    assert result.keys() == {"output", "objects", "seconds", "model", "device"}
    assert result["seconds"].keys() == {"load", "encode", "decode", "total"}
    assert (result["output"], result["model"], result["device"]) == (out, "box", "cpu")
    first, second = result["objects"]
    assert first == {
        "structure": "L3",
        "label": 22,
        "voxels": 54,
        "volume_mm3": pytest.approx(54 * 0.7 * 3),
        "predicted_iou": 0.75,
        "slices": 1,
    }
    assert (second["label"], second["voxels"]) == (123, 0)


def test_segment_follows_an_object_that_is_to_be_propagated(
    image: Path,
    tmp_path: Path,
    session: FillsTheBox,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out.nii.gz"
    prompts = save_prompts(tmp_path, boxed(propagate=True))
    command = ["segment", str(image), "--prompts", prompts, "-o", str(out), "--json"]
    assert main(command) == 0
    (result,) = json.loads(capsys.readouterr().out)["objects"]
    assert (result["voxels"], result["slices"]) == (24, 4)
    assert result["predicted_iou"] == 0.8
    assert np.count_nonzero(read_labels(out).data == 22) == 24


def test_segment_finds_named_structures_and_says_what_is_a_guess_or_missing(
    image: Path,
    tmp_path: Path,
    session: FillsTheBox,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out.nii.gz"
    command = ["segment", str(image), "--structures", "Lumbar", "-o", str(out)]
    assert main([*command, "--json"]) == 0
    printed, errors = capsys.readouterr()
    objects = json.loads(printed)["objects"]
    assert [each["structure"] for each in objects] == ["L1", "L2", "L3", "L4"]
    assert {each["confidence"] for each in objects} == {0.4}
    assert set(np.unique(read_labels(out).data)) == {0, 20, 21, 22, 23}
    assert errors.count("\n") == 1
    assert "confidence 0.40" in errors
    assert "not found: L5" in errors


def test_names_counted_from_a_prompted_vertebra_need_no_warning(
    image: Path,
    tmp_path: Path,
    session: FillsTheBox,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = str(tmp_path / "out.nii.gz")
    prompts = save_prompts(tmp_path)
    command = ["segment", str(image), "--prompts", prompts, "--structures", "L2,l4"]
    assert main([*command, "-o", out, "--json"]) == 0
    printed, errors = capsys.readouterr()
    objects = json.loads(printed)["objects"]
    assert [each["structure"] for each in objects] == ["L2", "L4"]
    assert all("confidence" not in each for each in objects)
    assert errors == ""


def test_segment_goes_on_from_labels(
    image: Path,
    tmp_path: Path,
    session: FillsTheBox,
    capsys: pytest.CaptureFixture[str],
) -> None:
    grid = read_volume(image).grid
    labels = np.zeros(grid.geometry.shape, np.uint8)
    labels[0, :2] = 20
    write_labels(tmp_path / "start.nrrd", labels, grid)
    start, out = str(tmp_path / "start.nrrd"), tmp_path / "out.nii.gz"
    command = ["segment", str(image), "--start", start, "-o", str(out)]
    assert main([*command, "--prompts", save_prompts(tmp_path)]) == 0
    found = read_labels(out).data
    assert (found[labels == 20] == 20).all()
    assert np.count_nonzero(found == 22) == 54
    capsys.readouterr()
    assert main([*command, "--structures", "L1,L2"]) == 0
    found = read_labels(out).data
    assert ((found == 20) == (labels == 20)).all()
    assert np.count_nonzero(found == 21)
    errors = capsys.readouterr().err
    assert "there already and left as they are: L1" in errors
    assert "guess" not in errors
    prompts = save_prompts(tmp_path, boxed("L1"))
    assert main([*command, "--structures", "L1", "--prompts", prompts]) == 0
    assert np.count_nonzero(read_labels(out).data == 20) == 12
    assert "there already" not in capsys.readouterr().err


def test_segment_saves_an_annotation_that_the_image_opens(
    image: Path, tmp_path: Path, session: FillsTheBox
) -> None:
    out, kept = tmp_path / "out.nii.gz", tmp_path / "case.spinalsam"
    command = ["segment", str(image), "--prompts", save_prompts(tmp_path)]
    command += ["-o", str(out), "--save-annotation", str(kept)]
    assert main(command) == 0
    annotation = open_annotation(kept, read_volume(image))
    assert (annotation.labels == read_labels(out).data).all()
    ((entry,),) = [each.accepted for each in annotation.state.objects]
    assert entry.prompts.box is not None
    assert entry.origin.model.name == "box"
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]

    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for name, at in (("case.nii", out), ("none/a.spinalsam", out), ("a.spinalsam", "")):
        command[-3], command[-1] = (
            str(at or tmp_path / "none/o.nii"),
            str(tmp_path / name),
        )
        assert main(command) == 2
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_adapter_sees_the_window_that_it_was_trained_with(
    image: Path,
    tmp_path: Path,
    session: FillsTheBox,
    capsys: pytest.CaptureFixture[str],
) -> None:
    session.record = replace(session.record, window=PRESETS["disc"])
    out = str(tmp_path / "out.nii.gz")
    command = ["segment", str(image), "--prompts", save_prompts(tmp_path), "-o", out]
    assert main([*command, "--json"]) == 0
    printed, errors = capsys.readouterr()
    assert set(session.windows) == {PRESETS["disc"]}
    assert json.loads(printed)["window"] == {"level": 60, "width": 300}
    assert errors == ""
    assert main([*command, "--window", "bone"]) == 0
    assert session.windows[-1] == PRESETS["bone"]
    told = "trained with the window 60/300 and sees the image with 300/1500"
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("dpi", "more", "taken", "area"),
    [
        (None, [], {"value": 0.35, "from": "estimate"}, None),
        (63.5, [], {"value": 0.4, "from": "file"}, 54 * 0.16),
        (63.5, ["--pixel-mm", "0.5"], {"value": 0.5, "from": "option"}, 54 * 0.25),
    ],
)
def test_the_pixel_size_of_a_picture_is_found_told_or_stated(
    tmp_path: Path,
    session: FillsTheBox,
    capsys: pytest.CaptureFixture[str],
    dpi: float | None,
    more: list[str],
    taken: dict[str, object],
    area: float | None,
) -> None:
    picture, out = tmp_path / "flat.png", tmp_path / "out.png"
    options = {} if dpi is None else {"dpi": (dpi, dpi)}
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(picture, **options)
    entry = {"structure": "L3", "prompts": [{"box": [[1, 4], [6, 12]]}]}
    prompts = save_prompts(tmp_path, entry)
    command = ["segment", str(picture), "--prompts", prompts, "-o", str(out)]
    assert main([*command, *more, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["pixel_mm"]["from"] == taken["from"]
    assert result["pixel_mm"]["value"] == pytest.approx(taken["value"], rel=1e-3)
    (found,) = result["objects"]
    assert found["volume_mm3"] == (area and pytest.approx(area, rel=1e-2))
    # The labels lie on the grid of the picture as it is stored.
    written, read = (read_volume(path).geometry for path in (out, picture))
    assert written.known == read.known
    assert written.spacing == pytest.approx(read.spacing)
    kept = tmp_path / "flat.spinalsam"
    assert main([*command, *more, "--save-annotation", str(kept)]) == 0
    geometry = open_annotation(kept, read_volume(picture)).geometry
    assert geometry.spacing_known == (area is not None)
    if area is not None:
        assert geometry.spacing[1:] == pytest.approx(2 * (taken["value"],), rel=1e-3)


def test_a_size_that_nobody_knows_is_refused_before_a_model_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, out = tmp_path / "flat.png", tmp_path / "out.nii.gz"
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(picture)
    entry = {"structure": "L3", "prompts": [{"box": [[1, 4], [6, 12]]}]}
    prompts = save_prompts(tmp_path, entry)
    command = ["segment", str(picture), "--prompts", prompts, "-o", str(out)]
    assert main([*command, "--model", "none"]) == 2
    assert "pixel size" in capsys.readouterr().err
    assert not out.exists()
    assert main([*command, "--pixel-mm", "0.4"]) == 0
    header = nib.load(out).header
    assert header.get_zooms() == pytest.approx((0.4, 0.4))
    assert (header["sform_code"], header["qform_code"]) == (0, 0)


@pytest.mark.parametrize("more", [["--structures", "L3"], []])
def test_a_flat_image_has_no_spine_to_follow(
    tmp_path: Path,
    session: FillsTheBox,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
) -> None:
    picture, out = tmp_path / "flat.png", tmp_path / "out.png"
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(picture)
    prompts = tmp_path / "prompts.json"
    prompt = {"box": [[1, 4], [6, 12]]}
    entry = {"structure": "L3", "propagate": True, "prompts": [prompt]}
    prompts.write_text(json.dumps({"objects": [entry]}))
    command = ["segment", str(picture), "--prompts", str(prompts), *more]
    assert main([*command, "-o", str(out)]) == 2
    assert "flat" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("option", "limits"),
    [
        ([], (-450, 1050)),
        (["--window", "soft_tissue"], (-160, 240)),
        (["--window", "100,50"], (75, 125)),
        (["--window=-600,1500"], (-1350, 150)),
    ],
)
def test_the_window_is_the_one_asked_for_or_bone_for_ct(
    image: Path,
    tmp_path: Path,
    session: FillsTheBox,
    option: list[str],
    limits: tuple[float, float],
) -> None:
    out = str(tmp_path / "out.nii.gz")
    prompts = save_prompts(tmp_path)
    assert main(["segment", str(image), "--prompts", prompts, "-o", out, *option]) == 0
    assert session.windows[0].limits == limits


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": "none.nii"}, "There is no file"),
        ({"prompts": "none.json"}, "none.json cannot be read"),
        ({"output": "out.xyz"}, "out.xyz"),
        ({"output": "out.seg.dcm"}, "DICOM SEG"),
        ({"output": "none/out.nii"}, "does not exist"),
        ({"output": "out.png"}, "cannot hold a volume"),
        ({"output": "ct.nii.gz"}, "would replace ct.nii.gz"),
        ({"more": ["--start", "none.nii"]}, "There is no file none.nii"),
        ({"more": ["--start", "{folder}/ct.nii.gz"]}, "no label"),
        ({"more": ["--start", "{folder}/out.nii"], "output": "out.nii"}, "out.nii"),
        ({"more": ["--window", "bright"]}, "'bright' is no window"),
        ({"more": ["--device", "tpu"]}, "'tpu'"),
        ({"more": ["--pixel-mm", "0"]}, "'0' is no number of mm above 0"),
        ({"more": ["--pixel-mm", "0.4"]}, "is for pictures, and ct is a volume"),
        ({"more": ["--structures", "L9"]}, "no structure 'L9'"),
        ({"more": ["--structures", " , "]}, "names nothing"),
        ({"more": ["--structures", "spinal_cord"]}, "Only vertebrae, discs and"),
        (
            {"objects": [boxed("L4-L5")], "more": ["--structures", "L4"]},
            "not from L4-L5",
        ),
        ({"more": ["--structures", "L5"]}, "None of L5 was found"),
        ({"objects": [boxed("L9")]}, "no structure 'L9'"),
        ({"objects": [boxed(), boxed("L4", prompts=[{"axis": 2}])]}, "object 2"),
    ],
)
def test_bad_input_ends_with_2_one_line_and_no_file_changed(
    image: Path,
    tmp_path: Path,
    session: FillsTheBox,
    capfd: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    words: str,
) -> None:
    names = {"image": "ct.nii.gz", "prompts": "prompts.json", "output": "out.nii.gz"}
    names |= {key: changes[key] for key in names if key in changes}
    paths = {key: str(tmp_path / name) for key, name in names.items()}
    save_prompts(tmp_path, *changes.get("objects", []))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    try:
        code: Any = main(
            [
                *("segment", paths["image"], "--prompts", paths["prompts"]),
                *("-o", paths["output"], "--json"),
                *(each.format(folder=tmp_path) for each in changes.get("more", [])),
            ]
        )
    except SystemExit as left:  # how argparse refuses an option
        code = left.code
    printed, errors = capfd.readouterr()
    assert code == 2
    assert printed == ""
    assert words in errors
    assert errors.startswith("napari-spinalsam: ")
    assert errors.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_model_that_cannot_be_loaded_is_bad_input(
    image: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(model: str, device: str, adapter: str | None) -> None:
        raise ModelError(f"There is no model {model}:\nuse another.")

    monkeypatch.setattr(segment, "load_session", fail)
    out = tmp_path / "out.nii"
    prompts = save_prompts(tmp_path)
    arguments = ["segment", str(image), "--prompts", prompts, "-o", str(out)]
    assert main([*arguments, "--model", "huge"]) == 2
    assert capsys.readouterr().err == (
        "napari-spinalsam: There is no model huge: use another.\n"
    )
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["unknown"], "'unknown'"),
        (["segment", "a.nii"], "--output"),
        (["segment", "a.nii", "-o", "b.nii"], "give a file with --prompts"),
        (["evaluate", "a.nii"], "REFERENCE"),
        (["evaluate", "a.nii", "b.nii", "--labels", "L9"], "no structure 'L9'"),
        (["evaluate", "a.nii", "b.nii", "--labels", "0"], "background"),
    ],
)
def test_wrong_arguments_are_said_in_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: Any = main(arguments)
    except SystemExit as left:
        code = left.code
    printed, errors = capsys.readouterr()
    assert (code, printed) == (2, "")
    assert words in errors
    assert errors.count("\n") == 1


@pytest.fixture
def pair(image: Path, tmp_path: Path) -> tuple[str, str]:
    """A reference with L3 and L4, and a prediction with L3 shifted, and L5."""
    grid = read_volume(image).grid
    reference, prediction = np.zeros((2, *grid.geometry.shape), np.uint8)
    reference[2:8, 2:6, 10:20] = 22
    reference[10:12, 2:6, 10:20] = 23
    prediction[2:8, 2:6, 11:21] = 22
    prediction[14:16, 2:6, 10:20] = 24
    paths = str(tmp_path / "prediction.nii.gz"), str(tmp_path / "reference.nrrd")
    for path, labels in zip(paths, (prediction, reference), strict=True):
        write_labels(path, labels, grid)
    return paths


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


def test_info_names_versions_device_and_models(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["info", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {"napari-spinalsam", "torch", "napari", "Python"} <= result[
        "versions"
    ].keys()
    used = [each["device"] for each in result["devices"] if each["used"]]
    assert used == [result["device"]]
    assert "spinalsam-tiny" in [each["name"] for each in result["models"]]
    assert main(["info"]) == 0
    assert "spinalsam-tiny" in capsys.readouterr().out


def test_models_are_listed_with_the_place_of_their_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NAPARI_SPINALSAM_MODELS", str(tmp_path))
    assert main(["models", "list", "--json"]) == 0
    models = json.loads(capsys.readouterr().out)["models"]
    sam = next(each for each in models if each["name"] == "sam-vit-b")
    assert not sam["present"]
    assert sam["path"].startswith(str(tmp_path))
    assert main(["models", "list"]) == 0
    assert "sam-vit-b" in capsys.readouterr().out


def test_a_model_that_nobody_knows_is_not_downloaded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["models", "download", "sam-vit-x"]) == 2
    assert "no model 'sam-vit-x'" in capsys.readouterr().err


def test_a_download_says_where_the_weights_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetch(name: str, progress: Callable[[int, int | None], None]) -> Path:
        progress(5, None)
        progress(10, 10)
        return tmp_path / name

    monkeypatch.setattr("napari_spinalsam.model.weights.download.download", fetch)
    assert main(["models", "download", "sam-vit-b", "--json"]) == 0
    printed, errors = capsys.readouterr()
    assert errors == ""
    assert json.loads(printed) == {
        "name": "sam-vit-b",
        "path": str(tmp_path / "sam-vit-b"),
    }


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """The bundled network without training."""
    from napari_spinalsam.model.networks.tiny import SpinalSamTiny
    from napari_spinalsam.model.weights.checkpoint import save_tiny

    save_tiny(SpinalSamTiny(), tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


def test_segment_predicts_with_a_file_of_weights(
    image: Path, tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.nii.gz"
    prompts = save_prompts(tmp_path)
    arguments = ["segment", str(image), "--prompts", prompts, "-o", str(out), "--json"]
    assert main([*arguments, "--model", str(checkpoint), "--device", "cpu"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["model"], result["device"]) == ("mine", "cpu")
    labels = read_labels(out)
    stored = labels.grid.from_canonical(labels.data)
    assert np.count_nonzero(stored) == result["objects"][0]["voxels"]
    assert np.count_nonzero(stored) == np.count_nonzero(stored[:, :, 7])


def test_verify_counts_the_parameters_of_a_file(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(checkpoint), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["family"] == "spinalsam-tiny"
    assert result["complete"]
    assert result["matched"]
    assert result["missing"] == result["unexpected"] == result["shape_mismatched"] == []
    assert len(result["sha256"]) == 64
    assert main(["verify", str(checkpoint)]) == 0
    assert "matched" in capsys.readouterr().out


def test_verify_refuses_a_file_that_is_no_checkpoint(
    image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(image)]) == 2
    printed, errors = capsys.readouterr()
    assert printed == ""
    assert "ct.nii.gz is no file of weights" in errors


RUN = "import sys; from napari_spinalsam.cli import main; sys.exit(main())"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["models", "list"], 0), (["--help"], 0), (["evaluate", "a.nii", "b.nii"], 2)],
)
def test_a_reader_who_goes_away_ends_it_quietly(
    arguments: list[str], code: int, tmp_path: Path
) -> None:
    (tmp_path / "errors").touch()
    with (tmp_path / "errors").open("r+b") as errors:
        run = subprocess.Popen(
            [sys.executable, "-c", RUN, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if code else errors,
        )
        assert run.stdout is not None
        run.stdout.close()
        assert run.wait() == code
    assert (tmp_path / "errors").read_bytes() == b""


@pytest.mark.parametrize(
    "locale",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_output_is_utf_8_whatever_the_locale(
    tmp_path: Path, locale: dict[str, str]
) -> None:
    folder, gone = (
        "模型 ü",
        os.fsdecode("ψ\udcff.nii".encode("utf-8", "surrogateescape")),
    )
    environment = (
        os.environ | locale | {"NAPARI_SPINALSAM_MODELS": str(tmp_path / folder)}
    )
    for arguments in (["models", "list"], ["evaluate", gone, gone]):
        run = subprocess.run(
            [sys.executable, "-c", RUN, *arguments],
            capture_output=True,
            env=environment,
        )
        printed, errors = run.stdout.decode(), run.stderr.decode()
        if arguments[0] == "models":
            assert (run.returncode, errors) == (0, "")
            assert folder in printed
        else:
            assert (run.returncode, printed) == (2, "")
            assert "There is no file ψ\\xff.nii" in errors


def test_standard_error_holds_our_sentences_only(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def noisy(options: Any) -> None:
        os.write(2, b"from a library in C\n")
        sys.stderr.write("from a library in Python\n")
        logging.getLogger("library").error("logged")
        warnings.warn("deprecated", DeprecationWarning, stacklevel=1)
        for _ in range(2):
            warnings.warn(InputWarning("The scan has\na doubt."), stacklevel=1)

    monkeypatch.setattr("napari_spinalsam.cli.info.run", noisy)
    assert main(["info"]) == 0
    assert capfd.readouterr() == ("", "napari-spinalsam: The scan has a doubt.\n")
    os.write(2, b"and afterwards it is open again\n")
    assert "open again" in capfd.readouterr().err


def test_a_doubt_is_not_told_beside_an_error(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(options: Any) -> None:
        warnings.warn(InputWarning("The scan has a doubt."), stacklevel=1)
        raise ModelError("There is no model.")

    monkeypatch.setattr("napari_spinalsam.cli.info.run", fails)
    assert main(["info"]) == 2
    assert capfd.readouterr() == ("", "napari-spinalsam: There is no model.\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_standard_output_is_told() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        run = subprocess.run(
            [sys.executable, "-c", RUN, "models", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "cannot be written to standard output (No space left" in run.stderr


@pytest.mark.parametrize("command", [[], ["segment"], ["models", "list"], ["parse"]])
def test_help_is_quick_for_it_imports_nothing_that_takes_long(
    command: list[str],
) -> None:
    code = (
        "import sys; from napari_spinalsam.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'scipy', 'pydantic', 'torch'} & sys.modules.keys()\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *command, "--help"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "usage: napari-spinalsam" in run.stdout


def test_help_and_evaluate_import_neither_torch_nor_qt(pair: tuple[str, str]) -> None:
    code = (
        "import sys; from napari_spinalsam.cli import main; main(sys.argv[1:]);"
        "heavy = {'torch', 'qtpy', 'napari', 'openai'} & sys.modules.keys();"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, "evaluate", *pair, "--json"],
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, "")
