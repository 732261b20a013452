"""A SAM so small that every step of its use can be tried without a download.

It has all parts of SAM and no trained weights, so that what it answers means nothing
until an adapter is trained on it, and little after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam.model._native import shield_triton

if TYPE_CHECKING:
    from segment_anything.modeling import Sam


def build_toy_sam() -> Sam:
    """Build a SAM of 131,912 random parameters for images of 64 pixels."""
    shield_triton()
    from segment_anything.modeling import (
        ImageEncoderViT,
        MaskDecoder,
        PromptEncoder,
        Sam,
        TwoWayTransformer,
    )

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
