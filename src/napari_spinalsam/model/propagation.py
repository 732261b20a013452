"""From the known slices of a structure to the whole of it.

First the slices beside a seed are predicted one after the other, so that something is
seen at once. Then the votes of all three planes around the seed are joined, and
the structure is cut out in competition with its neighbours; see
docs/explanation/propagation.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_spinalsam.core.results import Progress, VolumeMask
from napari_spinalsam.model.fusion import fuse, region_around
from napari_spinalsam.model.seeds import (
    JOINING,
    followed,
    geometry_of,
    keep_seeds,
    known_slices,
)
from napari_spinalsam.model.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.results import (
        Direction,
        Propagated,
        Seed,
        SliceKey,
        SliceMask,
    )
    from napari_spinalsam.model.seeds import VotingSession


def propagate(
    session: VotingSession,
    seeds: Mapping[SliceKey, Seed],
    *,
    window: Window,
    direction: Direction = "both",
    slices: int | None = None,
) -> Iterator[Propagated]:
    """Carry one structure through the volume; stop taking from it at any time.

    Parameters
    ----------
    session : VotingSession
        With the volume set.
    seeds : mapping of (axis, index) to SlicePrompts or ndarray of bool
        What is known: prompts, or a mask that is kept exactly as it is. The axis of
        the first one is walked along.
    window : Window
        Maps the intensities to what the network sees.
    direction : {"both", "forward", "backward"}
        Forward is towards higher indices.
    slices : int or None
        How many slices to go at most; None goes to the end of the structure.

    Yields
    ------
    SliceMask
        The seeds, then each slice as it is reached.
    Progress
        While the planes are joined.
    VolumeMask
        Last, the whole structure; it replaces the slices.

    Raises
    ------
    InputError
        If there is no volume, it is flat, or a seed is empty.
    """
    geometry = geometry_of(session)
    known = known_slices(session, seeds, window)
    yield from known
    reach = _Reach.of(known, geometry, direction, slices)
    walked = list(known)
    for start, steps in reach.walks(known):
        for found in walk(session, geometry, start, steps, window):
            walked.append(found)
            yield found
    whole: VolumeMask | None = None
    if session.pixel_mm is not None:
        region = region_around(known, geometry, session.pixel_mm)
        votes = session.gather_votes(region, window)
        (whole,) = fuse((yield from followed(votes, JOINING)), [known])
    if whole is None:
        whole = VolumeMask.of_slices(walked, reach.axis)
    yield keep_seeds(
        session, window, whole.within(reach.axis, reach.first, reach.last), known, seeds
    )


def propagate_all(
    session: VotingSession,
    objects: Sequence[Mapping[SliceKey, Seed]],
    *,
    window: Window,
) -> Iterator[Progress | list[VolumeMask]]:
    """Carry several structures through the volume at once, competing for voxels.

    Parameters
    ----------
    session : VotingSession
        With the volume set.
    objects : sequence of mapping
        Seeds of each structure as for `propagate`.
    window : Window
        Maps the intensities to what the network sees.

    Yields
    ------
    Progress
        While the planes are joined.
    list of VolumeMask
        Last, one for each object, in the same order.
    """
    geometry = geometry_of(session)
    known = [known_slices(session, seeds, window) for seeds in objects]
    found: list[VolumeMask | None] = [None] * len(known)
    if session.pixel_mm is not None and known:
        seen = [each for slices in known for each in slices]
        region = region_around(seen, geometry, session.pixel_mm)
        votes = session.gather_votes(region, window)
        found = fuse((yield from followed(votes, JOINING)), known)
    masks = []
    for seeds, slices, whole in zip(objects, known, found, strict=True):
        if whole is None:
            yield Progress("slice by slice", 0.0)
            whole = _walk_all(session, geometry, slices, window)
        masks.append(keep_seeds(session, window, whole, slices, seeds))
    yield masks


@dataclass(frozen=True, slots=True)
class _Reach:
    """The slices that a propagation may touch, first and last included."""

    axis: int
    first: int
    last: int

    @classmethod
    def of(
        cls,
        known: Sequence[SliceMask],
        geometry: Geometry,
        direction: Direction,
        slices: int | None,
    ) -> _Reach:
        axis = known[0].axis
        at = [seed.index for seed in known if seed.axis == axis]
        count = geometry.shape[axis]
        steps = count if slices is None else slices
        before = 0 if direction == "forward" else steps
        after = 0 if direction == "backward" else steps
        return cls(axis, max(min(at) - before, 0), min(max(at) + after, count - 1))

    def walks(self, known: Sequence[SliceMask]) -> Iterator[tuple[SliceMask, range]]:
        """Yield starts and the indices to visit from each: up, then down."""
        starts = sorted(
            (seed for seed in known if seed.axis == self.axis),
            key=lambda seed: seed.index,
        )
        ends = [*(start.index - 1 for start in starts[1:]), self.last]
        for start, end in zip(starts, ends, strict=True):
            yield start, range(start.index + 1, end + 1)
        yield starts[0], range(starts[0].index - 1, self.first - 1, -1)


def _walk_all(
    session: VotingSession,
    geometry: Geometry,
    known: Sequence[SliceMask],
    window: Window,
) -> VolumeMask:
    reach = _Reach.of(known, geometry, "both", None)
    walked = list(known)
    for start, steps in reach.walks(known):
        walked.extend(walk(session, geometry, start, steps, window))
    return VolumeMask.of_slices(walked, reach.axis)
