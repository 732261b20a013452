"""Layers that lie elsewhere than their file says, or nowhere: followed or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
from napari.layers import _layer_actions as layer_actions
from PIL import Image as Picture

from napari_spinalsam._reader import read_layers
from napari_spinalsam.actions import models as a
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Known
from napari_spinalsam.core.prompts import BoxPrompt
from napari_spinalsam.layers.grids import write_labels_layer
from napari_spinalsam.layers.images import labels_of, volume_of
from napari_spinalsam.layers.roles import Role
from napari_spinalsam.widgets.handle import attach
from tests.gui.conftest import make_volume

if TYPE_CHECKING:
    from pathlib import Path

    from napari import Viewer
    from napari.layers import Layer

    from napari_spinalsam.widgets.handle import SegmentHandle

# Voxels of L3 in a block of the test volume.
BLOCK = (slice(4, 8), slice(14, 24), slice(16, 30))


@pytest.fixture
def oblique(tmp_path: Path) -> Path:
    """A CT that is tilted by 8 degrees."""
    c, s = np.cos(np.radians(8)), np.sin(np.radians(8))
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) * (0.7, 1, 3)
    affine[:3, 3] = (12.5, -40.0, 7.25)
    data = make_volume().data.T.astype(np.int16)
    nib.save(nib.Nifti1Image(data, affine), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def save(layer: Layer, path: Path) -> None:
    data, attributes, _ = layer.as_layer_data_tuple()
    write_labels_layer(str(path), data, attributes)


@pytest.mark.filterwarnings("ignore:projection mode")  # by napari, of the conversion
def test_layers_on_an_opened_scan_inherit_its_grid(
    viewer: Viewer, oblique: Path, tmp_path: Path
) -> None:
    ((data, attributes, _),) = read_layers(str(oblique))
    image = viewer.add_image(data, **attributes)
    grid = volume_of(image).grid
    viewer._new_labels()
    drawn = viewer.layers[-1]
    drawn.data[BLOCK] = 22
    save(drawn, tmp_path / "new.nii.gz")
    assert nib.load(tmp_path / "new.nii.gz").affine == pytest.approx(
        grid.affine, abs=1e-4
    )
    viewer.layers.selection = {image}
    layer_actions._duplicate_layer(viewer.layers)
    copied = viewer.layers["scan copy"]
    assert volume_of(copied).grid is grid
    image.data = image.data * 0.5
    assert volume_of(image, viewer.layers).grid is grid
    other = viewer.add_image(
        data * 0.5, scale=image.scale, translate=image.translate, units=image.units
    )
    assert volume_of(other, viewer.layers).grid is grid
    viewer.layers.selection = {copied}
    copied.data = copied.data.astype(np.int32) // 10_000 * 0
    layer_actions._convert_to_labels(viewer.layers)
    reference = viewer.layers["scan copy"]
    assert labels_of(reference)[1].same_grid(grid.geometry)
    # What lies elsewhere inherits nothing, and says why.
    drawn.translate = np.asarray(drawn.translate) + 11
    with pytest.raises(InputError, match="no image that was opened"):
        save(drawn, tmp_path / "moved.nii.gz")
    reference.scale = np.asarray(reference.scale) * 2
    with pytest.raises(InputError, match="moved or scaled"):
        save(reference, tmp_path / "moved.nii.gz")
    assert not (tmp_path / "moved.nii.gz").exists()
    save(drawn, tmp_path / "moved.tif")


def block_size(handle: SegmentHandle) -> float:
    """Return the volume of L3 in mL as the action tells it."""
    outcome = handle.run(a.Measure(metrics=("volume",)))[0]
    assert outcome.data is not None
    return float(outcome.data.rows[0][1])


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")  # by napari, of the turn
def test_the_place_of_a_plain_image_is_followed_in_every_unit_and_sign(
    viewer: Viewer, tmp_path: Path
) -> None:
    image = viewer.add_image(make_volume().data, name="plain")
    handle = attach(viewer)
    handle.wait_for_model()
    document, layers = handle.annotation, handle.widget.controller.layers
    assert layers is not None
    # The same unit everywhere: napari has nothing to warn of.
    assert {str(unit) for layer in viewer.layers for unit in layer.units} == {"pixel"}
    assert viewer.layers.extent.units is not None
    labels = document.labels.copy()
    labels[BLOCK] = 22
    document.replace_labels(labels)
    with pytest.raises(InputError, match="voxel size"):
        handle.run(a.Measure(metrics=("volume",)))
    image.scale = (1.5, 1.5, 1.5)
    assert block_size(handle) == pytest.approx(560 * 1.5**3 / 1000, abs=0.01)
    for role in Role:
        assert layers.layer(role).scale == pytest.approx([1.5] * 3)
    handle.run(a.Undo())
    assert image.scale == pytest.approx([1.0] * 3)
    assert layers.labels.scale == pytest.approx([1.0] * 3)
    handle.run(a.Redo())
    image.units = ("cm", "cm", "cm")
    image.scale = (-0.3, 0.1, 0.07)
    assert document.geometry.spacing == pytest.approx((3, 1, 0.7))
    assert block_size(handle) == pytest.approx(560 * 2.1 / 1000, abs=0.01)
    assert layers.points.units == image.units
    handle.run(a.SetPlane(plane="sagittal"), a.GoToSlice(index=20))
    handle.run(a.SelectStructure(structure="L3"))
    assert layers.labels.get_value((-1.5, 1.8, 1.4), world=True) == 22
    # An affine that only scales, shifts and reverses is followed as well.
    image.affine = np.array([[2, 0, 0, 5], [0, -1, 0, 0], [0, 0, 1, 3], [0, 0, 0, 1]])
    assert document.geometry.spacing == pytest.approx((6, 1, 0.7))
    handle.run(a.SetPlane(plane="axial"), a.GoToSlice(index=6))
    assert handle.widget.controller.view.current_slice() == (0, 6)
    handle.annotation.set_box(0, 6, BoxPrompt(11, 13, 28, 34))
    handle.wait_for_mask()
    handle.save(tmp_path / "labels.nii.gz")
    header = nib.load(tmp_path / "labels.nii.gz").header
    assert header.get_zooms() == pytest.approx((0.7, 1, 6))
    assert (header["sform_code"], header["qform_code"]) == (0, 0)
    # What cannot be followed puts the annotation down, with a sentence.
    image.rotate = 30
    assert handle.widget.controller.annotation is None
    assert "turned or sheared" in handle.widget.status.text()


def test_a_moved_scan_no_longer_has_the_place_of_its_file(
    handle: SegmentHandle, tmp_path: Path
) -> None:
    layers = handle.widget.controller.layers
    assert layers is not None
    image, grid = layers.image, handle.annotation.volume.grid
    before = np.array(image.translate)
    image.translate = before + 11
    assert handle.annotation.geometry.orientation_known
    assert not handle.annotation.geometry.position_known
    with pytest.raises(InputError, match="moved or scaled"):
        handle.save(tmp_path / "labels.nii.gz")
    image.translate = before
    assert handle.annotation.volume.grid is grid
    handle.save(tmp_path / "labels.nii.gz")


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_a_refused_image_is_told_at_once(viewer: Viewer) -> None:
    viewer.add_image(make_volume().data, rotate=(10, 20, 30))
    handle = attach(viewer)
    with pytest.raises(InputError, match="turned or sheared"):
        handle.wait_for_model()


def test_the_way_of_the_head_is_asked_and_turns_image_and_labels(
    viewer: Viewer, tmp_path: Path
) -> None:
    data = make_volume().data[::-1].copy()  # as SimpleITK gives it: slices to the head
    data[0] += 5
    plain = viewer.add_image(data, name="array", scale=(3, 1, 0.7))
    handle = attach(viewer)
    handle.wait_for_model()
    row = handle.widget.geometry_
    assert not row.isHidden()
    assert "the head is unknown" in row.text.text()
    labels = handle.annotation.labels.copy()
    labels[2:4, 14:24, 16:30] = 22
    handle.annotation.replace_labels(labels)
    handle.annotation.set_locked("L3", True)
    handle.annotation.set_visible("L3", False)
    handle.annotation.select_structure("L4")
    handle.annotation.set_box(0, 6, BoxPrompt(11, 13, 28, 34))
    before = handle.annotation
    with pytest.raises(InputError, match="set_orientation"):
        handle.run(a.SegmentStructures(structures=("lumbar",)))
    assert row.orientation.codes() == "SPL"
    row.orientation.boxes["Front"].value = "last slice"
    assert not row.orientation.state.enabled
    row.orientation.boxes["Front"].value = "top of a slice"
    row.orientation.state.native.click()
    assert handle.annotation.geometry.known is Known.EVERYTHING
    np.testing.assert_array_equal(handle.annotation.volume.data, data[::-1])
    np.testing.assert_array_equal(handle.annotation.labels, labels[::-1])
    assert not plain.visible
    assert viewer.layers.extent.units is not None  # else napari warns
    assert row.orientation.form.isHidden()
    assert row.spacing.values() == [3, 1, 0.7]
    turned = handle.annotation.state.object_of("L3")
    assert (turned.locked, turned.visible) == (True, False)
    assert "prompts, undo" in handle.widget.status.text()
    handle.save(tmp_path / "labels.nii.gz")
    stored = nib.load(tmp_path / "labels.nii.gz")
    assert (labels == np.asarray(stored.dataobj).T).all()
    assert nib.aff2axcodes(stored.affine) == ("L", "P", "S")
    # What was not carried over is where it was.
    handle.widget.controller.choose_image(plain)
    assert handle.annotation is before
    assert before.state.object_of("L4").prompts


def test_the_pixel_size_of_a_picture_is_asked_and_shown(
    viewer: Viewer, tmp_path: Path
) -> None:
    pixels = np.clip(make_volume().data[6], 0, 255).astype(np.uint8)
    Picture.fromarray(pixels).save(tmp_path / "slice.png")
    ((data, attributes, _),) = read_layers(str(tmp_path / "slice.png"))
    image = viewer.add_image(data, **attributes)
    assert {str(unit) for unit in image.units} == {"pixel"}
    handle = attach(viewer)
    handle.wait_for_model()
    row = handle.widget.geometry_
    assert "pixel size is unknown" in row.text.text()
    row.spacing.sizes[0].value = 0.4
    row.spacing.state.native.click()
    assert handle.annotation.geometry.spacing[1:] == pytest.approx((0.4, 0.4))
    assert row.text.isHidden()
    assert row.spacing.sizes[0].tooltip == "Side of a pixel in mm"
    row.spacing.sizes[0].value = 4.0  # mistyped, and put right
    row.spacing.state.native.click()
    row.spacing.sizes[0].value = 0.4
    row.spacing.state.native.click()
    assert handle.annotation.geometry.spacing[1:] == pytest.approx((0.4, 0.4))
    assert image.scale == pytest.approx([0.4, 0.4])
    assert {str(unit) for unit in image.units} == {"millimeter"}
    handle.run(a.Undo(steps=3))
    assert not row.text.isHidden()
    assert image.scale == pytest.approx([1.0, 1.0])


def test_the_two_turns_of_a_plain_image_have_one_size_in_every_order(
    viewer: Viewer,
) -> None:
    """Else napari warns of inconsistent units, and draws one of them wrongly."""
    plain = viewer.add_image(make_volume().data, name="array")
    landmarks = viewer.add_points([[6.0, 20.0, 24.0]], ndim=3)
    drawn = viewer.add_labels(np.zeros(plain.data.shape, np.uint8))
    handle = attach(viewer)
    handle.wait_for_model()
    controller = handle.widget.controller

    def check(sizes: tuple[float, float, float], unit: str) -> None:
        canvas = viewer.window._qt_viewer.canvas
        canvas._update_world_units()  # a warning of napari is an error here
        assert {str(one) for layer in viewer.layers for one in layer.units} == {unit}
        for layer in (plain, landmarks, drawn):
            assert layer.scale == pytest.approx(sizes)

    handle.annotation.replace_labels((plain.data > 500) * np.uint8(22))
    controller.turn_image("SRP")  # rows to the right, columns to posterior
    check((1, 1, 1), "pixel")
    turned = controller.layers.image
    handle.annotation.set_spacing([3.0, 1.0, 0.7])
    assert turned.scale == pytest.approx([3, 1, 0.7])
    check((3, 0.7, 1), "millimeter")
    controller.perform(a.Undo())
    check((1, 1, 1), "pixel")
    controller.perform(a.Redo())
    check((3, 0.7, 1), "millimeter")
    # The original is of that size as well, which is one step of its own.
    controller.choose_image(plain)
    assert handle.annotation.geometry.spacing == pytest.approx((3, 0.7, 1))
    controller.choose_reference(drawn)  # what lay on the image still does
    check((3, 0.7, 1), "millimeter")
    controller.perform(a.Undo())
    check((1, 1, 1), "pixel")
    assert turned.scale == pytest.approx([1, 1, 1])
    assert not handle.annotation.geometry.spacing_known
    handle.annotation.set_spacing([2.0, 0.5, 0.6])
    assert turned.scale == pytest.approx([2, 0.6, 0.5])
    check((2, 0.5, 0.6), "millimeter")
    controller.turn_image("SAR")  # a third layer of the same voxels
    check((2, 0.5, 0.6), "millimeter")
    controller.choose_image(turned)
    assert handle.annotation.geometry.spacing == pytest.approx((2, 0.6, 0.5))
    controller.perform(a.Undo())
    check((3, 0.7, 1), "millimeter")


def test_an_image_that_was_moved_while_another_was_chosen_is_followed(
    viewer: Viewer,
) -> None:
    first = viewer.add_image(make_volume().data, name="first")
    handle = attach(viewer)
    handle.wait_for_model()
    second = viewer.add_image(make_volume((8, 30, 30)).data, name="second")
    controller, document = handle.widget.controller, handle.annotation
    document.replace_labels((first.data > 500) * np.uint8(22))
    controller.choose_image(second)
    first.scale = (3, 1, 0.7)
    controller.choose_image(first)
    assert handle.annotation is document
    assert document.geometry.spacing == pytest.approx((3, 1, 0.7))
    assert controller.layers.labels.scale == pytest.approx([3, 1, 0.7])
    handle.run(a.Undo())
    assert first.scale == pytest.approx([1, 1, 1])
    assert document.labels.any()
    controller.choose_image(second)
    first.rotate = 30
    with pytest.raises(InputError, match="turned or sheared"):
        controller.choose_image(first)
    assert controller.layers.image is second
