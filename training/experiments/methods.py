"""The ways to segment a slice that a comparison has as rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import torch
from scipy import ndimage as ndi

from napari_spinalsam.core.prompts import (
    BoxPrompt,
    PointPrompt,
    Polarity,
    SlicePrompts,
)
from training.experiments.baselines import to_image
from training.tiny.evaluate import spread_points

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import nn

    from training.slices.store import Slice

PromptKind = Literal["box", "point", "point + 2"]
CORRECTIONS = {"box": 0, "point": 0, "point + 2": 2}


class SliceBackend(Protocol):
    """What answers prompts on a slice; see model.backend.Backend."""

    def encode(self, stack: NDArray[np.float32], spacing: tuple[float, float]) -> Any:
        """Embed a slice between its neighbours."""
        ...

    def decode(
        self,
        embedding: Any,
        prompts: SlicePrompts,
        mask_input: NDArray[np.float32] | None,
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]:
        """Return masks, predicted IoU and logits."""
        ...


class Method(Protocol):
    """Segments the targets of a slice together."""

    def segment(self, piece: Slice) -> NDArray[np.bool_]:
        """Return what was found, shape (rows, cols)."""
        ...


class Automatic:
    """A network without prompts.

    Parameters
    ----------
    network : nn.Module
        Logits (1, 1, S, S) of images (1, 1, S, S).
    size : int
        S.
    """

    def __init__(self, network: nn.Module, size: int) -> None:
        self._network, self._size = network.eval(), size

    @torch.inference_mode()
    def segment(self, piece: Slice) -> NDArray[np.bool_]:
        """Return all of the spine; see Method."""
        rows, cols = piece.labels.shape
        device = next(self._network.parameters()).device
        logits = self._network(to_image(piece, self._size).to(device))
        found: NDArray[np.bool_] = (logits[0, 0, :rows, :cols] > 0).cpu().numpy()
        return found


class Prompted:
    """A network that is asked for each target of a slice.

    Prompts are made from the reference, the same for all networks: the tight box, or
    the point deepest inside, with two corrections in the middle of the largest error.

    Parameters
    ----------
    backend : SliceBackend
        The network.
    kind : {"box", "point", "point + 2"}
        How it is asked.
    """

    def __init__(self, backend: SliceBackend, kind: PromptKind) -> None:
        self._backend, self._kind = backend, kind

    def segment(self, piece: Slice) -> NDArray[np.bool_]:
        """Return the answers for all targets together; see Method."""
        embedding = self._embed(piece)
        together = np.zeros(piece.labels.shape, bool)
        for target in piece.row.targets:
            mask = piece.labels == target
            together |= self._ask(embedding, mask, _spacing(piece))
        return together

    def _embed(self, piece: Slice) -> Any:
        # The neighbours are not in the store; the slice stands in for them.
        image = piece.image.astype(np.float32) / np.float32(255)
        stack = np.repeat(image[None], 3, axis=0)
        return self._backend.encode(stack, _spacing(piece))

    def _ask(
        self, embedding: Any, mask: NDArray[np.bool_], spacing: tuple[float, float]
    ) -> NDArray[np.bool_]:
        prompts = SlicePrompts(0, 0)
        if self._kind == "box":
            rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            prompts = prompts.with_box(BoxPrompt(rows[0], cols[0], rows[-1], cols[-1]))
        else:
            prompts = prompts.with_point(_point(mask, mask, spacing))
        found, logits = self._answer(embedding, prompts, None)
        for _ in range(CORRECTIONS[self._kind]):
            parts, count = ndi.label(found != mask)
            if not count:
                break
            biggest = parts == 1 + int(np.bincount(parts.ravel())[1:].argmax())
            prompts = prompts.with_point(_point(biggest, mask, spacing))
            found, logits = self._answer(embedding, prompts, logits)
        return found

    def _answer(
        self,
        embedding: Any,
        prompts: SlicePrompts,
        mask_input: NDArray[np.float32] | None,
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        masks, iou, logits = self._backend.decode(embedding, prompts, mask_input)
        best = int(iou.argmax())
        return masks[best], logits[best]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A row of a table: what it is, and how it is made when its turn comes.

    Parameters
    ----------
    name : str
        In the table.
    what : str
        What it really is.
    make : callable or None
        Builds the method; None if its weights are missing.
    """

    name: str
    what: str
    make: Callable[[], Method] | None = field(default=None)


def _point(
    where: NDArray[np.bool_], mask: NDArray[np.bool_], spacing: tuple[float, float]
) -> PointPrompt:
    row, col = spread_points(where, spacing, 1)[0]
    polarity = Polarity.POSITIVE if mask[row, col] else Polarity.NEGATIVE
    return PointPrompt(float(row), float(col), polarity)


def _spacing(piece: Slice) -> tuple[float, float]:
    return piece.row.row_mm, piece.row.col_mm
