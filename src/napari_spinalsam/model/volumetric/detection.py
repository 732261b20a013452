"""Detect vertebrae and discs by name, from a few that are known or from none."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_spinalsam.core.anatomy import (
    VERTEBRA_ORDER,
    Kind,
    disc_ends,
    listed,
    named,
    structure,
)
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import msg
from napari_spinalsam.core.results import FoundStructure, check_counted, check_findable
from napari_spinalsam.model.volumetric.instances import (
    Instances,
    find_centres,
    instance_mask,
    seed_positions,
    voted_centre,
    with_seeds,
)
from napari_spinalsam.model.volumetric.level_naming import (
    Chain,
    follow,
    guess_names,
    name_by_anchors,
    places_of,
)
from napari_spinalsam.model.volumetric.propagation import (
    JOINING,
    followed,
    geometry_of,
    keep_seeds,
    known_slices,
)
from napari_spinalsam.model.volumetric.voting import Region, sagittal_bone

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.results import Progress, Seed, SliceKey, SliceMask
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.model.backends.base import VotingBackend
    from napari_spinalsam.model.volumetric.propagation import VotingSession
    from napari_spinalsam.model.volumetric.voting import VoteField

    Limits = tuple[NDArray[np.float64], NDArray[np.float64]]

# Up to this size the whole image is looked at closely; anatomy fills it anyway.
SMALL_MM = 200.0
STEP_MM = 10.0
COARSE_PIXEL_MM = 1.25
# Room around the line of the spine: vertebrae with their processes.
BESIDE_MM = 60.0
# The line ends where there is less bone than this share of what is usual along it.
LEAST_SHARE = 0.1
# A disc lies in front of the line between the centres of its vertebrae, at most so far
# away, and so far along it: the sacrum's centre is far below its upper end.
FARTHEST_MM = 40.0
ALONG = (0.05, 0.95)
LOCATING = msg("locating the spine")
# Room around a vertebra, and the most that one is away from the next.
ROOM_MM = 60.0
LEVEL_MM = 42.0
# The last vertebra is the end of the spine if the image goes on this far below.
ENDS_MM = 75.0
# A walk from a known vertebra errs this seldom a level, this often over a gap.
LEVEL_TRUST, GAP_TRUST = 0.99, 0.6


def locate_spine(
    backend: VotingBackend, volume: Volume, window: Window
) -> Generator[float, None, Limits]:
    """Find the part of an image that holds the spine.

    Yields
    ------
    float
        The part of the work that is done.

    Returns
    -------
    tuple of two ndarray, shape (3,)
        Lowest and highest position in mm along (z, y, x).

    Raises
    ------
    InputError
        If no slice shows any of it.
    """
    geometry = volume.geometry
    extent = np.array(geometry.shape) * np.array(geometry.spacing)
    if max(extent[1:]) <= SMALL_MM:
        return np.zeros(3), extent
    places = np.arange(STEP_MM / 2, extent[2], STEP_MM)
    layers = []
    for number, at in enumerate(places, start=1):
        half = STEP_MM / 2
        low, high = np.array([0, 0, at - half]), np.array([*extent[:2], at + half])
        region = Region.around(geometry, low, high, COARSE_PIXEL_MM)
        bone = sagittal_bone(backend, volume, region, window)
        layers.append(_counts(bone, region, extent))
        yield number / len(places)
    density = ndimage.gaussian_filter(np.stack(layers, -1), (1.0, 1.5, 1.0))
    if not density.any():
        raise InputError(
            msg(
                "No spine was found in the image: check the window, or prompt "
                "a vertebra."
            )
        )
    return _box_of(_line(density), density, extent)


def _counts(
    bone: NDArray[np.bool_], region: Region, extent: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Count cells in squares of the step, shape (z, y)."""
    bins = np.ceil(extent[:2] / STEP_MM).astype(int)
    at = (np.argwhere(bone) + 0.5) * region.cell_mm[:2]
    counts, _, _ = np.histogram2d(
        at[:, 0], at[:, 1], bins=bins, range=[(0, n * STEP_MM) for n in bins]
    )
    return np.asarray(counts)


def _line(density: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the connected (y, x) bins with the most bone, one for each layer."""
    total = density[0]
    best = [total]
    for layer in density[1:]:
        total = layer + ndimage.maximum_filter(total, 3)
        best.append(total)
    at = np.array(np.unravel_index(best[-1].argmax(), best[-1].shape))
    line = [at]
    for total in reversed(best[:-1]):
        low = np.maximum(at - 1, 0)
        near = total[low[0] : at[0] + 2, low[1] : at[1] + 2]
        at = low + np.array(np.unravel_index(near.argmax(), near.shape))
        line.append(at)
    return np.array(line[::-1])


def _box_of(
    line: NDArray[np.intp],
    density: NDArray[np.float64],
    extent: NDArray[np.float64],
) -> Limits:
    along = density[np.arange(len(line)), line[:, 0], line[:, 1]]
    there = np.flatnonzero(along > LEAST_SHARE * np.percentile(along, 75))
    middle = (line[there[0] : there[-1] + 1] + 0.5) * STEP_MM
    low = np.array([there[0] * STEP_MM - 2 * STEP_MM, *(middle.min(0) - BESIDE_MM)])
    high = np.array([there[-1] * STEP_MM + 3 * STEP_MM, *(middle.max(0) + BESIDE_MM)])
    return np.maximum(low, 0), np.minimum(high, extent)


class Discs:
    """The discs of a field.

    Parameters
    ----------
    field : VoteField
        Votes for discs.
    vertebrae : mapping of str to ndarray of float, shape (3,)
        Centres in mm of the vertebrae that have names.
    """

    def __init__(
        self, field: VoteField, vertebrae: Mapping[str, NDArray[np.float64]]
    ) -> None:
        centres = find_centres(field)
        self.instances = Instances(field, centres) if len(centres) else None
        self._centres, self._vertebrae = centres, vertebrae

    def number(self, name: str) -> int | None:
        """Return which of the instances a disc is; None if it was not found."""
        upper, lower = disc_ends(name)
        if not {upper, lower} <= self._vertebrae.keys() or not len(self._centres):
            return None
        start, way = self._vertebrae[upper], self._vertebrae[lower]
        way = way - start
        length = float(np.linalg.norm(way))
        along = (self._centres - start) @ way / length**2
        beside = self._centres - start - along[:, None] * way
        away = np.linalg.norm(beside, axis=1)
        fits = (along > ALONG[0]) & (along < ALONG[1]) & (away < FARTHEST_MM)
        if not fits.any():
            return None
        distance = np.hypot(away, (along - 0.5) * length)
        return int(np.where(fits, distance, np.inf).argmin())


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
                msg(
                    "No vertebra was found in the image: check the window, or "
                    "prompt one."
                )
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
                msg(
                    "No line of vertebrae leads to the prompted {names}: prompt it "
                    "in the middle of the vertebra, or leave it out.",
                    names=lost,
                )
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
                msg(
                    "The prompts of {name} show no vertebra to the model: prompt "
                    "it where its body is seen.",
                    name=named(name),
                )
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
