import numpy as np
import pytest

from napari_spinalsam.core.anatomy import Plane
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Geometry, SlicePlane

SHAPE = (5, 7, 9)
SPACING = (3.0, 1.0, 0.7)
TRANSLATE = (100.0, -20.0, 5.5)


def aligned() -> Geometry:
    return Geometry.from_spacing(SHAPE, SPACING, TRANSLATE)


def tilted(degrees: float) -> Geometry:
    """Return the same grid, turned about the left-right axis."""
    turn = np.eye(4)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn[1:3, 1:3] = [[cos, -sin], [sin, cos]]
    return Geometry(SHAPE, turn @ aligned().affine)


def test_axes_grow_to_inferior_posterior_and_left() -> None:
    steps = aligned().voxel_to_world(np.eye(3)) - aligned().voxel_to_world([0, 0, 0])
    right_anterior_superior = [[0, 0, -3.0], [0, -1.0, 0], [-0.7, 0, 0]]
    np.testing.assert_allclose(steps, right_anterior_superior, atol=1e-9)


def test_spacing_and_translate_are_those_given() -> None:
    assert aligned().spacing == pytest.approx(SPACING)
    assert aligned().translate == pytest.approx(TRANSLATE)
    np.testing.assert_allclose(
        aligned().voxel_to_world([0, 0, 0]), [[-5.5, 20.0, -100.0]]
    )


@pytest.mark.parametrize("degrees", [0, 8, -30])
def test_obliquity_is_the_tilt_and_keeps_spacing(degrees: float) -> None:
    geometry = tilted(degrees)
    assert geometry.obliquity_degrees == pytest.approx(abs(degrees), abs=1e-5)
    assert geometry.spacing == pytest.approx(SPACING)


@pytest.mark.parametrize("degrees", [0, 8, -30])
def test_world_and_voxel_are_inverse(degrees: float) -> None:
    points = np.random.default_rng(0).uniform(-5, 15, (20, 3))
    geometry = tilted(degrees)
    world = geometry.voxel_to_world(points)
    np.testing.assert_allclose(geometry.world_to_voxel(world), points, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ((slice(0, 3), 3, [0.06, 0.09, 0.29]), True),
        ((0, 3, 0.08), False),  # the voxel is 0.7 mm wide
        ((2, 3, 0.31), False),
        ((2, 0, 0.07), True),  # over four steps of 3 mm
        ((2, 0, 0.08), False),
    ],
)
def test_the_same_grid_may_be_rounded_by_a_tenth_of_a_voxel(change, same: bool) -> None:
    row, column, shift = change
    affine = aligned().affine.copy()
    affine[row, column] += shift
    assert aligned().same_grid(Geometry(SHAPE, affine)) is same


def test_another_shape_or_tilt_is_another_grid() -> None:
    assert not aligned().same_grid(Geometry((5, 7, 8), aligned().affine))
    assert not aligned().same_grid(tilted(1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((slice(0, 3), 0, 0.0), "above zero"),
        ((0, 0, np.nan), "finite"),
        ((2, 3, np.inf), "finite"),
        ((slice(0, 3), 1, [0.0, 0.0, -2.0]), "another way"),  # parallel to z
    ],
)
def test_impossible_affine_is_refused(change, words: str) -> None:
    row, column, value = change
    affine = aligned().affine.copy()
    affine[row, column] = value
    with pytest.raises(InputError, match=words):
        Geometry(SHAPE, affine)


def test_affine_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match="4 x 4"):
        Geometry(SHAPE, np.eye(3))


@pytest.mark.parametrize(
    ("plane", "axis", "shape", "spacing"),
    [
        (Plane.AXIAL, 0, (7, 9), (1.0, 0.7)),
        (Plane.CORONAL, 1, (5, 9), (3.0, 0.7)),
        (Plane.SAGITTAL, 2, (5, 7), (3.0, 1.0)),
    ],
)
def test_plane_cuts_its_axis(plane: Plane, axis: int, shape, spacing) -> None:
    assert plane.axis == axis
    assert Plane.of_axis(axis) is plane
    cut = aligned().plane(axis, 2)
    assert cut.shape == shape
    assert cut.spacing == pytest.approx(spacing)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_pixel_of_a_slice_is_its_voxel(axis: int) -> None:
    volume = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    cut = aligned().plane(axis, 3)
    pixels = cut.take(volume)
    assert pixels.shape == cut.shape
    assert np.shares_memory(pixels, volume)
    for position in np.ndindex(cut.shape):
        voxel = tuple(cut.to_voxel(position)[0].astype(int))
        assert volume[voxel] == pixels[position]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_plane_and_voxel_coordinates_are_inverse(axis: int) -> None:
    cut = tilted(8).plane(axis, 4)
    points = np.random.default_rng(1).uniform(-1, 9, (10, 2))
    np.testing.assert_array_equal(cut.to_plane(cut.to_voxel(points)), points)
    assert cut.contains(cut.to_voxel(points))
    assert cut.to_voxel(np.empty((0, 2))).shape == (0, 3)


def test_slice_contains_what_is_within_half_a_voxel() -> None:
    cut = SlicePlane(aligned(), 1, 3)
    assert cut.contains([[0, 3.5, 0], [4, 2.5, 8]])
    assert not cut.contains([[0, 3, 0], [4, 3.6, 8]])
    assert not cut.contains([[0, 3.2, 0]], tolerance=0.1)


@pytest.mark.parametrize(
    ("axis", "index", "words"),
    [(3, 0, "axis 3"), (-1, 0, "axis -1"), (0, 5, "0 to 4"), (2, -1, "0 to 8")],
)
def test_slice_that_does_not_exist_is_refused(axis: int, index: int, words) -> None:
    with pytest.raises(InputError, match=words):
        aligned().plane(axis, index)
