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
        The array with the fastest-varying axis first, the affine in RAS+. Further axes
        of length 1 are kept in the grid.

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
    grid = FileGrid(array.shape, _affine_of(image))
    return StoredImage(array.reshape(array.shape[:3]), grid)


def _check_header(path: Path, reader: sitk.ImageFileReader) -> None:
    if any(n > 1 for n in reader.GetSize()[3:]):
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
    axes = min(n, 3)
    affine = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(n, n) * image.GetSpacing()
    affine[:axes, :axes] = direction[:axes, :axes]
    affine[:axes, 3] = image.GetOrigin()[:axes]
    return np.asarray(LPS_TO_RAS @ affine)


def write_itk(path: Path, array: NDArray[Any], grid: FileGrid) -> None:
    """Write an array (i, j, k), compressed, with the origin and axes of the grid."""
    n, axes = array.ndim, min(array.ndim, 3)
    affine = LPS_TO_RAS @ grid.affine
    spacing, direction, origin = np.ones(n), np.eye(n), np.zeros(n)
    spacing[:axes] = np.linalg.norm(affine[:axes, :axes], axis=0)
    direction[:axes, :axes] = affine[:axes, :axes] / spacing[:axes]
    origin[:axes] = affine[:axes, 3]
    image = sitk.GetImageFromArray(array.transpose(), isVector=False)
    image.SetSpacing(spacing.tolist())
    image.SetDirection(direction.ravel().tolist())
    image.SetOrigin(origin.tolist())
    sitk.WriteImage(image, str(path), useCompression=True)
