"""How the labels came about: every change of them in order, with what made it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import msg

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.masks import LabelRuns, MaskRuns
    from napari_spinalsam.core.prompts import SlicePrompts
    from napari_spinalsam.core.protocols import ModelIdentity
    from napari_spinalsam.core.volume import Modality, Volume

# Names of the steps in which voxels were set by hand, with the tools of the labels
# layer or otherwise; no model overwrites them.
PAINTED, EDITED = msg("Paint"), msg("Edit labels")
HAND = (PAINTED, EDITED)
SHOWN_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Question:
    """What a model was asked, and which of its candidates was taken.

    Parameters
    ----------
    prompts : SlicePrompts
        What the model was given.
    chosen : int
        Position of the candidate, from 0.
    start : MaskRuns or None
        The label that was to be corrected, if any.
    """

    prompts: SlicePrompts
    chosen: int
    start: MaskRuns | None = None


@dataclass(frozen=True, slots=True)
class MaskOrigin:
    """How a mask was made and when it was accepted.

    Parameters
    ----------
    questions : tuple of Question
        The last one gave the mask. The first was asked without logits, each further
        one with the low-res logits of the candidate taken before it.
    window : Window
        How the intensities were mapped for the model.
    model : ModelIdentity
        The model that was asked.
    predicted_iou : float
        The model's own estimate, 0 to 1.
    time : str
        When it was accepted, ISO 8601 in UTC.
    version : str
        Version of this program.
    """

    questions: tuple[Question, ...]
    window: Window
    model: ModelIdentity
    predicted_iou: float
    time: str
    version: str

    @property
    def key(self) -> tuple[int, int]:
        """Axis and index, which name the slice."""
        return self.questions[-1].prompts.key


@dataclass(frozen=True, slots=True)
class AcceptedSlice:
    """How the labels of one slice came about.

    Parameters
    ----------
    prompts : SlicePrompts
        The prompts of the mask that was accepted, as far as they were not removed
        since.
    origin : MaskOrigin
        How that mask was made.
    """

    prompts: SlicePrompts
    origin: MaskOrigin

    @property
    def predicted_iou(self) -> float:
        """The model's own estimate for that mask, 0 to 1."""
        return self.origin.predicted_iou


@dataclass(frozen=True, slots=True, eq=False)
class MaskWritten:
    """The voxels of a structure on one slice became a predicted mask.

    Parameters
    ----------
    structure : str
        Canonical name at that time.
    origin : MaskOrigin
        How the mask was made; its prompts name the slice.
    """

    structure: str
    origin: MaskOrigin


@dataclass(frozen=True, slots=True, eq=False)
class VoxelsWritten:
    """Voxels were set by hand, loaded, or propagated through the volume by a model.

    Parameters
    ----------
    step : str
        Name of the step, such as "Paint".
    runs : LabelRuns
        Their new values.
    model : ModelIdentity or None
        The model that propagated or found them; None for a hand or a file.
    """

    step: str
    runs: LabelRuns
    model: ModelIdentity | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ValuesExchanged:
    """All voxels of some label values got other ones, all at once.

    Parameters
    ----------
    step : str
        Name of the step, such as "Rename L3 to L4".
    values : tuple of tuple of int
        Pairs of a value and its new one.
    """

    step: str
    values: tuple[tuple[int, int], ...]

    @property
    def table(self) -> NDArray[np.uint8]:
        """The new value of every value, shape (256,)."""
        table = np.arange(256, dtype=np.uint8)
        for old, new in self.values:
            table[old] = new
        return table


LabelEvent = MaskWritten | VoxelsWritten | ValuesExchanged


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """The last change of the labels, with the one before; compared by identity.

    Parameters
    ----------
    event : LabelEvent
        The last change.
    before : Record or None
        What led to it; None if it was the first.
    """

    event: LabelEvent
    before: Record | None = None


def events_of(record: Record | None) -> tuple[LabelEvent, ...]:
    """Return the changes of the labels, the first one first."""
    return tuple(each.event for each in records_of(record))


def records_of(record: Record | None) -> tuple[Record, ...]:
    """Return a record with all that led to it, the first one first."""
    records = []
    while record is not None:
        records.append(record)
        record = record.before
    return tuple(reversed(records))


def record_of(events: tuple[LabelEvent, ...]) -> Record | None:
    """Build the record of changes, the first one first."""
    record = None
    for event in events:
        record = Record(event, record)
    return record


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image without its voxels.

    Parameters
    ----------
    name : str
        A short name to show; never a path.
    modality : {"CT", "MR", "unknown"}
        What the intensities mean.
    sha256 : str
        Checksum of the voxels (z, y, x) as numbers, hexadecimal: the same whether a
        reader gives them as int16 or as float32.
    geometry : Geometry
        The grid.
    """

    name: str
    modality: Modality
    sha256: str
    geometry: Geometry

    @classmethod
    def of(cls, volume: Volume) -> ImageReference:
        """Read all voxels of a volume."""
        digest = hashlib.sha256(str(volume.data.shape).encode())
        with np.errstate(over="ignore"):  # a float64 too large for float32
            for part in volume.data:
                digest.update(np.ascontiguousarray(part, dtype="<f4").data)
        name = PureWindowsPath(PurePosixPath(volume.name).name).name
        return cls(name, volume.modality, digest.hexdigest(), volume.geometry)

    def check_same(self, other: ImageReference, file: str) -> None:
        """Refuse another image than the one that a file was made on.

        Raises
        ------
        InputError
            If voxels or grid differ; the sentence names both images.
        """
        same_grid = self.geometry.same_grid(other.geometry)
        if same_grid and self.sha256 == other.sha256:
            return
        shape = " x ".join(map(str, self.geometry.shape))
        if same_grid:
            why = msg("which has the same grid but other voxels")
        elif self.geometry.shape == other.geometry.shape:
            why = msg("which lies elsewhere or has another spacing")
        else:
            found = " x ".join(map(str, other.geometry.shape))
            why = msg(
                "which has {found} voxels instead of {shape}", found=found, shape=shape
            )
        raise InputError(
            msg(
                "{file} was made on {image}, not on {other}, {why}: open the "
                "image that it was made on.",
                file=file,
                image=str(self),
                other=str(other),
                why=why,
            )
        )

    def __str__(self) -> str:
        """Return name and first digits of the checksum."""
        return f"{self.name} (sha256 {self.sha256[:SHOWN_DIGITS]})"
