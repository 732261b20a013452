"""Propagate structures through a volume: slice by slice, and from dense votes.

The walk from one slice to the next shows at once, with any network; where the network
votes, whole structures replace its slices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.masks import bounding_box
from napari_spinalsam.core.messages import msg
from napari_spinalsam.core.metrics import dice
from napari_spinalsam.core.prompts import BoxPrompt, Polarity, SlicePrompts
from napari_spinalsam.core.protocols import Session
from napari_spinalsam.core.refinement import LEAST_DICE, pixel_of, with_points
from napari_spinalsam.core.results import Progress, SliceMask, VolumeMask
from napari_spinalsam.model.volumetric.instances import fuse, region_around

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import Geometry, SlicePlane
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.prompts import MaskPrediction
    from napari_spinalsam.core.protocols import Predictor
    from napari_spinalsam.core.results import Direction, Propagated, Seed, SliceKey
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.model.volumetric.detection import Limits
    from napari_spinalsam.model.volumetric.voting import Region, VoteField

LOOSE_MM = 2.0
SMALLEST_MM2 = 30.0
LEAST_IOU = 0.5
LEAST_OVERLAP = 0.25
LARGEST_GROWTH = 2.0
T = TypeVar("T")
JOINING = msg("joining the planes")


def walk(
    predictor: Predictor,
    geometry: Geometry,
    start: SliceMask,
    steps: range,
    window: Window,
) -> Iterator[SliceMask]:
    """Follow a structure from slice to slice until it ends.

    Parameters
    ----------
    predictor : Predictor
        Predicts each slice from the box and the logits of the one before.
    geometry : Geometry
        Of the volume.
    start : SliceMask
        Where to begin; not yielded again.
    steps : range
        Indices to visit, in order.
    window : Window
        Maps the intensities to what the network sees.

    Yields
    ------
    SliceMask
        Each slice that holds the structure. The last one tells why there is no more;
        a slice that fails the rule is yielded as an empty mask.
    """
    before = start
    for index in steps:
        plane = geometry.plane(start.axis, index)
        prompts = SlicePrompts(start.axis, index, box=_box_around(before.mask, plane))
        prediction = predictor.predict(
            plane, prompts, window=window, mask_input=before.low_res_logits
        )
        found = _most_alike(prediction, before, index)
        reason = _reason_to_stop(found.mask, found.predicted_iou, before.mask, plane)
        if reason:
            yield SliceMask(
                start.axis, index, np.zeros_like(found.mask), 0.0, stopped=reason
            )
            return
        yield found
        before = found


def _box_around(mask: NDArray[np.bool_], plane: SlicePlane) -> BoxPrompt:
    box = bounding_box(mask)
    if box is None:
        raise ValueError("There is no mask to walk on from.")
    corners = []
    for side, step, count in zip(box, plane.spacing, plane.shape, strict=True):
        loose = LOOSE_MM / step
        corners.append(
            (max(side.start - loose, 0.0), min(side.stop - 1 + loose, count - 1.0))
        )
    (top, bottom), (left, right) = corners
    return BoxPrompt(top, left, bottom, right)


def _most_alike(prediction: MaskPrediction, before: SliceMask, index: int) -> SliceMask:
    """Choose the candidate that is trusted and continues the slice before."""
    merits = [
        float(iou) * (0.5 + _iou(mask, before.mask))
        for mask, iou in zip(prediction.masks, prediction.predicted_iou, strict=True)
    ]
    best = int(np.argmax(merits))
    return SliceMask(
        before.axis,
        index,
        prediction.masks[best],
        float(prediction.predicted_iou[best]),
        prediction.low_res_logits[best],
    )


def _reason_to_stop(
    mask: NDArray[np.bool_],
    predicted_iou: float,
    before: NDArray[np.bool_],
    plane: SlicePlane,
) -> str:
    area, last = int(mask.sum()), int(before.sum())
    if area * float(np.prod(plane.spacing)) < SMALLEST_MM2:
        return "nothing of it is left"
    if predicted_iou < LEAST_IOU:
        return f"the predicted IoU fell to {predicted_iou:.2f}"
    if _iou(mask, before) < LEAST_OVERLAP:
        return "it no longer overlaps the slice before"
    if area > LARGEST_GROWTH * last:
        return "it suddenly grew"
    return ""


def _iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 0.0


class VotingSession(Session, Protocol):
    """What a `model.session.SegmentationSession` is besides, among networks."""

    @property
    def volume(self) -> Volume | None:
        """The volume that slices are taken from."""

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
        raise InputError(msg("There is no image to propagate in: choose one first."))
    geometry = session.volume.geometry
    if geometry.is_2d:
        raise InputError(
            msg(
                "The image is flat, so there is nothing to propagate through: "
                "leave propagate out."
            )
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
            msg(
                "There is no mask on slice {index} to propagate from: prompt "
                "the structure there first.",
                index=plane.index,
            )
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
        elif not _agrees(whole, slice_mask, seed):
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


def _agrees(whole: VolumeMask, own: SliceMask, prompts: SlicePrompts) -> bool:
    """Whether the joined mask of a slice is what every point says."""
    mask = whole.on_slice(own.axis, own.index, own.mask.shape)
    return all(
        mask[pixel_of(point.row, point.col, mask.shape)]
        == (point.polarity is Polarity.POSITIVE)
        for point in prompts.points
    )


def propagate(
    session: VotingSession,
    seeds: Mapping[SliceKey, Seed],
    *,
    window: Window,
    direction: Direction = "both",
    slices: int | None = None,
) -> Iterator[Propagated]:
    """Propagate one structure through the volume; stop taking from it at any time.

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
    """Propagate several structures at once, competing for voxels.

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
            yield Progress(msg("slice by slice"), 0.0)
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
