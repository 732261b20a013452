import pytest
import torch

from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.model.networks.sam import SpinalSam
from napari_spinalsam.model.weights.identify import (
    GroupCount,
    ShapeMismatch,
    compare,
    group_of,
    load_parameters,
)

KEY = "image_encoder.blocks.1.attn.qkv.bias"
Tensors = dict[str, torch.Tensor]


@pytest.fixture
def tensors(network: SpinalSam) -> Tensors:
    return {name: torch.ones_like(t) for name, t in network.state_dict().items()}


def test_whole_file_is_complete(network: SpinalSam, tensors: Tensors) -> None:
    report = compare(network.state_dict(), tensors)
    assert report.complete
    assert len(report.matched) == len(tensors)
    assert f"{len(tensors)} of {len(tensors)} tensors matched" in report.summary()


def test_each_kind_of_difference_is_listed(
    network: SpinalSam, tensors: Tensors
) -> None:
    del tensors["image_encoder.pos_embed"]
    tensors["head.weight"] = torch.ones(1)
    tensors[KEY] = torch.ones(7)
    half = "mask_decoder.iou_token.weight"
    tensors[half] = tensors[half].half()
    report = compare(network.state_dict(), tensors)
    assert report.missing == ("image_encoder.pos_embed",)
    assert report.unexpected == ("head.weight",)
    assert report.shape_mismatched == (ShapeMismatch(KEY, (96,), (7,)),)
    assert report.other_dtype == (half,)
    assert len(report.matched) == len(network.state_dict()) - 2
    assert not report.complete


def test_differences_are_counted_for_each_part(
    network: SpinalSam, tensors: Tensors
) -> None:
    tensors[KEY] = torch.ones(7)
    del tensors["prompt_encoder.no_mask_embed.weight"]
    groups = {
        group.group: group for group in compare(network.state_dict(), tensors).groups()
    }
    assert groups["image_encoder.blocks.1"] == GroupCount(
        "image_encoder.blocks.1", matched=13, shape_mismatched=1
    )
    assert groups["prompt_encoder"].missing == 1
    assert groups["prompt_encoder"].matched == 16
    assert groups["image_encoder.neck"].matched == 6


@pytest.mark.parametrize(
    ("name", "group"),
    [
        (KEY, "image_encoder.blocks.1"),
        ("image_encoder.neck.0.weight", "image_encoder.neck"),
        ("mask_decoder.transformer.layers.0.mlp.lin1.bias", "mask_decoder"),
        ("encoder.stem.0.weight", "encoder.stem"),
    ],
)
def test_groups_are_blocks_and_parts(name: str, group: str) -> None:
    assert group_of(name) == group


def test_loading_takes_every_number_and_converts_its_type(
    network: SpinalSam, tensors: Tensors
) -> None:
    halves = {name: tensor.half() for name, tensor in tensors.items()}
    load_parameters(network, halves, "file.pth")
    for tensor in network.state_dict().values():
        assert tensor.dtype == torch.float32
        assert (tensor == 1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({KEY: None}, "1 missing.*missing image_encoder.blocks.1"),
        ({KEY: torch.ones(7)}, r"1 of another shape.*has \(7,\) in place of \(96,\)"),
        ({"head.weight": torch.ones(1)}, "1 unexpected.*unexpected head.weight"),
        ({KEY: torch.full((96,), torch.nan)}, "not finite"),
    ],
)
def test_network_stays_as_it_was_if_not_all_fits(
    network: SpinalSam,
    tensors: Tensors,
    change: dict[str, torch.Tensor | None],
    message: str,
) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    given = {
        name: tensor
        for name, tensor in (tensors | change).items()
        if tensor is not None
    }
    with pytest.raises(ModelError, match=message) as caught:
        load_parameters(network, given, "file.pth")
    assert str(caught.value).startswith("file.pth")
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_long_lists_are_cut_in_the_sentence(network: SpinalSam) -> None:
    with pytest.raises(ModelError, match=r"and \d+ more"):
        load_parameters(network, {}, "file.pth")
