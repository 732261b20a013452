"""The annotation: an image's objects, prompts, preview and labels, with one history."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from psygnal import Signal

from napari_spinalsam.annotation import label_edits, objects, prompt_editing
from napari_spinalsam.annotation.events import Change
from napari_spinalsam.annotation.history import History, Storage
from napari_spinalsam.annotation.provenance import PAINTED, ImageReference
from napari_spinalsam.annotation.requests import build_request, waiting_preview
from napari_spinalsam.annotation.state import RecentLogits, State
from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Known
from napari_spinalsam.core.intensity import default_window
from napari_spinalsam.core.masks import LABEL_DTYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from napari_spinalsam.annotation.provenance import ModelReference
    from napari_spinalsam.annotation.requests import PredictionRequest, PromptKind
    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.masks import LabelDelta
    from napari_spinalsam.core.prompts import MaskPrediction
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

    prompts_at = prompt_editing.prompts_at
    set_prompts = prompt_editing.set_prompts
    add_point = prompt_editing.add_point
    set_box = prompt_editing.set_box
    add_scribble = prompt_editing.add_scribble
    set_lasso = prompt_editing.set_lasso
    clear_points = prompt_editing.clear_points
    clear_boxes = prompt_editing.clear_boxes
    clear_scribbles = prompt_editing.clear_scribbles
    clear_lassos = prompt_editing.clear_lassos
    clear_all = prompt_editing.clear_all
    set_locked = objects.set_locked
    set_visible = objects.set_visible
    rename_object = objects.rename_object
    merge_objects = objects.merge_objects
    delete_object = objects.delete_object
    shift_names = objects.shift_names
    take_over_objects = objects.take_over_objects
    next_free_structure = objects.next_free_structure

    def __init__(self, volume: Volume, window: Window | None = None) -> None:
        # As it was opened, and on the grid that was stated since.
        self._opened = self._placed = volume
        self.model = ""
        self.clock: Callable[[], datetime] = _utc_now
        self._models: dict[str, ModelReference] = {}
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

    def use_model(self, model: ModelReference) -> None:
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
            self.history.do(f"Select {chosen}", after)

    def set_window(self, window: Window) -> None:
        """Map intensities otherwise, for display and model."""
        self.history.do("Set window", replace(self.state, window=window))

    def set_grid(self, grid: FileGrid, step: str = "Move image") -> None:
        """Let the image lie elsewhere; a mask that waits was made for the old size."""
        if grid.geometry.shape != self._labels.shape:
            raise InputError(
                f"A grid of shape {grid.geometry.shape} does not fit an image of shape "
                f"{self._labels.shape}: open the other image instead."
            )
        stated = None if grid is self._opened.grid else grid
        self.history.do(step, replace(self.state, grid=stated, preview=None))

    @property
    def size_told_by_file(self) -> bool:
        """Whether the size of a voxel comes with a place, from a header.

        What was stated is not told, nor what a picture notes as its resolution.
        """
        grid = self._opened.grid
        return Known.POSITION in grid.known and not grid.turned

    def set_spacing(
        self, spacing: Sequence[float], step: str = "Set voxel size"
    ) -> None:
        """State the millimetres of a voxel along (z, y, x), where no file tells them.

        Raises
        ------
        InputError
            If a size is not above zero, or the file of the image tells it.
        """
        if len(spacing) != 3 or not all(0 < mm < math.inf for mm in spacing):
            raise InputError(
                f"The voxel size {tuple(spacing)} is none: give three numbers of "
                "millimetres above 0, along slices, rows and columns."
            )
        if self.size_told_by_file:
            told = " x ".join(f"{mm:.4g}" for mm in self.geometry.spacing)
            raise InputError(
                f"The file of the image tells that a voxel measures {told} mm: correct "
                "the file if that is wrong."
            )
        known = self.geometry.known | Known.SPACING
        if self._opened.grid.turned:
            known |= Known.POSITION  # it lies where it is shown, now in mm
        self.set_grid(self.volume.grid.rescaled(spacing, known), step)

    def set_pixel_size(self, mm: float) -> None:
        """State the millimetres of a pixel of a picture; see `set_spacing`."""
        if not self.geometry.is_2d:
            raise InputError(
                "The image is a volume, whose voxels have three sizes: state them with "
                "set_spacing or in the Segment dock."
            )
        self.set_spacing((self.geometry.spacing[0], mm, mm), "Set pixel size")

    def set_reference(
        self, reference: NDArray[Any] | None, geometry: Geometry | None = None
    ) -> None:
        """Choose the labels to measure against, on the grid of the image; or none."""
        label_edits.check_grid(reference, geometry, self.geometry)
        self._reference = reference
        self.changed.emit(Change(reference=True))

    def prediction_request(
        self, axis: int, index: int, kind: PromptKind = "all"
    ) -> PredictionRequest:
        """Put the question that the selected structure's prompts on a slice ask."""
        plane = self.geometry.plane(axis, index)
        labels = plane.take(self.labels)
        return build_request(self.history, plane, labels, kind, self.model)

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
            history.do("Predict mask", replace(self.state, preview=preview))
        return True

    def next_candidate(self, offset: int = 1) -> int:
        """Show the next candidate mask; return its position, from 0."""
        preview = waiting_preview(self.state, "choose from")
        chosen = (preview.chosen + offset) % preview.count
        if chosen != preview.chosen:
            other = replace(preview, chosen=chosen)
            self.history.do("Change candidate", replace(self.state, preview=other))
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
        self.history.do(f"Accept {self.state.selected}", after, delta)
        return left

    def reject(self) -> None:
        """Drop the preview; the prompts stay, to be corrected."""
        name = waiting_preview(self.state, "reject").structure
        self.history.do(f"Reject {name}", replace(self.state, preview=None))

    def paint(self, stroke: LabelDelta, step: str = PAINTED) -> int:
        """Enter a brush stroke; return how many voxels a lock has spared."""
        delta, spared = label_edits.painted_delta(self._labels, self.state, stroke)
        self._write(step, delta)
        return spared

    def replace_labels(self, labels: NDArray[Any], step: str = "Load labels") -> None:
        """Put other labels, shape (z, y, x), in place of all present ones."""
        delta = label_edits.replaced_delta(self._labels, self.state, labels)
        self._write(step, delta)

    def _write(self, step: str, delta: LabelDelta) -> None:
        if not delta.is_empty:
            after = label_edits.painted_state(self.state, step, delta)
            self.history.do(step, after, delta)

    def _tell(self, before: State, after: State, deltas: Sequence[LabelDelta]) -> None:
        self.changed.emit(Change.between(before, after, deltas))


def _utc_now() -> datetime:
    return datetime.now(UTC)
