"""Which file formats are read and written, by the suffix of the name."""

from __future__ import annotations

import os
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import msg, printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# One file each: a header beside its data could not be replaced in one step.
LABEL_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".png", ".tif", ".tiff")
READABLE = ".nii, .nii.gz, .nrrd, .nhdr, .mha, .mhd, .png, .jpg or .tif"
DICOM_PREAMBLE = 128


class FileFormat(StrEnum):
    """Families of formats that one module reads, by the name to show."""

    NIFTI = "NIfTI"
    ITK = "NRRD or MetaImage"
    PICTURE = "PNG or JPEG"
    TIFF = "TIFF"
    DICOM = "DICOM"


FORMAT_OF_SUFFIX: Mapping[str, FileFormat] = MappingProxyType(
    {
        ".nii": FileFormat.NIFTI,
        ".nii.gz": FileFormat.NIFTI,
        ".nrrd": FileFormat.ITK,
        ".nhdr": FileFormat.ITK,
        ".mha": FileFormat.ITK,
        ".mhd": FileFormat.ITK,
        ".png": FileFormat.PICTURE,
        ".jpg": FileFormat.PICTURE,
        ".jpeg": FileFormat.PICTURE,
        ".tif": FileFormat.TIFF,
        ".tiff": FileFormat.TIFF,
        ".dcm": FileFormat.DICOM,
        ".seg.dcm": FileFormat.DICOM,
    }
)
# Made for volumes, where a picture may be anything.
VOLUME_FORMATS = (FileFormat.NIFTI, FileFormat.ITK)


def suffix_of(path: Path) -> str:
    """Return the longest known suffix of a name in lower case, or ""."""
    name = path.name.lower()
    known = [suffix for suffix in FORMAT_OF_SUFFIX if name.endswith(suffix)]
    return max(known, key=len, default="")


def is_picture(path: Path) -> bool:
    """Whether a format has no place in the patient, so that none can be wrong."""
    pictures = (FileFormat.PICTURE, FileFormat.TIFF)
    return FORMAT_OF_SUFFIX.get(suffix_of(path)) in pictures


def stem_of(path: Path) -> str:
    """Return the name of a file without its folder and known suffix."""
    suffix = suffix_of(path)
    return path.name[: -len(suffix)] if suffix else path.name


def name_of(path: Path) -> str:
    """Return a short name to show: without folder and suffix, in one line."""
    return " ".join(printable(stem_of(path)).split())


def input_format(path: Path) -> FileFormat:
    """Return the format of a file that is to be read.

    Raises
    ------
    InputError
        If the file is missing, empty, a folder, DICOM, or of no known suffix.
    """
    _check_present(path)
    found = FORMAT_OF_SUFFIX.get(suffix_of(path))
    if found is FileFormat.DICOM or (found is None and _looks_like_dicom(path)):
        raise InputError(
            msg(
                "{name} is a DICOM file, which this version does not read: "
                "convert the series to NIfTI first, for example with dcm2niix.",
                name=path.name,
            )
        )
    if found is None:
        raise InputError(
            msg(
                "{name} has no suffix of a known image format: use {suffixes}.",
                name=path.name,
                suffixes=READABLE,
            )
        )
    return found


def output_suffix(path: Path) -> str:
    """Return the suffix under which labels are to be written.

    Raises
    ------
    InputError
        If labels are not written in that format, or there is no such folder.
    """
    suffix = suffix_of(path)
    offered = ", ".join(LABEL_SUFFIXES)
    if suffix == ".seg.dcm":
        raise InputError(
            msg(
                "{name} asks for DICOM SEG, which this version does not write: "
                "use one of {offered}.",
                name=path.name,
                offered=offered,
            )
        )
    if suffix not in LABEL_SUFFIXES:
        raise InputError(
            msg(
                "Labels cannot be written as {name}: use a name that ends with "
                "one of {offered}.",
                name=path.name,
                offered=offered,
            )
        )
    # Not with methods of Path, which raise where a name is too long.
    if not os.path.isdir(path.parent):
        raise InputError(
            msg(
                "The folder {folder} for {name} does not exist: make it first "
                "or choose another.",
                folder=path.parent,
                name=path.name,
            )
        )
    if os.path.isdir(path):
        raise InputError(
            msg("{path} is a folder: give the name of a file in it.", path=path)
        )
    # What takes minutes to predict shall not fail for the lack of a permission.
    try:
        os.stat(path)
    except FileNotFoundError:
        if not os.access(path.parent, os.W_OK):
            raise cannot_be_written(path, "its folder takes no files") from None
    except OSError as error:
        raise cannot_be_written(path, error.strerror or str(error)) from error
    return suffix


def cannot_be_written(path: Path, reason: str) -> InputError:
    """Return the error for a file that the system refuses to take."""
    return InputError(
        msg(
            "{path} cannot be written ({reason}): choose another folder or "
            "name, or free some space.",
            path=path,
            reason=reason,
        )
    )


def _check_present(path: Path) -> None:
    try:
        if path.is_dir():
            raise InputError(
                msg(
                    "{path} is a folder, and this version does not read DICOM "
                    "series: convert it to NIfTI first, for example with dcm2niix.",
                    path=path,
                )
            )
        if not path.exists():
            raise InputError(msg("There is no file {path}: check its name.", path=path))
        if not path.is_file():
            raise InputError(
                msg(
                    "{path} is no ordinary file but a device or a pipe: write its "
                    "content to a file first.",
                    path=path,
                )
            )
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise InputError(
            msg(
                "{path} cannot be opened ({reason}): check its name and permissions.",
                path=path,
                reason=error.strerror,
            )
        ) from error
    if empty:
        raise InputError(
            msg("{name} is empty (0 bytes): copy or export it again.", name=path.name)
        )


def _looks_like_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(DICOM_PREAMBLE)
        return file.read(4) == b"DICM"
