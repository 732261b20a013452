"""What is known of structures before they are carried on, and how it is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.metrics import dice
from napari_spinalsam.core.prompts import Polarity, SlicePrompts
from napari_spinalsam.core.refinement import LEAST_DICE, with_points
from napari_spinalsam.core.results import Progress, SliceMask
from napari_spinalsam.model.walking import Predictor

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.results import Seed, SliceKey, VolumeMask
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.model.locating import Limits
    from napari_spinalsam.model.region import Region
    from napari_spinalsam.model.votes import VoteField

T = TypeVar("T")

JOINING = "joining the planes"


class VotingSession(Predictor, Protocol):
    """What is needed of a `model.session.SegmentationSession`."""

    @property
    def volume(self) -> Volume | None:
        """The volume that slices are taken from."""

    @property
    def pixel_mm(self) -> float | None:
        """Pixels that the network votes on; None if it cannot vote."""

    def gather_votes(
        self, region: Region, window: Window
    ) -> Generator[float, None, VoteField]:
        """Encode a region in all three planes."""

    def locate_spine(self, window: Window) -> Generator[float, None, Limits]:
        """Find the part of the volume that holds the spine."""


def geometry_of(session: VotingSession) -> Geometry:
    """Return the grid of the session's volume.

    Raises
    ------
    InputError
        If there is none, or it is flat.
    """
    if session.volume is None:
        raise InputError("There is no image to propagate in: choose one first.")
    geometry = session.volume.geometry
    if geometry.is_2d:
        raise InputError(
            "The image is flat, so there is nothing to propagate through: leave "
            "propagate out."
        )
    return geometry


def known_slices(
    session: VotingSession, seeds: Mapping[SliceKey, Seed], window: Window
) -> list[SliceMask]:
    """Return the masks of seeds: as they were given, or what their prompts ask for.

    Raises
    ------
    InputError
        If a seed is empty.
    """
    return [_known(session, key, seed, window) for key, seed in seeds.items()]


def _known(
    session: VotingSession,
    key: SliceKey,
    seed: Seed,
    window: Window,
) -> SliceMask:
    plane = geometry_of(session).plane(*key)
    if isinstance(seed, SlicePrompts):
        prediction = session.predict(plane, seed, window=window)
        found = SliceMask(
            *key,
            prediction.masks[0],
            float(prediction.predicted_iou[0]),
            prediction.low_res_logits[0],
        )
    else:
        found = SliceMask(*key, seed.astype(np.bool_), 1.0)
    if not found.mask.any():
        raise InputError(
            f"There is no mask on slice {plane.index} to propagate from: prompt the "
            "structure there first."
        )
    return found


def followed(
    steps: Generator[float, None, T], what: str
) -> Generator[Progress, None, T]:
    """Turn the parts of a long step into progress, and pass its result on."""
    while True:
        try:
            yield Progress(what, next(steps))
        except StopIteration as end:
            result: T = end.value
            return result


def keep_seeds(
    session: VotingSession,
    window: Window,
    whole: VolumeMask,
    known: Sequence[SliceMask],
    seeds: Mapping[SliceKey, Seed],
) -> VolumeMask:
    """Put back slices that were given or drawn, and correct those that points deny."""
    for slice_mask in known:
        seed = seeds[slice_mask.axis, slice_mask.index]
        if not isinstance(seed, SlicePrompts) or seed.is_drawn:
            whole = whole.pinned(slice_mask)
        elif not _agrees(whole, seed):
            whole = whole.pinned(_corrected(session, window, whole, slice_mask, seed))
    return whole


def _corrected(
    session: VotingSession,
    window: Window,
    whole: VolumeMask,
    own: SliceMask,
    prompts: SlicePrompts,
) -> SliceMask:
    """Change the joined mask of a slice where points deny it, and there alone.

    The slice's own answer stands where the joined mask is about something else.
    """
    joined = whole.on_slice(own.axis, own.index, own.mask.shape)
    agreement = dice(joined, own.mask)
    if agreement is None or agreement < LEAST_DICE:
        return own
    plane = geometry_of(session).plane(own.axis, own.index)
    found = session.predict(plane, prompts, window=window, start=joined)
    return replace(own, mask=with_points(found.masks[0], prompts, plane.spacing))


def _agrees(whole: VolumeMask, prompts: SlicePrompts) -> bool:
    for point in prompts.points:
        at = [round(point.row), round(point.col)]
        at.insert(prompts.axis, prompts.index)
        if whole.holds(at) != (point.polarity is Polarity.POSITIVE):
            return False
    return True
