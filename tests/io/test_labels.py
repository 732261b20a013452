"""Labels are read as whole numbers and written on exactly the grid of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Geometry, Known
from napari_spinalsam.core.volume import FileGrid, Volume
from napari_spinalsam.io.images import read_volume
from napari_spinalsam.io.labels import read_labels, read_labels_for, write_labels

if TYPE_CHECKING:
    from pathlib import Path

SPACING = (0.7, 1.0, 3.0)


def oblique_grid(shape: tuple[int, ...] = (4, 5, 6)) -> FileGrid:
    """Axes to posterior, inferior and right, tilted by 8 degrees."""
    c, s = np.cos(np.radians(8)), np.sin(np.radians(8))
    pir = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    tilt = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    affine = np.eye(4)
    affine[:3, :3] = tilt @ pir * SPACING
    affine[:3, 3] = (12.5, -40.0, 7.25)
    return FileGrid(shape, affine)


def some_labels(grid: FileGrid) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 30, grid.geometry.shape, dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_written_labels_lie_on_the_grid_they_were_given(
    tmp_path: Path, suffix: str
) -> None:
    grid = oblique_grid()
    labels = some_labels(grid)
    write_labels(tmp_path / f"out{suffix}", labels, grid)
    back = read_labels(tmp_path / f"out{suffix}")
    assert back.grid.shape == grid.shape
    assert back.grid.affine == pytest.approx(grid.affine, abs=1e-5)
    assert back.data.dtype == np.uint8
    assert (back.data == labels).all()


def test_nifti_labels_carry_both_forms_and_millimetres(tmp_path: Path) -> None:
    grid = oblique_grid()
    write_labels(tmp_path / "out.nii.gz", some_labels(grid), grid)
    image = nib.load(tmp_path / "out.nii.gz")
    assert image.get_sform() == pytest.approx(grid.affine, abs=1e-5)
    assert image.get_qform() == pytest.approx(grid.affine, abs=1e-4)
    assert image.header["sform_code"] > 0
    assert image.header["qform_code"] > 0
    assert image.header.get_xyzt_units()[0] == "mm"
    assert image.get_data_dtype() == np.uint8


def test_a_sheared_grid_gets_no_quaternion_that_contradicts_it(tmp_path: Path) -> None:
    affine = np.diag([*SPACING, 1.0])
    affine[0, 2] = 1.0
    grid = FileGrid((4, 5, 6), affine)
    write_labels(tmp_path / "out.nii", some_labels(grid), grid)
    image = nib.load(tmp_path / "out.nii")
    assert image.header["qform_code"] == 0
    assert image.affine == pytest.approx(affine, abs=1e-5)


@pytest.mark.filterwarnings("ignore:.*does not say where it lies")
@pytest.mark.parametrize("first", [".nii.gz", ".nrrd", ".mha", ".png", ".tif"])
@pytest.mark.parametrize("second", [".nii.gz", ".nrrd", ".mha", ".png", ".tif"])
def test_flat_images_get_flat_labels_of_their_shape(
    tmp_path: Path, first: str, second: str
) -> None:
    image = sitk.GetImageFromArray(np.arange(40, dtype="uint8").reshape(5, 8))
    sitk.WriteImage(image, str(tmp_path / f"image{first}"))
    volume = read_volume(tmp_path / f"image{first}")
    labels = some_labels(volume.grid)
    if not volume.geometry.spacing_known and second not in (".png", ".tif"):
        with pytest.raises(InputError, match="pixel size"):
            write_labels(tmp_path / f"out{second}", labels, volume.grid)
        return
    write_labels(tmp_path / f"out{second}", labels, volume.grid)
    back = read_labels(tmp_path / f"out{second}", volume.grid)
    assert back.grid.shape == (8, 5)
    assert (back.data == labels).all()


def test_a_png_keeps_its_pixel_size_to_a_thousandth(tmp_path: Path) -> None:
    grid = FileGrid((8, 5), np.diag([-0.7, -0.3, -1.0, 1.0]))
    write_labels(tmp_path / "out.png", some_labels(grid), grid)
    spacing = read_volume(tmp_path / "out.png").geometry.spacing
    assert spacing[1:] == pytest.approx((0.3, 0.7), rel=1e-3)


def test_tiff_stacks_are_written_with_their_spacing(tmp_path: Path) -> None:
    grid = FileGrid((4, 5, 6), np.diag([-0.5, -1.0, -3.0, 1.0]), Known.SPACING)
    labels = some_labels(grid)
    write_labels(tmp_path / "out.tif", labels, grid)
    back = read_labels(tmp_path / "out.tif", grid)
    assert back.grid.affine == pytest.approx(grid.affine)
    assert (back.data == labels).all()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out.tif", "cannot hold the position"),
        ("out.png", "cannot hold a volume"),
        ("out.jpg", "Labels cannot be written as out.jpg"),
        ("out.xyz", "Labels cannot be written as out.xyz"),
        ("out.mhd", "Labels cannot be written as out.mhd"),
        ("out.seg.dcm", "DICOM SEG"),
        ("none/out.nii", "does not exist"),
    ],
)
def test_a_file_that_cannot_hold_the_labels_is_refused_and_not_made(
    tmp_path: Path, name: str, words: str
) -> None:
    grid = oblique_grid()
    with pytest.raises(InputError, match=words):
        write_labels(tmp_path / name, some_labels(grid), grid)
    assert list(tmp_path.iterdir()) == []


def test_labels_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="do not fit"):
        write_labels(tmp_path / "a.nii", np.zeros((2, 2, 2), np.uint8), oblique_grid())


def test_a_failed_write_leaves_the_present_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(image: nib.Nifti1Image, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    (tmp_path / "out.nii").write_bytes(b"precious")
    monkeypatch.setattr(nib.Nifti1Image, "to_filename", full_disk)
    grid = oblique_grid()
    with pytest.raises(InputError, match="No space left"):
        write_labels(tmp_path / "out.nii", some_labels(grid), grid)
    assert (tmp_path / "out.nii").read_bytes() == b"precious"
    assert [path.name for path in tmp_path.iterdir()] == ["out.nii"]


def test_a_complete_write_replaces_the_present_file(tmp_path: Path) -> None:
    (tmp_path / "out.nii").write_bytes(b"old")
    grid = oblique_grid()
    write_labels(tmp_path / "out.nii", some_labels(grid), grid)
    assert (read_labels(tmp_path / "out.nii").data == some_labels(grid)).all()
    assert [path.name for path in tmp_path.iterdir()] == ["out.nii"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0, 22], "float64"), "uint8"),
        (np.array([0, 255], "int32"), "uint8"),
        (np.array([0, 300], "int16"), "uint16"),
        (np.array([0, 65535], "float32"), "uint16"),
    ],
)
def test_whole_numbers_of_any_type_are_labels(
    tmp_path: Path, values: np.ndarray, expected: str
) -> None:
    array = np.resize(values, (4, 5, 6)).astype(values.dtype)
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "a.nii")
    labels = read_labels(tmp_path / "a.nii")
    assert labels.data.dtype == expected
    assert np.unique(labels.data).tolist() == values.tolist()


@pytest.mark.parametrize(
    ("value", "words"),
    [(1.5, "1.5"), (np.nan, "nan"), (-1.0, "-1"), (65536.0, "65536")],
)
def test_other_numbers_are_no_labels(tmp_path: Path, value: float, words: str) -> None:
    array = np.zeros((4, 5, 6))
    array[1, 2, 3] = value
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(InputError, match=f"a.nii holds the value {words}"):
        read_labels(tmp_path / "a.nii")


@pytest.mark.parametrize("codes", ["LPS", "RAS", "PIR", "SAL", "IRP"])
def test_another_orientation_of_the_same_grid_is_reconciled(
    tmp_path: Path, codes: str
) -> None:
    grid = oblique_grid()
    labels = some_labels(grid)
    stored = nib.Nifti1Image(grid.from_canonical(labels), grid.affine)
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(grid.affine),
        nib.orientations.axcodes2ornt(codes),
    )
    nib.save(stored.as_reoriented(turn), tmp_path / "turned.nii.gz")
    assert (read_labels(tmp_path / "turned.nii.gz", grid).data == labels).all()


def test_a_grid_turned_by_45_degrees_is_reconciled(tmp_path: Path) -> None:
    """Here tiny differences decide which canonical axis a file axis becomes."""
    half = np.sqrt(0.5)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, half, -half], [0, half, half]]) * SPACING
    grid = FileGrid((4, 5, 6), affine)
    labels = some_labels(grid)
    nudged = affine.copy()
    nudged[:3, 1] += (0, 1e-5, -1e-5)
    nudged[:3, 2] -= (0, 1e-5, -1e-5)
    stored = nib.Nifti1Image(grid.from_canonical(labels)[:, ::-1], nudged @ flip_j(5))
    nib.save(stored, tmp_path / "turned.nii.gz")
    assert (read_labels(tmp_path / "turned.nii.gz", grid).data == labels).all()


def flip_j(length: int) -> np.ndarray:
    matrix = np.diag([1.0, -1, 1, 1])
    matrix[1, 3] = length - 1
    return matrix


@pytest.mark.parametrize(
    "change",
    [
        np.diag([1.0, 1, 1.1, 1]),
        np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0.5], [0, 0, 0, 1]]),
    ],
    ids=["spacing", "origin"],
)
def test_another_grid_is_refused_and_both_are_named(
    tmp_path: Path, change: np.ndarray
) -> None:
    grid = oblique_grid()
    other = FileGrid(grid.shape, grid.affine @ change)
    write_labels(tmp_path / "other.nii", some_labels(other), other)
    with pytest.raises(InputError, match=r"other.nii .*4 x 5 x 6.*4 x 5 x 6"):
        read_labels(tmp_path / "other.nii", grid)


def test_label_pictures_are_read_on_the_picture(tmp_path: Path) -> None:
    Image.fromarray(np.full((5, 8), 7, "uint8")).save(tmp_path / "image.png")
    Image.fromarray(np.full((5, 8), 22, "uint8")).save(tmp_path / "labels.png")
    image = read_volume(tmp_path / "image.png")
    assert (read_labels(tmp_path / "labels.png", image.grid).data == 22).all()


def test_real_labels_stored_the_other_way_round_land_on_their_scan(
    data_dir: Path, tmp_path: Path
) -> None:
    path = data_dir / "totalsegmentator" / "dicom_labels.nii.gz"
    stored = read_labels(path)
    flip = np.diag([1.0, -1, 1, 1])
    flip[1, 3] = 511
    series = FileGrid(stored.grid.shape, stored.grid.affine @ flip)
    write_labels(tmp_path / "lps.nii.gz", stored.data, series)
    raw = np.asarray(nib.load(path).dataobj)
    assert (np.asarray(nib.load(tmp_path / "lps.nii.gz").dataobj) == raw[:, ::-1]).all()
    assert (read_labels(path, series).data == stored.data).all()


def test_grids_that_differ_by_less_than_a_micrometre_are_the_same(
    data_dir: Path,
) -> None:
    folder = data_dir / "panoptica"
    reference = read_labels(folder / "matched_instance_ref.nii.gz")
    predicted = read_labels(folder / "matched_instance_pred.nii.gz", reference.grid)
    assert predicted.data.shape == reference.data.shape


def test_real_oblique_labels_are_written_back_bit_for_bit(
    data_dir: Path, tmp_path: Path
) -> None:
    image = read_volume(data_dir / "verse014" / "ct.nii.gz")
    source = data_dir / "verse014" / "vertebrae.nii.gz"
    write_labels(
        tmp_path / "out.nii.gz", read_labels(source, image.grid).data, image.grid
    )
    written, original = nib.load(tmp_path / "out.nii.gz"), nib.load(source)
    assert np.abs(written.affine - original.affine).max() < 1e-6
    assert (np.asarray(written.dataobj) == np.asarray(original.dataobj)).all()


def test_intensities_are_not_taken_for_labels(data_dir: Path) -> None:
    with pytest.raises(InputError, match="no label"):
        read_labels(data_dir / "tptbox" / "ct_L3.nii.gz")


def image_on(grid: FileGrid) -> Volume:
    return Volume(np.zeros(grid.geometry.shape, np.int16), grid)


def stacked(*values: int) -> np.ndarray:
    """Labels from head to foot on the oblique grid, a slice each."""
    labels = np.zeros(oblique_grid().geometry.shape, np.uint8)
    for at, value in enumerate(values):
        labels[at] = value
    return labels


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_labels_to_go_on_from_lie_on_the_image_in_any_orientation(
    tmp_path: Path, suffix: str
) -> None:
    grid, labels = oblique_grid(), stacked(19, 28, 20, 120, 61)
    turned = FileGrid(
        (6, 4, 5),
        grid.affine
        @ np.array([[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]),
    )
    write_labels(tmp_path / f"a{suffix}", labels, turned)
    found = read_labels_for(image_on(grid), tmp_path / f"a{suffix}")
    assert found.dtype == np.uint8
    assert (found == labels).all()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((50, 49, 48), "holds 48, 49, 50, which name no structure"),
        ((201, 100, 1, 1, 300), r"holds 100, 201, 300, which"),
        ((40, 41, 42, 43, 44, 45), "40, 41, 42, 43, 44 and 1 more"),
        ((4, 3, 2, 1), "from foot to head"),
        ((0,), "no label"),
    ],
)
def test_labels_of_another_numbering_are_no_start(
    tmp_path: Path, values: tuple[int, ...], words: str
) -> None:
    grid = FileGrid((4, 5, 6), np.diag([1.0, 1, -1, 1]))
    array = np.zeros((4, 5, 6), np.int16)
    array[..., : len(values)] = values
    nib.save(nib.Nifti1Image(array, grid.affine), tmp_path / "a.nii")
    with pytest.raises(InputError, match=words) as caught:
        read_labels_for(image_on(grid), tmp_path / "a.nii")
    assert "a.nii" in str(caught.value)


@pytest.mark.filterwarnings("ignore::napari_spinalsam.core.errors.InputWarning")
def test_where_the_head_is_unknown_the_order_of_labels_tells_nothing(
    tmp_path: Path,
) -> None:
    grid = FileGrid((4, 5, 6), np.diag([-1.0, -1, -1, 1]), Known.SPACING)
    labels = np.zeros((6, 5, 4), np.uint8)
    labels[:3], labels[3:] = 21, 20
    write_labels(tmp_path / "a.nii", labels, grid)
    assert (read_labels_for(image_on(grid), tmp_path / "a.nii") == labels).all()


def test_labels_of_another_image_are_no_start(tmp_path: Path) -> None:
    grid = oblique_grid()
    other = FileGrid(grid.shape, grid.affine + np.diag([0, 0, 0.5, 0]))
    write_labels(tmp_path / "a.nii", stacked(20, 21), other)
    with pytest.raises(InputError, match="wanted grid"):
        read_labels_for(image_on(grid), tmp_path / "a.nii")


@pytest.mark.parametrize("unit", [None, "mm"])
def test_labels_of_unknown_place_are_no_labels_of_a_placed_scan(
    tmp_path: Path, unit: str | None
) -> None:
    placed = FileGrid((4, 5, 6), np.diag([-1.0, -1.0, -1.0, 1.0]))
    plain = FileGrid(placed.shape, placed.affine, Known.SPACING if unit else Known(0))
    labels = some_labels(placed)
    labels[labels > 0] = 22
    write_labels(tmp_path / "stack.tif", labels, plain)
    write_labels(tmp_path / "scan.nii.gz", labels, placed)
    with pytest.raises(InputError, match=r"known.*head is in the image.*in stack.tif"):
        read_labels_for(image_on(placed), tmp_path / "stack.tif")
    with pytest.raises(InputError, match=r"head is in scan.nii.gz, but not in the ima"):
        read_labels_for(image_on(plain), tmp_path / "scan.nii.gz")
    assert read_labels_for(image_on(plain), tmp_path / "stack.tif").any()


def test_people_s_labels_of_a_scan_are_a_start(data_dir: Path) -> None:
    volume = read_volume(data_dir / "verse014" / "ct.nii.gz")
    found = read_labels_for(volume, data_dir / "verse014" / "vertebrae.nii.gz")
    assert found.shape == volume.data.shape
    assert np.count_nonzero(found)


@pytest.mark.filterwarnings("ignore:.*does not say where it lies")
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha", "a.png", "a.tif"])
def test_a_file_states_no_size_and_no_place_that_nobody_knows(
    tmp_path: Path, name: str
) -> None:
    labels = np.zeros((1, 6, 9), np.uint8)
    labels[0, 2:4, 3:7] = 22
    unknown = FileGrid((9, 6), np.diag([-1.0, -1.0, -1.0, 1.0]), Known(0))
    sized = unknown.rescaled((1.0, 0.5, 0.4), Known.SPACING)
    for grid, suffixes in (
        (unknown, (".png", ".tif")),
        (sized, (".png", ".tif", ".nii.gz", ".nrrd", ".mha")),
    ):
        path = tmp_path / name
        if not name.endswith(suffixes):
            with pytest.raises(InputError, match=r"unknown.*\.tif"):
                write_labels(path, labels, grid)
            assert not path.exists()
            continue
        write_labels(path, labels, grid)
        back = read_labels(path)
        assert back.grid.geometry.spacing_known == grid.geometry.spacing_known
        assert back.grid.geometry.spacing[1:] == pytest.approx(
            grid.geometry.spacing[1:], rel=1e-3
        )
        assert (
            grid.from_canonical(labels) == back.grid.from_canonical(back.data)
        ).all()


@pytest.mark.filterwarnings("ignore:.*does not say where it lies")
def test_a_volume_of_unknown_place_is_written_without_a_place(tmp_path: Path) -> None:
    geometry = Geometry.from_spacing((3, 4, 5), (3, 1, 0.7), known=Known.SPACING)
    volume = Volume.from_geometry(np.zeros((3, 4, 5)), geometry)
    labels = some_labels(volume.grid)
    for name in ("a.nrrd", "a.mha", "a.png"):
        with pytest.raises(InputError):
            write_labels(tmp_path / name, labels, volume.grid)
    write_labels(tmp_path / "a.tif", labels, volume.grid)
    write_labels(tmp_path / "a.nii.gz", labels, volume.grid)
    header = nib.load(tmp_path / "a.nii.gz").header
    assert (header["sform_code"], header["qform_code"]) == (0, 0)
    assert header.get_zooms() == pytest.approx((0.7, 1, 3))
    back = read_labels(tmp_path / "a.nii.gz")
    assert back.grid.known is Known.SPACING
    stored = np.asarray(nib.load(tmp_path / "a.nii.gz").dataobj)
    assert (labels == stored.T).all()
