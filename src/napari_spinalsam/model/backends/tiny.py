"""The bundled network behind numpy: its pixels, and a window around the prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from skimage.morphology import remove_small_holes, remove_small_objects

from napari_spinalsam.core.prompts import Polarity, SlicePrompts
from napari_spinalsam.model.backends.base import DenseVotes, ResizedSlice
from napari_spinalsam.model.networks.tiny import (
    BONE,
    DISC,
    EMBEDDING_STRIDE,
    SIZE_MULTIPLE,
    PromptBatch,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.model.backends.base import ModelRecord
    from napari_spinalsam.model.networks.tiny import SpinalSamTiny, TinyEmbedding

# Size of the network's pixels. Training saw 0.75 to 1.35 mm; the thin bone of facets
# and arches is told apart better at the fine end.
PIXEL_MM = 0.83
# Longest side of the network's image; larger slices are seen at coarser pixels.
MAX_PIXELS = 512
# The decoder sees at least so many pixels, and so many around the prompts.
WINDOW_PIXELS = 192
MARGIN_PIXELS = 48
OUTSIDE_LOGIT = -10.0
# Votes from here on count for how sure the network is of what it sees.
PERHAPS_BONE = 0.2
HOLE_MM2 = 100.0
SPECK_MM2 = 15.0


@dataclass(frozen=True, slots=True)
class TinySliceEmbedding(ResizedSlice):
    """An encoded slice.

    Parameters
    ----------
    tensors : TinyEmbedding
        Batch of one.
    """

    tensors: TinyEmbedding

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        tensors = self.tensors
        return sum(
            tensor.element_size() * tensor.nelement()
            for tensor in (tensors.features, tensors.kinds, tensors.centres)
        )


class TinyBackend:
    """Serves SpinalSamTiny.

    Parameters
    ----------
    network : SpinalSamTiny
        With its weights.
    record : ModelRecord
        Where they come from.
    device : str
        Torch device.
    """

    pixel_mm = PIXEL_MM

    def __init__(
        self, network: SpinalSamTiny, record: ModelRecord, device: str
    ) -> None:
        self.record, self.device = record, device
        self._network = network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def encode(
        self, stack: NDArray[np.float32], spacing: tuple[float, float]
    ) -> TinySliceEmbedding:
        """Embed a slice; see Backend."""
        shape = (stack.shape[1], stack.shape[2])
        size = _image_size(shape, spacing)
        image = torch.from_numpy(np.ascontiguousarray(stack))[None].to(self.device)
        image = F.interpolate(
            image, size=size, mode="bilinear", align_corners=False, antialias=True
        )
        return TinySliceEmbedding(shape, size, self._network.encode(_padded(image)))

    @torch.inference_mode()
    def votes(self, images: NDArray[np.float32]) -> DenseVotes:
        """Vote on slices; see VotingBackend."""
        rows, cols = (n // EMBEDDING_STRIDE for n in images.shape[2:])
        batch = torch.from_numpy(images).to(self.device)
        embedding = self._network.encode(_padded(batch))
        kinds = embedding.kinds[:, :, :rows, :cols].float().cpu().numpy()
        centres = embedding.centres[:, :, :rows, :cols].flip(1)
        return DenseVotes(kinds[:, BONE], centres.float().cpu().numpy(), kinds[:, DISC])

    @torch.inference_mode()
    def decode(
        self,
        embedding: TinySliceEmbedding,
        prompts: SlicePrompts,
        mask_input: NDArray[np.float32] | None,
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]:
        """Answer prompts; see Backend. A low-res logit stands for 2 x 2 pixels."""
        points, labels, box = _coordinates(embedding, prompts)
        height, width = embedding.tensors.kinds.shape[2:]
        cells = int(height), int(width)
        rows, cols = _window(np.concatenate([points, box.reshape(-1, 2)]), cells)
        corner = np.array([cols.start, rows.start], np.float32) * EMBEDDING_STRIDE
        mask = None
        if mask_input is not None:
            mask = torch.from_numpy(mask_input[rows, cols])[None, None].to(self.device)
        batch = PromptBatch(
            torch.from_numpy(points - corner)[None].to(self.device),
            torch.from_numpy(labels)[None].to(self.device),
            torch.from_numpy(box - np.tile(corner, 2))[None].to(self.device),
            mask,
        )
        logits, iou = self._network.decode(embedding.tensors.crop(rows, cols), batch)
        full = logits.new_full((1, logits.shape[1], *cells), OUTSIDE_LOGIT)
        full[:, :, rows, cols] = logits
        masks = (_to_slice(full, embedding) > 0)[0].cpu().numpy()
        return (
            _tidy(masks, embedding),
            iou[0].float().cpu().numpy(),
            full[0].float().cpu().numpy(),
        )

    def low_res_shape(self, embedding: TinySliceEmbedding) -> tuple[int, int]:
        """Return rows and columns of the cells; see SizingBackend."""
        rows, cols = embedding.tensors.kinds.shape[2:]
        return int(rows), int(cols)

    @torch.inference_mode()
    def certainty(self, embedding: TinySliceEmbedding) -> float:
        """Return how far the votes for bone are from a half, where there may be some.

        See SizingBackend.
        """
        rows, cols = (-(-n // EMBEDDING_STRIDE) for n in embedding.size)
        bone = torch.sigmoid(embedding.tensors.kinds[0, BONE, :rows, :cols].float())
        perhaps = bone[bone > PERHAPS_BONE]
        return float((2 * (perhaps - 0.5).abs()).mean()) if perhaps.numel() else 0.0

    def to_low_res(
        self, embedding: TinySliceEmbedding, logits: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Bring logits to the cells; see Backend."""
        rows, cols = embedding.tensors.kinds.shape[2:]
        side = (rows * EMBEDDING_STRIDE, cols * EMBEDDING_STRIDE)
        return embedding.low_res(logits, side, EMBEDDING_STRIDE, OUTSIDE_LOGIT)


