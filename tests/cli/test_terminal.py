"""What is printed where: results, our sentences, and nothing of libraries."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from napari_spinalsam.cli import main
from napari_spinalsam.core.errors import InputWarning, ModelError
from tests.cli.helpers import RUN


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["models", "list"], 0), (["--help"], 0), (["evaluate", "a.nii", "b.nii"], 2)],
)
def test_a_reader_who_goes_away_ends_it_quietly(
    arguments: list[str], code: int, tmp_path: Path
) -> None:
    (tmp_path / "errors").touch()
    with (tmp_path / "errors").open("r+b") as errors:
        run = subprocess.Popen(
            [sys.executable, "-c", RUN, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if code else errors,
        )
        assert run.stdout is not None
        run.stdout.close()
        assert run.wait() == code
    assert (tmp_path / "errors").read_bytes() == b""


@pytest.mark.parametrize(
    "locale",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_output_is_utf_8_whatever_the_locale(
    tmp_path: Path, locale: dict[str, str]
) -> None:
    folder, gone = (
        "模型 ü",
        os.fsdecode("ψ\udcff.nii".encode("utf-8", "surrogateescape")),
    )
    environment = (
        os.environ | locale | {"NAPARI_SPINALSAM_MODELS": str(tmp_path / folder)}
    )
    for arguments in (["models", "list"], ["evaluate", gone, gone]):
        run = subprocess.run(
            [sys.executable, "-c", RUN, *arguments],
            capture_output=True,
            env=environment,
        )
        printed, errors = run.stdout.decode(), run.stderr.decode()
        if arguments[0] == "models":
            assert (run.returncode, errors) == (0, "")
            assert folder in printed
        else:
            assert (run.returncode, printed) == (2, "")
            assert "There is no file ψ\\xff.nii" in errors


def test_standard_error_holds_our_sentences_only(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def noisy(options: Any) -> None:
        os.write(2, b"from a library in C\n")
        sys.stderr.write("from a library in Python\n")
        logging.getLogger("library").error("logged")
        warnings.warn("deprecated", DeprecationWarning, stacklevel=1)
        for _ in range(2):
            warnings.warn(InputWarning("The scan has\na doubt."), stacklevel=1)

    monkeypatch.setattr("napari_spinalsam.cli.info.run", noisy)
    assert main(["info"]) == 0
    assert capfd.readouterr() == ("", "napari-spinalsam: The scan has a doubt.\n")
    os.write(2, b"and afterwards it is open again\n")
    assert "open again" in capfd.readouterr().err


def test_a_doubt_is_not_told_beside_an_error(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(options: Any) -> None:
        warnings.warn(InputWarning("The scan has a doubt."), stacklevel=1)
        raise ModelError("There is no model.")

    monkeypatch.setattr("napari_spinalsam.cli.info.run", fails)
    assert main(["info"]) == 2
    assert capfd.readouterr() == ("", "napari-spinalsam: There is no model.\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_standard_output_is_told() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        run = subprocess.run(
            [sys.executable, "-c", RUN, "models", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "cannot be written to standard output (No space left" in run.stderr
