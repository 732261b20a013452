"""Cut the bundled sample out of the VerSe scan sub-verse014.

scripts/make_sample.py SCAN_FOLDER

The folder holds `ct.nii.gz` and `vertebrae.nii.gz`. Nothing is resampled: the sample
is a block of the original voxels, and its affine says where the block was.
"""

import sys
from pathlib import Path

import nibabel as nib
import numpy as np

SAMPLE = Path(__file__).parents[1] / "src/napari_spinalsam/resources/sample"
MARGIN_VOXELS = 14


def main(folder: Path) -> None:
    """Write `lumbar_ct.nii.gz` and `lumbar_labels.nii.gz`."""
    ct, labels = (nib.load(folder / n) for n in ("ct.nii.gz", "vertebrae.nii.gz"))
    inside = np.argwhere(np.asarray(labels.dataobj) > 0)
    start = np.maximum(inside.min(axis=0) - MARGIN_VOXELS, 0)
    stop = np.minimum(inside.max(axis=0) + 1 + MARGIN_VOXELS, ct.shape)
    block = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    affine = ct.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ start
    for image, dtype, name in (
        (ct, np.int16, "lumbar_ct"),
        (labels, np.uint8, "lumbar_labels"),
    ):
        cut = nib.Nifti1Image(np.asarray(image.dataobj)[block].astype(dtype), affine)
        cut.header.set_xyzt_units("mm")
        cut.set_sform(affine, code=1)
        cut.set_qform(affine, code=1)
        cut.header["descrip"] = b"Cropped from VerSe sub-verse014, CC BY-SA 4.0"
        cut.to_filename(SAMPLE / f"{name}.nii.gz")
    print(f"voxels {start.tolist()} to {stop.tolist()} of sub-verse014")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
