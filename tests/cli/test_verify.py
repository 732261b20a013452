"""`verify`: parameters that match, are missing, or are of no network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from napari_spinalsam.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_verify_counts_the_parameters_of_a_file(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(checkpoint), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["family"] == "spinalsam-tiny"
    assert result["complete"]
    assert result["matched"]
    assert result["missing"] == result["unexpected"] == result["shape_mismatched"] == []
    assert len(result["sha256"]) == 64
    assert main(["verify", str(checkpoint)]) == 0
    assert "matched" in capsys.readouterr().out


def test_verify_refuses_a_file_that_is_no_checkpoint(
    image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(image)]) == 2
    printed, errors = capsys.readouterr()
    assert printed == ""
    assert "ct.nii.gz is no file of weights" in errors
