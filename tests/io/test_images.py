"""Image files become volumes with their values, spacing and place intact."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image

from napari_spinalsam.core.errors import InputError, InputWarning
from napari_spinalsam.io._raster import flat_grid, write_png
from napari_spinalsam.io.images import read_volume

if TYPE_CHECKING:
    from pathlib import Path

SPACING = (0.7, 1.0, 3.0)  # along i, j, k


def rotation(degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def affine_of(codes: str = "RAS", degrees: float = 0.0) -> np.ndarray:
    signs = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1)}
    signs["I"] = (2, -1)
    matrix = np.zeros((3, 3))
    for axis, code in enumerate(codes):
        world, sign = signs[code]
        matrix[world, axis] = sign * SPACING[axis]
    affine = np.eye(4)
    affine[:3, :3] = rotation(degrees) @ matrix
    affine[:3, 3] = (12.5, -40.0, 7.25)
    return affine


def ramp(shape: tuple[int, ...] = (4, 5, 6), dtype: str = "int16") -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def save_nifti(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nib.save(nib.Nifti1Image(array, affine_of() if affine is None else affine), path)
    return path


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "LAS", "SAL", "ARI"])
@pytest.mark.parametrize("degrees", [0.0, 8.0])
@pytest.mark.parametrize(
    "suffix", [".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd"]
)
def test_every_voxel_keeps_its_world_position(
    tmp_path: Path, codes: str, degrees: float, suffix: str
) -> None:
    array, affine = ramp(), affine_of(codes, degrees)
    path = tmp_path / f"scan{suffix}"
    if suffix.startswith(".nii"):
        save_nifti(path, array, affine)
    else:
        lps = np.diag([-1, -1, 1, 1]) @ affine
        image = sitk.GetImageFromArray(array.transpose())
        image.SetSpacing(SPACING)
        image.SetDirection((lps[:3, :3] / SPACING).ravel().tolist())
        image.SetOrigin(lps[:3, 3].tolist())
        sitk.WriteImage(image, str(path))

    volume = read_volume(path)

    voxel = (3, 1, 4)
    (canonical,) = volume.grid.points_to_canonical(voxel)
    assert volume.data[tuple(np.rint(canonical).astype(int))] == array[voxel]
    world = volume.geometry.voxel_to_world(canonical)[0]
    assert world == pytest.approx((affine @ (*voxel, 1))[:3], abs=1e-4)
    assert volume.grid.affine == pytest.approx(affine, abs=1e-5)
    assert volume.name == "scan"


@pytest.mark.parametrize(("qform", "sform"), [(1, 0), (0, 1), (2, 4)])
def test_nifti_position_comes_from_the_form_that_is_set(
    tmp_path: Path, qform: int, sform: int
) -> None:
    image = nib.Nifti1Image(ramp(), None)
    image.set_qform(affine_of("PIR", 8), qform)
    image.set_sform(affine_of("PIR", 8), sform)
    image.to_filename(tmp_path / "scan.nii")
    grid = read_volume(tmp_path / "scan.nii").grid
    assert grid.affine == pytest.approx(affine_of("PIR", 8), abs=1e-5)


def test_nifti_in_micrometres_is_read_in_millimetres(tmp_path: Path) -> None:
    image = nib.Nifti1Image(ramp(), np.diag([500.0, 500, 2000, 1]))
    image.header.set_xyzt_units("micron")
    image.to_filename(tmp_path / "scan.nii")
    assert read_volume(tmp_path / "scan.nii").geometry.spacing == (2.0, 0.5, 0.5)


def test_nifti_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "scan.nii", ramp())
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([2.0, -1024.0], "float32").tobytes()
    path.write_bytes(content)
    volume = read_volume(path)
    assert volume.data.dtype == "int16"
    assert sorted(volume.data.ravel()) == [2 * n - 1024 for n in range(120)]


def test_an_axis_of_length_one_behind_the_volume_is_kept_in_the_grid(
    tmp_path: Path,
) -> None:
    volume = read_volume(save_nifti(tmp_path / "a.nii", ramp((4, 5, 6, 1))))
    assert volume.data.ndim == 3
    assert volume.grid.from_canonical(volume.data).shape == (4, 5, 6, 1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0, 255], "uint8"), "uint8"),
        (np.array([-1024, 3000], "int16"), "int16"),
        (np.array([0, 65535], "uint16"), "uint16"),
        (np.array([-1024, 3000], "int32"), "int16"),
        (np.array([0, 40000], "uint32"), "uint16"),
        (np.array([-5, 100000], "int32"), "float32"),
        (np.array([-1024, 3000], "float64"), "int16"),
        (np.array([0.5, 1.25], "float64"), "float32"),
        (np.array([-3, 5], "int8"), "int16"),
    ],
)
def test_intensities_keep_their_values_in_the_smallest_type(
    tmp_path: Path, values: np.ndarray, expected: str
) -> None:
    array = np.resize(values, (4, 5, 6)).astype(values.dtype)
    volume = read_volume(save_nifti(tmp_path / "a.nii", array, np.eye(4)))
    assert volume.data.dtype == expected
    assert {*np.unique(volume.data).tolist()} == {*values.tolist()}


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((4, 5, 6), np.nan, "float32"), "NaN"),
        (np.full((4, 5, 6), np.inf, "float32"), "infinite"),
        (np.zeros((4, 5, 6, 2), "int16"), "4 axes"),
        (np.zeros((1, 7, 1), "int16"), "single line"),
        (np.zeros((4, 5, 6), "complex64"), "complex"),
        (np.full((4, 5, 6), 2**30, "int32"), "as large as"),
        (np.full((4, 5, 6), -(2**31), "int32"), "as large as"),
        (np.full((4, 5, 6), 1e300, "float64"), "as large as"),
        (np.zeros((4, 5, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")]), "colour"),
    ],
)
def test_arrays_that_are_no_image_are_refused(
    tmp_path: Path, array: np.ndarray, words: str
) -> None:
    path = save_nifti(tmp_path / "a.nii", array)
    with pytest.raises(InputError, match=words):
        read_volume(path)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha", ".tif"])
def test_voxels_without_a_number_are_filled_and_told(
    tmp_path: Path, suffix: str
) -> None:
    array = ramp(dtype="float32") - 1000
    array[0] = np.nan
    path = tmp_path / f"scan{suffix}"
    if suffix == ".nii.gz":
        save_nifti(path, array)
    elif suffix == ".tif":
        tifffile.imwrite(path, array.transpose(), photometric="minisblack")
    else:
        sitk.WriteImage(sitk.GetImageFromArray(array.transpose()), str(path))
    said = rf"scan\{suffix} has no number \(NaN\) at 30 of 120 voxels: .* as -970,"
    with pytest.warns(InputWarning, match=said):
        volume = read_volume(path)
    assert volume.data.dtype == "int16"
    stored = volume.grid.from_canonical(volume.data)
    assert (stored[0] == -970).all()
    assert (stored[1:] == array[1:]).all()


def test_infinite_voxels_stay_refused_beside_those_without_a_number(
    tmp_path: Path,
) -> None:
    array = ramp(dtype="float32")
    array[0, 0, :2] = np.nan, np.inf
    path = save_nifti(tmp_path / "a.nii", array)
    with pytest.warns(InputWarning), pytest.raises(InputError, match="infinite at 1"):
        read_volume(path)


@pytest.mark.parametrize("suffix", [".mhd", ".nhdr"])
def test_a_missing_file_of_voxels_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scan{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(ramp()), str(path))
    (tmp_path / "scan.raw").rename(tmp_path / "other.raw")
    with pytest.raises(InputError, match=r"scan.* the file scan\.raw, which"):
        read_volume(path)


def test_listed_files_of_voxels_are_read_and_missing_ones_named(
    tmp_path: Path,
) -> None:
    header = "ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nElementType = MET_SHORT\n"
    names = ["first.raw", "second.raw"]
    listed = "ElementDataFile = LIST\n" + "\n".join(names) + "\n"
    (tmp_path / "scan.mhd").write_text(header + listed)
    for part, name in zip(ramp((2, 3, 4)), names, strict=True):
        (tmp_path / name).write_bytes(part.tobytes())
    volume = read_volume(tmp_path / "scan.mhd")
    assert (ramp((2, 3, 4)) == volume.grid.from_canonical(volume.data).T).all()
    (tmp_path / "second.raw").unlink()
    with pytest.raises(InputError, match=r"the file second\.raw, which"):
        read_volume(tmp_path / "scan.mhd")


def test_three_slices_of_8_bit_are_a_volume_and_not_colours(tmp_path: Path) -> None:
    volume = read_volume(save_nifti(tmp_path / "a.nii", ramp((6, 5, 3), "uint8")))
    assert sorted(volume.data.shape) == [3, 5, 6]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".png", ".tif"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"scan{suffix}"
    noise = np.random.default_rng(0).integers(0, 9999, (20, 30, 40)).astype("uint16")
    if suffix.startswith(".nii"):
        save_nifti(path, noise)
    elif suffix == ".png":
        Image.fromarray(noise[0]).save(path)
    elif suffix == ".tif":
        tifffile.imwrite(path, noise)
    else:
        sitk.WriteImage(sitk.GetImageFromArray(noise), str(path))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r"scan.* cannot be read"):
        read_volume(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.nii", None, "There is no file"),
        ("empty.nii.gz", b"", "empty"),
        ("text.nii", b"hello" * 200, "cannot be read as NIfTI"),
        ("text.nrrd", b"hello" * 200, "cannot be read as NRRD"),
        ("text.png", b"hello" * 200, "cannot be read as PNG"),
        ("text.tif", b"hello" * 200, "cannot be read as TIFF"),
        ("scan.xyz", b"hello", "no suffix"),
        ("scan", b"hello", "no suffix"),
        ("IM0001", b"\0" * 128 + b"DICM", "DICOM"),
        ("scan.dcm", b"\0" * 128 + b"DICM", "DICOM"),
    ],
)
def test_files_that_cannot_be_read_are_named(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_volume(path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"folder.*convert"):
        read_volume(tmp_path)


def test_zero_spacing_is_refused(tmp_path: Path) -> None:
    content = bytearray(save_nifti(tmp_path / "a.nii", ramp()).read_bytes())
    content[80:84] = np.float32(0).tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    header = b"ObjectType = Image\nNDims = 3\nElementSpacing = 0 1 1\nDimSize = 2 2 2\n"
    data = b"ElementType = MET_UCHAR\nElementDataFile = LOCAL\n" + bytes(range(8))
    (tmp_path / "a.mha").write_bytes(header + data)
    for name in ("a.nii", "a.mha"):
        with pytest.raises(InputError, match="spacing"):
            read_volume(tmp_path / name)


def test_nrrd_of_four_axes_or_vectors_is_refused(tmp_path: Path) -> None:
    time = sitk.GetImageFromArray(np.zeros((2, 3, 4, 5), "int16"), isVector=False)
    sitk.WriteImage(time, str(tmp_path / "time.nrrd"))
    colour = sitk.GetImageFromArray(np.zeros((4, 5, 3), "uint8"), isVector=True)
    sitk.WriteImage(colour, str(tmp_path / "colour.mha"))
    with pytest.raises(InputError, match="4 axes"):
        read_volume(tmp_path / "time.nrrd")
    with pytest.raises(InputError, match="colour"):
        read_volume(tmp_path / "colour.mha")


@pytest.mark.parametrize("suffix", [".mha", ".nrrd", ".nii.gz"])
def test_flat_images_keep_their_pixel_size(tmp_path: Path, suffix: str) -> None:
    image = sitk.GetImageFromArray(ramp((5, 4)))
    image.SetSpacing((0.7, 3.0))
    sitk.WriteImage(image, str(tmp_path / f"a{suffix}"))
    volume = read_volume(tmp_path / f"a{suffix}")
    assert volume.geometry.is_2d
    assert volume.data.shape == (1, 5, 4)
    assert volume.geometry.spacing[1:] == pytest.approx((3.0, 0.7))
    assert (volume.data[0] == ramp((5, 4))).all()


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("a.png", "uint8"), ("a.png", "uint16"), ("a.jpg", "uint8"), ("a.tif", "uint16")],
)
def test_grey_pictures_are_flat_images_shown_as_stored(
    tmp_path: Path, name: str, dtype: str
) -> None:
    pixels = np.add.outer(np.arange(8), np.zeros(12)).astype(dtype) * 20
    Image.fromarray(pixels).save(tmp_path / name)
    volume = read_volume(tmp_path / name)
    assert volume.geometry.is_2d
    assert volume.grid.shape == (12, 8)
    assert volume.geometry.spacing == (1.0, 1.0, 1.0)
    assert not volume.geometry.known  # neither size nor place
    assert volume.data.dtype == dtype
    assert np.abs(volume.data[0].astype(int) - pixels).max() <= 2  # JPEG rounds


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
@pytest.mark.parametrize(
    ("dpi", "mm"), [(63.5, 0.4), (25.4, 1.0), (72, None), (96, None), (300, None)]
)
def test_a_resolution_is_a_pixel_size_unless_programs_write_it_by_themselves(
    tmp_path: Path, name: str, dpi: float, mm: float | None
) -> None:
    Image.fromarray(ramp((8, 12), "uint8")).save(tmp_path / name, dpi=(dpi, dpi))
    geometry = read_volume(tmp_path / name).geometry
    assert geometry.spacing_known == (mm is not None)
    # A JPEG holds whole dots per inch.
    assert geometry.spacing[1:] == pytest.approx((mm or 1.0,) * 2, rel=0.02)


def test_a_png_of_ours_keeps_a_pixel_size_that_screens_have_too(tmp_path: Path) -> None:
    grid = flat_grid((12, 8), (0.254, 0.254, 1.0))  # 100 dots per inch
    write_png(tmp_path / "a.png", np.zeros((12, 8), np.uint8), grid)
    geometry = read_volume(tmp_path / "a.png").geometry
    assert geometry.spacing_known
    assert geometry.spacing[1:] == pytest.approx((0.254, 0.254), rel=1e-3)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "L"])
def test_grey_stored_as_colours_is_taken_as_grey(tmp_path: Path, mode: str) -> None:
    grey = Image.fromarray(ramp((8, 12), "uint8"))
    grey.convert(mode).save(tmp_path / "a.png")
    assert (read_volume(tmp_path / "a.png").data[0] == ramp((8, 12))).all()


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_true_colours_are_refused(tmp_path: Path, name: str) -> None:
    pixels = np.zeros((8, 12, 3), "uint8")
    pixels[..., 0] = 200
    Image.fromarray(pixels).save(tmp_path / name)
    with pytest.raises(InputError, match=r"colour.*grayscale"):
        read_volume(tmp_path / name)


@pytest.mark.parametrize(
    ("options", "shape", "spacing"),
    [
        ({}, (5, 6), (1, 1, 1)),
        ({"resolution": (20, 10), "resolutionunit": "CENTIMETER"}, (5, 6), (1, 1, 0.5)),
        ({"resolution": (50.8, 25.4), "resolutionunit": "INCH"}, (5, 6), (1, 1, 0.5)),
        ({"photometric": "minisblack"}, (4, 5, 6), (1, 1, 1)),
        (
            {
                "imagej": True,
                "resolution": (2, 1),
                "metadata": {"unit": "mm", "spacing": 3.0, "axes": "ZYX"},
            },
            (4, 5, 6),
            (3, 1, 0.5),
        ),
    ],
)
def test_tiff_spacing_comes_from_its_header(
    tmp_path: Path, options: dict[str, Any], shape: tuple[int, ...], spacing: Any
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", ramp(shape, "uint16"), **options)
    volume = read_volume(tmp_path / "a.tif")
    assert volume.geometry.spacing == pytest.approx(spacing, rel=1e-5)
    assert volume.geometry.spacing_known == ("resolution" in options)
    assert not volume.geometry.orientation_known
    assert (volume.data == ramp(shape)).all()


def test_lzw_tiff_stacks_are_read(tmp_path: Path) -> None:
    pages = [Image.fromarray(page) for page in ramp((4, 5, 6), "uint16")]
    pages[0].save(
        tmp_path / "a.tif",
        save_all=True,
        append_images=pages[1:],
        compression="tiff_lzw",
    )
    assert (read_volume(tmp_path / "a.tif").data == ramp((4, 5, 6))).all()


def test_tiff_with_time_and_slices_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        ramp((2, 4, 5, 6), "uint16"),
        imagej=True,
        metadata={"axes": "TZYX"},
    )
    with pytest.raises(InputError, match="one time point"):
        read_volume(tmp_path / "a.tif")


def test_real_scans_give_the_published_values_and_places(data_dir: Path) -> None:
    expected = json.loads((data_dir / "expected.json").read_text())
    checked = 0
    for entry in expected["voxels"]:
        path = data_dir / entry["file"]
        if path.is_dir():
            continue
        volume = read_volume(path)
        (canonical,) = volume.grid.points_to_canonical(entry["voxel"])
        value = volume.data[tuple(np.rint(canonical).astype(int))]
        world = volume.geometry.voxel_to_world(canonical)[0]
        assert value == entry["value"]
        assert world == pytest.approx(entry["world_ras"], abs=1e-3)
        checked += 1
    assert checked == 10
