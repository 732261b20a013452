"""The course of a run: figures in log.csv, a bar or lines, and a picture at the end."""

from __future__ import annotations

import csv
import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Self

from tqdm import tqdm

from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

LOG = "log.csv"
PICTURE = "loss.png"
# What is written of the bundled network; another's figures have other names.
COLUMNS = ("loss", "dense", "iou0", "iou1", "iou2")


class Journal:
    """Average the figures of steps, write them down and show them.

    On a terminal a bar shows them, elsewhere a line of the log each.

    Parameters
    ----------
    run : Path
        Folder of the run.
    step, steps : int
        Steps done, and all steps; what the log tells of later ones is forgotten,
        for a run that goes on makes them again.
    every : int
        Steps a row.
    columns : sequence of str
        Names of the figures; those of losses begin with "loss", of overlaps "iou".
    """

    def __init__(
        self,
        run: Path,
        step: int,
        steps: int,
        every: int,
        columns: Sequence[str] = COLUMNS,
    ) -> None:
        self._log, self._steps, self._every = run / LOG, steps, every
        self._columns = ("step", *columns, "seconds")
        self._sums: dict[str, float] = {}
        self._count = 0
        self._began = time.perf_counter()
        _forget_after(self._log, step)
        self._bar = tqdm(
            total=steps,
            initial=step,
            unit="step",
            file=sys.stderr,
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def note(self, step: int, figures: Mapping[str, float]) -> None:
        """Take the figures of one step; a row follows at each n-th and at the last."""
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        self._bar.update(1)
        if step % self._every == 0 or step == self._steps:
            self._write(step)

    def _write(self, step: int) -> None:
        means = {name: value / self._count for name, value in self._sums.items()}
        means["seconds"] = (time.perf_counter() - self._began) / self._count
        _append(self._log, {"step": step, **means}, self._columns)
        shown = " ".join(f"{name} {value:.3f}" for name, value in means.items())
        self._bar.set_postfix_str(shown)
        if self._bar.disable:
            logger.info("step %d/%d %s", step, self._steps, shown)
        self._sums, self._count, self._began = {}, 0, time.perf_counter()


def plot(run: Path) -> Path:
    """Draw the loss and the IoU of a run over its steps into its folder.

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    InputError
        If the run has no log yet.
    """
    from matplotlib.figure import Figure

    rows = _rows(run / LOG)
    if not rows:
        raise InputError(f"{run} has no log of a run yet: train first.")
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, starts in ((left, ("loss", "dense")), (right, ("iou",))):
        for name in (name for name in rows[0] if name.startswith(starts)):
            told = [(int(r["step"]), float(r[name])) for r in rows if r.get(name)]
            if told:
                axes.plot(*zip(*told, strict=True), label=name)
        axes.set_xlabel("step")
        if axes.lines:
            axes.legend()
    left.set_title("Loss")
    right.set_title("IoU of the first mask, by round")
    right.set_ylim(0, 1)
    figure.savefig(run / PICTURE, dpi=100)
    return run / PICTURE


def _append(path: Path, row: Mapping[str, object], names: Sequence[str]) -> None:
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore", restval="")
        if new:
            writer.writeheader()
        writer.writerow(row)


def _rows(path: Path) -> list[dict[str, str]]:
    """Return the rows that are whole; a full disk may have cut the last one."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if None not in row.values()]


def _forget_after(path: Path, step: int) -> None:
    """Rewrite the log without later steps, in one move."""
    if not path.exists():
        return
    kept = [row for row in _rows(path) if int(row["step"]) <= step]
    unfinished = path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    for row in kept:
        _append(unfinished, row, list(row))
    if kept:
        os.replace(unfinished, path)
    else:
        path.unlink()
