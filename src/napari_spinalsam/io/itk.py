"""NRRD and MetaImage files, through SimpleITK (LPS inside, RAS+ outside)."""

# SimpleITK is generated without types.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.volume import FileGrid
from napari_spinalsam.io.formats import FileFormat
from napari_spinalsam.io.stored import StoredImage, damaged

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_itk(path: Path) -> StoredImage:
    """Read an NRRD or MetaImage file.

    Parameters
    ----------
    path : Path
        A .nrrd, .nhdr, .mha or .mhd file with two or three axes.

    Returns
    -------
    StoredImage
        The array with the fastest-varying axis first, the affine in RAS+.

    Raises
    ------
    InputError
        If it is damaged, in colour, has a fourth axis or a spacing of zero.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        _check_header(path, reader)
        image = reader.Execute()
    except RuntimeError as error:
        if "zero-valued spacing" in str(error).lower():
            raise InputError(
                f"{path.name} has a voxel spacing of zero: repair its header."
            ) from error
        raise InputError(damaged(path, FileFormat.ITK)) from error
    array = sitk.GetArrayFromImage(image).transpose()
    return StoredImage(array, FileGrid(array.shape, _affine_of(image)))


def _check_header(path: Path, reader: sitk.ImageFileReader) -> None:
    if reader.GetDimension() > 3:
        raise InputError(
            f"{path.name} has {reader.GetDimension()} axes "
            f"({' x '.join(map(str, reader.GetSize()))}): save one time point or "
            "channel as a volume with 3 axes."
        )
    if reader.GetNumberOfComponents() > 1:
        raise InputError(
            f"{path.name} has {reader.GetNumberOfComponents()} numbers at each voxel "
            "(colour or vectors): convert it to grayscale."
        )


def _affine_of(image: sitk.Image) -> NDArray[np.float64]:
    n = image.GetDimension()
    affine = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(n, n)
    affine[:n, :n] = direction * np.array(image.GetSpacing())
    affine[:n, 3] = image.GetOrigin()
    return np.asarray(LPS_TO_RAS @ affine)


def write_itk(path: Path, array: NDArray[Any], grid: FileGrid) -> None:
    """Write an array (i, j, k), compressed, with the origin and axes of the grid."""
    n = array.ndim
    affine = LPS_TO_RAS @ grid.affine
    spacing = np.linalg.norm(affine[:n, :n], axis=0)
    image = sitk.GetImageFromArray(array.transpose())
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:n, :n] / spacing).ravel().tolist())
    image.SetOrigin(affine[:n, 3].tolist())
    sitk.WriteImage(image, str(path), useCompression=True)
