"""From one slice to the whole: what is yielded, where it ends, what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.geometry import Geometry, SlicePlane
from napari_spinalsam.core.intensity import Window
from napari_spinalsam.core.metrics import dice
from napari_spinalsam.core.prompts import (
    BoxPrompt,
    MaskPrediction,
    PointPrompt,
    Polarity,
    SlicePrompts,
)
from napari_spinalsam.core.results import Progress, SliceMask, VolumeMask
from napari_spinalsam.model.volumetric.propagation import walk
from tests.model.balls import (
    SHAPE,
    WINDOW,
    PromptedBalls,
    VotingBalls,
    ball,
    ball_volume,
    session_on,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.model.session import SegmentationSession

UPPER, LOWER = (26.0, 24.0, 30.0), (56.0, 26.0, 30.0)
# Around the upper ball in the sagittal slice through its middle.
BOX = BoxPrompt(11, 15, 23, 33)
WALK_GEOMETRY = Geometry.from_spacing((10, 40, 40), (3.0, 1.0, 1.0))
WALK_WINDOW = Window(300, 1500)
SEED = {(2, 10): SlicePrompts(2, 10, box=BOX)}


@pytest.fixture
def volume() -> Volume:
    return ball_volume([UPPER, LOWER])


@pytest.fixture
def session(volume: Volume) -> SegmentationSession:
    return session_on(volume, VotingBalls())


@pytest.fixture
def slow_session(volume: Volume) -> SegmentationSession:
    """Of a network that answers prompts only."""
    return session_on(volume, PromptedBalls())


def run(session: SegmentationSession, seeds: Any = SEED, **options: Any) -> list[Any]:
    return list(session.propagate(seeds, window=WINDOW, **options))


def filled(whole: VolumeMask) -> NDArray[np.bool_]:
    mask = np.zeros(SHAPE, bool)
    mask[whole.box] = whole.mask
    return mask


def slices_of(steps: list[Any]) -> list[int]:
    return [
        step.index for step in steps if isinstance(step, SliceMask) and step.mask.any()
    ]


def test_a_box_in_one_slice_becomes_the_whole_structure(
    session: SegmentationSession,
) -> None:
    whole = run(session)[-1]
    assert isinstance(whole, VolumeMask)
    assert dice(filled(whole), ball(UPPER)) > 0.9
    assert whole.predicted_iou > 0.8
    assert whole.stopped == ()


def test_the_seed_is_yielded_first_then_its_neighbours_on_both_sides(
    session: SegmentationSession,
) -> None:
    steps = run(session)
    assert isinstance(steps[0], SliceMask)
    assert slices_of(steps) == [10, 11, 12, 9, 8]
    assert not steps[0].mask[30:].any()


def test_the_walk_tells_where_and_why_it_ends(session: SegmentationSession) -> None:
    stops = {
        step.index: step.stopped
        for step in run(session)
        if isinstance(step, SliceMask) and step.stopped
    }
    assert stops == {13: "nothing of it is left", 7: "nothing of it is left"}


def test_without_votes_the_slices_make_the_structure(
    slow_session: SegmentationSession,
) -> None:
    whole = run(slow_session)[-1]
    assert dice(filled(whole), ball(UPPER)) > 0.95
    assert whole.predicted_iou == pytest.approx(0.9)
    assert whole.stopped == (
        "slice 13: nothing of it is left",
        "slice 7: nothing of it is left",
    )


@pytest.mark.parametrize(
    ("direction", "slices", "expected"),
    [
        ("forward", None, {10, 11, 12}),
        ("backward", None, {8, 9, 10}),
        ("both", 1, {9, 10, 11}),
        ("forward", 1, {10, 11}),
    ],
)
def test_direction_and_limit_hold_for_walk_and_whole(
    session: SegmentationSession, direction: str, slices: int | None, expected: set[int]
) -> None:
    steps = run(session, direction=direction, slices=slices)
    assert set(slices_of(steps)) == expected
    assert set(np.flatnonzero(filled(steps[-1]).any((0, 1)))) == expected


def test_the_consumer_may_stop_and_no_more_is_computed(volume: Volume) -> None:
    backend = VotingBalls()
    steps = session_on(volume, backend).propagate(SEED, window=WINDOW)
    assert isinstance(next(steps), SliceMask)
    assert isinstance(next(steps), SliceMask)
    steps.close()
    assert backend.voted == 0


def test_progress_of_joining_rises_to_one(session: SegmentationSession) -> None:
    done = [step.done for step in run(session) if isinstance(step, Progress)]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(1)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_any_plane_can_be_the_start(session: SegmentationSession, axis: int) -> None:
    index = (17, 24, 10)[axis]
    mask = np.take(ball(UPPER), index, axis)
    whole = run(session, {(axis, index): mask})[-1]
    assert dice(filled(whole), ball(UPPER)) > 0.9


def test_a_given_mask_is_kept_exactly(session: SegmentationSession) -> None:
    drawn = np.zeros((60, 50), bool)
    drawn[14:22, 18:30] = True
    whole = run(session, {(2, 10): drawn})[-1]
    assert (filled(whole)[:, :, 10] == drawn).all()
    assert filled(whole)[:, :, 9].any()


def test_points_correct_the_joined_mask_and_only_where_they_point(
    session: SegmentationSession,
) -> None:
    inside = PointPrompt(17, 24)
    refused = PointPrompt(17, 20, Polarity.NEGATIVE)  # well inside of the ball
    agreed = SlicePrompts(2, 10, (inside,))
    against = SlicePrompts(2, 10, (inside, refused))
    joined = filled(run(session, {(2, 10): agreed})[-1])
    corrected = filled(run(session, {(2, 10): against})[-1])
    changed = np.argwhere((joined != corrected)[:, :, 10])

    assert joined[17, 20, 10]
    assert not corrected[17, 20, 10]
    assert np.hypot(*(changed - (17, 20)).T).max() < 8, "the rest stays"
    assert (np.delete(joined, 10, 2) == np.delete(corrected, 10, 2)).all()


def test_a_disc_is_propagated_by_the_votes_for_discs(volume: Volume) -> None:
    class Discs(VotingBalls):
        def votes(self, images: NDArray[np.float32]) -> Any:
            votes = super().votes(images)
            votes.discs[:] = votes.foreground
            votes.foreground[:] = -6
            return votes

    whole = run(session_on(volume, Discs()))[-1]
    assert dice(filled(whole), ball(UPPER)) > 0.95
    assert not whole.stopped, "the planes were joined"


def test_what_the_votes_do_not_know_is_followed_slice_by_slice(volume: Volume) -> None:
    class Blind(VotingBalls):
        def votes(self, images: NDArray[np.float32]) -> Any:
            votes = super().votes(images)
            votes.foreground[:] = -6
            return votes

    whole = run(session_on(volume, Blind()))[-1]
    assert dice(filled(whole), ball(UPPER)) > 0.95
    assert whole.stopped


def test_several_structures_come_in_the_order_asked_for(
    session: SegmentationSession,
) -> None:
    seeds = [
        {(0, 37): np.take(ball(LOWER), 37, 0)},
        {(0, 17): np.take(ball(UPPER), 17, 0)},
    ]
    masks = list(session.propagate_all(seeds, window=WINDOW))[-1]
    assert isinstance(masks, list)
    for mask, centre in zip(masks, (LOWER, UPPER), strict=True):
        assert dice(filled(mask), ball(centre)) > 0.9


def test_without_an_image_it_says_so() -> None:
    from napari_spinalsam.model.session import SegmentationSession

    with pytest.raises(InputError, match="no image"):
        run(SegmentationSession(VotingBalls()))


def test_an_empty_seed_is_refused(session: SegmentationSession) -> None:
    with pytest.raises(InputError, match="no mask on slice 10"):
        run(session, {(2, 10): np.zeros((60, 50), bool)})


def square(low: int, high: int) -> NDArray[np.bool_]:
    mask = np.zeros((40, 40), bool)
    mask[low:high, low:high] = True
    return mask


class Scripted:
    """Answers with the masks and trusts it was given for each slice."""

    def __init__(
        self, answers: dict[int, list[tuple[NDArray[np.bool_], float]]]
    ) -> None:
        self.answers = answers
        self.asked: list[tuple[SlicePrompts, Any]] = []

    def predict(
        self,
        plane: SlicePlane,
        prompts: SlicePrompts,
        /,
        *,
        window: Window,
        mask_input: Any = None,
    ) -> MaskPrediction:
        self.asked.append((prompts, mask_input))
        masks, trusts = zip(*self.answers[plane.index], strict=True)
        logits = np.full((len(masks), 4, 4), plane.index, np.float32)
        return MaskPrediction(
            np.stack(masks), np.array(trusts, np.float32), logits, None, 1.0
        )


def walked(answers: Any, last: int = 9) -> tuple[list[SliceMask], Scripted]:
    predictor = Scripted(answers)
    start = SliceMask(0, 5, square(10, 30), 1.0, np.zeros((4, 4), np.float32))
    steps = range(6, last + 1)
    return list(walk(predictor, WALK_GEOMETRY, start, steps, WALK_WINDOW)), predictor


def test_each_slice_is_asked_with_the_box_and_logits_of_the_one_before() -> None:
    good = {index: [(square(10, 30 - index), 0.9)] for index in range(6, 8)}
    found, predictor = walked(good, last=7)
    assert [each.index for each in found] == [6, 7]
    (first, logits), (second, of_first) = predictor.asked
    assert first.box is not None
    assert second.box is not None
    assert (first.box.row_min, first.box.row_max) == (8, 31)
    assert (second.box.row_min, second.box.row_max) == (8, 25)
    assert (logits[0, 0], of_first[0, 0]) == (0, 6)


def test_the_candidate_that_continues_the_slice_before_is_taken() -> None:
    part, whole = (square(10, 18), 0.9), (square(10, 29), 0.8)
    found, _ = walked({6: [part, whole]}, last=6)
    assert (found[0].mask == whole[0]).all()
    assert found[0].predicted_iou == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("mask", "trust", "reason"),
    [
        (square(10, 14), 0.9, "nothing of it is left"),
        (square(10, 30), 0.4, "the predicted IoU fell to 0.40"),
        (square(25, 40), 0.9, "it no longer overlaps the slice before"),
        (square(0, 38), 0.9, "it suddenly grew"),
    ],
)
def test_the_walk_ends_where_the_next_slice_cannot_be_it(
    mask: NDArray[np.bool_], trust: float, reason: str
) -> None:
    found, predictor = walked({6: [(square(10, 30), 0.9)], 7: [(mask, trust)]})
    assert [each.index for each in found] == [6, 7]
    assert found[-1].stopped == reason
    assert not found[-1].mask.any()
    assert len(predictor.asked) == 2


def test_a_box_does_not_leave_the_slice() -> None:
    predictor = Scripted({6: [(square(0, 40), 0.9)]})
    start = SliceMask(0, 5, square(0, 40), 1.0)
    list(walk(predictor, WALK_GEOMETRY, start, range(6, 7), WALK_WINDOW))
    box = predictor.asked[0][0].box
    assert box is not None
    assert (box.row_min, box.col_max) == (0, 39)
