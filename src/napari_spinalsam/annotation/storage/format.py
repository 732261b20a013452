"""The form of a saved annotation: its JSON as validated data, and the zip around it."""

from __future__ import annotations

import errno
import glob
import math
import os
import secrets
import struct
import time
import zipfile
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from napari_spinalsam.core.errors import InputError, SpinalSamError
from napari_spinalsam.core.volume import Modality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

FORMAT: Final = "napari-spinalsam annotation"
VERSION: Final = 1

Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Label = Annotated[int, Field(ge=0, le=255)]
Digest = Annotated[str, Field(pattern="^([0-9a-f]{64})?$")]
Four = tuple[Number, Number, Number, Number]
Place = tuple[Number, Number]
DOCUMENT = "annotation.json"
# Labels are mostly background: a higher level takes three times as long for little.
COMPRESSION_LEVEL = 1
# No save takes as long: a draft as old as this was left by a process that was killed.
ABANDONED_SECONDS = 3600
# What a cut or changed zip or array raises, depending on where it was cut.
UNREADABLE = (
    EOFError,
    LookupError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    struct.error,
    SyntaxError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


class _Entry(BaseModel):
    """Part of the file: nothing unknown in it, nothing converted."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageEntry(_Entry):
    """What the image is recognised by; neither its path nor whose it is."""

    name: str
    modality: Modality
    sha256: Digest
    shape: tuple[Count, Count, Count]
    affine: tuple[Four, Four, Four, Four]
    is_2d: bool


class GridEntry(_Entry):
    """Where the image lies, if that was stated after it was opened.

    The affine leads from indices of the file's array to millimetres, as far as that is
    known: `known` names spacing, orientation and position.
    """

    shape: tuple[Count, ...]
    affine: tuple[Four, Four, Four, Four]
    known: tuple[Literal["spacing", "orientation", "position"], ...]


class WindowEntry(_Entry):
    """Intensities that were shown and given to the model."""

    level: Number
    width: Number


class PointEntry(_Entry):
    """A point in pixels of its slice."""

    row: Number
    col: Number
    polarity: Literal["positive", "negative"]


class ScribbleEntry(_Entry):
    """A line of (row, col) pixels of its slice."""

    path: Annotated[tuple[Place, ...], Field(min_length=2)]
    polarity: Literal["positive", "negative"]


class PromptsEntry(_Entry):
    """The prompts of one slice.

    The box is row_min, col_min, row_max, col_max; the lasso an outline of (row, col).
    """

    axis: Annotated[int, Field(ge=0, le=2)]
    index: Count
    points: tuple[PointEntry, ...] = ()
    box: Four | None = None
    scribbles: tuple[ScribbleEntry, ...] = ()
    lasso: Annotated[tuple[Place, ...], Field(min_length=3)] | None = None


class QuestionEntry(_Entry):
    """What the model was given, and which candidate was taken.

    `start` is a label that was to be corrected: numbers of pixels of the slice, row by
    row, that are out, in, out and so on.
    """

    prompts: PromptsEntry
    chosen: Count
    start: tuple[Count, ...] | None = None


class ModelEntry(_Entry):
    """A model that made masks; checksums are empty where they are not known."""

    sha256: str
    name: str
    adapter: str
    adapter_sha256: str


class OriginEntry(_Entry):
    """How an accepted mask was made; `model` counts in the list of models."""

    questions: Annotated[tuple[QuestionEntry, ...], Field(min_length=1)]
    window: WindowEntry
    model: Count
    predicted_iou: Number
    time: str
    version: str


class AcceptedEntry(_Entry):
    """A slice whose mask was accepted; `origin` counts in the list of origins."""

    prompts: PromptsEntry
    origin: Count


class ObjectEntry(_Entry):
    """One structure."""

    name: str
    locked: bool
    visible: bool
    prompts: tuple[PromptsEntry, ...]
    accepted: tuple[AcceptedEntry, ...]


class MaskEvent(_Entry):
    """A mask was accepted."""

    kind: Literal["mask"] = "mask"
    structure: str
    origin: Count


class VoxelsEvent(_Entry):
    """Voxels were painted, loaded or propagated: so many of the next runs.

    `model` counts in the list of models; a hand has none.
    """

    kind: Literal["voxels"] = "voxels"
    step: str
    runs: Count
    model: Count | None = None


class ExchangeEvent(_Entry):
    """Label values were exchanged: pairs of old and new."""

    kind: Literal["exchange"] = "exchange"
    step: str
    values: tuple[tuple[Label, Label], ...]


EventEntry = Annotated[
    MaskEvent | VoxelsEvent | ExchangeEvent, Field(discriminator="kind")
]


class SavedDocument(_Entry):
    """A whole annotation but its arrays."""

    format: Literal["napari-spinalsam annotation"] = FORMAT
    version: Literal[1] = VERSION
    program: str
    saved: str
    image: ImageEntry
    grid: GridEntry | None = None
    window: WindowEntry
    selected: str | None
    objects: tuple[ObjectEntry, ...]
    models: tuple[ModelEntry, ...]
    origins: tuple[OriginEntry, ...]
    events: tuple[EventEntry, ...]


def write_container(
    path: Path, document: str, arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Write a file so that at any moment the old or the new one is there, whole.

    Parameters
    ----------
    path : Path
        Where; a link is followed.
    document : str
        JSON.
    arrays : mapping of str to ndarray
        By name; readable with `numpy.load` too.

    Raises
    ------
    InputError
        If it cannot be written; a file that was there stays as it was.
    """

    def write(stream: BinaryIO) -> None:
        with zipfile.ZipFile(
            stream, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL
        ) as archive:
            archive.writestr(DOCUMENT, document)
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, (1, 0), allow_pickle=False)

    try:
        _replace(path.resolve(), write)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}): choose another "
            "folder or free some space."
        ) from error


