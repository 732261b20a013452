"""What napari is given by reader and sample, and what the writer makes of a layer."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from napari_spinalsam import _reader, _sample_data, _writer
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.io.labels import read_labels

if TYPE_CHECKING:
    from pathlib import Path

    from napari_spinalsam.core.volume import FileGrid


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A CT with axes to posterior, inferior and right, tilted by 8 degrees."""
    c, s = np.cos(np.radians(8)), np.sin(np.radians(8))
    pir = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ pir * (0.7, 1, 3)
    affine[:3, 3] = (12.5, -40.0, 7.25)
    array = np.arange(120, dtype="int16").reshape(4, 5, 6) - 1000
    nib.save(nib.Nifti1Image(array, affine), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def test_importing_loads_no_heavy_package() -> None:
    code = (
        "import sys, napari_spinalsam._reader as c; c.get_reader('a.nii');"
        "print([m for m in ('torch', 'qtpy', 'napari', 'nibabel') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "[]", run.stderr


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("a.nii", True),
        ("a.NII.GZ", True),
        ("a.nrrd", True),
        ("a.mha", True),
        (["a.nii", "b.mha"], True),
        (["a.nii", "b.txt"], False),
        ("a.txt", False),
        ("a.gz", False),
        ("a.dcm", False),
        ("folder", False),
        ([], False),
    ],
)
def test_the_reader_takes_what_it_can_read(path: Any, taken: bool) -> None:
    assert (_reader.get_reader(path) is not None) is taken


def test_an_image_layer_stands_in_millimetres_without_an_affine(scan: Path) -> None:
    reader = _reader.get_reader(str(scan))
    assert reader is not None
    ((data, attributes, kind),) = reader(str(scan))
    volume = attributes["metadata"]["napari_spinalsam"]["volume"]
    assert kind == "image"
    assert data.shape == (5, 4, 6)
    assert attributes["name"] == "scan"
    assert attributes["scale"] == pytest.approx((1.0, 0.7, 3.0))
    assert attributes["translate"] == volume.geometry.translate
    assert attributes["units"] == ("mm", "mm", "mm")
    assert attributes["axis_labels"] == ("z", "y", "x")
    assert attributes["contrast_limits"] == (-450, 1050)  # the bone window
    assert "affine" not in attributes


def test_several_files_become_a_layer_each(scan: Path) -> None:
    assert len(_reader.read_layers([str(scan), str(scan)])) == 2


def test_a_picture_is_a_layer_with_two_axes(tmp_path: Path) -> None:
    Image.fromarray(np.eye(6, 9, dtype="uint8")).save(tmp_path / "a.png")
    ((data, attributes, _),) = _reader.read_layers(str(tmp_path / "a.png"))
    assert data.shape == (6, 9)
    assert attributes["axis_labels"] == ("y", "x")
    assert attributes["scale"] == (1.0, 1.0)
    assert attributes["units"] == ("pixel", "pixel")


def test_labels_of_an_opened_image_are_written_in_its_geometry(
    scan: Path, tmp_path: Path
) -> None:
    ((data, attributes, _),) = _reader.read_layers(str(scan))
    grid = attributes["metadata"]["napari_spinalsam"]["volume"].grid
    labels = np.zeros(data.shape, np.int32)
    labels[1, 2, 3] = 22
    for metadata in ({"volume": Holder(grid)}, {"grid": grid}):
        out = tmp_path / "out.nii.gz"
        layer = {**attributes, "metadata": {"napari_spinalsam": metadata}}
        assert _writer.write_labels_layer(str(out), labels, layer) == [str(out)]
        assert nib.load(out).affine == pytest.approx(grid.affine, abs=1e-5)
        assert (read_labels(out, grid).data == labels).all()


class Holder:
    """Stands for a volume."""

    def __init__(self, grid: FileGrid) -> None:
        self.grid = grid


@pytest.mark.parametrize("units", [("mm",) * 3, ("pixel",) * 3, None])
def test_labels_that_lie_on_no_opened_image_get_no_place(
    tmp_path: Path, units: tuple[str, ...] | None
) -> None:
    labels = np.arange(120, dtype=np.uint8).reshape(4, 5, 6)
    layer = {"scale": (3, 1, 0.7), "translate": (10, 20, 30), "units": units}
    for name in ("a.nii", "a.nrrd", "a.mha"):
        with pytest.raises(InputError, match="place in the patient is unknown"):
            _writer.write_labels_layer(str(tmp_path / name), labels, layer)
    assert list(tmp_path.iterdir()) == []
    _writer.write_labels_layer(str(tmp_path / "a.tif"), labels, layer)
    back = read_labels(tmp_path / "a.tif")
    assert back.grid.geometry.spacing == pytest.approx((3, 1, 0.7))
    assert (back.data == labels).all()


def test_labels_that_were_moved_are_not_written_where_they_were(
    scan: Path, tmp_path: Path
) -> None:
    ((data, attributes, _),) = _reader.read_layers(str(scan))
    moved = {**attributes, "translate": np.add(attributes["translate"], 11)}
    labels = np.zeros(data.shape, np.uint8)
    with pytest.raises(InputError, match="does not lie where"):
        _writer.write_labels_layer(str(tmp_path / "a.nii"), labels, moved)


