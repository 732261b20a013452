"""What the session asks of a network, whatever its family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F

from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.prompts import SlicePrompts
    from napari_spinalsam.core.protocols import ModelIdentity
    from napari_spinalsam.model.weights.identify import ParameterReport

# A fifth more or less is what augmentation and other patients bring.
PIXEL_TOLERANCE = 1.2
DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """Where a loaded network comes from; shown to the user and kept with results.

    Parameters
    ----------
    identity : ModelIdentity
        Which weights these are, and which adapter lies on top of them.
    family : str
        ``"spinalsam-tiny"``, ``"sam_vit_b"``, ``"sam_vit_l"`` or ``"sam_vit_h"``.
    licence : str
        Of the weights.
    size : int
        Parameters.
    parameters : ParameterReport or None
        How the tensors of the file fitted the network.
    doubt : str
        The sentence on what is not certain of the weights; empty if nothing is.
    attention : float or None
        Share of the attention module, below zero where it subtracts; None without one.
    window : Window or None
        The one window that the adapter was trained with; None if there were several,
        or it is not known.
    pixel_mm : tuple of float or None
        Smallest and largest pixel of the slices that it was trained on, in mm; None if
        that is not known.
    """

    identity: ModelIdentity
    family: str
    licence: str
    size: int
    parameters: ParameterReport | None = None
    doubt: str = ""
    attention: float | None = None
    window: Window | None = None
    pixel_mm: tuple[float, float] | None = None

    def window_doubt(self, window: Window) -> str:
        """Return the sentence on a window unlike that in training; else empty."""
        if self.window is None or self.window == window:
            return ""
        return (
            f"{self.identity.title} was trained with the window {self.window} and sees "
            f"the image with {window}."
        )

    def pixel_size_doubt(self, spacing: tuple[float, float]) -> str:
        """Return the sentence on pixels unlike those of the training; else empty.

        Parameters
        ----------
        spacing : tuple of float
            Millimetres per pixel along (row, col), as the network sees them.
        """
        if self.pixel_mm is None:
            return ""
        (least, most), seen = self.pixel_mm, (min(spacing), max(spacing))
        if least / PIXEL_TOLERANCE <= seen[0] and seen[1] <= most * PIXEL_TOLERANCE:
            return ""
        return (
            f"{self.identity.title} was trained on pixels of {least:.2f} to "
            f"{most:.2f} mm and sees {seen[0]:.2f} mm here: a slice always fills its "
            "image."
        )


class SliceEmbedding(Protocol):
    """An encoded slice; only its backend knows what is inside."""

    @property
    def nbytes(self) -> int:
        """Bytes that the embedding holds, for the cache's budget."""

    def pixel_mm(self, spacing: tuple[float, float]) -> tuple[float, float]:
        """Return the pixel size along (row, col) that the network saw, in mm."""


