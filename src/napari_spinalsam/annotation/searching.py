"""What a plan wants to prompt but nobody has labelled: looked for before it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_spinalsam.actions import models as a
from napari_spinalsam.annotation.carrying import FindingJob
from napari_spinalsam.annotation.following import anchors_of
from napari_spinalsam.core.anatomy import REGIONS, listed, structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.results import FINDABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_spinalsam.actions.models import Action
    from napari_spinalsam.annotation.carrying import VolumePredictor
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.provenance import ModelReference
    from napari_spinalsam.annotation.state import SliceKey
    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.results import (
        FoundStructure,
        Progress,
        SliceMask,
        VolumeMask,
    )

_OPENS = a.OpenImage | a.OpenSample | a.PreviousImage | a.NextImage


@dataclass(slots=True, eq=False)
class Search:
    """Look for structures along the spine, and write nothing.

    It is a `carrying.CarryJob`.

    Parameters
    ----------
    finding : FindingJob
        Finds them.
    failure : str
        Why the model finds nothing; empty if it did not say so.
    """

    finding: FindingJob
    failure: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """What is looked for."""
        return self.finding.names

    @property
    def model(self) -> ModelReference | None:
        """The model that does the work; None before it has begun."""
        return self.finding.model

    @property
    def step(self) -> str:
        """Name of the work."""
        return f"Locate {', '.join(self.names)}"

    @property
    def shown(self) -> str:
        """Name of the first structure."""
        return self.names[0]

    def run(self, predictor: VolumePredictor) -> Iterator[SliceMask | Progress]:
        """Walk along the spine; that nothing is found is no error here."""
        try:
            yield from self.finding.run(predictor)
        except InputError as error:
            self.failure = str(error)

    def masks(self) -> dict[str, VolumeMask]:
        """Return nothing to write: places are for prompts."""
        return {}

    def outcome(self) -> str:
        """Say what was located, or why nothing was."""
        names = listed(self.names)
        if not self.finding.found:
            return self.failure or f"{names} could not be located."
        return f"Located {listed(found.name for found in self.finding.found)}."

    def found(self, name: str) -> FoundStructure | None:
        """Return a structure if it was found."""
        return next((each for each in self.finding.found if each.name == name), None)


def can_search(geometry: Geometry) -> bool:
    """Whether there is a known way along the spine."""
    known = geometry.spacing_known and geometry.orientation_known
    return known and not geometry.is_2d


def search_for(
    document: Annotation, key: SliceKey, actions: Sequence[Action]
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
    return Search(FindingJob(tuple(wanted), anchors, document.state.window))
