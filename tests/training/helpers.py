"""Three blocks of bone above each other, as arrays and as NIfTI files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from napari_spinalsam.io.images import read_volume
from napari_spinalsam.io.labels import write_labels

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# Millimetres along the axes (i, j, k) of the file: left, anterior, superior.
SPACING = (3.0, 1.0, 0.7)
SHAPE = (16, 48, 100)
# Label of each block, and the voxels along k that it fills, the lowest first.
BLOCKS = ((22, 12, 32), (21, 42, 62), (20, 72, 92))


def block_labels() -> NDArray[np.int16]:
    """Return three blocks above each other, as (i, j, k) of the file."""
    labels = np.zeros(SHAPE, np.int16)
    for value, low, high in BLOCKS:
        labels[5:12, 14:36, low:high] = value
    return labels


def block_image(labels: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return bone in soft tissue."""
    noise = np.random.default_rng(0).normal(0, 10, labels.shape)
    return np.rint(np.where(labels > 0, 500, 40) + noise).astype(np.int16)


def write_nifti(
    array: NDArray[np.int16], path: Path, spacing: tuple[float, ...] = SPACING
) -> None:
    """Write an array whose first axis grows to the left."""
    affine = np.diag([-spacing[0], spacing[1], spacing[2], 1.0])
    nib.save(nib.Nifti1Image(array, affine), path)  # type: ignore[no-untyped-call]


def write_mha(array: NDArray[np.int16], path: Path) -> None:
    """Write the same scan as `write_nifti` does, as MetaImage (world LPS)."""
    image = sitk.GetImageFromArray(array.transpose(2, 1, 0))
    image.SetSpacing(SPACING)
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    sitk.WriteImage(image, str(path))


def renumbered(labels: NDArray[np.int16], numbers: dict[int, int]) -> NDArray[np.int16]:
    """Return the blocks with other numbers."""
    other = np.zeros_like(labels)
    for ours, theirs in numbers.items():
        other[labels == ours] = theirs
    return other


def verse_tree(folder: Path, patients: int = 2) -> Path:
    """Lay scans out as VerSe does; the first patient has two."""
    names = ["sub-verse000_split-verse900", "sub-verse000_split-verse901"]
    names += [f"sub-verse{n:03d}" for n in range(1, patients)]
    for name in names:
        for part, end, array in (
            ("rawdata", "ct", block_image(block_labels())),
            ("derivatives", "seg-vert_msk", block_labels()),
        ):
            place = folder / "dataset-01training" / part / name.split("_")[0]
            place.mkdir(parents=True, exist_ok=True)
            write_nifti(array, place / f"{name}_{end}.nii.gz")
    return folder


def total_segmentator_tree(folder: Path) -> Path:
    """Lay two scans out: one with a file a structure, one with all in one."""
    labels = block_labels()
    several, one = folder / "s0001" / "segmentations", folder / "s0002"
    several.mkdir(parents=True)
    one.mkdir()
    for subject in (several.parent, one):
        write_nifti(block_image(labels), subject / "ct.nii.gz")
    for value, name in ((20, "vertebrae_L1"), (21, "vertebrae_L2"), (0, "liver")):
        mask = np.int16(1) * (labels == value)
        write_nifti(mask.astype(np.int16), several / f"{name}.nii.gz")
    numbers = {20: 31, 21: 30, 22: 5}
    write_nifti(renumbered(labels, numbers), one / "segmentations.nii.gz")
    return folder


def spider_tree(folder: Path) -> Path:
    """Lay one MR out: L3 is the lowest vertebra, one block a disc, one cut off."""
    labels = block_labels()
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    image = np.where(labels > 0, 300, 20).astype(np.int16)
    write_mha(image, folder / "images" / "7_t2.mha")
    numbers = {22: 1, 21: 201, 20: 103}
    write_mha(renumbered(labels, numbers), folder / "masks" / "7_t2.mha")
    return folder


def folder_tree(folder: Path, names: tuple[str, ...] = ("a", "b", "c")) -> Path:
    """Lay scans out in two folders, with labels of another suffix."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    labels = block_labels()
    for name in names:
        write_nifti(block_image(labels), folder / "images" / f"{name}.nii.gz")
        write_mha(labels, folder / "labels" / f"{name}.mha")
    return folder


def saved_tree(folder: Path, names: tuple[str, ...] = ("a", "b")) -> Path:
    """Lay scans out as the plugin saves them: labels beside images."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = block_labels()
    for name in names:
        write_nifti(block_image(labels), folder / f"{name}.nii.gz")
        grid = read_volume(folder / f"{name}.nii.gz").grid
        drawn = grid.to_canonical(labels).astype(np.uint8)
        write_labels(folder / f"{name}_labels.nii.gz", drawn, grid)
    return folder
