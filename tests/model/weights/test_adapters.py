from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.model.networks.sam import SpinalSam, build_sam
from napari_spinalsam.model.weights import identify
from napari_spinalsam.model.weights.adapter_files import AdapterConfig
from napari_spinalsam.model.weights.adapters import (
    apply_adapter,
    read_adapter,
    save_adapter,
)
from napari_spinalsam.model.weights.identify import Family
from tests.model.conftest import build_small_sam

BASE = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4


def same_base(network: SpinalSam) -> SpinalSam:
    """Return another network with the same weights."""
    sam = build_small_sam()
    copy = SpinalSam(sam.image_encoder, sam.prompt_encoder, sam.mask_decoder).eval()
    copy.load_state_dict(network.state_dict())
    return copy


def config(**fields: Any) -> AdapterConfig:
    values = {"base_sha256": BASE, "family": "sam_vit_b", "image_size": 64}
    return AdapterConfig.model_validate(values | fields)


def train(network: SpinalSam, wanted: AdapterConfig) -> None:
    """Give what is trainable other numbers."""
    if wanted.rank:
        network.add_lora(wanted.rank, wanted.alpha, wanted.targets)
    if wanted.cbam:
        network.add_attention(wanted.cbam_ratio)
    for name, parameter in network.named_parameters():
        if name.startswith(("attention", "mask_decoder")) or "lora" in name:
            torch.nn.init.normal_(parameter, std=0.3)


def logits_of(network: SpinalSam) -> torch.Tensor:
    torch.manual_seed(1)
    with torch.no_grad():
        embedding = network.encode(torch.rand(1, 3, 64, 64))
        points = torch.tensor([[[20.0, 30.0]]]), torch.tensor([[1]])
        return network.decode(embedding, points)[0]


@pytest.mark.parametrize(
    "fields",
    [
        {"rank": 4, "alpha": 8.0, "cbam": True, "decoder": True},
        {"rank": 2, "targets": ("q", "k", "v"), "decoder": True},
        {"cbam": True, "decoder": True},
        {"cbam": True, "cbam_ratio": 2, "decoder": True},
    ],
)
def test_adapter_on_the_same_base_gives_the_same_answers(
    tmp_path: Path, network: SpinalSam, fields: dict[str, Any]
) -> None:
    base = same_base(network)
    train(network, config(**fields))
    path = tmp_path / "spine.safetensors"
    save_adapter(network, path, config(**fields))
    adapter = read_adapter(path)
    assert adapter.name == "spine"
    assert adapter.config == config(**fields)
    assert not torch.allclose(logits_of(base), logits_of(network))
    apply_adapter(base, adapter, family="sam_vit_b", base_sha256=BASE)
    torch.testing.assert_close(logits_of(base), logits_of(network))


def test_an_adapter_with_the_gate_of_older_files_keeps_its_meaning(
    tmp_path: Path, network: SpinalSam
) -> None:
    base, wanted = same_base(network), config(cbam=True)
    network.add_attention(signed=True)
    torch.nn.init.constant_(network.attention.gate, -0.6)  # type: ignore[arg-type]
    path = tmp_path / "older.safetensors"
    save_adapter(network, path, wanted)
    assert not torch.allclose(logits_of(base), logits_of(network))
    apply_adapter(base, read_adapter(path), family="sam_vit_b", base_sha256=BASE)
    torch.testing.assert_close(logits_of(base), logits_of(network))


def test_file_holds_only_what_was_trained(tmp_path: Path, network: SpinalSam) -> None:
    wanted = config(rank=2, cbam=True)
    train(network, wanted)
    path = tmp_path / "spine.safetensors"
    save_adapter(network, path, wanted)
    names = load_file(path)
    assert all("lora_" in name or name.startswith("attention.") for name in names)
    assert "image_encoder.blocks.0.attn.qkv.q.lora_A.weight" in names
    assert identify.identify(names).family is Family.ADAPTER


def test_another_base_is_refused_with_both_checksums(
    tmp_path: Path, network: SpinalSam
) -> None:
    base = same_base(network)
    train(network, config(rank=2))
    path = tmp_path / "spine.safetensors"
    save_adapter(network, path, config(rank=2))
    with pytest.raises(ModelError, match=f"{BASE[:12]}.*{OTHER[:12]}.*load the base"):
        apply_adapter(base, read_adapter(path), family="sam_vit_b", base_sha256=OTHER)
    assert not base.has_lora


def test_another_family_is_refused(tmp_path: Path, network: SpinalSam) -> None:
    train(network, config(rank=2))
    path = tmp_path / "spine.safetensors"
    save_adapter(network, path, config(rank=2))
    with pytest.raises(ModelError, match=r"sam_vit_b.*sam_vit_h"):
        apply_adapter(network, read_adapter(path), family="sam_vit_h", base_sha256=BASE)


