"""What an annotation holds at one moment: objects, prompts, preview and window."""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.annotation.provenance import MaskOrigin, Question, Record
from napari_spinalsam.core.anatomy import place_of, structure
from napari_spinalsam.core.prompts import SlicePrompts

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_spinalsam.annotation.provenance import (
        AcceptedSlice,
        LabelEvent,
    )
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.masks import MaskRuns
    from napari_spinalsam.core.prompts import MaskPrediction
    from napari_spinalsam.core.protocols import ModelIdentity
    from napari_spinalsam.core.results import SliceKey
    from napari_spinalsam.core.volume import FileGrid

# Low-res logits do not get smaller by compression; 32 of SAM's are 25 MB.
LOGITS_KEPT = 32


class KeptPrediction:
    """Candidate masks for one slice, packed; compared by identity.

    Parameters
    ----------
    prediction : MaskPrediction
        The answer of the model.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of the slice.
    predicted_iou : ndarray of float32, shape (n,)
        The model's own estimate of each candidate's IoU, 0 to 1.
    low_res_logits : ndarray of float32, shape (n, height, width), or None
        Values before the threshold; None once they are dropped.
    encode_ms : float or None
        Time spent on the image embedding; None if it was at hand.
    decode_ms : float
        Time from the embedding to the masks.
    remarks : tuple of str
        Sentences on what the model was not made for and saw all the same.
    """

    def __init__(self, prediction: MaskPrediction) -> None:
        self.shape = prediction.masks.shape[1:]
        self.predicted_iou = prediction.predicted_iou
        self.low_res_logits: NDArray[np.float32] | None = prediction.low_res_logits
        self.encode_ms = prediction.encode_ms
        self.decode_ms = prediction.decode_ms
        self.remarks = prediction.remarks
        self._packed = [
            zlib.compress(np.packbits(mask).tobytes(), 1) for mask in prediction.masks
        ]

    @property
    def count(self) -> int:
        """Number of candidates."""
        return len(self._packed)

    def mask(self, position: int) -> NDArray[np.bool_]:
        """Return a candidate by its position from 0, shape (rows, cols)."""
        rows, cols = self.shape
        packed = np.frombuffer(zlib.decompress(self._packed[position]), np.uint8)
        bits = np.unpackbits(packed, count=rows * cols)
        return bits.reshape(rows, cols).view(np.bool_)


class RecentLogits:
    """The predictions that can still be refined from; older ones lose their logits."""

    def __init__(self) -> None:
        self._recent: deque[KeptPrediction] = deque()

    def keep(self, prediction: KeptPrediction) -> None:
        """Keep the logits of one more prediction, and drop the oldest ones."""
        self._recent.append(prediction)
        if len(self._recent) > LOGITS_KEPT:
            self._recent.popleft().low_res_logits = None


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """A predicted mask that is shown but not yet written; compared by identity.

    Parameters
    ----------
    structure : str
        Canonical name of the structure it was predicted for.
    axis, index : int
        The slice.
    prediction : KeptPrediction
        Candidates, the most trusted first.
    prompts : SlicePrompts
        What the model was given.
    all_prompts : SlicePrompts
        All prompts that the slice had; the model may get only points or box.
    window : Window
        How the intensities were mapped for the model.
    model : str
        What the model is known by.
    chosen : int
        Position of the candidate that is shown, from 0.
    earlier : tuple of Question
        What led to the low-res logits that the model was given; empty without.
    start : MaskRuns or None
        The label that the model was given to correct, if any.
    """

    structure: str
    axis: int
    index: int
    prediction: KeptPrediction
    prompts: SlicePrompts
    all_prompts: SlicePrompts
    window: Window
    model: str
    chosen: int = 0
    earlier: tuple[Question, ...] = ()
    start: MaskRuns | None = None

    @property
    def questions(self) -> tuple[Question, ...]:
        """What the model was asked until the candidate that is shown."""
        return (*self.earlier, Question(self.prompts, self.chosen, self.start))

    @property
    def key(self) -> SliceKey:
        """Axis and index, which name the slice."""
        return self.axis, self.index

    @property
    def count(self) -> int:
        """Number of candidates."""
        return self.prediction.count

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The candidate that is shown, shape (rows, cols)."""
        return self.prediction.mask(self.chosen)

    @property
    def predicted_iou(self) -> float:
        """The model's own estimate for the candidate that is shown, 0 to 1."""
        return float(self.prediction.predicted_iou[self.chosen])

    @property
    def logits(self) -> NDArray[np.float32] | None:
        """Low-res logits of the candidate that is shown, shape (height, width).

        None for a preview that undo brought back from long ago.
        """
        logits = self.prediction.low_res_logits
        return None if logits is None else np.asarray(logits[self.chosen], np.float32)

    def origin(self, model: ModelIdentity, time: str, version: str) -> MaskOrigin:
        """Return how the candidate that is shown was made, for when it is accepted."""
        return MaskOrigin(
            self.questions, self.window, model, self.predicted_iou, time, version
        )

    def mask_input(
        self, structure: str, prompts: SlicePrompts, window: Window, model: str
    ) -> NDArray[np.float32] | None:
        """Return the logits to refine from, shape (height, width), if they fit.

        They fit a prediction for the same structure, slice, window and model that
        adds prompts to those of this preview. Where prompts were moved or removed,
        the logits would hold on to what was taken back.
        """
        mine = (self.structure, self.window, self.model)
        same = (structure, window, model) == mine
        return self.logits if same and prompts.extends(self.prompts) else None