def _padded(image: torch.Tensor) -> torch.Tensor:
    """Return images with the rows and columns that the encoder needs."""
    bottom, right = ((-n) % SIZE_MULTIPLE for n in image.shape[2:])
    image = F.pad(image, (0, right, 0, bottom))
    return image.contiguous(memory_format=torch.channels_last)


def _image_size(
    shape: tuple[int, int], spacing: tuple[float, float]
) -> tuple[int, int]:
    """Return rows and columns of the network's image, see PIXEL_MM and MAX_PIXELS."""
    extent = np.array(shape) * np.array(spacing) / PIXEL_MM
    extent = extent * min(1.0, MAX_PIXELS / extent.max())
    rows, cols = np.maximum(np.rint(extent), 1).astype(int)
    return int(rows), int(cols)


def _coordinates(
    embedding: TinySliceEmbedding, prompts: SlicePrompts
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Return points (N, 2), labels (N,) and box (4,) in pixels of the image."""
    at = np.array([(point.row, point.col) for point in prompts.points], float)
    points = embedding.to_model(at.reshape(-1, 2))
    labels = np.array(
        [int(point.polarity is Polarity.POSITIVE) for point in prompts.points], np.int64
    )
    if prompts.box is None:
        return points, labels, np.full(4, np.nan, np.float32)
    box = prompts.box
    corners = np.array([(box.row_min, box.col_min), (box.row_max, box.col_max)])
    return points, labels, embedding.to_model(corners).reshape(4)


def _window(
    coordinates: NDArray[np.float32], cells: tuple[int, int]
) -> tuple[slice, slice]:
    """Return the rows and columns of cells that the decoder looks at."""
    known = coordinates[np.isfinite(coordinates).all(1)][:, ::-1] / EMBEDDING_STRIDE
    low, high = known.min(0), known.max(0)
    least, margin = (n / EMBEDDING_STRIDE for n in (WINDOW_PIXELS, 2 * MARGIN_PIXELS))
    multiple = SIZE_MULTIPLE // EMBEDDING_STRIDE
    windows = []
    for start, stop, count in zip(low, high, cells, strict=True):
        length = max(least, stop - start + margin)
        length = min(int(np.ceil(length / multiple)) * multiple, count)
        first = int(np.clip(round((start + stop - length) / 2), 0, count - length))
        windows.append(slice(first, first + length))
    return windows[0], windows[1]


def _to_slice(logits: torch.Tensor, embedding: TinySliceEmbedding) -> torch.Tensor:
    """Resample logits of the cells to the pixels of the slice."""
    image = F.interpolate(
        logits,
        scale_factor=float(EMBEDDING_STRIDE),
        mode="bilinear",
        align_corners=False,
    )
    rows, cols = embedding.size
    return F.interpolate(
        image[:, :, :rows, :cols],
        size=embedding.shape,
        mode="bilinear",
        align_corners=False,
        antialias=True,
    )


def _tidy(masks: NDArray[np.bool_], embedding: TinySliceEmbedding) -> NDArray[np.bool_]:
    """Fill holes and drop specks that no section of a vertebra has.

    The spinal canal is a hole too, but a far larger one.
    """
    pixel_mm2 = PIXEL_MM**2 * np.prod(embedding.size) / np.prod(embedding.shape)
    hole, speck = int(HOLE_MM2 / pixel_mm2), int(SPECK_MM2 / pixel_mm2)
    return np.stack(
        [
            remove_small_objects(
                remove_small_holes(mask, max_size=hole), max_size=speck
            )
            for mask in masks
        ]
    )
