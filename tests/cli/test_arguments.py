"""Wrong arguments are said in one line, and the help is quick."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from napari_spinalsam.cli import main


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["unknown"], "'unknown'"),
        (["segment", "a.nii"], "--output"),
        (["segment", "a.nii", "-o", "b.nii"], "give a file with --prompts"),
        (["evaluate", "a.nii"], "REFERENCE"),
        (["evaluate", "a.nii", "b.nii", "--labels", "L9"], "no structure 'L9'"),
        (["evaluate", "a.nii", "b.nii", "--labels", "0"], "background"),
    ],
)
def test_wrong_arguments_are_said_in_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: Any = main(arguments)
    except SystemExit as left:
        code = left.code
    printed, errors = capsys.readouterr()
    assert (code, printed) == (2, "")
    assert words in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("command", [[], ["segment"], ["models", "list"], ["parse"]])
def test_help_is_quick_for_it_imports_nothing_that_takes_long(
    command: list[str],
) -> None:
    code = (
        "import sys; from napari_spinalsam.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'scipy', 'pydantic', 'torch'} & sys.modules.keys()\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *command, "--help"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "usage: napari-spinalsam" in run.stdout


def test_help_and_evaluate_import_neither_torch_nor_qt(pair: tuple[str, str]) -> None:
    code = (
        "import sys; from napari_spinalsam.cli import main; main(sys.argv[1:]);"
        "heavy = {'torch', 'qtpy', 'napari', 'openai'} & sys.modules.keys();"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, "evaluate", *pair, "--json"],
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, "")
