import pytest
import torch
from segment_anything.modeling import Sam

from napari_spinalsam.core.errors import InputError, ModelError
from napari_spinalsam.model.networks.cbam import CBAM
from napari_spinalsam.model.networks.lora import SplitQkv
from napari_spinalsam.model.networks.sam import SpinalSam, build_sam


def image() -> torch.Tensor:
    return 255 * torch.rand(1, 3, 48, 64)


def answer(network: SpinalSam, given: torch.Tensor) -> tuple[torch.Tensor, ...]:
    points = torch.tensor([[[20.0, 30.0]]]), torch.tensor([[1]])
    with torch.no_grad():
        embedding = network.encode(network.preprocess(given))
        return network.decode(embedding, points)


def test_answers_are_those_of_segment_anything(
    small_sam: Sam, network: SpinalSam
) -> None:
    given = image()
    request = {
        "image": given[0],
        "original_size": (48, 64),
        "point_coords": torch.tensor([[[20.0, 30.0]]]),
        "point_labels": torch.tensor([[1]]),
    }
    (expected,) = small_sam([request], multimask_output=True)
    logits, iou = answer(network, given)
    torch.testing.assert_close(logits[:, 1:], expected["low_res_logits"])
    torch.testing.assert_close(iou[:, 1:], expected["iou_predictions"])


def test_untrained_attention_changes_nothing_at_all(network: SpinalSam) -> None:
    given = image()
    plain = answer(network, given)
    network.add_attention()
    assert isinstance(network.attention, CBAM)
    for with_attention, without in zip(answer(network, given), plain, strict=True):
        assert torch.equal(with_attention, without)


def test_opened_attention_changes_the_answer(network: SpinalSam) -> None:
    given = image()
    plain, _ = answer(network, given)
    network.add_attention()
    torch.nn.init.constant_(network.attention.opening, 2.0)  # type: ignore[arg-type]
    assert not torch.allclose(answer(network, given)[0], plain)


def test_names_without_attention_are_those_of_the_checkpoint(
    small_sam: Sam, network: SpinalSam
) -> None:
    assert network.state_dict().keys() == small_sam.state_dict().keys()


def test_untrained_lora_keeps_the_answer(network: SpinalSam) -> None:
    given = image()
    plain, _ = answer(network, given)
    network.add_lora(rank=4)
    torch.testing.assert_close(answer(network, given)[0], plain)


def test_only_query_and_value_get_lora(network: SpinalSam) -> None:
    before = network.state_dict()
    fused = before["image_encoder.blocks.0.attn.qkv.weight"].clone()
    network.add_lora(rank=4)
    assert network.has_lora
    split = network.image_encoder.blocks[0].attn.qkv
    assert isinstance(split, SplitQkv)
    assert type(split.k) is torch.nn.Linear
    parts = (split.q.base_layer, split.k, split.v.base_layer)
    assert torch.equal(torch.cat([part.weight for part in parts]), fused)
    names = [name for name in network.state_dict() if "lora_" in name]
    assert len(names) == 2 * 2 * 2  # blocks, projections, factors


@pytest.mark.parametrize(("targets", "layers"), [("q", 1), ("qk", 2), ("qkv", 3)])
def test_targets_can_be_chosen(network: SpinalSam, targets: str, layers: int) -> None:
    network.add_lora(rank=2, targets=tuple(targets))
    assert sum("lora_A" in name for name in network.state_dict()) == 2 * layers


def open_lora(network: SpinalSam) -> None:
    for name, parameter in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.5)


def test_merged_lora_answers_like_the_layers_and_is_fused_again(
    network: SpinalSam,
) -> None:
    given, names = image(), network.state_dict().keys()
    plain, _ = answer(network, given)
    network.add_lora(rank=4, alpha=8)
    open_lora(network)
    with_layers, _ = answer(network, given)
    assert not torch.allclose(with_layers, plain, atol=1e-4)
    network.merge_lora()
    assert network.state_dict().keys() == names
    assert not network.has_lora
    torch.testing.assert_close(answer(network, given)[0], with_layers)


