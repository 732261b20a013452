"""The bundled network: SAM's contract (encode once, prompt many) with small parts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_spinalsam.model.networks.cbam import CBAM

EMBEDDING_STRIDE = 2
SIZE_MULTIPLE = 16
CANDIDATES = 3
# What cells vote to be.
KINDS = 3
BONE, DISC, CANAL = range(KINDS)
VOTE_RADIUS = 14.0
# How much all positive points say of the kind that is meant, beside the first one.
OTHERS_SAY = 0.5
PROMPT_CHANNELS = 23
OFFSET_UNIT = 16.0
# A network that knows nothing of discs and canal yet says that there are none.
UNSEEN_LOGIT = -4.0


@dataclass(frozen=True, slots=True)
class TinyConfig:
    """What fixes the shape of the network's weights.

    Parameters
    ----------
    widths : tuple of int
        Channels of the encoder at strides 2, 4, 8 and 16.
    blocks : tuple of int
        Residual blocks at the same strides.
    decoder_widths : tuple of int
        Channels of the prompt decoder at strides 2, 4 and 8.
    cbam : bool
        Whether the attention module stands between encoder and decoder.
    signed_gate : bool
        Whether its share has the form of older files; see `cbam.CBAM`.
    """

    widths: tuple[int, ...] = (32, 64, 96, 128)
    blocks: tuple[int, ...] = (1, 2, 2, 2)
    decoder_widths: tuple[int, int, int] = (32, 48, 64)
    cbam: bool = True
    signed_gate: bool = False


def conv_norm(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Module:
    """Return convolution, batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation around a skip.

    The block starts as the identity, so that one added to a trained network leaves
    it as it was.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv_norm(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape (B, C, H, W)."""
        return F.relu(features + self.norm(self.second(self.first(features))))


def resize_like(features: Tensor, like: Tensor) -> Tensor:
    """Resize a map (B, C, h, w) bilinearly to the height and width of another."""
    return F.interpolate(
        features, size=like.shape[-2:], mode="bilinear", align_corners=False
    )


class TinyEncoder(nn.Module):
    """Residual U-Net from the image to an embedding at half resolution."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        widths, blocks = config.widths, config.blocks
        self.stem = conv_norm(3 * EMBEDDING_STRIDE**2, widths[0])
        self.stages = nn.ModuleList(
            nn.Sequential(*[ResidualBlock(width) for _ in range(count)])
            for width, count in zip(widths, blocks, strict=True)
        )
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(conv_norm(a, b, stride=2) for a, b in pairs)
        self.lateral = nn.ModuleList(nn.Conv2d(a + b, a, 1) for a, b in pairs)
        self.fuse = nn.ModuleList(conv_norm(a, a) for a, _ in pairs)

    def forward(self, image: Tensor) -> Tensor:
        """Embed images (B, 3, H, W), H and W multiples of 16, as (B, C, H/2, W/2)."""
        features: Tensor = self.stem(F.pixel_unshuffle(image, EMBEDDING_STRIDE))
        levels = [self.stages[0](features)]
        for down, stage in zip(self.down, self.stages[1:], strict=True):
            levels.append(stage(down(levels[-1])))
        features = levels.pop()
        for level in reversed(range(len(levels))):
            joined = torch.cat(
                [levels[level], resize_like(features, levels[level])], dim=1
            )
            features = self.fuse[level](self.lateral[level](joined))
        return features


def cell_centres(like: Tensor) -> Tensor:
    """Return the (x, y) pixel centres of the cells of a map, shape (1, 2, h, w)."""
    height, width = like.shape[-2:]
    half = (EMBEDDING_STRIDE - 1) / 2
    y = torch.arange(height, device=like.device, dtype=like.dtype)
    x = torch.arange(width, device=like.device, dtype=like.dtype)
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([grid_x, grid_y])[None] * EMBEDDING_STRIDE + half


@dataclass(frozen=True, slots=True)
class PromptBatch:
    """Prompts of B masks, (x, y) pixels counted from the embedding's corner.

    Parameters
    ----------
    point_coords : Tensor, shape (B, N, 2)
        Points; N may be zero.
    point_labels : Tensor, shape (B, N)
        1 positive, 0 negative, -1 padding.
    boxes : Tensor, shape (B, 4)
        x_min, y_min, x_max, y_max; NaN where there is no box.
    mask_input : Tensor or None, shape (B, 1, H/2, W/2)
        Logits of an earlier prediction; NaN where there is none.
    """

    point_coords: Tensor
    point_labels: Tensor
    boxes: Tensor
    mask_input: Tensor | None = None


class TinyDecoder(nn.Module):
    """Prompt maps and embedding to three candidate masks and their predicted IoU.

    Parameters
    ----------
    channels : int
        Channels of the embedding.
    widths : tuple of int
        Channels at strides 2, 4 and 8.
    """

    def __init__(self, channels: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        first, second, third = widths
        self.enter = nn.Sequential(conv_norm(channels + PROMPT_CHANNELS, first, 1))
        self.at2 = conv_norm(first, first)
        self.at4 = nn.Sequential(
            conv_norm(first, second, stride=2), conv_norm(second, second)
        )
        self.at8 = nn.Sequential(
            conv_norm(second, third, stride=2),
            conv_norm(third, third),
            conv_norm(third, third),
        )
        self.join4 = nn.Sequential(
            nn.Conv2d(second + third, second, 1), conv_norm(second, second)
        )
        self.join2 = nn.Sequential(
            nn.Conv2d(first + second, first, 1), conv_norm(first, first)
        )
        self.masks = nn.Conv2d(first, CANDIDATES, 1)
        nn.init.zeros_(self.masks.weight)
        self.masks.bias = nn.Parameter(torch.zeros(CANDIDATES))
        self.iou = nn.Sequential(
            nn.Linear(CANDIDATES * (first + 1) + third, 64),
            nn.ReLU(),
            nn.Linear(64, CANDIDATES),
        )

    def forward(
        self,
        features: Tensor,
        kinds: Tensor,
        centres: Tensor,
        prompts: PromptBatch,
    ) -> tuple[Tensor, Tensor]:
        """Return logits (B, 3, h, w) and predicted IoU (B, 3); see SpinalSamTiny."""
        maps, prior = prompt_maps(kinds.detach(), centres.detach(), prompts)
        at2 = self.at2(self.enter(torch.cat([features, maps], dim=1)))
        at4 = self.at4(at2)
        at8 = self.at8(at4)
        up4 = self.join4(torch.cat([at4, resize_like(at8, at4)], dim=1))
        up2 = self.join2(torch.cat([at2, resize_like(up4, at2)], dim=1))
        logits = prior + self.masks(up2)
        return logits, self._predict_iou(logits.detach(), up2, at8)

    def _predict_iou(self, logits: Tensor, features: Tensor, deep: Tensor) -> Tensor:
        """Estimate IoU from what lies under each mask and around it."""
        probability = torch.sigmoid(logits)
        area = probability.flatten(2).sum(-1).clamp(min=1.0)
        under = torch.einsum("bchw,bkhw->bkc", features, probability) / area[..., None]
        certainty = (probability * probability).flatten(2).sum(-1) / area
        pooled = torch.cat([under.flatten(1), certainty, deep.mean(dim=(2, 3))], dim=1)
        return torch.sigmoid(self.iou(pooled))


def prompt_maps(
    kinds: Tensor, centres: Tensor, prompts: PromptBatch
) -> tuple[Tensor, Tensor]:
    """Draw prompts and votes on the grid of the embedding.

    Parameters
    ----------
    kinds : Tensor, shape (B, 3, h, w)
        Logits of bone of the spine, of discs and of the canal.
    centres : Tensor, shape (B, 2, h, w)
        Voted centres (x, y) in pixels.
    prompts : PromptBatch
        Prompts in the same pixels.

    Returns
    -------
    maps : Tensor, shape (B, 23, h, w)
        Input channels of the decoder, of order one.
    prior : Tensor, shape (B, 3, h, w)
        Logits of the masks that the votes alone give.
    """
    cells = cell_centres(kinds)
    points, boxes = prompts.point_coords, prompts.boxes
    probabilities = torch.sigmoid(kinds)
    positive = (prompts.point_labels == 1).to(kinds)
    negative = (prompts.point_labels == 0).to(kinds)
    box_maps, inside = _box_maps(cells, boxes)
    mask, has_mask = _mask_maps(kinds[:, :1], prompts.mask_input)
    at_prompt = _at_prompt(
        torch.cat([centres, probabilities], dim=1),
        points,
        positive,
        boxes,
        inside,
        mask,
    )
    anchor = at_prompt[:, :2]
    meant_kind = at_prompt[:, 2:].argmax(1, keepdim=True).expand_as(kinds[:, :1])
    foreground = kinds.gather(1, meant_kind)
    probability = probabilities.gather(1, meant_kind)
    others = (probabilities.sum(1, keepdim=True) - probability).clamp(max=1)
    toward = (centres - anchor) / VOTE_RADIUS
    distance = toward.square().sum(1, keepdim=True).add(1e-6).sqrt()
    near_negative = _vote_similarity(centres, points, negative)
    maps = [
        probability,
        toward.clamp(-4, 4),
        distance.clamp(max=4),
        torch.exp(-2 * distance.square()),
        near_negative,
        _gaussians(cells, points, positive, 2.0),
        _gaussians(cells, points, positive, 10.0),
        _gaussians(cells, points, negative, 2.0),
        _gaussians(cells, points, negative, 10.0),
        box_maps,
        mask,
        has_mask,
        _flag(positive.sum(1) > 0, foreground),
        _flag(negative.sum(1) > 0, foreground),
        (cells - anchor).div(32.0).clamp(-3, 3),
        others,
    ]
    near = 4.0 * (1.0 - distance)
    # There is one canal alone, and its pixels vote for themselves.
    near = torch.where(meant_kind == CANAL, 4.0, near)
    whole = torch.minimum(foreground, near)
    prior = torch.cat([whole, whole, foreground], dim=1).clamp(-8, 8)
    return torch.cat(maps, dim=1), prior


def _flag(value: Tensor, like: Tensor) -> Tensor:
    return value.to(like)[:, None, None, None].expand(-1, 1, *like.shape[-2:])


def _gaussians(cells: Tensor, points: Tensor, weight: Tensor, sigma: float) -> Tensor:
    """Draw the strongest of the weighted points' bumps, shape (B, 1, h, w)."""
    if points.shape[1] == 0:
        return cells.new_zeros(len(points), 1, *cells.shape[-2:])
    away = (cells[:, None] - points[..., None, None]).square().sum(2)
    bumps = torch.exp(-away / (2 * sigma**2)) * weight[..., None, None]
    return bumps.amax(1, keepdim=True)


def _sample_votes(values: Tensor, points: Tensor) -> Tensor:
    """Read a map at each point, shape (B, N, C)."""
    height, width = values.shape[-2:]
    size = points.new_tensor([width, height])
    grid = ((points + 0.5) / size) - 1.0
    sampled = F.grid_sample(
        values,
        grid[:, None],
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    return sampled[:, :, 0].transpose(1, 2)


def _vote_similarity(centres: Tensor, points: Tensor, weight: Tensor) -> Tensor:
    if points.shape[1] == 0:
        return centres.new_zeros(len(points), 1, *centres.shape[-2:])
    votes = _sample_votes(centres, points)
    return _gaussians(centres, votes, weight, VOTE_RADIUS / 2)


def _box_maps(cells: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Return signed distances to the sides, inside and flag (6), and inside (1)."""
    has_box = torch.isfinite(boxes).all(1)
    known = torch.nan_to_num(boxes)[:, :, None, None]
    x, y = cells[:, 0], cells[:, 1]
    sides = torch.stack(
        [x - known[:, 0], y - known[:, 1], known[:, 2] - x, known[:, 3] - y], dim=1
    )
    flag = has_box.to(cells)[:, None, None, None]
    inside = (sides.amin(1, keepdim=True) > -1.0).to(cells) * flag
    sides = (sides / 8.0).clamp(-2, 2) * flag
    return torch.cat([sides, inside, flag.expand_as(inside)], dim=1), inside


def _mask_maps(like: Tensor, mask_input: Tensor | None) -> tuple[Tensor, Tensor]:
    if mask_input is None:
        empty = torch.zeros_like(like)
        return empty, empty
    has_mask = torch.isfinite(mask_input).flatten(1).all(1)
    mask = torch.tanh(torch.nan_to_num(mask_input) / 4.0)
    flag = _flag(has_mask, like)
    return mask * flag, flag


def _at_prompt(
    votes: Tensor,
    points: Tensor,
    positive: Tensor,
    boxes: Tensor,
    inside: Tensor,
    mask: Tensor,
) -> Tensor:
    """Return what the prompt means: centre (x, y) and kinds, shape (B, 5, 1, 1).

    Positive points vote first; else the foreground inside of the box, the more the
    closer its votes lie to the box's middle; else the foreground of the mask input.
    """
    centres, probability = votes[:, :2], votes[:, 2:].amax(1, keepdim=True)
    known = torch.nan_to_num(boxes)
    middle = (known[:, :2] + known[:, 2:])[:, :, None, None] / 2
    reach = (known[:, 2:] - known[:, :2]).amax(1).clamp(min=8.0)[:, None, None, None]
    nearness = (centres - middle).square().sum(1, keepdim=True)
    in_box = inside * probability * torch.exp(-nearness / (2 * (0.3 * reach) ** 2))
    in_mask = mask.clamp(min=0) * probability + 1e-6
    weight = torch.where(
        _flag(torch.isfinite(boxes).all(1), in_box) > 0, in_box, in_mask
    )
    weight = weight + 1e-9
    meant = (votes * weight).sum(dim=(2, 3)) / weight.sum(dim=(2, 3))
    if points.shape[1]:
        at_points = _of_points(_sample_votes(votes, points), positive)
        meant = torch.where(positive.sum(1, keepdim=True) > 0, at_points, meant)
    return meant[:, :, None, None]


def _of_points(sampled: Tensor, positive: Tensor) -> Tensor:
    """Return the centre and the kinds that positive points mean together, (B, 5).

    The first one says what is meant: later ones correct a border, where the votes are
    those of the neighbour as often as not. Where it is unsure, all of them say it.
    """
    count = positive.sum(1, keepdim=True).clamp(min=1.0)
    mean = (sampled * positive[..., None]).sum(1) / count
    first = positive.argmax(1)[:, None, None].expand(-1, 1, sampled.shape[2])
    kinds = sampled.gather(1, first)[:, 0, 2:] + OTHERS_SAY * mean[:, 2:]
    return torch.cat([mean[:, :2], kinds], dim=1)


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
