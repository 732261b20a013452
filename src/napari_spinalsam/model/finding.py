"""Named vertebrae and discs, from a few vertebrae that are known or from none."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.core.anatomy import (
    VERTEBRA_ORDER,
    Kind,
    disc_ends,
    listed,
    structure,
)
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.results import FoundStructure, check_counted, check_findable
from napari_spinalsam.model.between import Discs
from napari_spinalsam.model.fusion import (
    instance_mask,
    seed_positions,
    voted_centre,
    with_seeds,
)
from napari_spinalsam.model.instances import Instances, find_centres
from napari_spinalsam.model.region import Region
from napari_spinalsam.model.seeds import (
    JOINING,
    followed,
    geometry_of,
    keep_seeds,
    known_slices,
)
from napari_spinalsam.model.spine import (
    Chain,
    follow,
    guess_names,
    name_by_anchors,
    places_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.results import Progress, Seed, SliceKey, SliceMask
    from napari_spinalsam.model.locating import Limits
    from napari_spinalsam.model.seeds import VotingSession
    from napari_spinalsam.model.votes import VoteField

LOCATING = "locating the spine"
# Room around a vertebra, and the most that one is away from the next.
ROOM_MM = 60.0
LEVEL_MM = 42.0
# The last vertebra is the end of the spine if the image goes on this far below.
ENDS_MM = 75.0
# A walk from a known vertebra errs this seldom a level, this often over a gap.
LEVEL_TRUST, GAP_TRUST = 0.99, 0.6


def find_structures(
    session: VotingSession,
    names: Sequence[str],
    *,
    anchors: Mapping[str, Mapping[SliceKey, Seed]],
    window: Window,
) -> Iterator[Progress | FoundStructure]:
    """Find structures by name, walking along the spine; stop taking at any time.

    Parameters
    ----------
    session : VotingSession
        With the volume set.
    names : sequence of str
        Canonical names of vertebrae and discs; they are yielded in this order.
    anchors : mapping of str to seeds
        Vertebrae whose names are known, each with seeds as for `propagate`. Without
        any, the names are a guess with a confidence.
    window : Window
        Maps the intensities to what the network sees.

    Yields
    ------
    Progress
        While the spine is located and looked at.
    FoundStructure
        Each wanted structure that is there.

    Raises
    ------
    InputError
        If something else than vertebrae and discs is wanted, an anchor shows no
        vertebra, or the anchors do not fit together.
    """
    check_findable(structure(name) for name in names)
    check_counted(structure(name) for name in anchors)
    geometry = geometry_of(session)
    known = {
        name: known_slices(session, seeds, window) for name, seeds in anchors.items()
    }
    limits = yield from followed(session.locate_spine(window), LOCATING)
    if known:
        limits = _narrowed(limits, known, names, geometry)
    region = Region.around(geometry, *limits, session.pixel_mm or 1.0)
    field = yield from followed(session.gather_votes(region, window), JOINING)
    found = _Spine(field, known)
    for name in names:
        one = found.disc(name) if _is_disc(name) else found.vertebra(name)
        if one is not None and name in known:
            whole = keep_seeds(session, window, one.whole, known[name], anchors[name])
            one = replace(one, whole=whole)
        if one is not None:
            yield one


def _is_disc(name: str) -> bool:
    return structure(name).kind is Kind.DISC


class _Spine:
    """The vertebrae of a field, in order and with names, and the discs between."""

    def __init__(
        self, field: VoteField, known: Mapping[str, Sequence[SliceMask]]
    ) -> None:
        self._field = field
        centres, numbers = with_seeds(find_centres(field), _voted(field, known))
        if not len(centres):
            raise InputError(
                "No vertebra was found in the image: check the window, or prompt one."
            )
        self.instances = Instances(field, centres)
        volumes = self.instances.volumes_mm3
        chain = follow(centres, volumes, numbers)
        anchors = {
            chain.index(number): name
            for number, name in zip(numbers, known, strict=True)
            if number in chain
        }
        if len(anchors) < len(known):
            lost = listed(name for name in known if name not in anchors.values())
            raise InputError(
                f"No line of vertebrae leads to the prompted {lost}: prompt it in the "
                "middle of the vertebra, or leave it out."
            )
        self.chain = self._chain(chain)
        places = self.chain.places
        if anchors:
            self.names = name_by_anchors(places, anchors)
            self.confidence = [
                _trust(at, places, list(anchors)) for at in range(len(places))
            ]
        else:
            self.names, confidence = guess_names(self.chain)
            self.confidence = [confidence] * len(places)

    def vertebra(self, name: str) -> FoundStructure | None:
        """Return a vertebra, or the sacrum, if it is there."""
        if name not in self.names:
            return None
        at = self.names.index(name)
        whole = instance_mask(self.instances, self.chain.numbers[at])
        return FoundStructure(name, whole, self.confidence[at])

    def disc(self, name: str) -> FoundStructure | None:
        """Return a disc, if it and both of its vertebrae are there."""
        number = self._discs.number(name)
        if number is None or self._discs.instances is None:
            return None
        whole = instance_mask(self._discs.instances, number)
        ends = (self.names.index(end) for end in disc_ends(name))
        return FoundStructure(name, whole, min(self.confidence[at] for at in ends))

    @cached_property
    def _discs(self) -> Discs:
        *_, field = self._field.by_kind
        named = zip(self.names, self.chain.positions, strict=True)
        return Discs(field, {name: at for name, at in named if name is not None})

    def _chain(self, numbers: tuple[int, ...]) -> Chain:
        positions = self.instances.centres[list(numbers)]
        volumes = self.instances.volumes_mm3[list(numbers)] / 1e3
        cut = [self.instances.is_cut(number) for number in numbers]
        geometry = self.instances.field.region.geometry
        below = geometry.shape[0] * geometry.spacing[0] - positions[-1, 0]
        return Chain(
            numbers,
            places_of(positions),
            positions,
            np.where(cut, np.nan, volumes),
            bool(below > ENDS_MM),
        )


def _voted(
    field: VoteField, known: Mapping[str, Sequence[SliceMask]]
) -> list[NDArray[np.float64]]:
    centres = []
    for name, slices in known.items():
        centre = voted_centre(field, seed_positions(slices, field.region.geometry))
        if centre is None:
            raise InputError(
                f"The prompts of {name} show no vertebra to the model: prompt it where "
                "its body is seen."
            )
        centres.append(centre)
    return centres


def _narrowed(
    limits: Limits,
    known: Mapping[str, Sequence[SliceMask]],
    names: Sequence[str],
    geometry: Geometry,
) -> Limits:
    """Keep to the levels that are wanted, and make sure that the anchors are inside."""
    wanted = [disc_ends(name) if _is_disc(name) else (name,) for name in names]
    levels = [VERTEBRA_ORDER.index(name) for ends in wanted for name in ends]
    top, bottom, inside = [], [], []
    for name, slices in known.items():
        at, level = seed_positions(slices, geometry), VERTEBRA_ORDER.index(name)
        inside.append(at)
        top.append(at[:, 0].min() - LEVEL_MM * max(level - min(levels), 0))
        bottom.append(at[:, 0].max() + LEVEL_MM * max(max(levels) - level, 0))
    low, high = (limit.copy() for limit in limits)
    low[0], high[0] = max(low[0], min(top)), min(high[0], max(bottom))
    anchored, room = np.concatenate(inside), np.array([ROOM_MM, 0, 0])
    low, high = np.minimum(low, anchored.min(0)), np.maximum(high, anchored.max(0))
    return low - room, high + room


def _trust(at: int, places: Sequence[int], anchors: Sequence[int]) -> float:
    """Return how likely a name is right that was counted from the nearest anchor."""
    nearest = min(anchors, key=lambda anchor: abs(places[anchor] - places[at]))
    first, last = sorted((at, nearest))
    levels = places[last] - places[first]
    gaps = levels - (last - first)
    return float(LEVEL_TRUST ** (levels - gaps) * GAP_TRUST**gaps)
