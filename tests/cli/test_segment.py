"""`segment`: what it writes and prints, and what it never touches."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from napari_spinalsam.annotation.storage.files import open_annotation
from napari_spinalsam.cli import main, segment
from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.core.intensity import PRESETS
from napari_spinalsam.io.images import read_volume
from napari_spinalsam.io.labels import read_labels, write_labels
from tests.cli.helpers import SHAPE, FillsTheBox, boxed, save_prompts

if TYPE_CHECKING:
    from pathlib import Path


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
