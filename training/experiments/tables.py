"""Measuring the rows of a table, and writing it as CSV and Markdown."""

from __future__ import annotations

import csv
import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tqdm import tqdm

from napari_spinalsam.core.errors import InputError, ModelError
from training.experiments.scores import (
    FIGURES,
    SIGNIFICANT,
    Score,
    Summary,
    Unit,
    in_words,
    score_slice,
    summarise,
    write_scores,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from training.experiments.methods import Method, Row
    from training.slices.store import SliceKey, SliceStore

MISSING = "not measured: weights missing"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A row after its turn.

    Parameters
    ----------
    row : Row
        What it is.
    method : Method or None
        None if it could not be measured.
    problem : str
        Why not; empty otherwise.
    """

    row: Row
    method: Method | None
    problem: str = ""


def held_back(store: SliceStore, every: int = 1) -> list[SliceKey]:
    """Return each n-th slice of the test part.

    Raises
    ------
    InputError
        If nothing was held back.
    """
    keys = store.keys("test")[::every]
    if not keys:
        raise InputError(
            f"{store.folder} has no slices to test on: prepare it with a larger "
            "--test-share."
        )
    return keys


def measure(
    rows: Sequence[Row], store: SliceStore, keys: Sequence[SliceKey]
) -> tuple[list[Measured], list[Score]]:
    """Build each method in turn and let it segment the slices."""
    measured, scores = [], []
    for row in rows:
        if row.make is None:
            measured.append(Measured(row, None, MISSING))
            continue
        try:
            method = row.make()
        except ModelError as error:
            logger.warning("%s: %s", row.name, error)
            measured.append(Measured(row, None, f"not measured: {error}"))
            continue
        shown = sys.stderr.isatty()
        for key in tqdm(keys, row.name, unit="slice", disable=not shown):
            piece = store.read(key)
            patient = store.cases[key.case].patient
            scores.append(score_slice(row.name, patient, piece, method.segment(piece)))
        logger.info("%s is measured", row.name)
        measured.append(Measured(row, method))
    return measured, scores


def write_table(
    measured: Sequence[Measured],
    scores: Sequence[Score],
    output: Path,
    *,
    against: Mapping[str, str],
    unit: Unit,
    store: SliceStore,
) -> str:
    """Write `slices.csv`, `table.csv` and `table.md`, and return the last.

    Parameters
    ----------
    measured : sequence of Measured
        The rows in their order.
    scores : sequence of Score
        Of all slices.
    output : Path
        Folder to write to.
    against : mapping of str to str
        The row that each one's t-test compares with.
    unit : {"patient", "slice"}
        What mean, sd and t-test run over.
    store : SliceStore
        What was measured on.
    """
    output.mkdir(parents=True, exist_ok=True)
    summaries = summarise(scores, against, unit)
    write_scores(scores, output / "slices.csv")
    _write_csv(measured, summaries, output / "table.csv")
    text = "\n".join(
        [
            *_markdown(measured, summaries),
            "",
            *_notes(scores, store, set(against.values()), unit),
            "",
        ]
    )
    (output / "table.md").write_text(text, "utf-8")
    return text


def _markdown(
    measured: Sequence[Measured], summaries: dict[str, dict[str, Summary]]
) -> list[str]:
    lines = [
        f"| method | what it is | {' | '.join(FIGURES.values())} | n |",
        f"|---|---|{'---|' * len(FIGURES)}---|",
    ]
    for each in measured:
        name, what = each.row.name, each.row.what
        if each.method is None:
            empty = " | ".join(["–"] * (len(FIGURES) - 1))
            lines.append(f"| {name} | {what} | {each.problem} | {empty} | 0 |")
            continue
        figures = summaries[name]
        told = [
            in_words(figures[figure], digits=2 if figure.endswith("_mm") else 4)
            for figure in FIGURES
        ]
        lines.append(
            f"| {name} | {what} | {' | '.join(told)} | {figures['dice'].count} |"
        )
    return lines


def _notes(
    scores: Sequence[Score], store: SliceStore, against: set[str], unit: Unit
) -> list[str]:
    slices = len({(score.scan, score.plane, score.index) for score in scores})
    patients = len({score.patient for score in scores})
    missed: dict[str, int] = {}
    for score in scores:
        missed[score.method] = missed.get(score.method, 0) + (score.msd_mm is None)
    empty = ", ".join(f"{name} {count}" for name, count in missed.items() if count)
    others = " or ".join(sorted(against))
    over = "patients, each the mean of its slices" if unit == "patient" else "slices"
    notes = [
        f"{slices} slices of {patients} patient{'s' * (patients > 1)}, "
        f"{store.settings.size} pixels; mean ± sd over {over}. * differs from "
        f"{others} (paired t-test, p < {SIGNIFICANT}, not corrected for the number "
        "of tests).",
        "Every target of a slice together. Distances in mm on the grid of the store, "
        "HD95 the larger of both directed 95th percentiles; slices where nothing was "
        f"found have no distance ({empty or 'none'}) and a Dice of 0.",
    ]
    if store.index["split"] == "slice":
        notes.append(
            "The split is by slice: neighbours of these slices were trained on, and "
            "the figures are too good."
        )
    if unit == "slice":
        notes.append("Slices of one patient are alike: the tests find too much.")
    return notes


def _write_csv(
    measured: Sequence[Measured],
    summaries: dict[str, dict[str, Summary]],
    path: Path,
) -> None:
    parts = ("mean", "sd", "p", "count")
    names = [f"{figure}_{part}" for figure in FIGURES for part in parts]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["method", "what", "problem", *names])
        for each in measured:
            figures = summaries.get(each.row.name, {}) if each.method else {}
            values = [
                getattr(figures[figure], part) if figure in figures else None
                for figure in FIGURES
                for part in parts
            ]
            writer.writerow([each.row.name, each.row.what, each.problem, *values])
