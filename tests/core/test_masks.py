import numpy as np
import pytest

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.masks import (
    LabelDelta,
    bounding_box,
    box_around,
    largest_component,
    writable,
)


def two_parts() -> np.ndarray:
    mask = np.zeros((6, 8), dtype=bool)
    mask[1, 1] = mask[2, 2] = True  # one part, joined by a corner
    mask[4:6, 5:8] = True
    return mask


def test_bounding_box_is_tight() -> None:
    assert bounding_box(two_parts()) == (slice(1, 6), slice(1, 8))
    volume = np.zeros((3, 4, 5), dtype=bool)
    assert bounding_box(volume) is None
    volume[2, 0, 4] = True
    assert bounding_box(volume) == (slice(2, 3), slice(0, 1), slice(4, 5))


def test_the_box_around_boxes_holds_each_and_no_more() -> None:
    one, other = (slice(1, 3), slice(0, 9)), (slice(2, 7), slice(4, 5))
    assert box_around(one, other) == (slice(1, 7), slice(0, 9))
    assert box_around(one) == one


def test_largest_component_wins() -> None:
    kept = largest_component(two_parts())
    assert kept.sum() == 6
    assert kept[4, 5]


def test_components_in_a_volume_join_across_corners() -> None:
    mask = np.zeros((3, 3, 3), dtype=bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    assert largest_component(mask).sum() == 2
    assert not largest_component(np.zeros_like(mask)).any()


LABELS = np.array([[0, 20, 21, 22]], dtype=np.uint8)
EVERYWHERE = np.ones_like(LABELS, dtype=bool)


@pytest.mark.parametrize(
    ("locked", "overwrite", "expected"),
    [
        ((), False, [True, True, False, False]),
        ((), True, [True, True, True, True]),
        ((21,), False, [True, True, False, False]),
        ((21,), True, [True, True, False, True]),
        ((20,), False, [False, False, False, False]),
        ((20,), True, [False, False, False, False]),
    ],
)
def test_other_structures_and_locks_are_kept(
    locked: tuple[int, ...], overwrite: bool, expected: list[bool]
) -> None:
    found = writable(LABELS, EVERYWHERE, 20, locked, overwrite=overwrite)
    assert found[0].tolist() == expected


def test_nothing_outside_of_the_mask_is_written() -> None:
    mask = np.array([[False, True, True, True]])
    assert not writable(LABELS, mask, 25, overwrite=True)[0, 0]


def random_labels(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 5, (4, 6, 5)).astype(np.uint8)


@pytest.mark.parametrize("flip", [(1, 1, 1), (-1, 1, -1)], ids=["plain", "flipped"])
def test_delta_goes_forth_and_back(flip: tuple[int, ...]) -> None:
    # A flipped, transposed view is what the canonical view of a file looks like.
    turn = tuple(slice(None, None, step) for step in flip)
    volume = random_labels(1).transpose(2, 0, 1)[turn]
    before = volume.copy()
    after = random_labels(2).transpose(2, 0, 1)[turn].copy()
    delta = LabelDelta.between(volume, after)
    assert delta.indices.size == np.count_nonzero(before != after)
    delta.apply(volume)
    np.testing.assert_array_equal(volume, after)
    delta.revert(volume)
    np.testing.assert_array_equal(volume, before)


@pytest.mark.parametrize(
    "box",
    [
        (slice(1, 3), slice(2, 5), slice(0, 2)),
        (slice(2, 3), slice(None), slice(None)),
        (slice(-2, None), slice(0, 1), slice(1, None)),
    ],
)
def test_delta_of_a_box_equals_that_of_the_whole(box: tuple[slice, ...]) -> None:
    before = random_labels(3)
    after = before.copy()
    after[box] = 9
    part = LabelDelta.between(before, after[box], box)
    whole = LabelDelta.between(before, after)
    np.testing.assert_array_equal(part.indices, whole.indices)
    np.testing.assert_array_equal(part.old, whole.old)
    np.testing.assert_array_equal(part.new, whole.new)


def test_delta_is_small_and_independent_of_its_sources() -> None:
    before = random_labels(4)
    after = before.copy()
    after[1, 2, 3] = 200
    delta = LabelDelta.between(before, after)
    assert (delta.indices.dtype, delta.old.dtype) == (np.uint32, np.uint8)
    assert delta.indices.tolist() == [1 * 30 + 2 * 5 + 3]
    after[1, 2, 3] = 7
    assert delta.new.tolist() == [200]


def test_equal_states_give_an_empty_delta() -> None:
    labels = random_labels(5)
    delta = LabelDelta.between(labels, labels.copy())
    assert delta.is_empty
    delta.apply(labels)


def test_delta_refuses_a_volume_in_another_state() -> None:
    before, after = random_labels(6), random_labels(7)
    delta = LabelDelta.between(before, after)
    with pytest.raises(InputError, match="changed outside"):
        delta.revert(before)
    with pytest.raises(InputError, match="shape"):
        delta.apply(before[:2])
    with pytest.raises(InputError, match="grid"):
        LabelDelta.between(before, after[:2])
