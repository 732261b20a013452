"""The notebook of the documentation runs, and is stored as it came out of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest

from scripts.run_notebook import LARGEST_PICTURE, NOTEBOOK, picture_sizes, run

if TYPE_CHECKING:
    from nbformat import NotebookNode

pytestmark = pytest.mark.skipif(
    not NOTEBOOK.exists(), reason="the tests run outside a checkout"
)


@pytest.fixture
def notebook() -> NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.mark.slow
def test_notebook_runs(notebook: NotebookNode) -> None:
    run(notebook)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]

    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert list(picture_sizes(notebook)), "it shows a picture"


def test_stored_notebook_was_run_and_is_small(notebook: NotebookNode) -> None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    (size,) = picture_sizes(notebook)

    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert size < LARGEST_PICTURE
    assert "/home/" not in NOTEBOOK.read_text(encoding="utf-8")
