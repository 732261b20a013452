"""Tables as comma-separated files."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from napari_spinalsam.io.formats import cannot_be_written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Cell = str | int | float | None


def write_table(
    path: str | Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]]
) -> None:
    """Write a table with one line of headings.

    Parameters
    ----------
    path : str or Path
        A .csv file. An existing one is replaced in one step once the new one is
        complete.
    columns : sequence of str
        Headings, units included.
    rows : iterable of sequence
        Cells; None leaves one empty. Numbers are written with full precision and a
        decimal point.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    path = Path(path)
    try:
        # A folder beside the target: on the same disk, and never half a file.
        with TemporaryDirectory(dir=path.parent, prefix=".table-") as folder:
            draft = Path(folder) / path.name
            with draft.open("w", newline="", encoding="utf-8") as stream:
                writer = csv.writer(stream, lineterminator="\n")
                writer.writerow(columns)
                writer.writerows(rows)
            os.replace(draft, path)
    except OSError as error:
        raise cannot_be_written(path, error.strerror or str(error)) from error
