"""What a file holds before it becomes a volume or labels, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_spinalsam.io.formats import FileFormat, input_format

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_spinalsam.core.volume import FileGrid


@dataclass(frozen=True, eq=False)
class StoredImage:
    """The array of a file, with its grid.

    Parameters
    ----------
    array : ndarray, shape (i, j) or (i, j, k)
        Values after the file's own scaling, fastest-varying axis first.
    grid : FileGrid
        Shape and affine of the file.
    is_labels : bool
        Whether the header says that it holds labels.
    """

    array: NDArray[Any]
    grid: FileGrid
    is_labels: bool = False


def damaged(path: Path, kind: FileFormat) -> str:
    """Return the sentence for a file that does not hold what its name says."""
    return (
        f"{path.name} cannot be read as {kind}: it is damaged, cut off or of another "
        "format; copy or export it again."
    )


def read_stored(path: Path) -> StoredImage:
    """Read any supported file.

    Parameters
    ----------
    path : Path
        NIfTI, NRRD, MetaImage, PNG, JPEG or TIFF, with its usual suffix.

    Raises
    ------
    InputError
        If the file is missing, empty, damaged, in colour, has a fourth axis, a
        spacing of zero, or a format that is not read.
    """
    kind = input_format(path)
    # Each reader is a heavy import of its own.
    if kind is FileFormat.NIFTI:
        from napari_spinalsam.io.nifti import read_nifti

        return read_nifti(path)
    if kind is FileFormat.ITK:
        from napari_spinalsam.io.itk import read_itk

        return read_itk(path)
    if kind is FileFormat.TIFF:
        from napari_spinalsam.io.tiff import read_tiff

        return read_tiff(path)
    from napari_spinalsam.io.pictures import read_picture

    return read_picture(path)
