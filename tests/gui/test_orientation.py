"""The letters at the edges of a view: right in each plane, and however it is turned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.executor import Executor
from napari_spinalsam.annotation.headless import HeadlessView
from napari_spinalsam.core.anatomy import Plane
from napari_spinalsam.core.geometry import Geometry, Known
from napari_spinalsam.core.volume import FileGrid, Volume
from napari_spinalsam.io.layer_data import image_layer
from napari_spinalsam.layers.annotation_layers import AnnotationLayers
from napari_spinalsam.layers.dims import set_plane

if TYPE_CHECKING:
    from napari.layers import Image

POSITIONS = ("top_center", "bottom_center", "middle_left", "middle_right")


def shown(volume: Volume) -> tuple[ViewerModel, Image, AnnotationLayers]:
    """Return a view of a volume with the layers of its annotation."""
    viewer = ViewerModel()
    data, attributes, _ = image_layer(volume)
    image = viewer.add_image(data, **attributes)
    annotation = Annotation(volume)
    act = Executor(annotation, HeadlessView(volume.geometry)).run_plan
    layers = AnnotationLayers(
        viewer, image, annotation, act, print, lambda later: later()
    )
    return viewer, image, layers


def letters(viewer: ViewerModel) -> str:
    """Return what stands at the top, at the bottom, on the left and on the right."""
    overlays = {
        str(overlay.position): overlay
        for name, overlay in viewer.canvas.overlays.items()
        if name.startswith("spinalsam_")
    }
    return "".join(overlays[at].text for at in POSITIONS if overlays[at].visible)


def block(known: Known = Known.EVERYTHING) -> Volume:
    data = np.random.default_rng(0).normal(40, 10, (6, 8, 10)).astype(np.float32)
    geometry = Geometry.from_spacing(data.shape, (3.0, 1.0, 0.7), known=known)
    return Volume.from_geometry(data, geometry, "CT", "block")


def test_each_plane_has_its_letters_the_radiological_way() -> None:
    viewer, image, layers = shown(block())
    told = {}
    for plane in Plane:
        set_plane(viewer, image, plane)
        told[plane] = letters(viewer)
    assert told == {
        Plane.AXIAL: "APRL",
        Plane.SAGITTAL: "SIAP",
        Plane.CORONAL: "SIRL",
    }
    layers.close()
    assert not [name for name in viewer.canvas.overlays if "spinalsam" in name]


def test_a_turned_view_has_its_letters_turned() -> None:
    viewer, image, _ = shown(block())
    set_plane(viewer, image, Plane.SAGITTAL)
    viewer.dims.order = (2, 1, 0)  # lying on its side
    assert letters(viewer) == "APSI"
    viewer.scene.camera.orientation2d = ("up", "left")
    assert letters(viewer) == "PAIS"
    viewer.dims.ndisplay = 3
    assert letters(viewer) == ""


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)])
def test_files_of_every_orientation_have_the_same_letters(
    flips: tuple[int, int, int],
) -> None:
    affine = np.diag([0.7 * flips[0], 1.0 * flips[1], 3.0 * flips[2], 1.0])
    affine[:3, :3] = affine[:3, :3][:, [1, 2, 0]]
    grid = FileGrid((8, 6, 10), affine)
    array = np.random.default_rng(0).normal(40, 10, grid.shape).astype(np.float32)
    volume = Volume(grid.to_canonical(array), grid, "CT", "turned")
    viewer, image, _ = shown(volume)
    set_plane(viewer, image, Plane.CORONAL)
    assert letters(viewer) == "SIRL"


def test_where_the_orientation_is_not_known_there_are_no_letters() -> None:
    viewer, _, _ = shown(block(Known.SPACING))
    assert letters(viewer) == ""
