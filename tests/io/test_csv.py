"""Tables are written whole or not at all."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.io.csv import write_table

if TYPE_CHECKING:
    from pathlib import Path


def test_a_table_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "measures.csv"
    write_table(path, ("structure", "volume_mL"), [("L3", 0.1), ("a, b", None)])
    with path.open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows == [["structure", "volume_mL"], ["L3", "0.1"], ["a, b", ""]]


def test_a_failure_keeps_the_file_before(tmp_path: Path) -> None:
    path = tmp_path / "measures.csv"
    write_table(path, ("a",), [(1,)])

    def broken():
        yield (2,)
        raise OSError("the disk is full")

    with pytest.raises(InputError, match="cannot be written"):
        write_table(path, ("a",), broken())
    assert path.read_text() == "a\n1\n"
    assert list(tmp_path.iterdir()) == [path]
