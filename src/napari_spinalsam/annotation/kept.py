"""Predictions as a history without end keeps them: small."""

from __future__ import annotations

import zlib
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.core.prompts import MaskPrediction

# Low-res logits do not get smaller by compression; 32 of SAM's are 25 MB.
LOGITS_KEPT = 32


class KeptPrediction:
    """Candidate masks for one slice, packed; compared by identity.

    Parameters
    ----------
    prediction : MaskPrediction
        The answer of the model.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of the slice.
    predicted_iou : ndarray of float32, shape (n,)
        The model's own estimate of each candidate's IoU, 0 to 1.
    low_res_logits : ndarray of float32, shape (n, height, width), or None
        Values before the threshold; None once they are dropped.
    encode_ms : float or None
        Time spent on the image embedding; None if it was at hand.
    decode_ms : float
        Time from the embedding to the masks.
    remarks : tuple of str
        Sentences on what the model was not made for and saw all the same.
    """

    def __init__(self, prediction: MaskPrediction) -> None:
        self.shape = prediction.masks.shape[1:]
        self.predicted_iou = prediction.predicted_iou
        self.low_res_logits: NDArray[np.float32] | None = prediction.low_res_logits
        self.encode_ms = prediction.encode_ms
        self.decode_ms = prediction.decode_ms
        self.remarks = prediction.remarks
        self._packed = [
            zlib.compress(np.packbits(mask).tobytes(), 1) for mask in prediction.masks
        ]

    @property
    def count(self) -> int:
        """Number of candidates."""
        return len(self._packed)

    def mask(self, position: int) -> NDArray[np.bool_]:
        """Return a candidate by its position from 0, shape (rows, cols)."""
        rows, cols = self.shape
        packed = np.frombuffer(zlib.decompress(self._packed[position]), np.uint8)
        bits = np.unpackbits(packed, count=rows * cols)
        return bits.reshape(rows, cols).view(np.bool_)


class RecentLogits:
    """The predictions that can still be refined from; older ones lose their logits."""

    def __init__(self) -> None:
        self._recent: deque[KeptPrediction] = deque()

    def keep(self, prediction: KeptPrediction) -> None:
        """Keep the logits of one more prediction, and drop the oldest ones."""
        self._recent.append(prediction)
        if len(self._recent) > LOGITS_KEPT:
            self._recent.popleft().low_res_logits = None
