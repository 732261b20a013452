"""Whole objects: what is asked of the model.

A job is handed to the prediction port, which runs it piece by piece and can be stopped
between two pieces; what is there by then is written (`carried`), as one step of the
history.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from napari_spinalsam.annotation.provenance import (
    ModelReference,
)
from napari_spinalsam.core.anatomy import listed
from napari_spinalsam.core.results import FoundStructure, SliceMask, VolumeMask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_spinalsam.annotation.provenance import ModelDescription
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.results import (
        Direction,
        Progress,
        Propagated,
        Seed,
        SliceKey,
    )


class VolumePredictor(Protocol):
    """A model with an image set that knows more than single slices."""

    @property
    def record(self) -> ModelDescription:
        """Where the model comes from."""

    def propagate(
        self,
        seeds: Mapping[SliceKey, Seed],
        *,
        window: Window,
        direction: Direction = "both",
        slices: int | None = None,
    ) -> Iterator[Propagated]:
        """Carry one structure through the volume."""

    def find_structures(
        self,
        names: Sequence[str],
        *,
        window: Window,
        anchors: Mapping[str, Mapping[SliceKey, Seed]] | None = None,
    ) -> Iterator[Progress | FoundStructure]:
        """Find structures by name along the spine."""


class CarryJob(Protocol):
    """Work on whole objects that takes a while."""

    @property
    def step(self) -> str:
        """Name of the step that it becomes."""

    @property
    def shown(self) -> str:
        """Name of the structure whose slices come one by one."""

    @property
    def model(self) -> ModelReference | None:
        """The model that does the work; None before it has begun."""

    def run(self, predictor: VolumePredictor) -> Iterator[SliceMask | Progress]:
        """Do the work, yielding what can be shown; may be left at any time."""

    def masks(self) -> dict[str, VolumeMask]:
        """Return what there is by now, by structure."""

    def outcome(self) -> str:
        """Say in one sentence what came of it."""


@dataclass(slots=True, eq=False)
class PropagationJob:
    """Carry the mask of one structure through the volume.

    Parameters
    ----------
    name : str
        The structure.
    seeds : mapping of (axis, index) to ndarray of bool
        Its known slices, kept exactly as they are.
    window : Window
        How to map the intensities.
    direction : {"both", "forward", "backward"}
        Forward is towards higher indices.
    slices : int or None
        How many to go at most.
    model : ModelReference or None
        Set when the work begins.
    """

    name: str
    seeds: Mapping[SliceKey, Seed]
    window: Window
    direction: Direction = "both"
    slices: int | None = None
    model: ModelReference | None = None
    _walked: list[SliceMask] = field(default_factory=list)
    _whole: VolumeMask | None = None

    @property
    def step(self) -> str:
        """Name of the step that it becomes."""
        return f"Propagate {self.name}"

    @property
    def shown(self) -> str:
        """Name of the structure whose slices come one by one."""
        return self.name

    def run(self, predictor: VolumePredictor) -> Iterator[SliceMask | Progress]:
        """Walk from slice to slice, then join the planes."""
        self.model = ModelReference.of(predictor.record)
        for item in predictor.propagate(
            self.seeds,
            window=self.window,
            direction=self.direction,
            slices=self.slices,
        ):
            if isinstance(item, VolumeMask):
                self._whole = item
                return
            if isinstance(item, SliceMask):
                self._walked.append(item)
            yield item

    def masks(self) -> dict[str, VolumeMask]:
        """Return the joined mask, or the slices so far."""
        axis = next(iter(self.seeds))[0]
        if self._whole is not None:
            return {self.name: self._whole}
        if not any(each.mask.any() for each in self._walked):
            return {}
        return {self.name: VolumeMask.of_slices(self._walked, axis)}

    def outcome(self) -> str:
        """Say how far it went."""
        axis = next(iter(self.seeds))[0]
        found = self.masks().get(self.name)
        count = 0 if found is None else found.slices(axis)
        if self._whole is not None:
            return f"{self.name} is carried through {count} slices."
        return f"{self.name} is carried through {count} slices before it was stopped."


@dataclass(slots=True, eq=False)
class FindingJob:
    """Find structures by name, with labelled ones to start from.

    Parameters
    ----------
    names : tuple of str
        What to find.
    anchors : mapping of str to seeds
        Structures whose place is known.
    window : Window
        How to map the intensities.
    model : ModelReference or None
        Set when the work begins.
    found : list of FoundStructure
        What was found so far.
    """

    names: tuple[str, ...]
    anchors: Mapping[str, Mapping[SliceKey, Seed]]
    window: Window
    model: ModelReference | None = None
    found: list[FoundStructure] = field(default_factory=list)
    _is_complete: bool = False

    @property
    def step(self) -> str:
        """Name of the step that it becomes."""
        return f"Segment {listed(self.names)}"

    @property
    def shown(self) -> str:
        """Name of the first structure; slices come with propagations alone."""
        return self.names[0]

    def run(self, predictor: VolumePredictor) -> Iterator[SliceMask | Progress]:
        """Walk along the spine."""
        self.model = ModelReference.of(predictor.record)
        for item in predictor.find_structures(
            self.names, window=self.window, anchors=self.anchors
        ):
            if isinstance(item, FoundStructure):
                self.found.append(item)
            else:
                yield item
        self._is_complete = True

    def masks(self) -> dict[str, VolumeMask]:
        """Return what was found so far."""
        return {found.name: found.whole for found in self.found}

    def outcome(self) -> str:
        """Name what was found, how sure the names are, and whether it was stopped."""
        if not self.found and not self._is_complete:
            return "Nothing was found before the search was stopped."
        if not self.found:
            return "Nothing was found: place a box on one vertebra and accept it first."
        names = listed(found.name for found in self.found)
        told = f"Found {names}."
        if not self.anchors:
            sure = min(found.confidence for found in self.found)
            told = (
                f"Found {names}; the names are a guess (confidence {sure:.2f}): shift "
                "them by a level in the Objects panel if they are wrong."
            )
        stopped = "" if self._is_complete else "The search was stopped before its end."
        return f"{told} {stopped}".rstrip()
