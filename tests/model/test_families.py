import pytest
import torch
from segment_anything import sam_model_registry

from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.model.networks.tiny import SpinalSamTiny
from napari_spinalsam.model.weights.identify import Family, check_supported, identify

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
