import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from segment_anything import sam_model_registry

from napari_spinalsam.core.errors import InputError, ModelError
from napari_spinalsam.core.intensity import Window
from napari_spinalsam.core.prompts import SlicePrompts
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.model import diagnostics
from napari_spinalsam.model.networks.sam import SpinalSam
from napari_spinalsam.model.networks.tiny import SpinalSamTiny
from napari_spinalsam.model.weights import identify, loading, registry
from napari_spinalsam.model.weights.adapter_files import AdapterConfig
from napari_spinalsam.model.weights.adapters import save_adapter
from napari_spinalsam.model.weights.checkpoint import digest_of, save_tiny
from napari_spinalsam.model.weights.identify import Family
from napari_spinalsam.model.weights.loading import load_session
from napari_spinalsam.model.weights.registry import ENTRIES, ModelEntry
from tests.model.conftest import build_small_sam
from tests.model.helpers import prompts


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of downloaded models."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("NAPARI_SPINALSAM_MODELS", str(folder))
    return folder


@pytest.fixture
def small_is_vit_b(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the small SAM pass for ViT-B, whose files are large."""
    monkeypatch.setitem(sam_model_registry, "vit_b", build_small_sam)
    monkeypatch.setitem(identify.VIT_SIZES, (32, 2), Family.SAM_B)


@pytest.fixture
def sam_file(tmp_path: Path, network: SpinalSam, small_is_vit_b: None) -> Path:
    path = tmp_path / "mine.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def downloaded(
    folder: Path, network: SpinalSam, small_is_vit_b: None
) -> Iterator[ModelEntry]:
    """The small SAM as if it had been downloaded by name."""
    path = folder / "small.pth"
    torch.save(network.state_dict(), path)
    entry = ModelEntry(
        name="small",
        family="sam_vit_b",
        url="https://example.org/small.pth",
        sha256=digest_of(path),
        size_bytes=path.stat().st_size,
        licence="CC0-1.0",
        description="",
    )
    table = {**ENTRIES, "small": entry}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "ENTRIES", table)
        patch.setattr(loading, "ENTRIES", table)
        yield entry


def test_tiny_file_predicts(
    tmp_path: Path, tiny: SpinalSamTiny, volume: Volume, window: Window
) -> None:
    path = tmp_path / "own-tiny.safetensors"
    save_tiny(tiny, path, {"licence": "CC-BY-SA-4.0"})
    session = load_session(str(path), "cpu")
    assert session.identity.name == "own-tiny"
    assert session.record.family == "spinalsam-tiny"
    assert session.identity.sha256 == digest_of(path)
    assert session.record.licence == "CC-BY-SA-4.0"
    assert session.record.size == sum(p.numel() for p in tiny.parameters())
    assert session.record.parameters is not None
    assert session.record.parameters.complete
    session.set_volume(volume)
    plane = volume.geometry.plane(0, 2)
    answer = session.predict(plane, prompts((5, 6)), window=window)
    assert answer.masks.shape == (3, *plane.shape)


@pytest.mark.skipif(
    not registry.is_downloaded("spinalsam-tiny"),
    reason="the bundled weights are not in this checkout",
)
def test_bundled_weights_predict_without_any_name(
    volume: Volume, window: Window
) -> None:
    session = load_session(device="cpu")
    assert session.identity.name == "spinalsam-tiny"
    assert session.record.licence == "CC-BY-SA-4.0"
    session.set_volume(volume)
    plane = volume.geometry.plane(2, 9)
    given = SlicePrompts(2, 9, prompts((3, 20)).points)
    assert session.predict(plane, given, window=window).masks.shape[1:] == plane.shape


def test_own_sam_file_predicts_and_says_that_it_may_be_medsam(
    sam_file: Path,
    volume: Volume,
    window: Window,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        session = load_session(sam_file, "cpu")
    assert "MedSAM" in caplog.text
    assert session.record.family == "sam_vit_b"
    assert session.identity.name == "mine"
    session.set_volume(volume)
    plane = volume.geometry.plane(1, 3)
    given = SlicePrompts(1, 3, prompts((2, 6)).points)
    answer = session.predict(plane, given, window=window)
    assert answer.masks.shape[1:] == plane.shape
    assert answer.remarks == (session.record.doubt,)
    assert (
        "wrong if it is a MedSAM" in dict(diagnostics.verify(sam_file).rows())["doubt"]
    )


def test_downloaded_model_has_the_licence_of_the_registry(
    downloaded: ModelEntry, caplog: pytest.LogCaptureFixture
) -> None:
    session = load_session("small", "cpu")
    assert session.identity.name == "small"
    assert session.record.licence == "CC0-1.0"
    assert not caplog.text


def test_downloaded_model_is_recognised_wherever_it_lies(
    downloaded: ModelEntry, folder: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "copied.pth"
    copied.write_bytes((folder / "small.pth").read_bytes())
    assert load_session(copied, "cpu").identity.name == "small"


def test_changed_file_of_the_registry_is_refused(
    downloaded: ModelEntry, folder: Path, network: SpinalSam
) -> None:
    network.mask_decoder.iou_token.weight.data += 1
    torch.save(network.state_dict(), folder / "small.pth")
    with pytest.raises(ModelError, match=r"another checksum.*download"):
        load_session("small", "cpu")


def test_model_not_downloaded_tells_the_command() -> None:
    with pytest.raises(
        ModelError, match=r"375 MB.*napari-spinalsam models download sam-vit-b"
    ):
        load_session("sam-vit-b", "cpu")


def test_missing_bundled_weights_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "BUNDLED_FILE", "resources/models/absent.safetensors")
    with pytest.raises(ModelError, match="missing in this installation"):
        load_session("spinalsam-tiny", "cpu")


def test_neither_name_nor_file_lists_the_names() -> None:
    with pytest.raises(ModelError, match=r"'sam3'.*spinalsam-tiny, sam-vit-b"):
        load_session("sam3", "cpu")


def test_bad_device_is_refused_before_anything_is_read() -> None:
    with pytest.raises(InputError, match="'tpu'"):
        load_session("sam3", "tpu")


def test_the_name_of_a_file_does_not_make_it_medsam(sam_file: Path) -> None:
    renamed = sam_file.rename(sam_file.with_name("medsam_vit_b.pth"))
    assert load_session(renamed, "cpu").record.family == "sam_vit_b"


def test_medsam_by_checksum_is_refused_as_medsam(
    sam_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "MED_SAM_MD5", digest_of(sam_file, "md5"))
    with pytest.raises(ModelError, match="is a MedSAM checkpoint"):
        load_session(sam_file, "cpu")


def test_incomplete_sam_is_refused_with_what_is_missing(
    tmp_path: Path, network: SpinalSam, small_is_vit_b: None
) -> None:
    tensors = network.state_dict()
    del tensors["mask_decoder.iou_token.weight"]
    path = tmp_path / "mine.pth"
    torch.save(tensors, path)
    with pytest.raises(ModelError, match=r"1 missing.*mask_decoder.iou_token.weight"):
        load_session(path, "cpu")


def test_file_of_no_known_family_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_file({"conv.weight": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match="no model of a known family"):
        load_session(path, "cpu")


@pytest.fixture
def adapter_file(tmp_path: Path, network: SpinalSam, downloaded: ModelEntry) -> Path:
    network.add_lora(2)
    config = AdapterConfig(
        base_sha256=downloaded.sha256, family="sam_vit_b", rank=2, image_size=64
    )
    path = tmp_path / "spine.safetensors"
    save_adapter(network, path, config)
    return path


def test_adapter_is_loaded_on_its_base(adapter_file: Path) -> None:
    session = load_session("small", "cpu", adapter_file)
    assert session.identity.name == "small"
    assert session.identity.adapter == "spine"


def test_medsam_is_a_base_of_adapters_as_a_vit_b(
    adapter_file: Path, downloaded: ModelEntry, folder: Path, tmp_path: Path
) -> None:
    base = tmp_path / "medsam_vit_b.pth"
    base.write_bytes((folder / "small.pth").read_bytes())
    assert load_session(base, "cpu", adapter_file).identity.adapter == "spine"


def test_adapter_alone_finds_its_downloaded_base(adapter_file: Path) -> None:
    session = load_session(adapter_file, "cpu")
    assert session.identity.name == "small"
    assert session.identity.adapter == "spine"


def test_adapter_of_the_users_folder_is_loaded_by_name_and_recorded(
    adapter_file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_SPINALSAM_ADAPTERS", str(adapter_file.parent))
    made_by = load_session("spine", "cpu").identity
    assert made_by.title == "small + spine"
    assert made_by.sha256 == digest_of(folder / "small.pth")
    assert made_by.adapter_sha256 == digest_of(adapter_file)


def test_adapter_alone_with_an_absent_base_says_what_to_download(
    adapter_file: Path, folder: Path
) -> None:
    (folder / "small.pth").unlink()
    with pytest.raises(ModelError, match="models download small"):
        load_session(adapter_file, "cpu")


def test_tiny_network_takes_no_adapter(
    tmp_path: Path, tiny: SpinalSamTiny, adapter_file: Path
) -> None:
    path = tmp_path / "tiny.safetensors"
    save_tiny(tiny, path)
    with pytest.raises(ModelError, match="takes no adapter"):
        load_session(path, "cpu", adapter_file)


def test_lora_without_base_is_named_as_an_adapter(
    data_dir: Path,
) -> None:
    with pytest.raises(ModelError, match="is an adapter"):
        load_session(data_dir / "lora" / "lora_rank4.safetensors", "cpu")
