"""The log of a run tells each step once, on a terminal as a bar."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from napari_spinalsam.core.errors import InputError
from training.common.logger import Journal, plot

if TYPE_CHECKING:
    from pathlib import Path


def steps_of(run: Path) -> list[int]:
    with (run / "log.csv").open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_gets_a_bar_and_a_log_gets_lines(
    terminal: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shown = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    caplog.set_level("INFO")
    with Journal(tmp_path, 2, 4, 1) as journal:
        journal.note(3, {"loss": 1.25})
        journal.note(4, {"loss": 1.0})

    assert ("4/4" in shown.getvalue()) is terminal
    assert ("step 3/4 loss 1.250" in caplog.text) is not terminal
    assert steps_of(tmp_path) == [3, 4]


def test_a_row_that_a_full_disk_cut_is_written_anew(tmp_path: Path) -> None:
    with Journal(tmp_path, 0, 4, 1) as journal:
        journal.note(1, {"loss": 1.25})
        journal.note(2, {"loss": 1.5})
    log = tmp_path / "log.csv"
    log.write_text(log.read_text().rsplit(",", 1)[0])
    with Journal(tmp_path, 1, 4, 1) as journal:
        journal.note(2, {"loss": 1.0})
    assert steps_of(tmp_path) == [1, 2]
    assert ",1.0," in log.read_text().splitlines()[-1]


def test_plot_needs_a_log(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train first"):
        plot(tmp_path)
