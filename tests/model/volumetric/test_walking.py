"""A walk from slice to slice goes on while it looks right, and says why it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_spinalsam.core.geometry import Geometry, SlicePlane
from napari_spinalsam.core.intensity import Window
from napari_spinalsam.core.prompts import MaskPrediction, SlicePrompts
from napari_spinalsam.core.results import SliceMask
from napari_spinalsam.model.volumetric.propagation import walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

GEOMETRY = Geometry.from_spacing((10, 40, 40), (3.0, 1.0, 1.0))
WINDOW = Window(300, 1500)


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


def run(answers: Any, last: int = 9) -> tuple[list[SliceMask], Scripted]:
    predictor = Scripted(answers)
    start = SliceMask(0, 5, square(10, 30), 1.0, np.zeros((4, 4), np.float32))
    steps = range(6, last + 1)
    return list(walk(predictor, GEOMETRY, start, steps, WINDOW)), predictor


def test_each_slice_is_asked_with_the_box_and_logits_of_the_one_before() -> None:
    good = {index: [(square(10, 30 - index), 0.9)] for index in range(6, 8)}
    found, predictor = run(good, last=7)
    assert [each.index for each in found] == [6, 7]
    (first, logits), (second, of_first) = predictor.asked
    assert first.box is not None
    assert second.box is not None
    assert (first.box.row_min, first.box.row_max) == (8, 31)
    assert (second.box.row_min, second.box.row_max) == (8, 25)
    assert (logits[0, 0], of_first[0, 0]) == (0, 6)


def test_the_candidate_that_continues_the_slice_before_is_taken() -> None:
    part, whole = (square(10, 18), 0.9), (square(10, 29), 0.8)
    found, _ = run({6: [part, whole]}, last=6)
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
    found, predictor = run({6: [(square(10, 30), 0.9)], 7: [(mask, trust)]})
    assert [each.index for each in found] == [6, 7]
    assert found[-1].stopped == reason
    assert not found[-1].mask.any()
    assert len(predictor.asked) == 2


def test_a_box_does_not_leave_the_slice() -> None:
    predictor = Scripted({6: [(square(0, 40), 0.9)]})
    start = SliceMask(0, 5, square(0, 40), 1.0)
    list(walk(predictor, GEOMETRY, start, range(6, 7), WINDOW))
    box = predictor.asked[0][0].box
    assert box is not None
    assert (box.row_min, box.col_max) == (0, 39)
