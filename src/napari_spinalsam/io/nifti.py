"""NIfTI files, through nibabel."""

# nibabel types its functions only in part.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.imageglobals import LoggingOutputSuppressor
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.volume import FileGrid
from napari_spinalsam.io.formats import FileFormat
from napari_spinalsam.io.stored import StoredImage, damaged

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

UNREADABLE = (
    ImageFileError,
    HeaderDataError,
    WrapStructError,
    OSError,
    EOFError,
    ValueError,
    MemoryError,
    zlib.error,
)
MILLIMETRES_PER_UNIT = {"meter": 1000.0, "micron": 0.001}
SCANNER = 1  # code of the NIfTI standard for scanner-based coordinates


def read_nifti(path: Path) -> StoredImage:
    """Read a NIfTI file with its scaling, and the sform or else the qform.

    Parameters
    ----------
    path : Path
        A .nii or .nii.gz file with two or three axes; further axes of length 1
        are kept in the grid.

    Returns
    -------
    StoredImage
        The array as nibabel gives it, the affine in mm.

    Raises
    ------
    InputError
        If it is damaged, in colour, has a fourth axis or a spacing of zero.
    """
    try:
        with LoggingOutputSuppressor():  # it reports problems that are raised anyway
            image: Any = nib.load(path, mmap=False)
            shape, affine = image.shape, np.array(image.affine, dtype=np.float64)
            array = np.asarray(image.dataobj)
            with ImageOpener(str(path)) as file:  # nibabel has turned zeros into ones
                header = image.header_class.from_fileobj(file, check=False)
    except UNREADABLE as error:
        raise InputError(damaged(path, FileFormat.NIFTI)) from error
    if array.dtype.fields is not None:
        raise InputError(f"{path.name} is in colour (RGB): convert it to grayscale.")
    if (header["pixdim"][1 : 1 + len(shape[:3])] == 0).any():
        raise InputError(f"{path.name} has a voxel spacing of zero: repair its header.")
    if any(n > 1 for n in shape[3:]):
        raise InputError(
            f"{path.name} has {len(shape)} axes ({' x '.join(map(str, shape))}): save "
            "one time point or channel as a volume with 3 axes."
        )
    affine[:3] *= MILLIMETRES_PER_UNIT.get(image.header.get_xyzt_units()[0], 1.0)
    return StoredImage(array.reshape(shape[:3]), FileGrid(tuple(shape), affine))


def write_nifti(path: Path, array: NDArray[Any], grid: FileGrid) -> None:
    """Write an array (i, j, k) with the affine as both sform and qform."""
    image = nib.Nifti1Image(array, grid.affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(grid.affine, code=SCANNER)
    image.set_qform(grid.affine, code=SCANNER)
    if not np.allclose(image.get_qform(), grid.affine, atol=1e-3):
        # A sheared grid has no quaternion, and a wrong one would contradict the sform.
        image.set_qform(None, code=0)
    image.to_filename(path)