@dataclass(frozen=True, slots=True)
class StructureObject:
    """What the annotation knows of one structure, besides its voxels.

    Parameters
    ----------
    name : str
        Canonical name in core.anatomy.
    prompts : tuple of SlicePrompts
        Prompts not yet accepted: at most one entry a slice, none of them empty,
        in the order of their slices.
    accepted : tuple of AcceptedSlice
        Slices whose mask was accepted, at most one entry a slice.
    locked : bool
        Whether the structure's voxels are protected from every change.
    visible : bool
        Whether the structure is shown.
    """

    name: str
    prompts: tuple[SlicePrompts, ...] = ()
    accepted: tuple[AcceptedSlice, ...] = ()
    locked: bool = False
    visible: bool = True

    @property
    def label(self) -> int:
        """Value of the structure's voxels in the label volume."""
        return structure(self.name).label

    @property
    def predicted_iou(self) -> float | None:
        """Mean estimate over the accepted slices; None without any."""
        if not self.accepted:
            return None
        return float(np.mean([entry.predicted_iou for entry in self.accepted]))

    def pending_at(self, key: SliceKey) -> SlicePrompts | None:
        """Return the prompts of a slice that are not yet accepted."""
        return next((entry for entry in self.prompts if entry.key == key), None)

    def accepted_at(self, key: SliceKey) -> AcceptedSlice | None:
        """Return what was accepted on a slice."""
        return next((e for e in self.accepted if e.prompts.key == key), None)

    def prompts_at(self, key: SliceKey) -> SlicePrompts:
        """Return the pending prompts of a slice, else the accepted, else none."""
        pending = self.pending_at(key)
        if pending is not None:
            return pending
        entry = self.accepted_at(key)
        return SlicePrompts(*key) if entry is None else entry.prompts

    def with_prompts(self, prompts: SlicePrompts) -> StructureObject:
        """Return a copy in which a slice has these pending prompts; empty removes."""
        kept = [entry for entry in self.prompts if entry.key != prompts.key]
        if not prompts.is_empty:
            kept.append(prompts)
        return replace(self, prompts=tuple(sorted(kept, key=lambda e: e.key)))

    def with_accepted(self, entry: AcceptedSlice) -> StructureObject:
        """Return a copy in which this holds for its slice; pending prompts stay."""
        key = entry.prompts.key
        others = [e for e in self.accepted if e.prompts.key != key]
        ordered = sorted([*others, entry], key=lambda e: e.prompts.key)
        return replace(self, accepted=tuple(ordered))


