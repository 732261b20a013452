import itertools
import json

import numpy as np
import pytest

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Geometry, Known
from napari_spinalsam.core.volume import FileGrid, Volume

SPACING = (0.7, 1.0, 3.0)  # along x, y, z of the world
SHAPE = (4, 5, 6)
ORDERS = list(itertools.permutations(range(3)))
FLIPS = list(itertools.product((False, True), repeat=3))


def grid(order, flips, shape=SHAPE) -> FileGrid:
    """Build a file whose axis i runs along world axis order[i], or against it."""
    affine = np.zeros((4, 4))
    affine[:, 3] = (10.0, -20.0, 30.0, 1.0)
    for axis, (world, flip) in enumerate(zip(order, flips, strict=True)):
        affine[world, axis] = -SPACING[world] if flip else SPACING[world]
    return FileGrid(shape, affine)


@pytest.mark.parametrize("flips", FLIPS)
@pytest.mark.parametrize("order", ORDERS)
def test_every_orientation_becomes_canonical_and_goes_back(order, flips) -> None:
    file = grid(order, flips)
    data = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    canonical = file.to_canonical(data)
    assert canonical.shape == file.geometry.shape
    assert file.geometry.spacing == pytest.approx(SPACING[::-1])
    # Canonical axes grow to inferior, posterior and left, wherever the file's do.
    steps = file.geometry.affine[:3, :3] / SPACING[::-1]
    np.testing.assert_allclose(steps, -np.eye(3)[::-1], atol=1e-12)
    np.testing.assert_array_equal(file.from_canonical(canonical), data)


@pytest.mark.parametrize("flips", FLIPS)
@pytest.mark.parametrize("order", ORDERS)
def test_a_voxel_keeps_value_and_place(order, flips) -> None:
    file = grid(order, flips)
    data = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    inside = np.array(list(np.ndindex(SHAPE)))
    moved = file.points_to_canonical(inside)
    canonical = file.to_canonical(data)
    np.testing.assert_array_equal(
        canonical[tuple(moved.round().astype(int).T)], data[tuple(inside.T)]
    )
    world = inside @ file.affine[:3, :3].T + file.affine[:3, 3]
    np.testing.assert_allclose(file.geometry.voxel_to_world(moved), world, atol=1e-9)


@pytest.mark.parametrize("order", ORDERS)
def test_axis_of_the_file_is_found_again(order) -> None:
    file = grid(order, (False, True, False))
    for axis, world in enumerate(order):
        assert file.axis_to_canonical(axis) == 2 - world


def test_half_voxels_survive_a_flip() -> None:
    file = grid((0, 1, 2), (False, False, False))
    np.testing.assert_allclose(
        file.points_to_canonical([[0.25, 4.0, 5.5]]), [[-0.5, 0.0, 2.75]]
    )


@pytest.mark.parametrize("degrees", [8, 44])
def test_oblique_grid_takes_the_nearest_axes_without_resampling(degrees) -> None:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.eye(4)
    turn[1:3, 1:3] = [[cos, -sin], [sin, cos]]
    straight = grid((2, 0, 1), (True, False, False))
    file = FileGrid(SHAPE, turn @ straight.affine)
    assert file.geometry.shape == straight.geometry.shape
    assert file.geometry.obliquity_degrees == pytest.approx(degrees)
    assert [file.axis_to_canonical(axis) for axis in range(3)] == [0, 2, 1]


def test_flat_picture_is_one_slice_of_rows_and_columns() -> None:
    file = FileGrid((6, 4), np.diag([0.5, 0.7, 1.0, 1.0]))  # 6 columns, 4 rows
    picture = np.arange(24).reshape(6, 4)
    canonical = file.to_canonical(picture)
    assert file.geometry.is_2d
    assert file.geometry.shape == canonical.shape == (1, 4, 6)
    assert file.geometry.spacing == pytest.approx((1.0, 0.7, 0.5))
    np.testing.assert_array_equal(canonical[0], picture.T)
    np.testing.assert_array_equal(file.from_canonical(canonical), picture)
    np.testing.assert_allclose(file.points_to_canonical([[5, 3, 0]]), [[0, 3, 5]])