def test_lora_adds_b_times_a_scaled_by_alpha_over_rank(network: SpinalSam) -> None:
    key = "image_encoder.blocks.1.attn.qkv"
    base = network.state_dict()[f"{key}.weight"].clone()
    network.add_lora(rank=2, alpha=6)
    open_lora(network)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.merge_lora()
    merged = network.state_dict()[f"{key}.weight"]
    for row, projection in ((0, "q"), (2, "v")):
        start = f"{key}.{projection}.lora_"
        update = state[f"{start}B.default.weight"] @ state[f"{start}A.default.weight"]
        rows = slice(32 * row, 32 * (row + 1))
        torch.testing.assert_close(merged[rows], base[rows] + 3 * update)
    assert torch.equal(merged[32:64], base[32:64])


def test_lora_decoder_and_attention_are_trained_and_nothing_else(
    network: SpinalSam,
) -> None:
    network.add_attention()
    network.add_lora(rank=4)
    counts = {count.part: count for count in network.parameter_counts()}
    for part in ("lora", "attention", "mask_decoder"):
        assert counts[part].trainable == counts[part].total > 0
    for part in ("image_encoder", "prompt_encoder"):
        assert counts[part].trainable == 0 < counts[part].total
    assert counts["lora"].total == 2 * 2 * 2 * 32 * 4
    total = sum(count.total for count in counts.values())
    assert total == sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("rank", "targets", "message"),
    [(0, ("q",), "rank 0"), (2, ("x",), "x.*q, k, v"), (2, (), "nothing")],
)
def test_impossible_lora_is_refused(
    network: SpinalSam, rank: int, targets: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        network.add_lora(rank, targets=targets)


def test_second_lora_is_refused(network: SpinalSam) -> None:
    network.add_lora(2)
    with pytest.raises(InputError, match="already"):
        network.add_lora(2)


def test_other_image_size_gives_an_embedding_of_that_size(network: SpinalSam) -> None:
    network.set_image_size(96)
    assert network.image_size == 96
    given = 255 * torch.rand(1, 3, 96, 60)
    embedding = network.encode(network.preprocess(given))
    assert embedding.shape == (1, 16, 6, 6)
    logits, _ = network.decode(
        embedding, (torch.tensor([[[9.0, 9.0]]]), torch.tensor([[1]]))
    )
    assert logits.shape == (1, 4, 24, 24)


@pytest.mark.parametrize("size", [0, -16, 100])
def test_image_size_that_is_no_multiple_of_16_is_refused(
    network: SpinalSam, size: int
) -> None:
    with pytest.raises(InputError, match=str(size)):
        network.set_image_size(size)


def test_padding_is_zero_after_normalising(network: SpinalSam) -> None:
    padded = network.preprocess(torch.full((1, 3, 40, 64), 255.0))
    assert padded.shape == (1, 3, 64, 64)
    assert not padded[:, :, 40:].any()
    assert padded[0, 0, 0, 0] == pytest.approx((255 - 123.675) / 58.395)


@pytest.mark.parametrize(
    ("family", "tensors", "millions"),
    [
        ("sam_vit_b", 314, 93.735),
        ("sam_vit_l", 482, 312.343),
        ("sam_vit_h", 594, 641.091),
    ],
)
def test_families_have_the_published_sizes(
    family: str, tensors: int, millions: float
) -> None:
    with torch.device("meta"):
        network = build_sam(family)
    assert len(network.state_dict()) == tensors
    size = sum(parameter.numel() for parameter in network.parameters())
    assert size / 1e6 == pytest.approx(millions, abs=5e-4)
    assert network.image_size == 1024


def test_unknown_family_is_refused() -> None:
    with pytest.raises(ModelError, match=r"'vit_x'.*sam_vit_b"):
        build_sam("vit_x")
