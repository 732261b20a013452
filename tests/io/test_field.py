"""Files as people have them: odd headers, roundings and axes, and the right answer.

Each defect is made again on a small array; the last tests read the very files that were
met in the field, where they are at hand.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile

from napari_spinalsam.cli import main
from napari_spinalsam.core.errors import InputError, InputWarning
from napari_spinalsam.core.geometry import Known
from napari_spinalsam.io.images import read_volume
from napari_spinalsam.io.labels import read_labels, write_labels

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (6, 5, 4)
PLACING = (
    *("pixdim", "xyzt_units", "qform_code", "sform_code"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z"),
)


# By 5 degrees about the first axis, along which a voxel measures 0.7 mm.
TURN = np.eye(4)
TURN[1:3, 1:3] = [[0.99619, -0.08716 * 3], [0.08716 / 3, 0.99619]]


def affine_of(spacing: tuple[float, ...] = (0.7, 1.0, 3.0)) -> np.ndarray:
    """Axes to posterior, inferior and right, tilted by 8 degrees."""
    c, s = np.cos(np.radians(8)), np.sin(np.radians(8))
    pir = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    tilt = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    affine = np.eye(4)
    affine[:3, :3] = tilt @ pir * spacing
    affine[:3, 3] = (12.5, -40.0, 7.25)
    return affine


def scan_of(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return (np.arange(np.prod(shape)) * 7 - 300).reshape(shape).astype("int16")


def nifti(
    path: Path,
    sform: tuple[np.ndarray | None, int],
    qform: tuple[np.ndarray | None, int],
    units: str = "mm",
    kind: Any = nib.Nifti1Image,
    shape: tuple[int, ...] = SHAPE,
) -> Path:
    image = kind(scan_of(shape), None)
    image.header.set_xyzt_units(units)
    image.set_sform(*sform)
    image.set_qform(*qform)
    image.to_filename(path)
    return path


def placing(path: Path) -> dict[str, bytes]:
    """The fields of a header that place its array, byte by byte."""
    image: Any = nib.load(path)
    with nib.openers.ImageOpener(str(path)) as file:
        header = image.header_class.from_fileobj(file, check=False)
    return {name: np.array(header[name]).tobytes() for name in PLACING}


def moved(affine: np.ndarray, *by: float) -> np.ndarray:
    other = affine.copy()
    other[:3, 3] += by
    return other


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("codes", [(2, 1), (4, 0), (0, 1), (0, 3), (1, 1)])
@pytest.mark.parametrize("units", ["mm", "micron", "meter", "unknown"])
def test_labels_carry_the_very_forms_codes_and_units_of_the_image(
    tmp_path: Path, kind: Any, codes: tuple[int, int], units: str
) -> None:
    affine = affine_of()
    path = nifti(
        tmp_path / "a.nii.gz", (affine, codes[0]), (affine, codes[1]), units, kind
    )
    volume = read_volume(path)
    out = tmp_path / "out.nii.gz"
    write_labels(out, np.zeros(volume.data.shape, np.uint8), volume.grid)
    assert placing(out) == placing(path)
    assert nib.load(out).shape == SHAPE
    assert nib.load(out).header.get_intent()[0] == "label"
    assert read_labels(out, volume.grid).grid is volume.grid


def test_odd_headers_are_kept_too(tmp_path: Path) -> None:
    """The last byte order, and a qfac of 0, which is to be read as 1."""
    path = nifti(tmp_path / "a.nii", (None, 0), (affine_of(), 1))
    content = bytearray(path.read_bytes())
    content[76:80] = np.float32(0).tobytes()
    path.write_bytes(content)
    volume = read_volume(path)
    write_labels(tmp_path / "b.nii", np.zeros(volume.data.shape, np.uint8), volume.grid)
    assert placing(tmp_path / "b.nii") == placing(path)
    image = nib.Nifti1Image(scan_of(), affine_of())
    swapped = nib.Nifti1Image(scan_of(), None, image.header.as_byteswapped())
    swapped.to_filename(tmp_path / "big.nii")
    volume = read_volume(tmp_path / "big.nii")
    write_labels(tmp_path / "c.nii", np.zeros(volume.data.shape, np.uint8), volume.grid)
    one, other = nib.load(tmp_path / "big.nii").header, nib.load(tmp_path / "c.nii")
    assert all((one[name] == other.header[name]).all() for name in PLACING)


def test_forms_that_disagree_are_told_once_and_kept(tmp_path: Path) -> None:
    affine = affine_of()
    path = nifti(tmp_path / "a.nii", (moved(affine, 10, -5, 3), 2), (affine, 1))
    with pytest.warns(InputWarning, match=r"a.nii .*disagree by 11.6 mm: its sform"):
        volume = read_volume(path)
    assert volume.grid.affine == pytest.approx(moved(affine, 10, -5, 3), abs=1e-5)
    write_labels(
        tmp_path / "out.nii", np.zeros(volume.data.shape, np.uint8), volume.grid
    )
    assert placing(tmp_path / "out.nii") == placing(path)


def test_forms_that_differ_by_their_rounding_are_no_news(tmp_path: Path) -> None:
    affine = affine_of()
    read_volume(nifti(tmp_path / "a.nii", (np.round(affine, 3), 2), (affine, 1)))


def test_a_file_without_a_place_says_so_and_its_labels_lie_where_it_lies(
    tmp_path: Path,
) -> None:
    path = nifti(tmp_path / "a.nii", (affine_of(), 0), (affine_of(), 0))
    with pytest.warns(InputWarning, match=r"a.nii .*orientation are unknown"):
        volume = read_volume(path)
    assert volume.geometry.known is Known.SPACING
    out = tmp_path / "out.nii"
    write_labels(out, np.zeros(volume.data.shape, np.uint8), volume.grid)
    assert placing(out) == placing(path)
    assert (nib.load(out).affine == nib.load(path).affine).all()
    one, other = sitk.ReadImage(str(path)), sitk.ReadImage(str(out))
    assert one.GetOrigin() == other.GetOrigin()
    assert one.GetDirection() == other.GetDirection()


def test_a_grid_that_was_changed_since_is_not_written_with_the_old_header(
    tmp_path: Path,
) -> None:
    from dataclasses import replace

    path = nifti(tmp_path / "a.nii", (affine_of(), 2), (affine_of(), 1))
    grid = read_volume(path).grid
    wider = replace(grid, affine=grid.affine @ np.diag([2.0, 1, 1, 1]))
    write_labels(tmp_path / "out.nii", np.zeros(wider.geometry.shape, np.uint8), wider)
    assert nib.load(tmp_path / "out.nii").affine == pytest.approx(
        wider.affine, abs=1e-5
    )


def test_micrometres_are_millimetres_inside_and_micrometres_in_the_file(
    tmp_path: Path,
) -> None:
    affine = affine_of((700, 1000, 3000))
    path = nifti(tmp_path / "a.nii", (affine, 2), (None, 0), "micron")
    volume = read_volume(path)
    assert sorted(volume.geometry.spacing) == pytest.approx([0.7, 1.0, 3.0])
    write_labels(
        tmp_path / "out.nii", np.zeros(volume.data.shape, np.uint8), volume.grid
    )
    assert placing(tmp_path / "out.nii") == placing(path)


@pytest.mark.parametrize(
    ("value", "label"), [(20.9999, 21), (22.0001, 22), (23.0009, 23), (-1e-5, 0)]
)
def test_scaled_labels_are_the_whole_numbers_they_stand_for(
    tmp_path: Path, value: float, label: int
) -> None:
    array = np.full(SHAPE, value)
    nib.save(nib.Nifti1Image(array, affine_of()), tmp_path / "a.nii")
    labels = read_labels(tmp_path / "a.nii").data
    assert labels.dtype == np.uint8
    assert (labels == label).all()


def test_interpolated_labels_stay_refused(tmp_path: Path) -> None:
    array = np.full(SHAPE, 21.002)
    nib.save(nib.Nifti1Image(array, affine_of()), tmp_path / "a.nii")
    with pytest.raises(InputError, match=r"21\.002, which is no label"):
        read_labels(tmp_path / "a.nii")


def test_a_rounded_header_is_the_same_grid(tmp_path: Path) -> None:
    grid = read_volume(
        nifti(tmp_path / "a.nii", (affine_of(), 2), (None, 0), shape=(90, 50, 20))
    ).grid
    labels = np.zeros(grid.shape, np.uint8)
    labels[3, 2, 1] = 22
    nib.save(nib.Nifti1Image(labels, np.round(affine_of(), 3)), tmp_path / "b.nii")
    found = read_labels(tmp_path / "b.nii", grid)
    assert found.grid is grid
    assert (grid.from_canonical(found.data) == labels).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (np.diag([1.0, 1, 1.05, 1]), r"measures 3.15 mm, not 3 mm, .*0.45 mm or 0.15"),
        (
            np.eye(4) + 0.2 * np.eye(4, k=3),
            r"the place differs, .*0.14 mm or 0.2 voxel",
        ),
        (TURN, r"the axes are turned by 5 degrees, at the corners by 0.859 mm or 0.8"),
        (None, "numbers of voxels differ"),
    ],
)
def test_what_differs_is_said_and_by_how_much(
    tmp_path: Path, change: np.ndarray | None, words: str
) -> None:
    grid = read_volume(nifti(tmp_path / "a.nii", (affine_of(), 2), (None, 0))).grid
    shape = (6, 5, 3) if change is None else SHAPE
    affine = affine_of() if change is None else affine_of() @ change
    nib.save(nib.Nifti1Image(np.zeros(shape, np.uint8), affine), tmp_path / "b.nii")
    with pytest.raises(InputError, match=words):
        read_labels(tmp_path / "b.nii", grid)


def four_axes(path: Path) -> Path:
    if path.name.endswith(".nii.gz"):
        nib.save(nib.Nifti1Image(scan_of((*SHAPE, 1)), affine_of()), path)
    elif path.suffix == ".tif":
        pixels = scan_of((*SHAPE, 1)).astype("uint16").transpose()
        tifffile.imwrite(path, pixels, photometric="minisblack")
    else:
        image = sitk.GetImageFromArray(scan_of((*SHAPE, 1)).transpose(), isVector=False)
        spacing = np.array([0.7, 1.0, 3.0, 1.0])
        lps, direction = np.diag([-1, -1, 1, 1]) @ affine_of(), np.eye(4)
        direction[:3, :3] = lps[:3, :3] / spacing[:3]
        image.SetSpacing(spacing)
        image.SetDirection(direction.ravel())
        image.SetOrigin([*lps[:3, 3], 0.0])
        sitk.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("suffix", [".nii.gz", ".mha", ".nrrd", ".tif"])
def test_an_axis_of_one_is_taken_and_written_back(tmp_path: Path, suffix: str) -> None:
    path = four_axes(tmp_path / f"a{suffix}")
    volume = read_volume(path)
    assert volume.data.ndim == 3
    assert volume.grid.shape == (*SHAPE, 1)
    if suffix != ".tif":
        assert volume.grid.affine == pytest.approx(affine_of(), abs=1e-5)
    labels = (volume.data % 29).astype(np.uint8)
    out = tmp_path / f"out{suffix}"
    write_labels(out, labels, volume.grid)
    if suffix == ".nii.gz":
        assert nib.load(out).shape == (*SHAPE, 1)
    elif suffix == ".tif":
        assert tifffile.imread(out).shape == (1, *SHAPE[::-1])
    else:
        image, source = sitk.ReadImage(str(out)), sitk.ReadImage(str(path))
        assert image.GetSize() == (*SHAPE, 1)
        assert image.GetNumberOfComponentsPerPixel() == 1
        assert image.GetOrigin() == pytest.approx(source.GetOrigin())
        assert image.GetDirection() == pytest.approx(source.GetDirection())
    back = read_labels(out, volume.grid)
    assert (back.data == labels).all()


@pytest.mark.parametrize("first", [".nii.gz", ".mha", ".nrrd"])
@pytest.mark.parametrize("second", [".nii.gz", ".mha", ".nrrd"])
def test_an_axis_of_one_survives_another_format(
    tmp_path: Path, first: str, second: str
) -> None:
    volume = read_volume(four_axes(tmp_path / f"a{first}"))
    labels = (volume.data % 29).astype(np.uint8)
    write_labels(tmp_path / f"out{second}", labels, volume.grid)
    back = read_labels(tmp_path / f"out{second}")
    assert back.grid.shape == (*SHAPE, 1)
    assert (back.data == labels).all()


@pytest.fixture
def field(data_dir: Path) -> Path:
    """The folder of the very files; beside the one with scans."""
    folder = data_dir.parent / "field"
    if not folder.is_dir():
        pytest.skip("no folder with files from the field beside that with scans")
    return folder


@pytest.mark.parametrize(
    ("name", "warned"),
    [
        ("four_axes.mha", ""),
        ("four_axes.nrrd", ""),
        ("sform_scanner_qform_other.nii.gz", "disagree by 11.6 mm: its sform is used"),
        ("no_form_codes.nii.gz", "position and orientation are unknown"),
        ("micrometre.nii.gz", ""),
    ],
)
def test_images_of_the_field_are_segmented_in_place(
    field: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    name: str,
    warned: str,
) -> None:
    prompt = {"axis": 2, "index": 36, "box": [[20, 10, 36], [50, 40, 36]]}
    prompts = tmp_path / "prompts.json"
    prompts.write_text(
        json.dumps({"objects": [{"structure": "L3-L4", "prompts": [prompt]}]})
    )
    out = tmp_path / ("out" + "".join((field / name).suffixes))
    command = ["segment", str(field / name), "--prompts", str(prompts), "-o", str(out)]
    assert main([*command, "--json"]) == 0
    printed, errors = capfd.readouterr()
    (found,) = json.loads(printed)["objects"]
    assert found["volume_mm3"] == pytest.approx(found["voxels"] * 1.5**3)
    assert found["voxels"] > 100
    assert warned in errors
    assert errors.count("\n") == bool(warned)
    if out.suffix == ".gz":
        assert placing(out) == placing(field / name)
    one, other = sitk.ReadImage(str(field / name)), sitk.ReadImage(str(out))
    assert one.GetSize() == other.GetSize()
    assert one.GetOrigin() == pytest.approx(other.GetOrigin())
    assert one.GetDirection() == pytest.approx(other.GetDirection())


@pytest.mark.parametrize(
    ("name", "reference", "labels"),
    [
        (
            "scaled_labels.nii.gz",
            "tptbox/ct_L3_vertebrae.nii.gz",
            {"21": "L2", "22": "L3", "23": "L4"},
        ),
        ("rounded_header_labels.nii.gz", "panoptica/semantic_ref.nii.gz", None),
    ],
)
def test_labels_of_the_field_are_those_of_their_original(
    field: Path,
    data_dir: Path,
    capfd: pytest.CaptureFixture[str],
    name: str,
    reference: str,
    labels: dict[str, str] | None,
) -> None:
    pair = [str(field / name), str(data_dir / reference)]
    for command in (pair, pair[::-1]):
        assert main(["evaluate", *command, "--json"]) == 0
        printed, errors = capfd.readouterr()
        found = json.loads(printed)["labels"]
        assert {each["dice"] for each in found.values()} == {1.0}
        assert errors == ""
        if labels is not None:
            assert {key: each["name"] for key, each in found.items()} == labels