@pytest.mark.parametrize(
    ("unit", "factor"), [("m", 1e-3), ("nm", 1e6), ("inch", 1 / 25.4), ("um", 1e3)]
)
def test_labels_in_any_unit_of_length_lie_on_their_image(
    scan: Path, tmp_path: Path, unit: str, factor: float
) -> None:
    ((data, attributes, _),) = _reader.read_layers(str(scan))
    place = {
        "scale": np.array(attributes["scale"]) * factor,
        "translate": np.array(attributes["translate"]) * factor,
        "units": (unit,) * 3,
    }
    labels = np.ones(data.shape, np.uint8)
    out = str(tmp_path / "out.nii")
    _writer.write_labels_layer(out, labels, {**attributes, **place})
    grid = attributes["metadata"]["napari_spinalsam"]["volume"].grid
    assert (read_labels(out, grid).data == 1).all()
    bare = {**place, "metadata": {}}
    _writer.write_labels_layer(str(tmp_path / "out.tif"), labels, bare)
    spacing = read_labels(tmp_path / "out.tif").grid.geometry.spacing
    assert spacing == pytest.approx(attributes["scale"], rel=1e-3)


@pytest.mark.parametrize(("voxels", "same"), [(0.05, True), (0.2, False)])
def test_layers_lie_on_a_grid_within_a_tenth_of_a_voxel(
    scan: Path, tmp_path: Path, voxels: float, same: bool
) -> None:
    ((data, attributes, _),) = _reader.read_layers(str(scan))
    labels = np.ones(data.shape, np.uint8)
    scale, translate = np.array(attributes["scale"]), np.array(attributes["translate"])
    stretched = scale * (1 + voxels / max(data.shape))
    for change in ({"translate": translate + voxels * scale}, {"scale": stretched}):
        out = tmp_path / "out.nii"
        refused = pytest.raises(InputError, match="does not lie where")
        with nullcontext() if same else refused:
            _writer.write_labels_layer(str(out), labels, {**attributes, **change})
        assert out.exists() is same


def test_flat_labels_of_another_layer_are_written_flat(tmp_path: Path) -> None:
    labels = np.arange(30, dtype=np.uint8).reshape(5, 6)
    layer = {"scale": (1, 0.7), "translate": (0, 0)}
    _writer.write_labels_layer(str(tmp_path / "a.png"), labels, layer)
    assert (read_labels(tmp_path / "a.png").data[0] == labels).all()


@pytest.mark.parametrize(
    ("labels", "change", "words"),
    [
        (np.full((2, 3, 4), 300), {}, "up to 255"),
        (np.full((2, 3, 4), -1), {}, "no label"),
        (np.zeros((2, 2, 3, 4), int), {}, "4 axes"),
        (np.zeros((2, 3, 4), int), {"affine": np.eye(4)[[1, 0, 2, 3]]}, "turned"),
        (np.zeros((2, 3, 4), int), {"units": ("second",) * 3}, "unit second"),
        (np.zeros((2, 3, 4), int), {"units": ("ell",) * 3}, "unit ell"),
        (np.zeros((2, 3, 4), int), {"shear": [0.1, 0, 0]}, "turned"),
        (np.zeros((2, 3, 4), int), {"rotate": np.eye(3)[[1, 0, 2]]}, "turned"),
    ],
)
def test_labels_that_cannot_be_written_are_refused(
    tmp_path: Path, labels: np.ndarray, change: dict[str, Any], words: str
) -> None:
    layer = {"scale": (1, 1, 1), "translate": (0, 0, 0), "name": "mine", **change}
    with pytest.raises(InputError, match=f"'mine'.*{words}"):
        _writer.write_labels_layer(str(tmp_path / "a.nii"), labels, layer)
    assert list(tmp_path.iterdir()) == []


def test_the_sample_is_a_ct_with_all_lumbar_vertebrae_in_their_colours() -> None:
    (image, attributes, _), (labels, of_labels, kind) = _sample_data.open_sample()
    volume = attributes["metadata"]["napari_spinalsam"]["volume"]
    assert attributes["name"] == "Lumbar CT (sample)"
    assert volume.modality == "CT"
    assert kind == "labels"
    assert labels.shape == image.shape
    assert np.unique(labels).tolist() == [0, 20, 21, 22, 23, 24]
    assert image[labels == 22].mean() > 150  # HU of bone
    assert {20, 21, 22, 23, 24, None} <= of_labels["colormap"].keys()
    assert 5 < volume.geometry.obliquity_degrees < 20


def test_the_sample_is_a_block_of_the_original_scan(data_dir: Path) -> None:
    (image, attributes, _), (labels, *_) = _sample_data.open_sample()
    volume = attributes["metadata"]["napari_spinalsam"]["volume"]
    original = nib.load(data_dir / "verse014" / "ct.nii.gz")
    reference = np.asarray(nib.load(data_dir / "verse014" / "vertebrae.nii.gz").dataobj)
    start = np.linalg.solve(original.affine, volume.grid.affine[:, 3])[:3]
    corner = np.rint(start).astype(int)
    assert start == pytest.approx(corner, abs=1e-4)
    block = tuple(
        slice(a, a + n) for a, n in zip(corner, volume.grid.shape, strict=True)
    )
    stored = np.asarray(original.dataobj)[block]
    assert (volume.grid.from_canonical(image) == stored).all()
    assert (volume.grid.from_canonical(labels) == reference[block]).all()
    assert np.count_nonzero(labels) == np.count_nonzero(reference)