def test_second_adapter_is_refused(tmp_path: Path, network: SpinalSam) -> None:
    train(network, config(rank=2))
    path = tmp_path / "spine.safetensors"
    save_adapter(network, path, config(rank=2))
    with pytest.raises(ModelError, match="adapter already"):
        apply_adapter(network, read_adapter(path), family="sam_vit_b", base_sha256=BASE)


def test_adapter_with_a_tensor_missing_is_refused_and_changes_no_answer(
    tmp_path: Path, network: SpinalSam
) -> None:
    base = same_base(network)
    train(network, config(rank=2, cbam=True))
    path = tmp_path / "spine.safetensors"
    save_adapter(network, path, config(rank=2, cbam=True))
    adapter = read_adapter(path)
    adapter.tensors.popitem()
    before = logits_of(base)
    with pytest.raises(ModelError, match="1 missing"):
        apply_adapter(base, adapter, family="sam_vit_b", base_sha256=BASE)
    torch.testing.assert_close(logits_of(base), before)


def test_description_that_does_not_fit_the_network_is_refused(
    tmp_path: Path, network: SpinalSam
) -> None:
    with pytest.raises(ModelError, match="describe what was trained"):
        save_adapter(network, tmp_path / "spine.safetensors", config(rank=2))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "does not say what it changes"),
        ('{"version": 2}', "version 2.*version 1"),
        ('{"version": 1, "family": 3}', "does not say what it changes"),
        ("[]", "does not say what it changes"),
    ],
)
def test_unreadable_description_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "spine.safetensors"
    notes = {"format": "napari-spinalsam-adapter", "config": text}
    save_file({"attention.gate": torch.zeros(())}, path, notes)
    with pytest.raises(ModelError, match=message):
        read_adapter(path)


def test_file_of_other_tensors_is_no_adapter(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(ModelError, match=r"other.safetensors is no adapter"):
        read_adapter(path)


def samed_tensors(blocks: int = 2, rank: int = 3, width: int = 32) -> dict[str, Any]:
    torch.manual_seed(2)
    pairs = {f"w_a_{i:03d}": torch.randn(rank, width) for i in range(2 * blocks)}
    return pairs | {f"w_b_{i:03d}": torch.randn(width, rank) for i in range(2 * blocks)}


def test_samed_layers_go_to_query_and_value_of_each_block_in_turn(
    tmp_path: Path, network: SpinalSam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(identify.VIT_SIZES, (32, 2), Family.SAM_B)
    path, given = tmp_path / "samed.safetensors", samed_tensors()
    save_file(given, path)
    adapter = read_adapter(path)
    assert adapter.config.rank == 3
    key = "image_encoder.blocks.1.attn.qkv.weight"
    base = network.state_dict()[key].clone()
    network.set_image_size(1024)  # as the files of SAM, which SAMed's belong to
    apply_adapter(network, adapter, family="sam_vit_b", base_sha256=BASE)
    network.merge_lora()
    merged = network.state_dict()[key]
    query = base[:32] + given["w_b_002"] @ given["w_a_002"]
    value = base[64:] + given["w_b_003"] @ given["w_a_003"]
    torch.testing.assert_close(merged[:32], query)
    assert torch.equal(merged[32:64], base[32:64])
    torch.testing.assert_close(merged[64:], value)


@pytest.mark.parametrize("lost", ["w_a_000", "w_b_002", "w_a_003"])
def test_incomplete_numbering_is_refused(tmp_path: Path, lost: str) -> None:
    given = samed_tensors()
    del given[lost]
    path = tmp_path / "samed.safetensors"
    save_file(given, path)
    with pytest.raises(ModelError, match=r"not complete.*7 LoRA tensors"):
        read_adapter(path)


def test_missing_block_in_the_middle_is_refused(tmp_path: Path) -> None:
    given = samed_tensors(3)
    for name in ("w_a_002", "w_a_003", "w_b_002", "w_b_003"):
        del given[name]
    path = tmp_path / "samed.safetensors"
    save_file(given, path)
    with pytest.raises(ModelError, match="not complete"):
        read_adapter(path)


def test_real_lora_file_fits_sam_vit_b(data_dir: Path) -> None:
    adapter = read_adapter(data_dir / "lora" / "lora_rank4.safetensors")
    assert adapter.config.family == "sam_vit_b"
    assert adapter.config.rank == 4
    assert len(adapter.tensors) == 48
    with torch.device("meta"):
        network = build_sam("sam_vit_b")
        apply_adapter(network, adapter, family="sam_vit_b", base_sha256=BASE)
    assert sum("lora_" in name for name in network.state_dict()) == 48
