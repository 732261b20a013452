"""Names that people and systems give to files are taken, or refused in a sentence."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image

from napari_spinalsam.cli import main
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.io.csv import write_table
from napari_spinalsam.io.images import read_volume
from napari_spinalsam.io.labels import read_labels, write_labels

VOXELS = (np.arange(120) % 30).astype("uint8").reshape(4, 5, 6)
NAMES = {
    "not UTF-8": os.fsdecode(b"b\xff\xe9d"),
    "newline": "new\nline",
    "number sign": "a#b?c%20d",
    "quotes": 'it\'s "so"',
    "unicode": "脊柱 ü ψ 🦴",
    "blank": " lead and trail ",
    "long": "n" * 240,
    "dots": "a.nii.b.gz",
    "dash": "-o",
}
SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".png", ".tif")


def named(folder: Path, name: str, suffix: str) -> Path:
    """Write an image under a plain name, and give it the odd one."""
    path = folder / f"plain{suffix}"
    if suffix.startswith(".nii"):
        nib.save(nib.Nifti1Image(VOXELS, np.eye(4)), path)
    elif suffix == ".png":
        Image.fromarray(VOXELS[0]).save(path)
    elif suffix == ".tif":
        tifffile.imwrite(path, VOXELS, photometric="minisblack")
    else:
        sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(path))
    return path.rename(folder / f"{name}{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_images_and_labels_of_any_name_are_read_and_written(
    tmp_path: Path, name: str, suffix: str
) -> None:
    (tmp_path / "plain").mkdir()
    image = named(tmp_path / "plain", name, suffix)
    folder = (tmp_path / "plain").rename(tmp_path / os.fsdecode(b"f\xff"))
    volume = read_volume(folder / image.name)
    volume.name.encode()  # it can be shown and saved
    assert "\n" not in volume.name
    single = {".nhdr": ".nrrd", ".mhd": ".mha"}.get(suffix, suffix)
    out = folder / f"{name[:230]}.out{single}"
    labels = volume.data.astype(np.uint8)
    write_labels(out, labels, volume.grid)
    assert (read_labels(out, volume.grid).data == labels).all()
    kept = {path.name for path in folder.iterdir()}
    assert kept <= {f"{name}{suffix}", out.name, "plain.raw", "plain.zraw"}


def test_a_table_of_any_name_is_written(tmp_path: Path) -> None:
    for name in NAMES.values():
        write_table(tmp_path / f"{name}.csv", ["a"], [[1]])
        assert (tmp_path / f"{name}.csv").read_text() == "a\n1\n"


@pytest.mark.parametrize("suffix", [".mhd", ".nhdr"])
def test_a_file_of_voxels_with_such_a_name_is_found(
    tmp_path: Path, suffix: str
) -> None:
    path = named(tmp_path, "scan", suffix)
    (tmp_path / "plain.raw").rename(tmp_path / NAMES["not UTF-8"])
    odd = os.fsencode(NAMES["not UTF-8"])
    path.write_bytes(path.read_bytes().replace(b"plain.raw", odd))
    assert read_volume(path).data.size == VOXELS.size
    renamed = path.rename(tmp_path / f"{NAMES['not UTF-8']}{suffix}")
    assert read_volume(renamed).data.size == VOXELS.size


@pytest.mark.parametrize("name", ["not UTF-8", "newline", "long"])
def test_errors_name_such_a_file_in_one_line_of_text(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / f"{NAMES[name]}.nrrd")
    for arguments in (
        ["evaluate", path, path],
        ["verify", path],
        ["segment", path, "--structures", "L3", "-o", path],
        ["segment", path, "--prompts", path, "-o", str(tmp_path / "out.nii")],
    ):
        assert main(arguments) == 2
        printed, errors = capfd.readouterr()
        assert printed == ""
        assert errors.count("\n") == 1
        errors.encode()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["evaluate", "{0}", "{0}"], "is a folder"),
        (["segment", "{0}", "--structures", "L3", "-o", "{0}/a.nii"], "is a folder"),
        (["segment", "{1}", "--prompts", "{0}", "-o", "{0}/a.nii"], "cannot be read"),
        (["segment", "{1}", "--structures", "L3", "-o", "{0}/f.nii"], "is a folder"),
        (["segment", "{1}", "--structures", "L3", "-o", "{1}/a.nii"], "does not exist"),
        (
            [
                "segment",
                "{1}",
                "--structures",
                "L3",
                "-o",
                "{0}/b.nii",
                "--start",
                "{0}",
            ],
            "is a folder",
        ),
        (["evaluate", "{1}", "{1}/a.nii"], "There is no file"),
        (["evaluate", "{1}", "{0}/" + "n" * 300 + ".nii"], "File name too long"),
        (
            ["segment", "{1}", "--structures", "L3", "-o", "{0}/" + "n" * 300 + ".nii"],
            "File name too long",
        ),
        (["verify", "{0}"], "{0}"),
    ],
)
def test_folders_in_the_place_of_files_are_told(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    image = named(tmp_path, "image", ".nii")
    (tmp_path / "f.nii").mkdir()
    before = sorted(tmp_path.iterdir())
    given = [each.format(tmp_path, image) for each in arguments]
    assert main(given) == 2
    printed, errors = capfd.readouterr()
    assert printed == ""
    assert errors.count("\n") == 1
    assert words.format(tmp_path, image) in errors
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no folder is read-only to root")
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_folder_that_takes_no_file_is_told(tmp_path: Path, suffix: str) -> None:
    volume = read_volume(named(tmp_path, "image", ".nii"))
    with pytest.raises(InputError, match=r"/proc/out.* cannot be written"):
        write_labels(f"/proc/out{suffix}", volume.data, volume.grid)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name here")
def test_a_pipe_is_told_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.nii")
    with pytest.raises(InputError, match="no ordinary file"):
        read_volume(tmp_path / "pipe.nii")
