"""Families told by tensors, and tensors compared with a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from segment_anything import sam_model_registry

from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.model.weights.identify import (
    Family,
    GroupCount,
    ShapeMismatch,
    check_supported,
    compare,
    group_of,
    identify,
    load_parameters,
)

if TYPE_CHECKING:
    from napari_spinalsam.model.networks.sam import SpinalSam
    from napari_spinalsam.model.networks.tiny import SpinalSamTiny

Tensors = dict[str, torch.Tensor]


def meta(*shape: int) -> torch.Tensor:
    return torch.empty(shape, device="meta")


@pytest.fixture(scope="module")
def sam_b() -> Tensors:
    with torch.device("meta"):
        return dict(sam_model_registry["vit_b"]().state_dict())


@pytest.mark.parametrize(
    ("builder", "family"),
    [("vit_b", Family.SAM_B), ("vit_l", Family.SAM_L), ("vit_h", Family.SAM_H)],
)
def test_each_sam_is_told_by_its_encoder(builder: str, family: Family) -> None:
    with torch.device("meta"):
        found = identify(sam_model_registry[builder]().state_dict())
    assert found.family is family
    assert found.image_size == 1024


def test_bundled_network_is_recognised(tiny: SpinalSamTiny) -> None:
    assert identify(tiny.state_dict()).family is Family.TINY


OTHERS: list[tuple[str, Tensors, Family]] = [
    (
        "MobileSAM",
        {"image_encoder.patch_embed.seq.0.c.weight": meta(32, 3, 3, 3)},
        Family.MOBILE_SAM,
    ),
    (
        "LiteMedSAM",
        {"image_encoder.patch_embed.seq.0.c.weight": meta(32, 3, 1, 1)},
        Family.LITE_MED_SAM,
    ),
    (
        "SAM-Med2D",
        {
            "image_encoder.patch_embed.proj.weight": meta(768, 3, 16, 16),
            "image_encoder.blocks.0.Adapter.norm.weight": meta(768),
        },
        Family.SAM_MED_2D,
    ),
    (
        "MA-SAM",
        {"q_FacTs_000": meta(32, 32), "FacTu.weight": meta(32, 1280)},
        Family.MA_SAM,
    ),
    (
        "SAMed",
        {"w_a_000": meta(4, 768), "mask_decoder.mask_tokens.weight": meta(9, 256)},
        Family.SAMED,
    ),
    ("LoRA", {"w_a_000": meta(4, 768), "w_b_000": meta(768, 4)}, Family.LORA_ONLY),
    (
        "transformers",
        {"vision_encoder.pos_embed": meta(1, 64, 64, 768)},
        Family.TRANSFORMERS,
    ),
    ("unknown", {"conv.weight": meta(3, 3)}, Family.UNKNOWN),
]


@pytest.mark.parametrize(
    ("tensors", "family"),
    [case[1:] for case in OTHERS],
    ids=[case[0] for case in OTHERS],
)
def test_other_families_are_recognised(tensors: Tensors, family: Family) -> None:
    assert identify(tensors).family is family


def test_sam_with_classes_is_not_taken_for_promptable(sam_b: Tensors) -> None:
    changed = sam_b | {"mask_decoder.mask_tokens.weight": meta(9, 256)}
    assert identify(changed).family is Family.SEMANTIC


def test_sam_med2d_with_its_whole_encoder_is_not_taken_for_sam(sam_b: Tensors) -> None:
    adapted = sam_b | {
        "image_encoder.blocks.0.Adapter.norm.weight": meta(768),
        "image_encoder.pos_embed": meta(1, 16, 16, 768),
    }
    found = identify(adapted)
    assert found.family is Family.SAM_MED_2D
    assert found.image_size == 256


def test_missing_blocks_make_a_sam_unknown(sam_b: Tensors) -> None:
    cut = {name: value for name, value in sam_b.items() if ".blocks.11." not in name}
    assert identify(cut).family is Family.UNKNOWN


@pytest.mark.parametrize(
    "family",
    [Family.TINY, Family.SAM_B, Family.SAM_L, Family.SAM_H, Family.SAM_TOY],
)
def test_usable_families_pass(family: Family) -> None:
    check_supported(family, "file.pth")


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (Family.MED_SAM, "MedSAM"),
        (Family.SAM_MED_2D, "SAM-Med2D"),
        (Family.MOBILE_SAM, "MobileSAM"),
        (Family.LITE_MED_SAM, "LiteMedSAM"),
        (Family.SAMED, "SAMed"),
        (Family.MA_SAM, "MA-SAM"),
        (Family.TRANSFORMERS, "transformers"),
        (Family.SEMANTIC, "classes"),
        (Family.LORA_ONLY, "adapter.*base"),
        (Family.UNKNOWN, "no model of a known family"),
    ],
)
def test_other_families_are_refused_by_name(family: Family, message: str) -> None:
    with pytest.raises(ModelError, match=f"file.pth.*{message}"):
        check_supported(family, "file.pth")


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
