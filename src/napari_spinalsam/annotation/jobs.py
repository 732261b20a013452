"""Volume jobs: propagation, detection by name, and the search before a plan.

A `Job` is submitted to the prediction port, which runs it piece by piece. It can be
cancelled between two pieces; what is there by then is written, as one step of the
history.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_spinalsam.actions import models as a
from napari_spinalsam.annotation.label_edits import JobStart
from napari_spinalsam.core.anatomy import REGIONS, listed, named, structure
from napari_spinalsam.core.errors import InputError, SpinalSamError
from napari_spinalsam.core.messages import Message, join, msg
from napari_spinalsam.core.results import (
    COUNTED,
    FINDABLE,
    FoundStructure,
    SliceMask,
    VolumeMask,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_spinalsam.actions.pointer import AnyAction
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.ports import VolumeJob
    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.protocols import ModelIdentity, VolumePredictor
    from napari_spinalsam.core.results import (
        Direction,
        Progress,
        Seed,
        SliceKey,
    )

logger = logging.getLogger(__name__)

End = Literal["done", "stopped", "failed"]
SliceMasks = dict[tuple[int, int], "NDArray[np.bool_]"]
_OPENS = a.OpenImage | a.OpenSample | a.PreviousImage | a.NextImage


def sentence_of(error: Exception) -> Message:
    """Return what an error tells the user."""
    if isinstance(error, SpinalSamError):
        return error.message
    return msg("Unexpected error, please report: {error!r}", error=error)


@dataclass(slots=True, eq=False)
class Job:
    """A volume job that one annotation asked for: known by itself, ended by itself.

    Parameters
    ----------
    annotation : Annotation
        Who asked for it, and gets the result; no other does.
    work : VolumeJob
        What is to be done.
    start : JobStart
        What the annotation was when it was asked for.
    token : Event
        Its own cancel token; nothing takes it back.
    end : {"done", "stopped", "failed"} or None
        How it ended; None before.
    error : Exception or None
        What it failed with.
    sentence : Message
        What came of it; empty before its end.
    """

    annotation: Annotation
    work: VolumeJob
    start: JobStart
    token: Event = field(default_factory=Event)
    end: End | None = None
    error: Exception | None = None
    sentence: Message = field(default_factory=Message)

    @classmethod
    def of(cls, annotation: Annotation, work: VolumeJob) -> Job:
        """Ask for work on an annotation as it is now."""
        return cls(annotation, work, JobStart.of(annotation.state))

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self.end is not None

    def cancel(self) -> None:
        """End this job, and no other, after its present piece."""
        self.token.set()

    def run(self, predictor: VolumePredictor) -> Iterator[SliceMask | Progress]:
        """Work until it is done or cancelled, yielding what can be shown.

        Parameters
        ----------
        predictor : VolumePredictor
            The model, with the annotation's volume set.
        """
        if self.token.is_set():
            return
        for item in self.work.run(predictor):
            yield item
            if self.token.is_set():
                return

    def write(self) -> None:
        """End it: write what there is by now into its annotation, as one step.

        However that goes, the job has ended then and tells what came of it.
        """
        told: list[Message] = []
        try:
            if masks := self.work.masks():
                told = list(
                    self.annotation.write_masks(
                        masks, self.work.step, self.work.model, self.start
                    )
                )
            if masks or self.error is None:
                told.insert(0, self.work.outcome())
        except Exception as error:  # the edge of the job: told to whoever asked
            if not isinstance(error, SpinalSamError):
                logger.exception("The masks of a job could not be written")
            self.error = error
        if self.error is not None:
            self.end = "failed"
            told.insert(0, sentence_of(self.error))
        else:
            self.end = "stopped" if self.token.is_set() else "done"
        self.sentence = join(told)


def anchors_of(
    document: Annotation, key: tuple[int, int | None]
) -> dict[str, SliceMasks]:
    """Return the known slices of what is labelled and is counted along the spine.

    See `known_slices`.
    """
    return {
        entry.name: known
        for entry in document.state.objects
        if structure(entry.name).kind in COUNTED
        if (known := known_slices(document, entry.name, key))
    }


def known_slices(
    document: Annotation, name: str, key: tuple[int, int | None]
) -> SliceMasks:
    """Return a structure's masks on the slices that are sure, the walked axis first.

    These are the accepted slices; without any, the slice shown, or else the one that
    shows most of the structure.

    Parameters
    ----------
    document : Annotation
        The image and what is labelled.
    name : str
        The structure.
    key : tuple of int
        Axis and index of the slice shown; an index of None where none is.
    """
    axis, index = key
    ours = document.labels == structure(name).label
    keys = [entry.prompts.key for entry in document.state.object_of(name).accepted]
    keys = [each for each in keys if _slice_of(document, ours, each).any()]
    if not keys and ours.any():
        counts = ours.sum(axis=tuple(other for other in range(3) if other != axis))
        if index is None or not counts[index]:
            index = int(np.argmax(counts))
        keys = [(axis, index)]
    keys.sort(key=lambda each: (each != key, each[0] != axis))
    return {each: _slice_of(document, ours, each).copy() for each in keys}


def _slice_of(
    document: Annotation, mask: NDArray[np.bool_], key: SliceKey
) -> NDArray[np.bool_]:
    return document.geometry.plane(*key).take(mask)


@dataclass(slots=True, eq=False)
class PropagationJob:
    """Propagate the mask of one structure through the volume.

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
    model : ModelIdentity or None
        Set when the work begins.
    """

    name: str
    seeds: Mapping[SliceKey, Seed]
    window: Window
    direction: Direction = "both"
    slices: int | None = None
    model: ModelIdentity | None = None
    _walked: list[SliceMask] = field(default_factory=list)
    _whole: VolumeMask | None = None

    @property
    def step(self) -> Message:
        """Name of the step that it becomes."""
        return msg("Propagate {name}", name=named(self.name))

    @property
    def shown(self) -> str:
        """Name of the structure whose slices come one by one."""
        return self.name

    def run(self, predictor: VolumePredictor) -> Iterator[SliceMask | Progress]:
        """Walk from slice to slice, then join the planes."""
        self.model = predictor.identity
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

    def outcome(self) -> Message:
        """Say how far it went."""
        axis = next(iter(self.seeds))[0]
        found = self.masks().get(self.name)
        count = 0 if found is None else found.slices(axis)
        if self._whole is not None:
            return msg(
                "{name} is propagated through {count} slices.",
                name=named(self.name),
                count=count,
            )
        return msg(
            "{name} is propagated through {count} slices before it was stopped.",
            name=named(self.name),
            count=count,
        )


@dataclass(slots=True, eq=False)
class DetectionJob:
    """Find structures by name, with labelled ones to start from.

    Parameters
    ----------
    names : tuple of str
        What to find.
    anchors : mapping of str to seeds
        Structures whose place is known.
    window : Window
        How to map the intensities.
    model : ModelIdentity or None
        Set when the work begins.
    found : list of FoundStructure
        What was found so far.
    """

    names: tuple[str, ...]
    anchors: Mapping[str, Mapping[SliceKey, Seed]]
    window: Window
    model: ModelIdentity | None = None
    found: list[FoundStructure] = field(default_factory=list)
    _is_complete: bool = False

    @property
    def step(self) -> Message:
        """Name of the step that it becomes."""
        return msg("Segment {names}", names=listed(self.names))

    @property
    def shown(self) -> str:
        """Name of the first structure; slices come with propagations alone."""
        return self.names[0]

    def run(self, predictor: VolumePredictor) -> Iterator[SliceMask | Progress]:
        """Walk along the spine."""
        self.model = predictor.identity
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

    def outcome(self) -> Message:
        """Name what was found, how sure the names are, and whether it was stopped."""
        if not self.found and not self._is_complete:
            return msg("Nothing was found before the search was stopped.")
        if not self.found:
            return msg(
                "Nothing was found: place a box on one vertebra and accept it first."
            )
        names = listed(found.name for found in self.found)
        told = msg("Found {names}.", names=names)
        if not self.anchors:
            sure = min(found.confidence for found in self.found)
            told = msg(
                "Found {names}; the names are a guess (confidence {confidence:.2f}): "
                "shift them by a level in the Objects panel if they are wrong.",
                names=names,
                confidence=sure,
            )
        if self._is_complete:
            return told
        return join([told, msg("The search was stopped before its end.")])


@dataclass(slots=True, eq=False)
class Search:
    """Look for structures along the spine, and write nothing.

    It is a `ports.VolumeJob`.

    Parameters
    ----------
    detection : DetectionJob
        Finds them.
    failure : str
        Why the model finds nothing; empty if it did not say so.
    """

    detection: DetectionJob
    failure: Message = field(default_factory=Message)

    @property
    def names(self) -> tuple[str, ...]:
        """What is looked for."""
        return self.detection.names

    @property
    def model(self) -> ModelIdentity | None:
        """The model that does the work; None before it has begun."""
        return self.detection.model

    @property
    def step(self) -> Message:
        """Name of the work."""
        return msg("Locate {names}", names=join(map(named, self.names), ", "))

    @property
    def shown(self) -> str:
        """Name of the first structure."""
        return self.names[0]

    def run(self, predictor: VolumePredictor) -> Iterator[SliceMask | Progress]:
        """Walk along the spine; that nothing is found is no error here."""
        try:
            yield from self.detection.run(predictor)
        except InputError as error:
            self.failure = error.message

    def masks(self) -> dict[str, VolumeMask]:
        """Return nothing to write: places are for prompts."""
        return {}

    def outcome(self) -> Message:
        """Say what was located, or why nothing was."""
        names = listed(self.names)
        if not self.detection.found:
            return self.failure or msg("{name} could not be located.", name=names)
        found = listed(found.name for found in self.detection.found)
        return msg("Located {names}.", names=found)

    def found(self, name: str) -> FoundStructure | None:
        """Return a structure if it was found."""
        return next((each for each in self.detection.found if each.name == name), None)


def can_search(geometry: Geometry) -> bool:
    """Whether there is a known way along the spine."""
    known = geometry.spacing_known and geometry.orientation_known
    return known and not geometry.is_2d


def search_for(
    document: Annotation, key: SliceKey, actions: Sequence[AnyAction]
) -> Search | None:
    """Return the search that a plan needs before it places prompts.

    It looks for the structures that the plan itself names for points or boxes and that
    have no label on the slice shown. What comes after an image is opened is not known
    yet. Nothing is looked for where there is no way along the spine: in a flat image,
    and where the size of a voxel or the way of the head is unknown.

    Parameters
    ----------
    document : Annotation
        The image and what is labelled.
    key : tuple of int
        Axis and index of the slice shown.
    actions : sequence of Action
        The plan.
    """
    if not can_search(document.geometry):
        return None
    shown = document.geometry.plane(*key).take(document.labels)
    wanted: dict[str, None] = {}
    selected: str | None = None
    for action in actions:
        if isinstance(action, _OPENS):
            break
        if isinstance(action, a.SelectStructure):
            selected = action.structure
        if not isinstance(action, a.AddPoints | a.AddBox):
            continue
        place = action.structure or selected
        if place is None:
            continue
        entries = [structure(name) for name in REGIONS.get(place, (place,))]
        if not any((shown == entry.label).any() for entry in entries):
            names = (entry.name for entry in entries if entry.kind in FINDABLE)
            wanted |= dict.fromkeys(names)
    if not wanted:
        return None
    anchors = anchors_of(document, key)
    return Search(DetectionJob(tuple(wanted), anchors, document.state.window))
