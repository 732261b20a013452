"""The bundled network: SAM's contract (encode once, prompt many) with small parts.

The encoder is a residual U-Net whose embedding, at half resolution, also predicts
for each pixel whether it is bone of the spine, disc or canal, and the way to the
centre of its structure in that slice. The prompt decoder compares these votes with
the vote at the prompt.
Images come in at about 1 mm per pixel; coordinates in this file are SAM's (x, y).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_spinalsam.model.cbam import CBAM
from napari_spinalsam.model.tiny_decoder import KINDS, PromptBatch, TinyDecoder
from napari_spinalsam.model.tiny_encoder import (
    EMBEDDING_STRIDE,
    TinyConfig,
    TinyEncoder,
    cell_centres,
)

OFFSET_UNIT = 16.0
# A network that knows nothing of discs and canal yet says that there are none.
UNSEEN_LOGIT = -4.0


@dataclass(frozen=True, slots=True)
class TinyEmbedding:
    """What the encoder knows of an image before any prompt.

    Parameters
    ----------
    features : Tensor, shape (B, C, H/2, W/2)
        The image embedding.
    kinds : Tensor, shape (B, 3, H/2, W/2)
        Logits of bone of the spine, of discs and of the canal.
    centres : Tensor, shape (B, 2, H/2, W/2)
        Voted centre (x, y) of the structure that each cell belongs to, in pixels.
    """

    features: Tensor
    kinds: Tensor
    centres: Tensor

    def crop(self, rows: slice, cols: slice) -> TinyEmbedding:
        """Return a window of cells, its centres counted from the window's corner."""
        corner = self.centres.new_tensor([cols.start, rows.start]) * EMBEDDING_STRIDE
        return TinyEmbedding(
            self.features[:, :, rows, cols],
            self.kinds[:, :, rows, cols],
            self.centres[:, :, rows, cols] - corner[:, None, None],
        )

    def repeat(self, index: Tensor) -> TinyEmbedding:
        """Return one embedding per prompt, `index` naming the image of each."""
        return TinyEmbedding(
            self.features[index], self.kinds[index], self.centres[index]
        )

    def detach(self) -> TinyEmbedding:
        """Return the embedding cut off from the gradient."""
        return TinyEmbedding(
            self.features.detach(), self.kinds.detach(), self.centres.detach()
        )


class SpinalSamTiny(nn.Module):
    """Encoder, CBAM, dense votes and prompt decoder.

    Parameters
    ----------
    config : TinyConfig
        The shape of the weights.
    """

    def __init__(self, config: TinyConfig | None = None) -> None:
        super().__init__()
        self.config = config or TinyConfig()
        channels = self.config.widths[0]
        self.encoder = TinyEncoder(self.config)
        self.attention: nn.Module = nn.Identity()
        if self.config.cbam:
            self.attention = CBAM(channels, signed=self.config.signed_gate)
        self.votes = nn.Conv2d(channels, 2 + KINDS, 1)
        bias = torch.zeros(2 + KINDS)
        bias[3:] = UNSEEN_LOGIT
        self.votes.bias = nn.Parameter(bias)
        self.decoder = TinyDecoder(channels, self.config.decoder_widths)

    def encode(self, image: Tensor) -> TinyEmbedding:
        """Embed images once, for any number of prompts.

        Parameters
        ----------
        image : Tensor, shape (B, 3, H, W)
            The slice between its neighbours, windowed to 0..1, at about 1 mm a pixel;
            H and W multiples of 16.
        """
        features = self.attention(self.encoder((image - 0.5) / 0.25))
        # In full precision, whatever the rest computes in: places are told by them.
        votes = self.votes(features).float()
        kinds = torch.cat([votes[:, :1], votes[:, 3:]], dim=1)
        centres = cell_centres(votes) + OFFSET_UNIT * votes[:, 1:3]
        return TinyEmbedding(features, kinds, centres)

    def decode(
        self, embedding: TinyEmbedding, prompts: PromptBatch
    ) -> tuple[Tensor, Tensor]:
        """Answer one prompt set per embedding.

        Returns
        -------
        logits : Tensor, shape (B, 3, H/2, W/2)
            Candidates: the part that was pointed at, the whole structure in this
            slice, all structures of its kind.
        predicted_iou : Tensor, shape (B, 3)
            Estimated IoU of each with what the prompt means.
        """
        logits, iou = self.decoder(
            embedding.features, embedding.kinds, embedding.centres, prompts
        )
        return logits, iou
