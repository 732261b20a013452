"""Images for label maps that have none: random tissue, bone, discs and clutter.

The idea is SynthSeg's (Billot et al. 2023): a network that has seen any intensities
learns shapes. As CT the draw stays near what CT looks like; as MR any contrast goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from training.tiny.dataset import KINDS, Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

# Painted MR is drawn in the units that CT is degraded in, then shown in 0..1.
MR_UNITS = 1000.0


def paint_ct(labels: NDArray[np.uint8], rng: np.random.Generator) -> Tensor:
    """Paint a label slice and its neighbours as if they were CT.

    Parameters
    ----------
    labels : ndarray of uint8, shape (3, H, W)
        Structures; zero is background.
    rng : numpy.random.Generator
        Source of every choice.

    Returns
    -------
    Tensor, shape (3, H, W)
        Hounsfield units; the three slices differ by their labels and by noise alone.
    """
    shape = (int(labels.shape[1]), int(labels.shape[2]))
    tissue = rng.uniform(0, 80) + 40 * smooth_field(shape, 8, rng)
    fat = smooth_field(shape, 6, rng) > rng.uniform(0.2, 1.0)
    air = smooth_field(shape, 4, rng) > rng.uniform(0.9, 2.0)
    image = torch.where(fat, tissue * 0.3 - rng.uniform(60, 120), tissue)
    image = torch.where(air, torch.full_like(image, -rng.uniform(600, 1000)), image)
    image = image.expand(3, *shape)
    for _ in range(int(rng.integers(0, 4))):
        image = _draw_bone(image, _ellipse(shape, rng)[None], rng)
    disc, canal = rng.uniform(50, 120), rng.uniform(0, 50)
    for value in np.unique(labels[KINDS[labels] < Kind.OTHER]):
        mask = torch.from_numpy(labels == value)
        if KINDS[value] == Kind.BONE:
            image = _draw_bone(image, mask, rng)
        else:
            flat = disc if KINDS[value] == Kind.DISC else canal
            image = torch.where(mask, flat + 12 * smooth_field(shape, 16, rng), image)
    blur = float(rng.uniform(0.4, 1.3))
    image = _smooth(image, blur)
    noise = rng.normal(0, rng.uniform(5, 50), (3, *shape)).astype(np.float32)
    return image + torch.from_numpy(noise)


def paint_mr(
    labels: NDArray[np.uint8],
    bodies: NDArray[np.bool_] | None,
    rng: np.random.Generator,
) -> Tensor:
    """Paint a label slice and its neighbours in the random contrasts of MR.

    Parameters
    ----------
    labels : ndarray of uint8, shape (3, H, W)
        Structures; zero is background.
    bodies : ndarray of bool or None, shape (H, W)
        Vertebral bodies in the slice, whose marrow differs from that of the processes.
    rng : numpy.random.Generator
        Source of every choice.

    Returns
    -------
    Tensor, shape (3, H, W)
        Intensities around 0 to 1000; the three slices differ by their labels and by
        noise alone.
    """
    shape = (int(labels.shape[1]), int(labels.shape[2]))
    image = torch.full(shape, rng.uniform(0.05, 0.6))
    for cells in (3, 5, 8, 14):
        layer = smooth_field(shape, cells, rng) > rng.uniform(-0.3, 1.2)
        image = torch.where(layer, torch.tensor(rng.uniform(0.02, 1.0)).float(), image)
    for _ in range(int(rng.integers(0, 4))):
        blob = _ellipse(shape, rng)
        image = torch.where(blob, torch.tensor(rng.uniform(0.0, 1.0)).float(), image)
    image = image.expand(3, *shape)
    marrow, arch = rng.uniform(0.15, 0.9, 2)
    if bodies is None or rng.random() < 0.4:
        arch = marrow
    rim = rng.uniform(0.0, 0.15)
    disc, canal = rng.uniform(0.05, 0.95, 2)
    for value in np.unique(labels[KINDS[labels] < Kind.OTHER]):
        mask = torch.from_numpy(labels == value)
        texture = rng.uniform(0.0, 0.08) * smooth_field(shape, 24, rng)
        if KINDS[value] == Kind.BONE:
            body = mask if bodies is None else mask & torch.from_numpy(bodies)
            fill = torch.where(body, marrow, arch) + rng.uniform(-0.05, 0.05)
            fill = torch.where(_inner(mask, 3), fill, rim)
        elif KINDS[value] == Kind.DISC:
            annulus = disc * rng.uniform(0.2, 0.8)
            fill = torch.where(_inner(mask, 7), disc, annulus)
        else:
            fill = torch.full(shape, canal)
            cord = _inner(mask, 9) & (smooth_field(shape, 6, rng) > rng.uniform(-1, 2))
            fill = torch.where(cord, canal * rng.uniform(0.2, 0.9), fill)
        image = torch.where(mask, fill.float() + texture, image)
    image = image * torch.exp(rng.uniform(0, 0.3) * smooth_field(shape, 3, rng))
    image = _smooth(image, float(rng.uniform(0.4, 1.4)))
    noise = rng.normal(0, rng.uniform(0.005, 0.08), (3, *shape)).astype(np.float32)
    return MR_UNITS * (image + torch.from_numpy(noise))


def smooth_field(
    shape: tuple[int, int], cells: int, rng: np.random.Generator
) -> Tensor:
    """Return smooth standard noise with about `cells` bumps along each side."""
    coarse = torch.from_numpy(rng.normal(size=(1, 1, cells, cells)).astype(np.float32))
    return F.interpolate(coarse, size=shape, mode="bicubic", align_corners=False)[0, 0]


def _smooth(image: Tensor, sigma: float) -> Tensor:
    radius = 3
    steps = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = torch.exp(-(steps**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    padded = F.pad(image[:, None], (radius,) * 4, mode="replicate")
    rows = F.conv2d(padded, kernel[None, None, :, None])
    return F.conv2d(rows, kernel[None, None, None, :])[:, 0]


def _ellipse(shape: tuple[int, int], rng: np.random.Generator) -> Tensor:
    """Return a random elongated blob: a rib, a pelvis, a calcified vessel."""
    rows, cols = np.indices(shape, dtype=np.float32)
    centre = rng.uniform(0, 1, 2) * shape
    angle, long, short = rng.uniform(0, np.pi), rng.uniform(5, 30), rng.uniform(3, 10)
    along = (rows - centre[0]) * np.cos(angle) + (cols - centre[1]) * np.sin(angle)
    across = (cols - centre[1]) * np.cos(angle) - (rows - centre[0]) * np.sin(angle)
    return torch.from_numpy((along / long) ** 2 + (across / short) ** 2 < 1)


def _inner(mask: Tensor, width: int) -> Tensor:
    """Return the pixels of masks (N, H, W) whose square neighbourhood lies within."""
    inner = -F.max_pool2d(-mask.float(), width, stride=1, padding=width // 2)
    return inner > 0


def _draw_bone(image: Tensor, mask: Tensor, rng: np.random.Generator) -> Tensor:
    """Fill masks with marrow and edge them with cortex."""
    width = 3 if rng.random() < 0.6 else 5
    shape = (image.shape[1], image.shape[2])
    marrow = rng.uniform(60, 320) + 50 * smooth_field(shape, 24, rng)
    cortex = marrow + rng.uniform(80, 600)
    bone = torch.where(_inner(mask, width), marrow, cortex)
    return torch.where(mask, bone, image)
