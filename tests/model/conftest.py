"""Small real networks with fixed random weights."""

import pytest
import torch
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)

from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.intensity import Window
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.model.backend import ModelRecord
from napari_spinalsam.model.sam import SpinalSam
from napari_spinalsam.model.tiny import SpinalSamTiny
from tests.model.helpers import SHAPE, SPACING, TINY_CONFIG, noise


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    torch.manual_seed(0)


@pytest.fixture
def small_sam() -> Sam:
    """SAM of 131,912 parameters for images of 64 pixels."""
    return build_small_sam()


def build_small_sam(checkpoint: None = None) -> Sam:
    encoder = ImageEncoderViT(
        img_size=64,
        patch_size=16,
        embed_dim=32,
        depth=2,
        num_heads=2,
        out_chans=16,
        qkv_bias=True,
        use_rel_pos=True,
        window_size=2,
        global_attn_indexes=(1,),
    )
    prompt_encoder = PromptEncoder(
        embed_dim=16,
        image_embedding_size=(4, 4),
        input_image_size=(64, 64),
        mask_in_chans=8,
    )
    decoder = MaskDecoder(
        num_multimask_outputs=3,
        transformer=TwoWayTransformer(
            depth=1, embedding_dim=16, mlp_dim=32, num_heads=2
        ),
        transformer_dim=16,
    )
    return Sam(encoder, prompt_encoder, decoder).eval()


@pytest.fixture
def network(small_sam: Sam) -> SpinalSam:
    """The same SAM, composed by us."""
    return SpinalSam(
        small_sam.image_encoder, small_sam.prompt_encoder, small_sam.mask_decoder
    ).eval()


@pytest.fixture
def tiny() -> SpinalSamTiny:
    """The bundled network, much narrower and untrained."""
    return SpinalSamTiny(TINY_CONFIG).eval()


@pytest.fixture
def record() -> ModelRecord:
    return ModelRecord("small", "sam_vit_b", "ab" * 32, "CC0-1.0", 1)


@pytest.fixture
def volume() -> Volume:
    """Noise with anisotropic spacing."""
    geometry = Geometry.from_spacing(SHAPE, SPACING)
    return Volume.from_geometry(noise(*SHAPE), geometry)


@pytest.fixture
def window() -> Window:
    return Window(level=0.5, width=1.0)
