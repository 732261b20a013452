"""The annotation as one file: saved, opened on its image, and listed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_spinalsam import __version__
from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.history import Storage, StoredFile
from napari_spinalsam.annotation.provenance import ImageReference
from napari_spinalsam.annotation.storage import format as schema
from napari_spinalsam.annotation.storage.codec import (
    check_labels,
    decode,
    decode_image,
    encode,
)
from napari_spinalsam.annotation.storage.format import (
    UNREADABLE,
    damaged,
    opened,
    read_array,
    read_document,
    write_container,
)
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.masks import LABEL_DTYPE, LabelRuns

if TYPE_CHECKING:
    from zipfile import ZipFile

    import numpy as np
    from numpy.typing import NDArray

    from napari_spinalsam.annotation.state import State
    from napari_spinalsam.core.volume import Volume

SUFFIX = ".spinalsam"
RUNS = {"run_starts": "<i8", "run_lengths": "<i8", "run_values": "|u1"}


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """An annotation at one moment, which any thread may write.

    Parameters
    ----------
    image : ImageReference
        The image.
    state : State
        All but the labels, and no preview.
    labels : ndarray of uint8, shape (z, y, x)
        A copy of the labels.
    time : str
        When it was taken, ISO 8601 in UTC.
    """

    image: ImageReference
    state: State
    labels: NDArray[np.uint8]
    time: str

    @classmethod
    def of(cls, annotation: Annotation) -> Snapshot:
        """Take a snapshot, in the thread of the annotation."""
        return cls(
            annotation.image,
            replace(annotation.state, preview=None),
            annotation.labels.copy(),
            annotation.clock().isoformat(timespec="seconds"),
        )

    def write(self, path: str | Path) -> None:
        """Write it to a file; see `save_annotation`."""
        document, runs = encode(self.image, self.state, self.time)
        arrays = {"labels": self.labels, **_arrays(runs)}
        write_container(Path(path), document.model_dump_json(), arrays)


@dataclass(frozen=True, slots=True)
class ObjectSummary:
    """What a file holds of one structure.

    Parameters
    ----------
    name : str
        Canonical name.
    accepted, pending : int
        Slices with an accepted mask, and with prompts not yet accepted.
    locked : bool
        Whether it is protected.
    """

    name: str
    accepted: int
    pending: int
    locked: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """What a file tells before it is opened.

    Parameters
    ----------
    image : ImageReference
        The image that it was made on.
    saved : str
        When, ISO 8601 in UTC.
    program : str
        Version of the program that wrote it.
    objects : tuple of ObjectSummary
        In the order of the spine.
    """

    image: ImageReference
    saved: str
    program: str
    objects: tuple[ObjectSummary, ...]


def save_annotation(annotation: Annotation, path: str | Path) -> None:
    """Save an annotation as one file that can be opened and replayed.

    Whatever happens meanwhile, the file that was there or the new one is there, whole.
    A preview is not saved; its prompts are. The annotation's `storage` tells from now
    on that it is saved there.

    Parameters
    ----------
    annotation : Annotation
        The document.
    path : str or Path
        Ends with .spinalsam. An existing file is replaced in one step.

    Raises
    ------
    InputError
        If the name ends otherwise, or the file cannot be written.
    """
    path = Path(path)
    check_name(path)
    snapshot = Snapshot.of(annotation)
    snapshot.write(path)
    annotation.storage.saved = snapshot.state
    annotation.storage.file = StoredFile.of(path)


def check_name(path: Path) -> None:
    """Refuse a name that no annotation has, with an InputError."""
    if path.suffix.lower() != SUFFIX:
        raise InputError(
            f"{path.name} does not end with {SUFFIX}: give an annotation a name "
            f"such as case{SUFFIX}."
        )


def open_annotation(path: str | Path, volume: Volume) -> Annotation:
    """Open a saved annotation on its image; the undo history starts empty.

    Parameters
    ----------
    path : str or Path
        The file.
    volume : Volume
        The image that it was made on, from wherever it lies now.

    Raises
    ------
    InputError
        If the file is missing, damaged or of a newer version, or was made on another
        image.
    """
    path = Path(path)
    file = StoredFile.of(path)
    with opened(path) as archive:
        document, made_on = _document(archive, path)
        image = ImageReference.of(volume)
        made_on.check_same(image, path.name)
        try:
            state = decode(document, _runs(archive, document))
            shape = volume.geometry.shape
            labels = read_array(archive, "labels", LABEL_DTYPE, shape)
            check_labels(labels, state)
        except UNREADABLE as error:
            raise InputError(damaged(path)) from error
    annotation = Annotation.restore(volume, state, labels, image)
    annotation.storage = Storage(state, file)
    return annotation


def read_summary(path: str | Path) -> Summary:
    """Tell what a saved annotation holds, without reading its labels.

    Raises
    ------
    InputError
        If the file is missing, damaged or of a newer version.
    """
    path = Path(path)
    with opened(path) as archive:
        document, image = _document(archive, path)
    objects = (
        ObjectSummary(each.name, len(each.accepted), len(each.prompts), each.locked)
        for each in document.objects
    )
    return Summary(image, document.saved, document.program, tuple(objects))


def _document(
    archive: ZipFile, path: Path
) -> tuple[schema.SavedDocument, ImageReference]:
    text = read_document(archive)
    found: Any = json.loads(text)
    version = found.get("version") if isinstance(found, dict) else None
    if isinstance(version, int) and version > schema.VERSION:
        raise InputError(
            f"{path.name} was saved by version {found.get('program', '?')} of this "
            f"program in file version {version}, and {__version__} reads file version "
            f"{schema.VERSION}: update napari-spinalsam to open it."
        )
    try:
        document = schema.SavedDocument.model_validate_json(text)
        return document, decode_image(document.image)
    except (ValidationError, InputError) as error:
        raise InputError(damaged(path)) from error


def _arrays(runs: LabelRuns) -> dict[str, NDArray[Any]]:
    return dict(zip(RUNS, (runs.starts, runs.lengths, runs.values), strict=True))


def _runs(archive: ZipFile, document: schema.SavedDocument) -> LabelRuns:
    strokes = [e for e in document.events if isinstance(e, schema.VoxelsEvent)]
    shape = (sum(each.runs for each in strokes),)
    arrays = (read_array(archive, name, kind, shape) for name, kind in RUNS.items())
    return LabelRuns(*arrays)
