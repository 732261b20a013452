"""Label maps are told from images, and what is only concluded is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from napari_spinalsam._reader import read_layers
from napari_spinalsam.core.errors import InputWarning
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.io.images import read_volume
from napari_spinalsam.io.labels import LabelVolume, read_image_or_labels, write_labels

if TYPE_CHECKING:
    from pathlib import Path

PATCHES = np.zeros((12, 14, 16), np.uint8)
PATCHES[2:6, 3:9, 4:9] = 22
PATCHES[6:9, 3:9, 4:9] = 23
NOISE = np.random.default_rng(0).integers(0, 20, PATCHES.shape, dtype=np.uint8)
SCAN = np.random.default_rng(1).integers(-1000, 900, PATCHES.shape, dtype=np.int16)


def save(path: Path, array: np.ndarray, intent: str = "none") -> Path:
    if path.name.endswith(".nii.gz"):
        image = nib.Nifti1Image(array, np.diag([-1.0, -1, -1, 1]))
        image.header.set_intent(intent)
        nib.save(image, path)
    elif path.suffix == ".png":
        Image.fromarray(array[3]).save(path)
    else:
        sitk.WriteImage(sitk.GetImageFromArray(array), str(path))
    return path


@pytest.mark.parametrize(
    "name",
    [
        "case_labels.nii.gz",
        "sub-1_seg-vert_msk.nii.gz",
        "Segmentation.nrrd",
        "mask (2).mha",
        "gt.png",
    ],
)
def test_a_name_that_says_labels_is_believed_of_whole_numbers_in_patches(
    tmp_path: Path, name: str
) -> None:
    found = read_image_or_labels(save(tmp_path / name, PATCHES))
    assert isinstance(found, LabelVolume)
    assert set(np.unique(found.data)) <= {0, 22, 23}


def test_a_header_that_says_labels_is_believed(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz", NOISE, "label")
    assert isinstance(read_image_or_labels(path), LabelVolume)
    volume = read_volume(save(tmp_path / "ct.nii.gz", SCAN))
    write_labels(tmp_path / "b.nii.gz", PATCHES.T, volume.grid)
    assert isinstance(read_image_or_labels(tmp_path / "b.nii.gz"), LabelVolume)


@pytest.mark.parametrize("name", ["vertebrae.nii.gz", "a.nrrd", "a.mha"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float64"])
def test_few_whole_numbers_in_patches_are_labels_and_it_is_told(
    tmp_path: Path, name: str, dtype: str
) -> None:
    path = save(tmp_path / name, PATCHES.astype(dtype))
    with pytest.warns(InputWarning, match=rf"{name} holds 3 whole numbers .* labels"):
        assert isinstance(read_image_or_labels(path), LabelVolume)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("a.nii.gz", SCAN),
        ("labels.nii.gz", SCAN),
        ("a_mask.nii.gz", SCAN.astype("float32") / 7),
        ("mask.mha", NOISE),
        ("a.nii.gz", NOISE),
        ("masked.nii.gz", NOISE),
        ("a.nii.gz", 255 - PATCHES),  # bright around
        ("a.nii.gz", np.zeros_like(PATCHES)),
        ("a.png", PATCHES),  # a picture may be anything
        ("a.nii.gz", PATCHES / 255),  # a probability
    ],
)
def test_what_may_be_an_image_is_opened_as_one(
    tmp_path: Path, name: str, array: np.ndarray
) -> None:
    assert isinstance(read_image_or_labels(save(tmp_path / name, array)), Volume)


def test_label_files_become_labels_layers_that_can_be_seen(tmp_path: Path) -> None:
    layers: list[Any] = read_layers(str(save(tmp_path / "labels.nii.gz", PATCHES)))
    ((data, attributes, kind),) = layers
    assert kind == "labels"
    assert data.dtype == np.uint8
    assert {22, 23} <= attributes["colormap"].keys()
    assert attributes["metadata"]["napari_spinalsam"]["grid"].shape == PATCHES.shape
    other = PATCHES + np.uint8(40) * (PATCHES > 0)
    ((_, attributes, kind),) = read_layers(str(save(tmp_path / "seg.nii.gz", other)))
    assert kind == "labels"
    assert "colormap" not in attributes  # no structure has 62 or 63


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("verse014/ct.nii.gz", Volume),
        ("verse014/vertebrae.nii.gz", LabelVolume),
        ("tptbox/mr_t2.nii.gz", Volume),
        ("tptbox/ct_L3_subregions.nii.gz", LabelVolume),
        ("totalsegmentator_dataset/s0328_bone_only_ct.nii.gz", Volume),
        ("totalsegmentator/full_labels.nii.gz", LabelVolume),
    ],
)
@pytest.mark.filterwarnings("ignore::napari_spinalsam.core.errors.InputWarning")
def test_real_files_are_told_apart(data_dir: Path, name: str, kind: type) -> None:
    assert isinstance(read_image_or_labels(data_dir / name), kind)
