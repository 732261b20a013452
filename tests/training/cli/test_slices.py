"""The commands on slices, from a data set or own labels to an adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_spinalsam.model.weights.adapter_files import list_adapters
from napari_spinalsam.model.weights.loading import load_session
from tests.training.helpers import folder_tree, saved_tree
from training.__main__ import main
from training.common.config import save_config

if TYPE_CHECKING:
    from pathlib import Path

    from training.sam.config import SamConfig


def with_fit(config: SamConfig, **values: object) -> SamConfig:
    fit = config.fit.model_copy(update=values)
    return config.model_copy(update={"fit": fit})


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], "There is no folder to prepare from"),
        (["{own}", "--size", "50"], "prepare: size: Input should be a multiple of 16"),
        (["{own}", "--window", "wide"], "'wide' is no window"),
        (["{own}/none"], "There is no folder"),
    ],
)
def test_what_cannot_be_prepared_is_told_in_one_line(
    more: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = folder_tree(tmp_path / "own", ("a",))
    line = ["prepare", "--source", "folder", "--store", str(tmp_path / "s")]
    assert main([*line, *(each.format(own=own) for each in more)]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"training: {told}")


@pytest.fixture
def adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the plugin looks for adapters."""
    monkeypatch.setenv("NAPARI_SPINALSAM_ADAPTERS", str(tmp_path / "adapters"))
    return tmp_path / "adapters"


def test_own_labels_become_an_adapter_that_the_plugin_finds(
    sam_config: SamConfig,
    adapters: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_config(with_fit(sam_config, steps=1), tmp_path / "small.yaml")
    own = saved_tree(tmp_path / "my-lab", ("a",))
    line = ["fit", "--config", str(tmp_path / "small.yaml"), "--from-labels", str(own)]
    line += ["--run", str(tmp_path / "run")]
    assert main(line) == 0

    (found,) = list_adapters()
    assert found.name == "my-lab"
    assert found.config.notes["scans"] == "1"
    assert load_session(sam_config.base, "cpu", found.path).identity.adapter == "my-lab"
    assert "% of the parameters are kept" in capsys.readouterr().out

    assert main(line) == 2
    assert "give --replace" in capsys.readouterr().err


def test_an_absent_base_is_told_before_anything_is_prepared(
    adapters: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NAPARI_SPINALSAM_MODELS", str(tmp_path / "models"))
    own = saved_tree(tmp_path / "own", ("a",))
    run = tmp_path / "run"
    assert main(["fit", "--from-labels", str(own), "--run", str(run)]) == 2
    assert "models download sam-vit-b" in capsys.readouterr().err
    assert not run.exists()


def test_options_of_the_other_network_are_refused(
    sam_config: SamConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_config(sam_config, tmp_path / "sam.yaml")
    run = ["fit", "--run", str(tmp_path / "run")]
    sam = ["--config", str(tmp_path / "sam.yaml"), "--leave-out", "a"]
    assert main([*run, *sam]) == 2
    assert "--leave-out is for the bundled network" in capsys.readouterr().err
    assert main([*run, "--base", "sam-vit-b"]) == 2
    assert "--base is for adapters" in capsys.readouterr().err
