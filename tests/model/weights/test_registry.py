import subprocess
import sys
from pathlib import Path

import pytest

from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.model.weights.registry import (
    ENTRIES,
    entry_of_sha256,
    is_downloaded,
    model_entry,
    models_folder,
    weights_path,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_SPINALSAM_MODELS", str(tmp_path))
    return tmp_path


def test_known_models_are_the_bundled_one_and_three_sizes_of_sam() -> None:
    assert list(ENTRIES) == ["spinalsam-tiny", "sam-vit-b", "sam-vit-l", "sam-vit-h"]


@pytest.mark.parametrize("name", ["sam-vit-b", "sam-vit-l", "sam-vit-h"])
def test_downloaded_models_have_address_checksum_and_licence(name: str) -> None:
    entry = model_entry(name)
    assert entry.url.startswith("https://")
    assert len(bytes.fromhex(entry.sha256)) == 32
    assert entry.size_bytes > 300e6
    assert entry.licence
    assert entry.family == name.replace("-", "_")
    assert entry_of_sha256(entry.sha256) is entry


def test_unknown_checksum_belongs_to_no_model() -> None:
    assert entry_of_sha256("") is None
    assert entry_of_sha256("00" * 32) is None


def test_environment_names_the_folder(folder: Path) -> None:
    assert models_folder() == folder
    assert weights_path("sam-vit-b") == folder / "sam_vit_b_01ec64.pth"


def test_without_the_variable_the_folder_is_a_cache_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NAPARI_SPINALSAM_MODELS")
    assert "napari-spinalsam" in models_folder().parts


def test_unfinished_download_does_not_count(folder: Path) -> None:
    (folder / "sam_vit_b_01ec64.pth.part").write_bytes(b"x")
    assert not is_downloaded("sam-vit-b")
    (folder / "sam_vit_b_01ec64.pth").write_bytes(b"x")
    assert is_downloaded("sam-vit-b")


def test_bundled_weights_lie_in_the_package() -> None:
    path = weights_path("spinalsam-tiny")
    assert path.parts[-4:] == (
        "napari_spinalsam",
        "resources",
        "models",
        "spinalsam-tiny.safetensors",
    )


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"'sam3'.*spinalsam-tiny, sam-vit-b"):
        model_entry("sam3")


def test_looking_up_models_does_not_import_torch() -> None:
    code = (
        "import sys; import napari_spinalsam.model.weights.registry, "
        "napari_spinalsam.model.weights.download; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
