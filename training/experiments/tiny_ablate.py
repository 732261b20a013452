"""`ablate` of the bundled network: what CBAM and the corrections bring.

There is no LoRA in it, for it is trained from scratch.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.model.weights.checkpoint import save_tiny
from napari_spinalsam.model.weights.loading import load_session
from training.experiments.scores import SIGNIFICANT
from training.tiny.dataset import read_labelled
from training.tiny.evaluate import KINDS, evaluate
from training.tiny.fit import fit_tiny
from training.tiny.network import load_network

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from training.tiny.config import RunConfig

ROWS, TABLE = "rows.csv", "table.md"
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Variant:
    """What of the network and its training is used.

    Parameters
    ----------
    name : str
        In the table.
    cbam, interactive : bool
        The two parts. Without interaction there is the first round alone.
    """

    name: str
    cbam: bool
    interactive: bool

    def of(self, config: RunConfig) -> RunConfig:
        """Return a configuration with these parts alone."""
        rounds = config.fit.correction_rounds if self.interactive else 0
        fit = config.fit.model_copy(update={"correction_rounds": rounds})
        model = config.model.model_copy(update={"cbam": self.cbam})
        return config.model_copy(update={"fit": fit, "model": model})


VARIANTS = (
    Variant("none", cbam=False, interactive=False),
    Variant("CBAM", cbam=True, interactive=False),
    Variant("interactive", cbam=False, interactive=True),
    Variant("CBAM + interactive", cbam=True, interactive=True),
)


def ablate_tiny(
    config: RunConfig,
    scan: str,
    data: Path,
    store: Path,
    output: Path,
    *,
    every: int = 1,
) -> str:
    """Train every variant without a scan, measure it there, and write the table.

    Parameters
    ----------
    config : RunConfig
        The whole network.
    scan : str
        Name of the scan to leave out and to measure on.
    data, store : Path
        Folder with the scans, and with what `prepare` made of them.
    output : Path
        Folder to write; a killed run goes on.
    every : int
        Take each n-th slice alone.

    Raises
    ------
    InputError
        If the configuration lacks a part, or the scan has no image.
    """
    if not (config.model.cbam and config.fit.correction_rounds):
        raise InputError(
            "The configuration lacks CBAM or correction rounds: give the whole "
            "network, and parts are taken away from it."
        )
    volume, labels = read_labelled(config.scan(scan), data)
    if volume is None:
        raise InputError(f"The scan {scan} has no image to measure on: choose one.")
    measured: dict[str, Rows] = {}
    for variant in VARIANTS:
        run = output / variant.name.replace(" + ", "_").lower()
        fit_tiny(variant.of(config.without((scan,))), store, run)
        weights = run / "weights.safetensors"
        save_tiny(load_network(run), weights)
        measured[variant.name] = evaluate(
            load_session(str(weights)), volume, labels.data, every=every
        )
    _write_rows(measured, output / ROWS)
    table = tabulate(measured)
    (output / TABLE).write_text(table + "\n")
    return table


def tabulate(measured: Mapping[str, Rows]) -> str:
    """Return mean ± sd of the Dice by variant and prompt as a Markdown table.

    A star is p < 0.05 in a paired t-test over prompts against the last variant, not
    corrected for the number of tests.
    """
    lines = [f"| variant | {' | '.join(KINDS)} | n |", "|---" * (len(KINDS) + 2) + "|"]
    whole = list(measured.values())[-1]
    for name, rows in measured.items():
        cells = [_cell(_dice(rows, kind), _dice(whole, kind)) for kind in KINDS]
        count = len(_dice(rows, KINDS[0]))
        lines.append(f"| {name} | {' | '.join(cells)} | {count} |")
    return "\n".join(lines)


def _dice(rows: Sequence[Mapping[str, Any]], kind: str) -> list[float]:
    return [float(row["dice"]) for row in rows if row["kind"] == kind]


def _cell(scores: list[float], whole: list[float]) -> str:
    spread = f" ± {np.std(scores, ddof=1):.3f}" if len(scores) > 1 else ""
    return f"{np.mean(scores):.3f}{spread}{'*' if _differ(scores, whole) else ''}"


def _differ(one: list[float], other: list[float]) -> bool:
    if np.ptp(np.subtract(one, other)) == 0:
        return False  # nothing varies, so that there is nothing to test
    return bool(stats.ttest_rel(one, other).pvalue < SIGNIFICANT)


def _write_rows(measured: Mapping[str, Rows], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        named = [
            {"variant": name, **row} for name, rows in measured.items() for row in rows
        ]
        writer = csv.DictWriter(file, list(named[0]))
        writer.writeheader()
        writer.writerows(named)
