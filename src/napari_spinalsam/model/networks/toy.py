"""A SAM so small that every step of its use can be tried without a download.

It has all parts of SAM and no trained weights, so that what it answers means nothing
until an adapter is trained on it, and little after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_spinalsam.model._native import shield_triton

if TYPE_CHECKING:
    from pathlib import Path

    from segment_anything.modeling import Sam

TOY_LICENCE = "CC0-1.0"


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


def write_toy_sam(path: Path, seed: int = 0) -> int:
    """Write a toy SAM's random weights, as a base to train an adapter on.

    Parameters
    ----------
    path : Path
        A .safetensors file; replaced as a whole if it exists.
    seed : int
        Of the weights; the same one gives the same file.

    Returns
    -------
    int
        Number of its parameters.

    Raises
    ------
    ModelError
        If the file cannot be written.
    """
    from napari_spinalsam.model.weights.checkpoint import write_safetensors

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sam = build_toy_sam()
    write_safetensors(sam.state_dict(), path, {"licence": TOY_LICENCE})
    return sum(parameter.numel() for parameter in sam.parameters())
