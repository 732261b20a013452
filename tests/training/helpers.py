"""Three blocks of bone above each other, as arrays and as NIfTI files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

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
