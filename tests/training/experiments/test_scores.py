"""Figures of slices become means over patients, with a test that pairs them."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from training.common.losses import IGNORED
from training.experiments.scores import (
    Score,
    in_words,
    score_slice,
    summarise,
    write_scores,
)
from training.slices.slicing import SliceRow
from training.slices.store import Slice, SliceKey

if TYPE_CHECKING:
    from pathlib import Path


def piece(labels: np.ndarray, *targets: int) -> Slice:
    row = SliceRow("axial", 3, *labels.shape, 2.0, 0.5, targets)
    return Slice(SliceKey("scan", 0), np.zeros_like(labels), labels, row)


def labels() -> np.ndarray:
    array = np.zeros((20, 20), np.uint8)
    array[5:10, 5:15] = 20
    return array


def score(method: str, patient: str, index: int, dice: float, **more: object) -> Score:
    values = {"iou": dice, "msd_mm": 1.0, "hd95_mm": 2.0, "hd_mm": 3.0}
    values |= {"sensitivity": dice, "specificity": 1.0}
    return Score(method, patient, patient, "axial", index, dice, **(values | more))  # type: ignore[arg-type]


def test_a_perfect_answer_scores_perfectly() -> None:
    one = score_slice("m", "p", piece(labels(), 20), labels() == 20)
    assert (one.dice, one.iou, one.sensitivity, one.specificity) == (1, 1, 1, 1)
    assert (one.msd_mm, one.hd95_mm, one.hd_mm) == (0, 0, 0)


def test_distances_are_millimetres() -> None:
    shifted = np.roll(labels() == 20, 1, axis=0)
    one = score_slice("m", "p", piece(labels(), 20), shifted)
    assert one.hd_mm == pytest.approx(2.0), "one row of 2 mm"


def test_sensitivity_and_specificity_count_what_was_found_and_left() -> None:
    found = np.zeros((20, 20), bool)
    found[5:10, 5:10] = True  # half of the structure
    found[0, :10] = True  # 10 of 350 pixels of background
    one = score_slice("m", "p", piece(labels(), 20), found)
    assert one.sensitivity == pytest.approx(0.5)
    assert one.specificity == pytest.approx(340 / 350)


def test_what_nobody_asked_for_or_knows_does_not_count() -> None:
    array = labels()
    array[0:3] = 21  # too small to be a target
    array[15:] = IGNORED
    one = score_slice("m", "p", piece(array, 20), array > 0)
    assert (one.dice, one.specificity) == (1, 1)


def test_nothing_found_is_a_dice_of_zero_without_distance() -> None:
    one = score_slice("m", "p", piece(labels(), 20), np.zeros((20, 20), bool))
    assert one.dice == 0
    assert one.msd_mm is None


def test_means_are_over_patients_however_many_slices_each_has() -> None:
    scores = [score("a", "anna", n, 0.5) for n in range(9)]
    scores.append(score("a", "bert", 0, 0.9))
    per_patient = summarise(scores, {"b": "a"})["a"]["dice"]
    assert (per_patient.mean, per_patient.count) == (pytest.approx(0.7), 2)
    assert per_patient.sd == pytest.approx(np.std([0.5, 0.9], ddof=1))
    per_slice = summarise(scores, {}, "slice")["a"]["dice"]
    assert (per_slice.mean, per_slice.count) == (pytest.approx(0.54), 10)


def test_the_test_pairs_patients() -> None:
    ours, theirs = [0.9, 0.8, 0.95, 0.85], [0.85, 0.77, 0.91, 0.8]
    scores = [
        score(method, f"p{n}", 0, value)
        for method, values in (("ours", ours), ("theirs", theirs))
        for n, value in enumerate(values)
    ]
    table = summarise(scores, {"theirs": "ours"})
    assert table["ours"]["dice"].p is None
    expected = stats.ttest_rel(ours, theirs).pvalue
    assert table["theirs"]["dice"].p == pytest.approx(expected)
    assert in_words(table["theirs"]["dice"]) == "0.8325 ± 0.0613*"
    assert in_words(table["ours"]["dice"]).startswith("0.8750 ± ")
    assert "*" not in in_words(table["theirs"]["msd_mm"]), "all the same: no test"


def test_one_patient_has_no_spread_and_no_test() -> None:
    scores = [score("a", "anna", 0, 0.5), score("b", "anna", 0, 0.7)]
    one = summarise(scores, {"b": "a"})["b"]["dice"]
    assert (one.sd, one.p) == (None, None)
    assert in_words(one) == "0.7000"


def test_distances_are_paired_where_both_have_one() -> None:
    scores = [score("a", f"p{n}", 0, 0.9, msd_mm=float(n)) for n in range(4)]
    scores += [
        score("b", f"p{n}", 0, 0.9, msd_mm=None if n == 0 else 2.0 * n + n**2)
        for n in range(4)
    ]
    table = summarise(scores, {"b": "a"})["b"]["msd_mm"]
    assert table.count == 3
    assert table.p == pytest.approx(stats.ttest_rel([1, 2, 3], [3, 8, 15]).pvalue)


def test_every_slice_is_written(tmp_path: Path) -> None:
    write_scores([score("a", "anna", 4, 0.5, msd_mm=None)], tmp_path / "s.csv")
    with (tmp_path / "s.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["method"], row["index"], row["msd_mm"]) == ("a", "4", "")
