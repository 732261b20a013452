"""Run a notebook of the documentation and store it with its output.

The output is kept small: no picture above 150 kB, no times, no paths of this machine.
"""

from __future__ import annotations

import argparse
import base64
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbformat import NotebookNode

NOTEBOOK = Path(__file__).parent.parent / "docs" / "tutorials" / "first_steps.ipynb"
LARGEST_PICTURE = 150_000
TIMEOUT_S = 600


def main() -> int:
    """Run the notebook and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebook", type=Path, nargs="?", default=NOTEBOOK)
    parser.add_argument(
        "--check", action="store_true", help="leave the file as it is; only run it"
    )
    options = parser.parse_args()
    notebook = nbformat.read(options.notebook, as_version=4)
    try:
        run(notebook)
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    too_large = [size for size in picture_sizes(notebook) if size > LARGEST_PICTURE]
    if too_large:
        print(f"A picture has {too_large[0]} bytes: draw it smaller.", file=sys.stderr)
        return 1
    if not options.check:
        nbformat.write(notebook, options.notebook)
        print(options.notebook)
    return 0


def run(notebook: NotebookNode) -> None:
    """Run all cells of a notebook in place, and drop what differs from run to run.

    Raises
    ------
    CellExecutionError
        If a cell fails.
    """
    client = NotebookClient(
        notebook, timeout=TIMEOUT_S, kernel_name="python3", record_timing=False
    )
    client.execute()
    for cell in notebook.cells:
        cell.metadata = {}
    notebook.metadata = {
        "kernelspec": {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
    }


def picture_sizes(notebook: NotebookNode) -> Iterator[int]:
    """Yield the bytes of each picture in the output of a notebook."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            picture = output.get("data", {}).get("image/png")
            if picture is not None:
                yield len(base64.b64decode(picture))


if __name__ == "__main__":
    sys.exit(main())
