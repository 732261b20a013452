"""Vertebrae are found by walking along the spine from known ones, or from none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import ndimage

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.intensity import default_window
from napari_spinalsam.core.metrics import dice
from napari_spinalsam.core.prompts import BoxPrompt, SlicePrompts
from napari_spinalsam.core.results import FoundStructure, Progress
from napari_spinalsam.io.sample import read_sample
from napari_spinalsam.model.backends.base import DenseVotes
from napari_spinalsam.model.weights.loading import load_session
from tests.model.balls import (
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

SHAPE, SPACING = (100, 40, 16), (1.5, 1.5, 3.0)
CENTRES = [(20.0 + 28 * level, 30.0, 24.0) for level in range(5)]
# In the sagittal slice through the middle of the third ball.
SEED = {(2, 8): SlicePrompts(2, 8, box=BoxPrompt(44, 13, 57, 27))}


def volume_of(centres: list[tuple[float, float, float]], **changes: Any) -> Any:
    return ball_volume(centres, **({"shape": SHAPE, "spacing": SPACING} | changes))


def find(names: list[str], volume: Any = None, **options: Any) -> list[Any]:
    session = session_on(
        volume_of(CENTRES) if volume is None else volume, VotingBalls()
    )
    return list(session.find_structures(names, window=WINDOW, **options))


def masks_of(steps: list[Any], shape: tuple[int, int, int] = SHAPE) -> dict[str, Any]:
    masks = {}
    for step in steps:
        if isinstance(step, FoundStructure):
            masks[step.name] = np.zeros(shape, bool)
            masks[step.name][step.whole.box] = step.whole.mask
    return masks


def test_neighbours_of_a_known_vertebra_are_found_by_counting() -> None:
    masks = masks_of(find(["L1", "L2", "L3", "L4", "L5"], anchors={"L3": SEED}))
    assert list(masks) == ["L1", "L2", "L3", "L4", "L5"]
    for mask, centre in zip(masks.values(), CENTRES, strict=True):
        assert dice(mask, ball(centre, SHAPE, SPACING)) > 0.8


def test_they_come_in_the_order_asked_for_and_only_those() -> None:
    assert list(masks_of(find(["L4", "L2"], anchors={"L3": SEED}))) == ["L4", "L2"]


def test_what_is_not_in_the_image_is_not_invented() -> None:
    found = masks_of(find(["T11", "T12", "L1", "L5"], anchors={"L2": SEED}))
    assert list(found) == ["T12", "L1"]


def test_trust_falls_with_the_way_from_the_known_one() -> None:
    found = find(["L3", "L4", "L5"], anchors={"L3": SEED})
    trust = [step.confidence for step in found if isinstance(step, FoundStructure)]
    assert trust[0] == 1
    assert trust == sorted(trust, reverse=True)


def test_an_unseen_vertebra_is_counted_and_makes_names_doubtful() -> None:
    gap = volume_of([*CENTRES[:3], CENTRES[4]])
    found = find(["L2", "L4", "L5"], gap, anchors={"L3": SEED})
    trust = {
        step.name: step.confidence for step in found if isinstance(step, FoundStructure)
    }
    assert trust.keys() == {"L2", "L5"}
    assert trust["L5"] < 0.8 < trust["L2"]


def test_without_a_known_one_names_are_a_guess() -> None:
    names = [f"{region}{n}" for region in "CTL" for n in range(1, 6)]
    found = [step for step in find(names) if isinstance(step, FoundStructure)]
    assert all(step.confidence < 0.8 for step in found)


def test_a_large_image_is_searched_only_where_the_spine_is() -> None:
    shape = (100, 40, 100)
    centres = [(z, y, 210.0) for z, y, _ in CENTRES]
    backend = VotingBalls()
    session = session_on(volume_of(centres, shape=shape), backend)
    seed = {(2, 70): SlicePrompts(2, 70, box=BoxPrompt(44, 13, 57, 27))}
    steps = list(session.find_structures(["L2"], anchors={"L3": seed}, window=WINDOW))
    (mask,) = masks_of(steps, shape).values()
    assert dice(mask, ball(centres[1], shape, SPACING)) > 0.85
    assert backend.voted < 75 + 30 + 150  # the slices of the whole image
    assert {step.what for step in steps if isinstance(step, Progress)} == {
        "locating the spine",
        "joining the planes",
    }


def test_a_given_mask_of_a_known_one_is_kept() -> None:
    drawn = np.zeros((100, 40), bool)
    drawn[46:55, 16:24] = True
    masks = masks_of(find(["L3"], anchors={"L3": {(2, 8): drawn}}))
    assert (masks["L3"][:, :, 8] == drawn).all()


@pytest.mark.parametrize(
    ("names", "anchors", "told"),
    [
        (["spinal_canal"], {}, "Only vertebrae, discs and the sacrum"),
        (["L3"], {"spinal_canal": SEED}, "counted from prompted vertebrae"),
        (["L3"], {"L4-L5": SEED}, "not from L4-L5"),
    ],
)
def test_other_structures_are_refused(
    names: list[str], anchors: Any, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        find(names, anchors=anchors)


class BallsAndDiscs(VotingBalls):
    """Takes what is half as bright as a ball for a disc."""

    def votes(self, images: NDArray[np.float32]) -> DenseVotes:
        between = (images > 0.25) & (images <= 0.75)
        # The rims of balls are as bright, but thin.
        thick = ndimage.binary_opening(between, np.ones((1, 1, 3, 3)))
        bone, disc = (
            super(BallsAndDiscs, self).votes(part.astype(np.float32))
            for part in (images > 0.75, thick)
        )
        centres = np.where((disc.foreground > 0)[:, None], disc.centres, bone.centres)
        return DenseVotes(bone.foreground, centres, disc.foreground)


def with_discs(*levels: int) -> tuple[Volume, dict[int, NDArray[np.bool_]]]:
    """Return the balls with discs in front of them, below some of the levels."""
    volume = volume_of(CENTRES)
    discs = {}
    for level in levels:
        z, y, x = CENTRES[level]
        discs[level] = ball((z + 14, y - 14, x), SHAPE, SPACING, radius_mm=7)
        volume.data[discs[level]] = 0.5
    return volume, discs


def find_in(volume: Volume, names: list[str], **options: Any) -> list[Any]:
    session = session_on(volume, BallsAndDiscs())
    return list(session.find_structures(names, window=WINDOW, **options))


def test_a_disc_is_named_by_the_vertebrae_above_and_below_it() -> None:
    volume, discs = with_discs(0, 2, 3)
    names = ["L1-L2", "L3-L4", "L4-L5", "L4"]
    found = find_in(volume, names, anchors={"L3": SEED})
    masks = masks_of(found)

    assert list(masks) == names
    for name, level in zip(names, (0, 2, 3), strict=False):
        assert dice(masks[name], discs[level]) > 0.6
    trust = {f.name: f.confidence for f in found if isinstance(f, FoundStructure)}
    assert trust["L1-L2"] < trust["L3-L4"] <= 1


def test_a_disc_that_is_not_seen_is_not_invented() -> None:
    volume, _ = with_discs(0, 3)
    found = masks_of(find_in(volume, ["L2-L3", "L5-S1"], anchors={"L3": SEED}))
    assert not found


def test_without_any_disc_none_is_found() -> None:
    assert not masks_of(find(["L3-L4"], anchors={"L3": SEED}))


def test_known_ones_that_do_not_fit_are_refused() -> None:
    above = {(2, 8): SlicePrompts(2, 8, box=BoxPrompt(25, 13, 38, 27))}
    with pytest.raises(InputError, match="L5, L3 do not fit"):
        find(["L3"], anchors={"L3": SEED, "L5": above})


def test_an_anchor_beside_the_spine_is_refused() -> None:
    class Blind(VotingBalls):
        def votes(self, images: Any) -> Any:
            votes = super().votes(images)
            votes.foreground[:] = -6
            return votes

    session = session_on(volume_of(CENTRES), Blind())
    with pytest.raises(InputError, match="L3 show no vertebra"):
        list(session.find_structures(["L3"], anchors={"L3": SEED}, window=WINDOW))


def test_an_image_without_a_spine_says_so() -> None:
    with pytest.raises(InputError, match="No vertebra was found"):
        find(["L3"], volume_of([]))


def test_a_network_that_cannot_vote_says_so() -> None:
    session = session_on(volume_of(CENTRES), PromptedBalls())
    with pytest.raises(InputError, match="balls cannot find structures without"):
        list(session.find_structures(["L3"], window=WINDOW))


@pytest.mark.slow
def test_the_lumbar_spine_of_the_sample_is_found_and_named() -> None:
    volume, reference = read_sample()
    session = load_session()
    session.set_volume(volume)
    window = default_window(volume.data, volume.modality)
    names = ["L1", "L2", "L3", "L4", "L5"]
    steps = list(session.find_structures(names, window=window))
    masks = masks_of(steps, volume.geometry.shape)
    assert list(masks) == names
    for label, mask in enumerate(masks.values(), start=20):
        assert dice(mask, reference.data == label) > 0.85
