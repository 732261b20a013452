"""The user's adapters are found by their folder and described without torch."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.model.weights.adapter_files import (
    AdapterConfig,
    adapter_path,
    adapters_folder,
    list_adapters,
    read_config,
)
from napari_spinalsam.model.weights.adapters import save_adapter

if TYPE_CHECKING:
    from pathlib import Path

    from napari_spinalsam.model.networks.sam import SpinalSam


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, which does not exist yet."""
    folder = tmp_path / "adapters"
    monkeypatch.setenv("NAPARI_SPINALSAM_ADAPTERS", str(folder))
    return folder


def saved(network: SpinalSam, name: str, ratio: int = 16) -> AdapterConfig:
    """Write an untrained adapter into the user's folder."""
    network.add_attention(ratio)
    config = AdapterConfig(
        base_sha256="ab" * 32,
        family="sam_vit_b",
        cbam=True,
        cbam_ratio=ratio,
        image_size=64,
    )
    save_adapter(network, adapter_path(name), config)
    return config


def test_folder_is_the_users_data_unless_the_environment_names_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert adapters_folder() == folder
    monkeypatch.delenv("NAPARI_SPINALSAM_ADAPTERS")
    assert adapters_folder().name == "adapters"
    assert "cache" not in str(adapters_folder()).lower()


def test_no_folder_means_no_adapters() -> None:
    assert list_adapters() == ()


def test_adapters_are_listed_by_name_with_what_they_say(network: SpinalSam) -> None:
    later, first = saved(network, "spine"), saved(network, "lumbar", ratio=4)
    assert [(each.name, each.config) for each in list_adapters()] == [
        ("lumbar", first),
        ("spine", later),
    ]


def test_files_that_are_no_adapter_are_left_out_with_a_warning(
    folder: Path, network: SpinalSam, caplog: pytest.LogCaptureFixture
) -> None:
    saved(network, "spine")
    (folder / "empty.safetensors").write_bytes(b"")
    (folder / "text.safetensors").write_bytes(b"words, words and more words")
    with caplog.at_level(logging.WARNING):
        assert [each.name for each in list_adapters()] == ["spine"]
    assert len(caplog.records) == 2


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be opened"):
        read_config(tmp_path / "none.safetensors")


@pytest.mark.parametrize("name", ["", "../spine", ".hidden", "a/b"])
def test_names_that_are_no_file_names_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match="cannot be the name"):
        adapter_path(name)


def test_listing_needs_no_torch() -> None:
    code = (
        "import sys\n"
        "from napari_spinalsam.model.weights.adapter_files import list_adapters\n"
        "list_adapters()\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
