"""The annotation: an image's objects, prompts, preview and labels, with one history."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from psygnal import Signal

from napari_spinalsam.annotation import label_edits
from napari_spinalsam.annotation.events import Change
from napari_spinalsam.annotation.history import History, Storage
from napari_spinalsam.annotation.provenance import (
    PAINTED,
    ImageReference,
    ValuesExchanged,
)
from napari_spinalsam.annotation.requests import (
    build_request,
    label_to_correct,
    selected_name,
    waiting_preview,
)
from napari_spinalsam.annotation.state import RecentLogits, State, StructureObject
from napari_spinalsam.core.anatomy import (
    REGIONS,
    Kind,
    levels_of,
    listed,
    named,
    place_of,
    shifted_name,
    structure,
)
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Known
from napari_spinalsam.core.intensity import default_window
from napari_spinalsam.core.masks import LABEL_DTYPE
from napari_spinalsam.core.messages import msg, msgc
from napari_spinalsam.core.prompts import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    Polarity,
    ScribblePrompt,
    SlicePrompts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from napari_spinalsam.annotation.label_edits import JobStart
    from napari_spinalsam.annotation.requests import PredictionRequest, PromptKind
    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.masks import Box, LabelDelta
    from napari_spinalsam.core.messages import Message
    from napari_spinalsam.core.prompts import MaskPrediction
    from napari_spinalsam.core.protocols import ModelIdentity
    from napari_spinalsam.core.results import VolumeMask
    from napari_spinalsam.core.volume import FileGrid, Volume


class Annotation:
    """The document that every way in acts on and every view shows.

    A call that fails raises an InputError and leaves everything as it was. `changed`
    is emitted after every change. `history` names what can be undone. One thread only.

    Parameters
    ----------
    volume : Volume
        The image.
    window : Window or None
        How intensities are mapped at first; None takes the default of the modality.

    Attributes
    ----------
    model : str
        What the present model is known by, such as its sha256; set with each model,
        so that logits of another one are not reused.
    clock : callable
        Tells the time that is noted with accepted masks.
    storage : Storage
        Where it is saved, and its file in the recovery folder.
    """

    changed: ClassVar[Signal] = Signal(Change)

    def __init__(self, volume: Volume, window: Window | None = None) -> None:
        # As it was opened, and on the grid that was stated since.
        self._opened = self._placed = volume
        self.model = ""
        self.clock: Callable[[], datetime] = _utc_now
        self._models: dict[str, ModelIdentity] = {}
        self._recent = RecentLogits()
        self._reference: NDArray[Any] | None = None
        self._labels = np.zeros(volume.geometry.shape, dtype=LABEL_DTYPE)
        first = window or default_window(volume.data, volume.modality)
        self.history = History(State(first), self._labels, self._tell)
        self.storage = Storage(self.state)

    @classmethod
    def restore(
        cls,
        volume: Volume,
        state: State,
        labels: NDArray[np.uint8],
        image: ImageReference,
    ) -> Annotation:
        """Take an annotation up where it was left, with a history that begins here.

        The labels, of shape (z, y, x), belong to the annotation from now on.
        """
        annotation = cls(volume, state.window)
        annotation.image, annotation._labels = image, labels
        annotation.history = History(state, labels, annotation._tell)
        return annotation

    @cached_property
    def image(self) -> ImageReference:
        """What the image is recognised by; reads all voxels when first asked."""
        return ImageReference.of(self._opened)

    @property
    def opened(self) -> Volume:
        """The image as it was opened, whatever grid was stated since."""
        return self._opened

    @property
    def volume(self) -> Volume:
        """The image, on the grid that holds at present."""
        grid = self.state.grid or self._opened.grid
        if grid is not self._placed.grid:
            self._placed = replace(self._opened, grid=grid)
        return self._placed

    @property
    def geometry(self) -> Geometry:
        """The grid of image and labels."""
        return self.volume.geometry

    @property
    def state(self) -> State:
        """Objects, selection, window and preview at present."""
        return self.history.state

    @property
    def labels(self) -> NDArray[np.uint8]:
        """The label volume, shape (z, y, x), as a view that cannot be written."""
        view = self._labels.view()
        view.flags.writeable = False
        return view

    @property
    def reference(self) -> NDArray[Any] | None:
        """Labels to measure against, shape (z, y, x); not part of the history."""
        return self._reference

    def use_model(self, model: ModelIdentity) -> None:
        """Note which model makes the next masks."""
        self.model = model.key
        self._models[model.key] = model

    def undo(self, steps: int = 1) -> tuple[str, ...]:
        """Take up to so many steps back; return their names."""
        return self.history.undo(steps)

    def redo(self, steps: int = 1) -> tuple[str, ...]:
        """Repeat up to so many undone steps; return their names."""
        return self.history.redo(steps)

    def group(self, name: str | Callable[[], str]) -> AbstractContextManager[None]:
        """Make one step of all made inside, and none if an error leaves the block."""
        return self.history.group(name)

    def select_structure(self, name: str) -> None:
        """Choose the structure to prompt; a preview of another one is dropped."""
        chosen = structure(name).name
        if chosen != self.state.selected:
            after = replace(self.state, selected=chosen, preview=None)
            self.history.do(msg("Select {name}", name=named(chosen)), after)

    def set_window(self, window: Window) -> None:
        """Map intensities otherwise, for display and model."""
        self.history.do(msg("Set window"), replace(self.state, window=window))

    def set_grid(self, grid: FileGrid, step: str = msg("Move image")) -> None:
        """Let the image lie elsewhere; a mask that waits was made for the old size."""
        if grid.geometry.shape != self._labels.shape:
            raise InputError(
                msg(
                    "A grid of shape {shape} does not fit an image of shape "
                    "{image_shape}: open the other image instead.",
                    shape=grid.geometry.shape,
                    image_shape=self._labels.shape,
                )
            )
        stated = None if grid is self._opened.grid else grid
        self.history.do(step, replace(self.state, grid=stated, preview=None))

    @property
    def size_from_file(self) -> bool:
        """Whether the size of a voxel comes with a place, from a header.

        What was stated is not told, nor what a picture notes as its resolution.
        """
        grid = self._opened.grid
        return Known.POSITION in grid.known and not grid.turned

    def set_spacing(
        self, spacing: Sequence[float], step: str = msg("Set voxel size")
    ) -> None:
        """State the millimetres of a voxel along (z, y, x), where no file tells them.

        Raises
        ------
        InputError
            If a size is not above zero, or the file of the image tells it.
        """
        if len(spacing) != 3 or not all(0 < mm < math.inf for mm in spacing):
            raise InputError(
                msg(
                    "The voxel size {spacing} is none: give three numbers of "
                    "millimetres above 0, along slices, rows and columns.",
                    spacing=tuple(spacing),
                )
            )
        if self.size_from_file:
            told = " x ".join(f"{mm:.4g}" for mm in self.geometry.spacing)
            raise InputError(
                msg(
                    "The file of the image tells that a voxel measures {told} mm: "
                    "correct the file if that is wrong.",
                    told=told,
                )
            )
        known = self.geometry.known | Known.SPACING
        if self._opened.grid.turned:
            known |= Known.POSITION  # it lies where it is shown, now in mm
        self.set_grid(self.volume.grid.rescaled(spacing, known), step)

    def set_pixel_size(self, mm: float) -> None:
        """State the millimetres of a pixel of a picture; see `set_spacing`."""
        if not self.geometry.is_2d:
            raise InputError(
                msg(
                    "The image is a volume, whose voxels have three sizes: state "
                    "them with set_spacing or in the Segment dock."
                )
            )
        self.set_spacing((self.geometry.spacing[0], mm, mm), msg("Set pixel size"))

    def set_reference(
        self, reference: NDArray[Any] | None, geometry: Geometry | None = None
    ) -> None:
        """Choose the labels to measure against, on the grid of the image; or none."""
        label_edits.check_grid(reference, geometry, self.geometry)
        self._reference = reference
        self.changed.emit(Change(reference=True))

    def prompts_at(self, axis: int, index: int) -> SlicePrompts:
        """Return the selected structure's prompts of a slice, pending or accepted."""
        state = self.state
        return state.object_of(selected_name(state)).prompts_at((axis, index))

    def set_prompts(
        self, prompts: SlicePrompts, step: str = msg("Edit prompts")
    ) -> None:
        """Replace all prompts of the selected structure on one slice.

        With none the slice has none left, accepted ones included.
        """
        prompts.check_inside(self.geometry.plane(*prompts.key))
        if prompts != self.prompts_at(*prompts.key):
            state = self.state
            after = state.with_prompts(selected_name(state), prompts)
            self.history.do(step, after)

    def add_point(self, axis: int, index: int, point: PointPrompt) -> None:
        """Add a point for the selected structure on a slice."""
        prompts = self.prompts_at(axis, index).with_point(point)
        self.set_prompts(prompts, _POINT_ADDED[point.polarity])

    def set_box(self, axis: int, index: int, box: BoxPrompt | None) -> None:
        """Set the box of the selected structure on a slice, or remove it with None."""
        prompts = self.prompts_at(axis, index).with_box(box)
        self.set_prompts(prompts, msg("Remove box") if box is None else msg("Add box"))

    def add_scribble(self, axis: int, index: int, scribble: ScribblePrompt) -> None:
        """Add a scribble for the selected structure on a slice."""
        prompts = self.prompts_at(axis, index).with_scribble(scribble)
        self.set_prompts(prompts, _SCRIBBLE_ADDED[scribble.polarity])

    def set_lasso(self, axis: int, index: int, lasso: LassoPrompt | None) -> None:
        """Set the lasso of the selected structure on a slice; None removes it."""
        prompts = self.prompts_at(axis, index).with_lasso(lasso)
        self.set_prompts(
            prompts, msg("Remove lasso") if lasso is None else msg("Add lasso")
        )

    def remove_prompt(self, axis: int, index: int, kind: str, number: int) -> None:
        """Remove a point or a scribble of the selected structure on a slice.

        Parameters
        ----------
        axis, index : int
            The slice.
        kind : {"point", "scribble"}
            What to remove.
        number : int
            Which one, from 0 in the order of placing.

        Raises
        ------
        InputError
            If there is none of that number.
        """
        prompts = self.prompts_at(axis, index)
        field = f"{kind}s"
        present = getattr(prompts, field)
        if not 0 <= number < len(present):
            raise InputError(
                msg(
                    "There is no {kind} {number} on slice {index}: it has {count}, "
                    "numbered from 0.",
                    kind=_KINDS[kind],
                    number=number,
                    index=index,
                    count=len(present),
                )
            )
        left = present[:number] + present[number + 1 :]
        self.set_prompts(replace(prompts, **{field: left}), _REMOVED[kind])

    def clear_points(self) -> int:
        """Remove all points not yet accepted; return how many there were."""
        return self._clear(msg("Clear points"), SlicePrompts.without_points)

    def clear_boxes(self) -> int:
        """Remove all boxes not yet accepted; return how many there were."""
        return self._clear(msg("Clear boxes"), lambda prompts: prompts.with_box(None))

    def clear_scribbles(self) -> int:
        """Remove all scribbles not yet accepted; return how many there were."""
        return self._clear(msg("Clear scribbles"), SlicePrompts.without_scribbles)

    def clear_lassos(self) -> int:
        """Remove all lassos not yet accepted; return how many there were."""
        return self._clear(
            msg("Clear lassos"), lambda prompts: prompts.with_lasso(None)
        )

    def has_pending(self, axis: int, index: int) -> bool:
        """Whether the selected structure has prompts on a slice, not yet accepted."""
        selected = self.state.selected
        if selected is None:
            return False
        pending = self.state.object_of(selected).pending_at((axis, index))
        return pending is not None and not pending.is_empty

    def clear_slice(self, axis: int, index: int) -> int:
        """Remove the selected structure's prompts of a slice that were not accepted.

        Returns
        -------
        int
            How many there were.
        """
        none = SlicePrompts(axis, index)
        after, count = self.state.cleared(
            lambda prompts: none if prompts.key == none.key else prompts,
            only=self.state.selected,
        )
        if count:
            self.history.do(msg("Drop prompts"), after)
        return count

    def clear_all(self) -> int:
        """Remove all prompts not yet accepted and the preview; return how many."""
        state = self.state
        with self.group(msg("Clear all")):
            self.history.do(msg("Clear preview"), replace(state, preview=None))
            cleared = self._clear(msg("Clear"), lambda p: SlicePrompts(*p.key))
        return cleared + (state.preview is not None)

    def prediction_request(
        self, axis: int, index: int, kind: PromptKind = "all"
    ) -> PredictionRequest:
        """Put the question that the selected structure's prompts on a slice ask."""
        plane = self.geometry.plane(axis, index)
        labels = plane.take(self.labels)
        return build_request(self.history, plane, labels, kind, self.model)

    def live_request(self, axis: int, index: int) -> PredictionRequest | None:
        """Return the question that the newest step has brought about, if any.

        Its answer belongs to that step. What undo comes back to is not asked again:
        it had its answer, or the user rejected it.
        """
        if self.history.can_redo or not self.awaits_mask(axis, index):
            return None
        request = self.prediction_request(axis, index)
        return None if request.asked_by is None else request

    def awaits_mask(self, axis: int, index: int) -> bool:
        """Whether the selected structure asks for a mask that is not shown."""
        state = self.state
        if state.selected is None:
            return False
        entry = state.object_of(state.selected)
        pending, preview = entry.pending_at((axis, index)), state.preview
        if pending is None:
            return False
        if preview is not None and (preview.all_prompts, preview.window) == (
            pending,
            state.window,
        ):
            return False
        part = self.geometry.plane(axis, index).take(self.labels)
        corrected = label_to_correct(entry, part, pending)
        return pending.asks_for_something or corrected is not None

    def show_prediction(
        self, prediction: MaskPrediction, request: PredictionRequest
    ) -> bool:
        """Show the answer to a request; a stale one is dropped, with False.

        It belongs to the step that asked. It is a step of its own only where no step
        asked for it and nothing can be redone: an answer never costs what was undone.
        """
        if request.plane.geometry is not self.geometry:
            return False  # the voxels have another size since
        if not request.fits(self.state, self.model):
            return False
        preview = request.preview(prediction)
        self._recent.keep(preview.prediction)
        history, asked_by = self.history, request.asked_by
        if asked_by is not None and history.amend(asked_by, preview):
            return True
        if asked_by is not None or history.can_redo:
            history.attach(preview)
        else:
            history.do(msg("Predict mask"), replace(self.state, preview=preview))
        return True

    def next_candidate(self, offset: int = 1) -> int:
        """Show the next candidate mask; return its position, from 0."""
        preview = waiting_preview(self.state, msg("choose from"))
        chosen = (preview.chosen + offset) % preview.count
        if chosen != preview.chosen:
            other = replace(preview, chosen=chosen)
            self.history.do(msg("Change candidate"), replace(self.state, preview=other))
        return chosen

    def previous_candidate(self) -> int:
        """Show the candidate mask before; return its position, from 0."""
        return self.next_candidate(-1)

    def accept(self) -> int:
        """Write the preview; return the pixels of it left to other structures."""
        delta, left = label_edits.accepted_delta(
            self._labels, self.geometry, self.state
        )
        time = self.clock().isoformat(timespec="seconds")
        after = label_edits.accepted_state(self.state, self._models, time)
        self.history.do(
            msg("Accept {name}", name=named(selected_name(self.state))), after, delta
        )
        return left

    def reject(self) -> None:
        """Drop the preview; the prompts stay, to be corrected."""
        name = waiting_preview(self.state, msg("reject")).structure
        self.history.do(
            msg("Reject {name}", name=named(name)), replace(self.state, preview=None)
        )

    def paint(self, stroke: LabelDelta, step: str = PAINTED) -> int:
        """Enter a brush stroke; return how many voxels a lock has spared."""
        delta, spared = label_edits.painted_delta(self._labels, self.state, stroke)
        self._write(step, delta)
        return spared

    def replace_labels(
        self, labels: NDArray[Any], step: str = msg("Load labels")
    ) -> None:
        """Put other labels, shape (z, y, x), in place of all present ones."""
        delta = label_edits.replaced_delta(self._labels, self.state, labels)
        self._write(step, delta)

    def write_masks(
        self,
        masks: Mapping[str, VolumeMask],
        step: str,
        model: ModelIdentity | None = None,
        start: JobStart | None = None,
        *,
        within: Box | None = None,
        keep_accepted: bool = True,
    ) -> tuple[Message, ...]:
        """Put whole objects into the labels, as one step; see `written_masks`.

        What was undone meanwhile can still be redone.

        Returns
        -------
        tuple of Message
            A sentence for each thing that the hand kept or changed meanwhile.
        """
        after, delta, remarks = label_edits.written_masks(
            self.labels,
            self.state,
            masks,
            step,
            model,
            start,
            within=within,
            keep_accepted=keep_accepted,
        )
        self.history.insert(step, after, *(() if delta.is_empty else (delta,)))
        return remarks

    def set_locked(self, name: str, locked: bool) -> None:
        """Protect a structure's voxels from every change, or release them."""
        state = self.state
        changed = replace(state.object_of(structure(name).name), locked=locked)
        said = named(changed.name)
        step = (
            msg("Lock {name}", name=said) if locked else msg("Unlock {name}", name=said)
        )
        self.history.do(step, state.with_object(changed))

    def set_visible(self, name: str, visible: bool) -> None:
        """Show or hide a structure."""
        state = self.state
        changed = replace(state.object_of(structure(name).name), visible=visible)
        said = named(changed.name)
        step = (
            msg("Show {name}", name=said) if visible else msg("Hide {name}", name=said)
        )
        self.history.do(step, state.with_object(changed))

    def rename_object(self, old: str, new: str) -> None:
        """Give an object, with its prompts and voxels, the name of another structure.

        Raises
        ------
        InputError
            If there is no such object, it is locked, or the new name is in use.
        """
        entry, target = _free_to_change(self.state, old), structure(new)
        if target.name == entry.name:
            return
        taken = self.state.find(target.name)
        if taken is not None and taken.name != entry.name and self._in_use(taken):
            raise InputError(
                msg(
                    "{name} is annotated already: merge {other} into it, or delete "
                    "it before renaming.",
                    name=named(taken.name),
                    other=named(entry.name),
                )
            )
        self._rename(
            msg(
                "Rename {name} to {new}", name=named(entry.name), new=named(target.name)
            ),
            {entry.name: target.name},
        )

    def merge_objects(self, source: str, into: str) -> None:
        """Give the voxels of one object to another one, which keeps its name.

        The prompts of the first go over where the other has none on their slice; a
        preview of the first is dropped.

        Raises
        ------
        InputError
            If one of the objects is not there or is locked, or both are the same.
        """
        state = self.state
        gone, kept = _free_to_change(state, source), _free_to_change(state, into)
        if gone is kept:
            raise InputError(
                msg(
                    "{name} cannot be merged into itself: name another one.",
                    name=named(gone.name),
                )
            )
        had = kept
        for prompts in gone.prompts:
            if had.pending_at(prompts.key) is None:
                kept = kept.with_prompts(prompts)
        for accepted in gone.accepted:
            if had.accepted_at(accepted.prompts.key) is None:
                kept = kept.with_accepted(accepted)
        after = state.without_object(gone).with_object(kept)
        if state.selected == gone.name:
            after = replace(after, selected=kept.name)
        step = msg(
            "Merge {name} into {into}", name=named(gone.name), into=named(kept.name)
        )
        self._exchange(step, after, {gone.label: kept.label})

    def delete_object(self, name: str) -> None:
        """Remove an object with its prompts, its preview and its voxels.

        Raises
        ------
        InputError
            If there is no such object, or it is locked.
        """
        gone = _free_to_change(self.state, name)
        after = self.state.without_object(gone)
        self._exchange(
            msg("Delete {name}", name=named(gone.name)), after, {gone.label: 0}
        )

    def shift_names(self, offset: int) -> None:
        """Rename all vertebrae by so many levels, downwards if above zero.

        The sacrum counts as a level, since naming often begins at a false sacrum.
        T13 and L6 are levels where the annotation has them. Each disc goes with the
        vertebra above it. Coccyx, canal and cord stay.

        Raises
        ------
        InputError
            If there is nothing to shift, something that would move is locked, or a name
            would leave the spine.
        """
        moving = [
            entry
            for entry in self.state.objects
            if structure(entry.name).kind in (Kind.VERTEBRA, Kind.SACRUM, Kind.DISC)
        ]
        if not moving:
            raise InputError(msg("There is no vertebra to shift: annotate one first."))
        levels = levels_of([entry.name for entry in moving])
        names = {
            entry.name: shifted_name(entry.name, levels, offset) for entry in moving
        }
        for entry in moving:
            _check_unlocked(entry)
        self._rename(msg("Shift names by {offset:+d}", offset=offset), names)

    def take_over_objects(self, others: Iterable[StructureObject]) -> None:
        """Give objects the names, locks and visibility of those of another self.

        Prompts and accepted slices belong to the other image and stay there.
        """
        state = self.state
        for entry in others:
            mine = state.object_of(entry.name)
            state = state.with_object(
                replace(mine, locked=entry.locked, visible=entry.visible)
            )
        self.history.do(msg("Take over objects"), state)

    def next_free_structure(self) -> str:
        """Return the next structure below the selected one that is not annotated yet.

        A disc follows a disc; everything else is followed by a vertebra.

        Raises
        ------
        InputError
            If no structure is selected, or none below it is free.
        """
        state = self.state
        here = structure(selected_name(state))
        for name in REGIONS["discs" if here.kind is Kind.DISC else "spine"]:
            entry = state.find(name)
            free = entry is None or not self._in_use(entry)
            if free and place_of(name) > place_of(here.name):
                return name
        raise InputError(
            msg(
                "Nothing below {name} is free: choose a structure by its name.",
                name=named(here.name),
            )
        )

    def _write(self, step: str, delta: LabelDelta) -> None:
        if not delta.is_empty:
            after = label_edits.painted_state(self.state, step, delta)
            self.history.do(step, after, delta)

    def _clear(self, step: str, edit: Callable[[SlicePrompts], SlicePrompts]) -> int:
        after, count = self.state.cleared(edit)
        self.history.do(step, after)
        return count

    def _in_use(self, entry: StructureObject) -> bool:
        """Whether anything would be lost with an object."""
        return bool(
            entry.locked
            or entry.prompts
            or entry.accepted
            or (self._labels == entry.label).any()
        )

    def _rename(self, step: str, names: Mapping[str, str]) -> None:
        """Rename objects, all at once, with their voxels, selection and preview."""
        state = self.state
        moved = [state.object_of(name) for name in names]
        after = state
        for entry in moved:
            after = after.without_object(entry)
        for entry in moved:
            after = after.with_object(replace(entry, name=names[entry.name]))
        preview = state.preview
        if preview is not None and preview.structure in names:
            preview = replace(preview, structure=names[preview.structure])
        selected = state.selected and names.get(state.selected, state.selected)
        values = {structure(o).label: structure(n).label for o, n in names.items()}
        after = replace(after, selected=selected, preview=preview)
        self._exchange(step, after, values)

    def _exchange(self, step: str, after: State, values: Mapping[int, int]) -> None:
        """Make one step of a new state and of voxels with other values."""
        event = ValuesExchanged(step, tuple(values.items()))
        delta = label_edits.exchanged_delta(self.labels, event)
        deltas = () if delta.is_empty else (delta,)
        self.history.do(step, after.with_event(event), *deltas)

    def _tell(self, before: State, after: State, deltas: Sequence[LabelDelta]) -> None:
        self.changed.emit(Change.between(before, after, deltas))


_POINT_ADDED = {
    Polarity.POSITIVE: msg("Add positive point"),
    Polarity.NEGATIVE: msg("Add negative point"),
}
_KINDS = {"point": msgc("prompt", "point"), "scribble": msgc("prompt", "scribble")}
_REMOVED = {"point": msg("Remove point"), "scribble": msg("Remove scribble")}
_SCRIBBLE_ADDED = {
    Polarity.POSITIVE: msg("Add positive scribble"),
    Polarity.NEGATIVE: msg("Add negative scribble"),
}


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _free_to_change(state: State, name: str) -> StructureObject:
    """Return an object that is there and not locked."""
    wanted = structure(name).name
    entry = state.find(wanted)
    if entry is None:
        known = listed(each.name for each in state.objects) or msg("none so far")
        raise InputError(
            msg(
                "{name} is not in this annotation: choose one of its objects "
                "({known}).",
                name=named(wanted),
                known=known,
            )
        )
    _check_unlocked(entry)
    return entry


def _check_unlocked(entry: StructureObject) -> None:
    if entry.locked:
        raise InputError(
            msg("{name} is locked: unlock it to change it.", name=named(entry.name))
        )
