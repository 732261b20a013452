"""What comes of an action: a sentence, a table, or work that goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_spinalsam.core.messages import render

if TYPE_CHECKING:
    from napari_spinalsam.annotation.ports import VolumeJob
    from napari_spinalsam.annotation.requests import PredictionRequest
    from napari_spinalsam.core.messages import Language, Message


@dataclass(frozen=True, slots=True)
class Report:
    """A small table to show.

    Parameters
    ----------
    title : Message
        What it tells.
    columns : tuple of Message
        Headings, units included.
    rows : tuple of tuple of str
        Cells, as many in each row as there are columns; messages where they are words.
    """

    title: Message
    columns: tuple[Message, ...]
    rows: tuple[tuple[str, ...], ...]

    def as_text(self, language: Language = "en") -> str:
        """Return the table in lines of plain text, columns aligned."""
        table = [
            [render(cell, language) for cell in row]
            for row in (self.columns, *self.rows)
        ]
        widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
        lines = (
            "  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True))
            for row in table
        )
        return "\n".join(
            [render(self.title, language), *(line.rstrip() for line in lines)]
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an action.

    Parameters
    ----------
    text : Message
        One line for the user.
    ok : bool
        False if there was nothing to do, such as nothing to undo. What goes wrong
        raises an error instead.
    data : Report or None
        The table that the action asked for.
    job : VolumeJob or None
        Work that begins once the plan has succeeded, and goes on.
    request : PredictionRequest or None
        What the model still has to answer.
    """

    text: Message
    ok: bool = True
    data: Report | None = None
    job: VolumeJob | None = None
    request: PredictionRequest | None = None