@dataclass(frozen=True, slots=True)
class State:
    """The whole annotation but its label volume.

    Parameters
    ----------
    window : Window
        How intensities are mapped for display and model.
    objects : tuple of StructureObject
        From head to foot, discs after vertebrae. At most one a label: of two names
        for one label, such as ``L5-S1`` and ``L5-L6``, the last one used holds.
    selected : str or None
        Canonical name of the structure that the next mask is written to.
    preview : Preview or None
        The one mask that waits for accept or reject; always of `selected`.
    record : Record or None
        The changes that made the label volume; None before the first.
    grid : FileGrid or None
        Where the image lies, if that was stated or changed since it was opened.
    """

    window: Window
    objects: tuple[StructureObject, ...] = ()
    selected: str | None = None
    preview: Preview | None = None
    record: Record | None = None
    grid: FileGrid | None = None

    def find(self, name: str) -> StructureObject | None:
        """Return the object of a structure, None if the annotation has none."""
        label = structure(name).label
        return next((entry for entry in self.objects if entry.label == label), None)

    def object_of(self, name: str) -> StructureObject:
        """Return the object of a structure, a fresh one if there is none yet."""
        return replace(self.find(name) or StructureObject(name), name=name)

    @property
    def locked_labels(self) -> frozenset[int]:
        """Label values whose voxels must not change."""
        return frozenset(entry.label for entry in self.objects if entry.locked)

    def has_same_work(self, other: State) -> bool:
        """Whether labels, prompts, locks, visibility and grid are those of another.

        Both are states of one annotation. What is selected or previewed is no work.
        """
        same = self.record is other.record and self.grid is other.grid
        return same and self._work == other._work

    @property
    def has_work(self) -> bool:
        """Whether there is anything besides what is selected or previewed."""
        return self.record is not None or self.grid is not None or bool(self._work)

    @property
    def _work(self) -> tuple[StructureObject, ...]:
        return tuple(e for e in self.objects if e != StructureObject(e.name))

    def with_object(self, changed: StructureObject) -> State:
        """Return a copy in which one structure has this object."""
        others = [entry for entry in self.objects if entry.label != changed.label]
        ordered = sorted([*others, changed], key=lambda entry: place_of(entry.name))
        return replace(self, objects=tuple(ordered))

    def without_object(self, gone: StructureObject) -> State:
        """Return a copy without an object and without its preview."""
        kept = tuple(entry for entry in self.objects if entry.label != gone.label)
        preview = self.preview
        if preview is not None and preview.structure == gone.name:
            preview = None
        return replace(self, objects=kept, preview=preview)

    def with_event(self, event: LabelEvent) -> State:
        """Return a copy that knows of one more change of the label volume."""
        return replace(self, record=Record(event, self.record))

    def with_prompts(self, name: str, prompts: SlicePrompts) -> State:
        """Return a copy with other prompts of a structure on a slice.

        They are pending; none at all also empties the accepted ones of the slice.
        A preview of the slice goes with the last prompt that asked for it; until a
        new prediction replaces it, it stays.
        """
        changed = self.object_of(name).with_prompts(prompts)
        accepted = changed.accepted_at(prompts.key)
        if prompts.is_empty and accepted is not None:
            changed = changed.with_accepted(replace(accepted, prompts=prompts))
        return self._with_pending(changed, prompts)

    def cleared(
        self, edit: Callable[[SlicePrompts], SlicePrompts], only: str | None = None
    ) -> tuple[State, int]:
        """Return a copy in which pending prompts are edited, and how many went.

        Parameters
        ----------
        edit : callable
            Removes prompts from those of one slice.
        only : str or None
            Canonical name of the structure; None edits those of all.
        """
        state, count = self, 0
        for entry in self.objects:
            if only not in (None, entry.name):
                continue
            for prompts in entry.prompts:
                left = edit(prompts)
                count += prompts.count - left.count
                changed = state.object_of(entry.name).with_prompts(left)
                state = state._with_pending(changed, left)
        return state, count

    def _with_pending(self, changed: StructureObject, prompts: SlicePrompts) -> State:
        state = self.with_object(changed)
        name = changed.name
        preview = self.preview
        if preview is None or (preview.structure, preview.key) != (name, prompts.key):
            return state
        corrects = preview.start is not None and not prompts.is_empty
        answered = prompts.asks_for_something or corrects
        return state if answered else replace(state, preview=None)
