"""The commands of a lab, one after another, from the sample scan to labels."""

from __future__ import annotations

import csv
from contextlib import redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING

import pytest

from napari_spinalsam.cli import main as plugin
from napari_spinalsam.model.weights.adapters import read_adapter
from scripts.train_smoke import Command, smoke
from training.__main__ import main as training

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def here(main: Callable[[list[str]], int]) -> Command:
    """Run a command line in this process."""

    def command(arguments: Sequence[object]) -> str:
        with redirect_stdout(StringIO()) as told:
            assert main([str(each) for each in arguments]) == 0
        return told.getvalue()

    return command


def test_a_scan_becomes_an_adapter_and_the_adapter_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    smoke(tmp_path, 2, here(training), here(plugin), kill=False)

    told = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert told == ["toy", "prepare", "fit", "export", "evaluate", "segment"]
    notes = read_adapter(tmp_path / "mine.safetensors").config.notes
    assert (notes["steps"], notes["scans"]) == ("2", "1")
    with (tmp_path / "run" / "log.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert 0 < float(row["loading"]) < 1, "the share of the time that reading took"


@pytest.mark.heavy
def test_a_run_killed_by_the_system_comes_to_the_same_adapter(tmp_path: Path) -> None:
    smoke(tmp_path, 30)
