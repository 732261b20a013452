"""What the commands print: results on standard output, progress on standard error."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


def show(text: str) -> None:
    """Print a result."""
    sys.stdout.write(f"{text}\n")


def warn(text: str) -> None:
    """Print one line on standard error."""
    sys.stderr.write(f"napari-spinalsam: {text}.\n")


def show_json(result: Mapping[str, object]) -> None:
    """Print a result as one JSON object."""
    show(json.dumps(result, indent=2, allow_nan=False))


def show_table(rows: Sequence[Sequence[str]], *, figures: bool = False) -> None:
    """Print rows in aligned columns; figures stand to the right, but for the first."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    align = str.rjust if figures else str.ljust
    for first, *rest in rows:
        cells = [first.ljust(widths[0])]
        cells += [align(c, w) for c, w in zip(rest, widths[1:], strict=True)]
        show("  ".join(cells).rstrip())


@contextmanager
def progress_bar(
    title: str, unit: str = "slice"
) -> Iterator[Callable[[int, int | None], None]]:
    """Give a callback for (done, total) that draws a bar if there is a terminal."""
    with tqdm(
        desc=title,
        unit=unit,
        unit_scale=unit == "B",
        file=sys.stderr,
        leave=False,
        disable=not sys.stderr.isatty(),
    ) as bar:

        def advance(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield advance
