"""`models`: what is listed, and what a download says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from napari_spinalsam.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


def test_models_are_listed_with_the_place_of_their_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NAPARI_SPINALSAM_MODELS", str(tmp_path))
    assert main(["models", "list", "--json"]) == 0
    models = json.loads(capsys.readouterr().out)["models"]
    sam = next(each for each in models if each["name"] == "sam-vit-b")
    assert not sam["present"]
    assert sam["path"].startswith(str(tmp_path))
    assert main(["models", "list"]) == 0
    assert "sam-vit-b" in capsys.readouterr().out


def test_a_model_that_nobody_knows_is_not_downloaded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["models", "download", "sam-vit-x"]) == 2
    assert "no model 'sam-vit-x'" in capsys.readouterr().err


def test_a_download_says_where_the_weights_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetch(name: str, progress: Callable[[int, int | None], None]) -> Path:
        progress(5, None)
        progress(10, 10)
        return tmp_path / name

    monkeypatch.setattr("napari_spinalsam.model.weights.download.download", fetch)
    assert main(["models", "download", "sam-vit-b", "--json"]) == 0
    printed, errors = capsys.readouterr()
    assert errors == ""
    assert json.loads(printed) == {
        "name": "sam-vit-b",
        "path": str(tmp_path / "sam-vit-b"),
    }
