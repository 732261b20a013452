"""The row of vertebrae, and what they are called with and without a known one."""

from __future__ import annotations

import numpy as np
import pytest

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.model.volumetric.level_naming import (
    Chain,
    follow,
    guess_names,
    name_by_anchors,
    places_of,
)

# T12 to sacrum of the scan of TotalSegmentator: (inferior, posterior, left) in mm, cm3.
POSITIONS = np.array(
    [
        [13.0, 208, 186],
        [45, 199, 191],
        [78, 188, 190],
        [112, 180, 189],
        [149, 178, 189],
        [181, 186, 186],
        [219, 223, 185],
    ]
)
VOLUMES = np.array([49.4, 59.9, 60.4, 66.0, 65.9, 67.7, 207.4])
NAMES = ["T12", "L1", "L2", "L3", "L4", "L5", "sacrum"]


def row(first: int, last: int, *, cut_ends: bool = False) -> Chain:
    volumes = VOLUMES[first:last].copy()
    if cut_ends:
        volumes[[0, -1]] = np.nan
    count = last - first
    return Chain(
        tuple(range(count)), tuple(range(count)), POSITIONS[first:last], volumes
    )


def test_the_row_leaves_out_what_lies_beside_the_spine() -> None:
    hips = np.array([[268.0, 172, 270], [270, 172, 106]])
    positions = np.concatenate([hips, POSITIONS])
    volumes = np.concatenate([[50.0, 50.0], VOLUMES]) * 1e3
    assert follow(positions, volumes) == (2, 3, 4, 5, 6, 7, 8)


def test_the_row_leaves_out_a_stray_gathering_of_votes() -> None:
    stray = np.array([[60.0, 205, 190]])
    positions = np.concatenate([POSITIONS, stray])
    volumes = np.concatenate([VOLUMES, [5.0]]) * 1e3
    assert follow(positions, volumes) == tuple(range(7))


def test_the_row_goes_through_what_is_known() -> None:
    volumes = VOLUMES * 1e3
    volumes[2] = 100.0
    assert 2 not in follow(POSITIONS, volumes)
    assert 2 in follow(POSITIONS, volumes, through=[2])


def test_nothing_makes_no_row() -> None:
    assert follow(np.zeros((0, 3)), np.zeros(0)) == ()


def test_an_unseen_vertebra_keeps_its_place() -> None:
    assert places_of(POSITIONS) == (0, 1, 2, 3, 4, 5, 6)
    assert places_of(np.delete(POSITIONS, 3, axis=0)) == (0, 1, 2, 4, 5, 6)


@pytest.mark.parametrize("at", range(7))
def test_any_one_known_vertebra_names_them_all(at: int) -> None:
    assert name_by_anchors(range(7), {at: NAMES[at]}) == NAMES


def test_names_end_where_the_spine_ends() -> None:
    assert name_by_anchors(range(3), {1: "sacrum"}) == ["L5", "sacrum", None]
    assert name_by_anchors(range(3), {1: "C1"}) == [None, "C1", "C2"]


@pytest.mark.parametrize(
    ("anchors", "expected"),
    [
        ({0: "L4", 3: "sacrum"}, ["L4", "L5", "L6", "sacrum"]),
        ({0: "T12", 2: "L1"}, ["T12", "T13", "L1", "L2"]),
        ({1: "L3", 3: "sacrum"}, ["L2", "L3", "L4", "sacrum"]),
        ({0: "L6"}, ["L6", "sacrum", None, None]),
    ],
)
def test_transitional_anatomy_follows_from_what_is_known(
    anchors: dict[int, str], expected: list[str | None]
) -> None:
    assert name_by_anchors(range(4), anchors) == expected


def test_names_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InputError, match="L1, L2 do not fit"):
        name_by_anchors(range(5), {0: "L1", 4: "L2"})


@pytest.mark.parametrize(("first", "last"), [(0, 7), (0, 6), (1, 7), (1, 6)])
def test_a_lumbar_spine_is_recognised_by_size_spacing_and_bend(
    first: int, last: int
) -> None:
    names, confidence = guess_names(row(first, last))
    assert names == NAMES[first:last]
    assert confidence > 0.4


def test_vertebrae_that_the_image_cuts_are_recognised_by_the_others() -> None:
    names, _ = guess_names(row(0, 7, cut_ends=True))
    assert names == NAMES


def test_fewer_vertebrae_make_a_less_certain_guess() -> None:
    certainty = [guess_names(row(0, last))[1] for last in (2, 4, 7)]
    assert certainty == sorted(certainty)
    assert certainty[0] < 0.4
    assert certainty[-1] <= 0.95


def test_more_vertebrae_than_there_are_cannot_be_named() -> None:
    places = tuple(range(30))
    positions = np.arange(30)[:, None] * np.array([[25.0, 0, 0]])
    chain = Chain(places, places, positions, np.full(30, 40.0))
    assert guess_names(chain) == ([None] * 30, 0.0)