@pytest.mark.parametrize(
    ("shape", "is_2d"), [((5, 7, 9), False), ((1, 7, 9), False), ((1, 7, 9), True)]
)
def test_volume_from_an_array_keeps_its_geometry(shape, is_2d: bool) -> None:
    wanted = Geometry.from_spacing(shape, (3.0, 1.0, 0.7), (9, 8, 7), is_2d=is_2d)
    data = np.arange(np.prod(shape)).reshape(shape)
    volume = Volume.from_geometry(data, wanted, "CT", "phantom")
    assert volume.geometry.same_grid(wanted, tolerance=1e-9)
    assert volume.geometry.is_2d == is_2d
    assert volume.grid.shape == (shape[:0:-1] if is_2d else shape[::-1])
    stored = volume.grid.from_canonical(volume.data)
    np.testing.assert_array_equal(volume.grid.to_canonical(stored), data)


def test_impossible_affine_of_a_file_is_refused() -> None:
    with pytest.raises(InputError, match="affine"):
        FileGrid(SHAPE, np.full((4, 4), np.nan))


@pytest.mark.parametrize(
    "name",
    [
        "verse014/ct.nii.gz",
        "totalsegmentator/ct.nii.gz",
        "totalsegmentator/mr_slab.nii.gz",
        "tptbox/ct_L3.nii.gz",
    ],
)
def test_real_scans_have_the_known_value_at_the_known_place(data_dir, name) -> None:
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.load(data_dir / name)
    data = np.asarray(image.dataobj)
    file = FileGrid(data.shape, image.affine)
    canonical = file.to_canonical(data)
    np.testing.assert_array_equal(file.from_canonical(canonical), data)
    known = json.loads((data_dir / "expected.json").read_text())["voxels"]
    rows = [row for row in known if row["file"] == name]
    assert rows
    for row in rows:
        moved = file.points_to_canonical([row["voxel"]])
        assert canonical[tuple(moved[0].round().astype(int))] == row["value"]
        world = file.geometry.voxel_to_world(moved)[0]
        np.testing.assert_allclose(world, row["world_ras"], atol=1e-3)


def test_verse014_is_tilted_by_eight_degrees_and_cut_thickly(data_dir) -> None:
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.load(data_dir / "verse014" / "ct.nii.gz")
    geometry = FileGrid(image.shape, image.affine).geometry
    assert geometry.obliquity_degrees == pytest.approx(8, abs=1)
    assert geometry.shape == (186, 186, 40)
    assert geometry.spacing == pytest.approx((1, 1, 2), abs=1e-3)
    points = np.array([[0, 0, 0], [185, 0, 39], [12.5, 60.25, 7]])
    back = geometry.world_to_voxel(geometry.voxel_to_world(points))
    np.testing.assert_allclose(back, points, atol=1e-9)


def test_verse014_labels_lie_in_order_from_head_to_foot(data_dir) -> None:
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.load(data_dir / "verse014" / "vertebrae.nii.gz")
    labels = np.asarray(image.dataobj)
    canonical = FileGrid(labels.shape, image.affine).to_canonical(labels)
    heights = [np.argwhere(canonical == n)[:, 0].mean() for n in range(20, 25)]
    assert heights == sorted(heights)


def test_a_grid_says_what_of_it_is_known_and_hands_it_on() -> None:
    told = grid((0, 1, 2), (False, False, False))
    assert told.geometry.known is Known.EVERYTHING
    spacing_only = FileGrid(told.shape, told.affine, Known.SPACING)
    volume = Volume.from_geometry(np.zeros(SHAPE[::-1]), spacing_only.geometry)
    assert volume.geometry.spacing_known
    assert not volume.geometry.orientation_known
    assert not volume.geometry.position_known


@pytest.mark.parametrize("codes", ["SPL", "SRP", "LIA", "ASR"])
def test_a_grid_takes_the_voxel_size_of_the_same_file_turned(codes) -> None:
    geometry = Geometry.from_spacing((4, 5, 6), (1.0, 1.0, 1.0), known=Known(0))
    plain = Volume.from_geometry(np.zeros((4, 5, 6)), geometry).grid
    sized = plain.rescaled((3.0, 1.0, 0.7), Known.SPACING)
    turned = plain.oriented(codes).sized_as(sized)
    assert turned.known == Known.SPACING | Known.ORIENTATION
    # The axis of 4 voxels is that of 3 mm, wherever it has been turned to.
    size_of = {4: 3.0, 5: 1.0, 6: 0.7}
    wanted = [size_of[count] for count in turned.geometry.shape]
    assert turned.geometry.spacing == pytest.approx(wanted)
    assert sized.sized_as(turned).geometry.spacing == pytest.approx((3.0, 1.0, 0.7))
    assert turned.sized_as(plain).known == Known.ORIENTATION