def _replace(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a draft beside a file, bring it to the disk and put it in its place."""
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "it is write-protected")
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("xb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    if os.name == "posix":  # elsewhere a folder cannot be opened
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    for other in drafts_of(path):
        with suppress(OSError):  # the file is saved, whatever becomes of them
            if time.time() - other.stat().st_mtime > ABANDONED_SECONDS:
                other.unlink()


def drafts_of(path: Path) -> list[Path]:
    """List what saves of a file have left that were cut off, or go on."""
    return list(path.parent.glob(f".{glob.escape(path.name)}.*.part"))


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a file to read from; say in one sentence what is wrong with it.

    Raises
    ------
    InputError
        If it is missing, cannot be read, or is damaged; also by what is done inside.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except SpinalSamError:
        raise
    except UNREADABLE as error:
        raise InputError(damaged(path)) from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror or error}): check its name and "
            "your rights."
        ) from error


def damaged(path: Path) -> str:
    """Return the sentence for a file that does not hold what its name says."""
    return (
        f"{path.name} is no saved annotation, or it is damaged or cut off: open a copy "
        "of it, or what the recovery folder holds."
    )


def read_document(archive: zipfile.ZipFile) -> str:
    """Return the JSON of a file."""
    return archive.read(DOCUMENT).decode()


def read_array(
    archive: zipfile.ZipFile, name: str, dtype: DTypeLike, shape: tuple[int, ...]
) -> NDArray[Any]:
    """Return an array of a file; a ValueError if it is not of this form."""
    wanted = np.dtype(dtype)
    size = math.prod(shape) * wanted.itemsize
    with archive.open(f"{name}.npy") as member:
        version = np.lib.format.read_magic(member)
        header = np.lib.format.read_array_header_1_0(member)
        if version != (1, 0) or header != (shape, False, wanted):
            raise ValueError(f"{name} has the form {header}")
        data = bytearray(member.read(size))
        # Only reading past the last byte makes zipfile compare the checksum.
        if len(data) != size or member.read(1):
            raise ValueError(f"{name} has another length")
    return np.frombuffer(data, wanted).reshape(shape)
