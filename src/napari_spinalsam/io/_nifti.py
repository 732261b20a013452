"""NIfTI files, through nibabel."""

# nibabel types its functions only in part.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import warnings
import zlib
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.imageglobals import LoggingOutputSuppressor
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from napari_spinalsam.core.errors import InputError, InputWarning
from napari_spinalsam.core.geometry import SAME_GRID_VOXELS, Known, largest_offset
from napari_spinalsam.core.messages import msg
from napari_spinalsam.core.volume import FileGrid
from napari_spinalsam.io._base import StoredImage, damaged
from napari_spinalsam.io.formats import FileFormat

if TYPE_CHECKING:
    from collections.abc import Mapping
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
PLACE_TOLERANCE_MM = 1e-3
DOUBLE = 8  # bytes of a number in the header of NIfTI-2
# What a header says of place and size.
PLACING_FIELDS = (
    *("pixdim", "xyzt_units", "qform_code", "sform_code"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z"),
)


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
        raise InputError(
            msg("{name} is in colour (RGB): convert it to grayscale.", name=path.name)
        )
    if (header["pixdim"][1 : 1 + len(shape[:3])] == 0).any():
        raise InputError(
            msg(
                "{name} has a voxel spacing of zero: repair its header.", name=path.name
            )
        )
    if any(n > 1 for n in shape[3:]):
        raise InputError(
            msg(
                "{name} has {count} axes ({size}): save one time point or "
                "channel as a volume with 3 axes.",
                name=path.name,
                count=len(shape),
                size=" x ".join(map(str, shape)),
            )
        )
    _tell_doubts(path.name, image.header, (*shape, 1, 1)[:3])
    affine[:3] *= _millimetres(image.header)
    placed = image.header["sform_code"] > 0 or image.header["qform_code"] > 0
    known = Known.EVERYTHING if placed else Known.SPACING
    grid = FileGrid(tuple(shape), affine, known, _placing_fields(header))
    is_labels = image.header.get_intent()[0] == "label"
    return StoredImage(array.reshape(shape[:3]), grid, is_labels)


def _millimetres(header: Any) -> float:
    """Return millimetres of the unit of length; where none is stated, that is one."""
    return MILLIMETRES_PER_UNIT.get(header.get_xyzt_units()[0], 1.0)


def _placing_fields(header: Any) -> dict[str, NDArray[Any]]:
    """Return what a header says of place and size, in the byte order of the machine."""
    stored = {name: np.array(header[name]) for name in PLACING_FIELDS}
    return {
        name: value.astype(value.dtype.newbyteorder("="))
        for name, value in stored.items()
    }


def _tell_doubts(name: str, header: Any, shape: tuple[int, ...]) -> None:
    """Warn of a header whose forms are not set, or contradict each other."""
    sform, s_code = header.get_sform(coded=True)
    if not s_code and not header["qform_code"]:
        _warn(
            f"{name} does not say where it lies, as neither its sform nor its qform is "
            "set: its position and orientation are unknown."
        )
    if not s_code:
        return
    try:
        qform, q_code = header.get_qform(coded=True)
    except HeaderDataError:
        _warn(f"{name} has a qform that is no rotation: its sform is used.")
        return
    if q_code:
        apart, voxels = largest_offset(shape, sform, qform)
        if voxels > SAME_GRID_VOXELS:
            _warn(
                f"{name} has a sform and a qform that disagree by "
                f"{apart * _millimetres(header):.3g} mm: its sform is used."
            )


def _warn(sentence: str) -> None:
    warnings.warn(InputWarning(sentence), stacklevel=4)


def write_nifti(path: Path, array: NDArray[Any], grid: FileGrid) -> None:
    """Write labels (i, j, k) with the forms, codes and units of the grid's own file.

    Where the grid comes from no NIfTI file, its affine is both sform and qform, or
    neither where it is unknown how the image lies.
    """
    wide = bool(grid.header) and grid.header["pixdim"].itemsize == DOUBLE
    kind = nib.Nifti2Image if wide else nib.Nifti1Image
    if not grid.header and grid.known != Known.EVERYTHING:
        image = kind(array, None)
        image.header.set_intent("label")
        image.header.set_xyzt_units("mm")
        image.header.set_zooms(np.linalg.norm(grid.affine[:3, : array.ndim], axis=0))
        image.to_filename(path)
        return
    image = kind(array, grid.affine)
    image.header.set_intent("label")
    image.header.set_xyzt_units("mm")
    image.set_sform(grid.affine, code=SCANNER)
    image.set_qform(grid.affine, code=SCANNER)
    if not np.allclose(image.get_qform(), grid.affine, atol=1e-3):
        # A sheared grid has no quaternion, and a wrong one would contradict the sform.
        image.set_qform(None, code=0)
    if _places(grid.header, image.header, grid.affine):
        image = kind(array, None, image.header)
        for name, value in grid.header.items():
            image.header[name] = value
    image.to_filename(path)


def _places(
    fields: Mapping[str, NDArray[Any]], header: Any, affine: NDArray[np.float64]
) -> bool:
    """Whether fields of a file lead to an affine, which may have been changed since."""
    if not fields:
        return False
    stored = header.copy()
    for name, value in fields.items():
        stored[name] = value
    with LoggingOutputSuppressor():
        stored.check_fix()  # as when it was read
    placed = stored.get_best_affine()
    placed[:3] *= _millimetres(stored)
    return bool(np.allclose(placed, affine, atol=PLACE_TOLERANCE_MM))
