"""How the labels came about: every change of them in order, with what made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.masks import LabelDelta
    from napari_spinalsam.core.prompts import SlicePrompts


class ModelDescription(Protocol):
    """What a model tells of itself, such as `model.backend.ModelRecord`."""

    @property
    def sha256(self) -> str:
        """Checksum of the weights file, hexadecimal."""

    @property
    def name(self) -> str:
        """Name of the weights."""

    @property
    def adapter(self) -> str:
        """Name of the adapter on top of them, or the empty string."""

    @property
    def adapter_sha256(self) -> str:
        """Checksum of the adapter's file, or the empty string."""


@dataclass(frozen=True, slots=True)
class ModelReference:
    """Which model made a mask.

    Parameters
    ----------
    sha256 : str
        Checksum of the weights file, hexadecimal; empty if it is not known.
    name : str
        Name of the weights.
    adapter, adapter_sha256 : str
        Name and checksum of the adapter on top of them; empty without one.
    """

    sha256: str
    name: str = ""
    adapter: str = ""
    adapter_sha256: str = ""

    @classmethod
    def of(cls, model: ModelDescription) -> ModelReference:
        """Keep what tells a model from others."""
        return cls(model.sha256, model.name, model.adapter, model.adapter_sha256)

    @property
    def key(self) -> str:
        """What the model is known by: the same for the same weights and adapter."""
        return "+".join(part for part in (self.sha256, self.adapter_sha256) if part)

    def __str__(self) -> str:
        """Return the names, with the first digits of the checksums."""
        parts = ((self.name, self.sha256), (self.adapter, self.adapter_sha256))
        named = [
            f"{name or 'a model'} ({digest[:12] or 'no checksum'})"
            for name, digest in parts
            if name or digest
        ]
        return " + ".join(named) or "an unknown model"


@dataclass(frozen=True, slots=True)
class Question:
    """What a model was asked, and which of its candidates was taken.

    Parameters
    ----------
    prompts : SlicePrompts
        What the model was given.
    chosen : int
        Position of the candidate, from 0.
    """

    prompts: SlicePrompts
    chosen: int


@dataclass(frozen=True, slots=True)
class MaskOrigin:
    """How a mask was made and when it was accepted.

    Parameters
    ----------
    questions : tuple of Question
        The last one gave the mask. The first was asked without, each further one
        with the low-res logits of the candidate taken before it.
    window : Window
        How the intensities were mapped for the model.
    model : ModelReference
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
    model: ModelReference
    predicted_iou: float
    time: str
    version: str


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
class Runs:
    """New values of voxels, joined where neighbours in memory get the same.

    Parameters
    ----------
    starts : ndarray of int64, shape (n,)
        First voxel of each run, counted in C order of the (z, y, x) array.
    lengths : ndarray of int64, shape (n,)
        Voxels in each run.
    values : ndarray of uint8, shape (n,)
        Their label value.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    values: NDArray[np.uint8]

    @classmethod
    def of(cls, delta: LabelDelta) -> Runs:
        """Take the new values of a change."""
        order = np.argsort(delta.indices, kind="stable")
        at, new = delta.indices[order].astype(np.int64), delta.new[order]
        breaks = (np.diff(at) != 1) | (new[1:] != new[:-1])
        first = np.concatenate([[0], np.flatnonzero(breaks) + 1])[: at.size]
        lengths = np.diff(np.append(first, at.size))
        return cls(at[first], lengths.astype(np.int64), new[first])

    def write(self, labels: NDArray[np.uint8]) -> None:
        """Put the values into a contiguous volume, in place."""
        ends = np.cumsum(self.lengths)
        steps = np.arange(ends[-1] if ends.size else 0)
        at = steps + np.repeat(self.starts - ends + self.lengths, self.lengths)
        labels.reshape(-1)[at] = np.repeat(self.values, self.lengths)


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
    """Voxels were set by hand, or loaded.

    Parameters
    ----------
    step : str
        Name of the step, such as "Paint".
    runs : Runs
        Their new values.
    """

    step: str
    runs: Runs


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
    events = []
    while record is not None:
        events.append(record.event)
        record = record.before
    return tuple(reversed(events))


def record_of(events: tuple[LabelEvent, ...]) -> Record | None:
    """Build the record of changes, the first one first."""
    record = None
    for event in events:
        record = Record(event, record)
    return record