class Backend(Protocol):
    """A network behind numpy: encode a slice once, prompt it many times."""

    record: ModelRecord
    device: str

    def encode(
        self, stack: NDArray[np.float32], spacing: tuple[float, float]
    ) -> SliceEmbedding:
        """Embed a slice.

        Parameters
        ----------
        stack : ndarray of float32, shape (3, rows, cols)
            The slice in the middle and a neighbour on either side, windowed to 0..1.
        spacing : tuple of float
            Millimetres per pixel along (row, col).
        """

    def decode(
        self,
        embedding: Any,
        prompts: SlicePrompts,
        mask_input: NDArray[np.float32] | None,
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]:
        """Answer prompts on an embedded slice.

        Parameters
        ----------
        embedding : SliceEmbedding
            What this backend's `encode` returned.
        prompts : SlicePrompts
            Points and at most one box, in pixels of the slice; without a mask input at
            least one positive point or the box.
        mask_input : ndarray of float32, shape (h, w), or None
            Low-res logits: those of an earlier answer on the same slice, or what
            `to_low_res` made of others.

        Returns
        -------
        masks : ndarray of bool, shape (n, rows, cols)
        predicted_iou : ndarray of float32, shape (n,)
        low_res_logits : ndarray of float32, shape (n, h, w)
        """

    def to_low_res(
        self, embedding: Any, logits: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Bring logits from the pixels of a slice to the grid of the network.

        Parameters
        ----------
        embedding : SliceEmbedding
            What this backend's `encode` returned.
        logits : ndarray of float32, shape (rows, cols)
            What is known of the slice.

        Returns
        -------
        ndarray of float32, shape (h, w)
            A `mask_input`.
        """


@dataclass(frozen=True, slots=True, eq=False)
class DenseVotes:
    """What a network says of every cell of a batch of slices, before any prompt.

    Parameters
    ----------
    foreground : ndarray of float32, shape (n, h, w)
        Logits of bone of the spine; a cell is two pixels wide.
    centres : ndarray of float32, shape (n, 2, h, w)
        (row, col) pixel that the centre of the whole structure lies at, seen along
        the normal of the slice.
    discs : ndarray of float32, shape (n, h, w)
        Logits of discs.
    """

    foreground: NDArray[np.float32]
    centres: NDArray[np.float32]
    discs: NDArray[np.float32]


@runtime_checkable
class VotingBackend(Backend, Protocol):
    """A network that also tells structures apart without a prompt."""

    pixel_mm: float

    def votes(self, images: NDArray[np.float32]) -> DenseVotes:
        """Vote on slices.

        Parameters
        ----------
        images : ndarray of float32, shape (n, 3, rows, cols)
            Each slice between its neighbours, windowed to 0..1, at `pixel_mm` per
            pixel; rows and cols are even.
        """


@runtime_checkable
class SizingBackend(VotingBackend, Protocol):
    """A network to which the size of the pixels matters."""

    def certainty(self, embedding: Any) -> float:
        """Return how sure the votes of an encoded slice are, 0 to 1.

        Structures that are seen too large or too small lower it.
        """

    def low_res_shape(self, embedding: Any) -> tuple[int, int]:
        """Return rows and columns of the low-res logits of an encoded slice."""


def pick_device(name: str) -> str:
    """Return the torch device for a wish.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda", "mps"}
        ``"auto"`` takes CUDA, then Apple's MPS, then the CPU.

    Raises
    ------
    InputError
        If the device is unknown or not there.
    """
    if name not in DEVICES:
        raise InputError(
            f"There is no device {name!r}: choose one of {', '.join(DEVICES)}."
        )
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(device for device, present in there.items() if present)
    if not there[name]:
        raise InputError(
            f"The device {name!r} is not available here: use 'auto' or 'cpu'."
        )
    return name


@dataclass(frozen=True, slots=True)
class ResizedSlice:
    """A slice that was resized for a network.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the slice.
    size : tuple of int
        Rows and columns of the network's image, without padding.
    """

    shape: tuple[int, int]
    size: tuple[int, int]

    def pixel_mm(self, spacing: tuple[float, float]) -> tuple[float, float]:
        """Return the size of the image's pixels from that of the slice's, in mm."""
        rows, cols = (
            mm * pixels / seen
            for mm, pixels, seen in zip(spacing, self.shape, self.size, strict=True)
        )
        return rows, cols

    def to_model(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Turn (row, col) pixels, shape (N, 2), into (x, y) pixels of the image.

        Pixel centres are whole numbers on both sides.
        """
        scale = np.array(self.size) / np.array(self.shape)
        at: NDArray[np.float64] = (points + 0.5) * scale - 0.5
        return at[:, ::-1].astype(np.float32)

    def low_res(
        self,
        logits: NDArray[np.float32],
        padded: tuple[int, int],
        stride: int,
        outside: float,
    ) -> NDArray[np.float32]:
        """Bring logits of the slice to a coarser grid on the network's image.

        Parameters
        ----------
        logits : ndarray of float32, shape (rows, cols)
            On the pixels of the slice.
        padded : tuple of int
            Rows and columns of the network's image with its padding.
        stride : int
            Pixels of the image that become one, along either axis.
        outside : float
            Value of the padding.

        Returns
        -------
        ndarray of float32, shape (padded rows / stride, padded columns / stride)
        """
        image = F.interpolate(
            torch.from_numpy(logits)[None, None],
            size=self.size,
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )
        bottom, right = padded[0] - self.size[0], padded[1] - self.size[1]
        image = F.pad(image, (0, right, 0, bottom), value=outside)
        coarse: NDArray[np.float32] = F.avg_pool2d(image, stride)[0, 0].numpy()
        return coarse
