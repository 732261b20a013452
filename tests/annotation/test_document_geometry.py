"""What is done where the size of a voxel or the way of the head is unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.executor import Executor
from napari_spinalsam.annotation.headless import HeadlessView
from napari_spinalsam.annotation.statistics import measure
from napari_spinalsam.annotation.storage.files import open_annotation, save_annotation
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Geometry, Known
from napari_spinalsam.core.volume import FileGrid, Volume
from napari_spinalsam.io.labels import read_labels, write_labels
from tests.annotation.helpers import FakeWindow, act, stroke

if TYPE_CHECKING:
    from pathlib import Path

L3, L4 = 22, 23


def opened(shape: tuple[int, int, int], known: Known, *, is_2d: bool) -> Executor:
    """Return an executor of an image with a block of L3, of voxels of 1 mm or none."""
    geometry = Geometry.from_spacing(shape, (1, 1, 1), is_2d=is_2d, known=known)
    data = np.linspace(-1000, 1000, int(np.prod(shape)), dtype=np.float32)
    volume = Volume.from_geometry(data.reshape(shape), geometry, "CT")
    document = Annotation(volume)
    where = (slice(None), slice(2, 12), slice(3, 13))
    document.paint(stroke(document, where, L3))
    return Executor(document, HeadlessView(volume.geometry))


@pytest.fixture
def picture() -> Executor:
    return opened((1, 20, 24), Known(0), is_2d=True)


@pytest.fixture
def plain() -> Executor:
    return opened((4, 20, 24), Known.SPACING, is_2d=False)


def test_without_a_pixel_size_nothing_is_measured_in_mm(picture: Executor) -> None:
    document = picture.annotation
    assert document is not None
    with pytest.raises(InputError, match=r"pixel size.*unknown.*set_pixel_size"):
        picture.run(act("measure", metrics=["volume"]))
    document.set_reference(document.labels.copy())
    outcome = picture.run(act("measure"))
    assert outcome.data is not None
    assert outcome.data.columns == ("Structure", "Dice", "IoU")
    assert measure(document)[0].size is None


def test_a_stated_pixel_size_measures_and_can_be_undone(picture: Executor) -> None:
    document, told = picture.annotation, []
    assert document is not None
    document.changed.connect(lambda change: told.append(change.geometry))
    assert picture.run(act("set_pixel_size", mm=0.4)).text.startswith("A pixel")
    assert document.geometry.spacing[1:] == pytest.approx((0.4, 0.4))
    assert measure(document)[0].size == pytest.approx(100 * 0.16)
    assert told == [True]
    picture.run(act("undo"))
    assert not document.geometry.spacing_known
    picture.run(act("redo"))
    assert measure(document)[0].size == pytest.approx(100 * 0.16)


def test_a_stated_pixel_size_is_kept_in_the_saved_annotation(
    picture: Executor, tmp_path: Path
) -> None:
    document = picture.annotation
    assert document is not None
    before = replace(document.volume)
    picture.run(act("set_pixel_size", mm=0.4))
    save_annotation(document, tmp_path / "a.spinalsam")
    again = open_annotation(tmp_path / "a.spinalsam", before)
    assert again.geometry.spacing == document.geometry.spacing
    assert again.geometry.known == document.geometry.known


def test_a_pixel_size_that_a_file_tells_is_not_overruled() -> None:
    executor = opened((1, 20, 24), Known.EVERYTHING, is_2d=True)
    with pytest.raises(InputError, match="file of the image tells"):
        executor.run(act("set_pixel_size", mm=0.4))
    volume = opened((4, 20, 24), Known(0), is_2d=False)
    with pytest.raises(InputError, match="three sizes"):
        volume.run(act("set_pixel_size", mm=0.4))


def test_no_level_is_found_while_the_way_of_the_head_is_unknown(
    plain: Executor,
) -> None:
    action = act("segment_structures", structures=["lumbar"])
    document = plain.annotation
    assert document is not None
    document.replace_labels(np.where(document.labels, L4, 0))
    before = document.state
    with pytest.raises(InputError, match=r"which way the head.*set_orientation"):
        plain.run(action)
    assert document.state is before


def test_nothing_is_propagated_or_found_by_millimetres_that_nobody_knows() -> None:
    executor = opened((4, 20, 24), Known(0), is_2d=False)
    document = executor.annotation
    assert document is not None
    document.select_structure("L3")
    with pytest.raises(InputError, match=r"voxel size.*propagated.*set_spacing.*nii"):
        executor.run(act("propagate"))
    turned = Annotation(document.volume.oriented("SPL"))
    executor = Executor(turned, HeadlessView(turned.geometry))
    with pytest.raises(InputError, match=r"voxel size.*cannot be found.*set_spacing"):
        executor.run(act("segment_structures", structures=["lumbar"]))


@pytest.mark.parametrize("flat", [True, False])
def test_where_nothing_is_looked_for_the_tool_is_armed_and_names_can_be_shifted(
    picture: Executor, plain: Executor, flat: bool
) -> None:
    executor = picture if flat else plain
    assert executor.annotation is not None
    executor.view = window = FakeWindow(executor.annotation)
    document, action = executor.annotation, act("add_points", count=3, structure="L2")
    assert document is not None
    assert executor.search((action,)) is None
    told = executor.run(action).text
    assert told.endswith("Click 3 points inside L2.")
    assert window.armed
    assert ("orientation of the image is unknown" in told) is not flat
    executor.run(act("shift_names", levels=1))
    assert set(np.unique(document.labels)) == {0, L4}


def plain_grid_turned() -> FileGrid:
    """Return the grid of an array of unknown size whose orientation was stated."""
    return array_of_unknown_size().oriented("SPL").grid


def array_of_unknown_size() -> Volume:
    geometry = Geometry.from_spacing((4, 6, 5), (1, 1, 1), known=Known(0))
    return Volume.from_geometry(np.zeros(geometry.shape, np.float32), geometry)


def test_the_size_of_a_turned_array_is_stated_and_corrected(tmp_path: Path) -> None:
    document = Annotation(array_of_unknown_size().oriented("SPL"))
    document.set_spacing((30, 1, 1))
    document.set_spacing((3, 1, 1))
    assert document.geometry.spacing == pytest.approx((3, 1, 1))
    assert document.geometry.known is Known.EVERYTHING
    labels = np.full(document.labels.shape, L3, np.uint8)
    write_labels(tmp_path / "labels.nii.gz", labels, document.volume.grid)
    back = read_labels(tmp_path / "labels.nii.gz", document.volume.grid)
    np.testing.assert_array_equal(back.data, labels)
    # Where it has a size by its scale, that can be corrected as well.
    sized = Geometry.from_spacing((4, 6, 5), (3, 1, 1), known=Known.SPACING)
    volume = Volume.from_geometry(np.zeros(sized.shape, np.float32), sized)
    document = Annotation(volume.oriented("SPL"))
    assert document.geometry.known is Known.EVERYTHING
    document.set_spacing((2, 1, 1))
    assert document.geometry.spacing == pytest.approx((2, 1, 1))


def test_an_image_that_is_said_to_lie_otherwise_is_turned(plain: Executor) -> None:
    document = plain.annotation
    assert document is not None
    volume = document.volume
    turned = volume.oriented("SPL")
    assert turned.geometry.known is Known.EVERYTHING
    # Slices grew to the head; canonical ones grow to the feet.
    np.testing.assert_array_equal(turned.data, volume.data[::-1])
    assert plain_grid_turned().known is Known.ORIENTATION
    for codes in ("SP", "SSL", "XPL"):
        with pytest.raises(InputError, match="no orientation"):
            volume.oriented(codes)
