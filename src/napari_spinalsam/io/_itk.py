"""NRRD and MetaImage files, through SimpleITK (LPS inside, RAS+ outside)."""

# SimpleITK is generated without types.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import msg
from napari_spinalsam.core.volume import FileGrid
from napari_spinalsam.io._base import StoredImage, damaged
from napari_spinalsam.io.formats import FileFormat, suffix_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# A header, which may stand before the voxels, names files within so many bytes.
HEADER_BYTES = 1 << 20
NAMES_VOXELS = re.compile(rb"(?i)(?:data ?file *:|ElementDataFile *=)(.*)")
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
    parts = _files_of_voxels(path)
    for part in parts:
        if not os.path.isfile(path.parent / part):
            raise InputError(
                msg(
                    "{name} keeps its voxels in the file {part}, which is not "
                    "there: put it beside it, or save the image as one file, .mha "
                    "or .nrrd.",
                    name=path.name,
                    part=part,
                )
            )
    reader = sitk.ImageFileReader()
    try:
        with _readable_name(path, parts) as readable:
            reader.SetFileName(str(readable))
            reader.ReadImageInformation()
            _check_header(path, reader)
            image = reader.Execute()
    except RuntimeError as error:
        if "zero-valued spacing" in str(error).lower():
            raise InputError(
                msg(
                    "{name} has a voxel spacing of zero: repair its header.",
                    name=path.name,
                )
            ) from error
        raise InputError(damaged(path, FileFormat.ITK)) from error
    array = sitk.GetArrayFromImage(image).transpose()
    grid = FileGrid(array.shape, _affine_of(image))
    return StoredImage(array.reshape(array.shape[:3]), grid)


def _files_of_voxels(path: Path) -> list[str]:
    """Return the files that a header names for its voxels; none if it holds them.

    Names that are given as a pattern are left to SimpleITK.
    """
    with path.open("rb") as file:
        lines = file.read(HEADER_BYTES).split(b"\n")
    listed = False
    found: list[str] = []
    for line in lines:
        if listed and line.strip():
            found.append(os.fsdecode(line.strip()))
        elif match := NAMES_VOXELS.match(line):
            value = match[1].strip()
            listed = value.startswith(b"LIST")
            if not listed and value != b"LOCAL" and b"%" not in value:
                found.append(os.fsdecode(value))
            if not listed:
                break
        elif not line.strip():  # the voxels of an NRRD follow
            break
    return found


@contextmanager
def _readable_name(path: Path, parts: list[str]) -> Iterator[Path]:
    """Give a file a name that SimpleITK can read: any that is not UTF-8 ends it.

    Parameters
    ----------
    path : Path
        A file to read, with any name.
    parts : list of str
        Further files that its header names.
    """
    if _is_utf8(path):
        yield path
        return
    if any(os.path.isabs(part) or ".." in Path(part).parts for part in parts):
        raise InputError(
            msg(
                "{path} has a name that is not UTF-8 and keeps its voxels in "
                "another folder: rename it.",
                path=path,
            )
        )
    with TemporaryDirectory(prefix="spinalsam-") as folder:
        readable = Path(folder) / f"image{suffix_of(path)}"
        for source, name in [
            (path, readable.name),
            *((path.parent / p, p) for p in parts),
        ]:
            target = Path(folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                target.symlink_to(source.absolute())
            except OSError:  # not every file system has links
                shutil.copyfile(source, target)
        yield readable


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _check_header(path: Path, reader: sitk.ImageFileReader) -> None:
    if any(n > 1 for n in reader.GetSize()[3:]):
        raise InputError(
            msg(
                "{name} has {count} axes ({size}): save one time point or "
                "channel as a volume with 3 axes.",
                name=path.name,
                count=reader.GetDimension(),
                size=" x ".join(map(str, reader.GetSize())),
            )
        )
    if reader.GetNumberOfComponents() > 1:
        raise InputError(
            msg(
                "{name} has {count} numbers at each voxel (colour or "
                "vectors): convert it to grayscale.",
                name=path.name,
                count=reader.GetNumberOfComponents(),
            )
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
    if _is_utf8(path):
        sitk.WriteImage(image, str(path), useCompression=True)
        return
    with TemporaryDirectory(prefix="spinalsam-") as folder:
        draft = Path(folder) / f"labels{suffix_of(path)}"
        sitk.WriteImage(image, str(draft), useCompression=True)
        shutil.copyfile(draft, path)
