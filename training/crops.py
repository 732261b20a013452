"""Random oblique crops of the prepared scans, as the network will meet slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.spatial.transform import Rotation

from training.painting import MR_UNITS, paint_ct, paint_mr
from training.store import AIR_HU

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from training.store import PreparedScan

# How often crops show the axial, coronal and sagittal plane.
PLANE_WEIGHTS = (0.4, 0.2, 0.4)
# How often a label map is painted as MR: without an image, and in place of its image.
PAINT_MR = 0.5
PAINT_MR_OVER_IMAGE = 0.06
# How often the grey values of a CT are dealt out anew, so that shape counts.
REMAP = 0.1


@dataclass(frozen=True, slots=True)
class Crop:
    """A training slice at about 1 mm per pixel.

    Parameters
    ----------
    image : Tensor, shape (3, H, W)
        The slice between its neighbours, windowed to 0..1.
    labels : ndarray of uint8, shape (H, W)
        Structure of each pixel; 255 where nobody knows.
    centres : ndarray of float32, shape (256, 2)
        In-plane centre (x, y) in pixels of each structure of the whole scan.
    bodies : ndarray of bool or None, shape (H, W)
        Vertebral bodies; None where nobody told them from the processes.
    complete : tuple of str
        See ScanConfig.
    """

    image: Tensor
    labels: NDArray[np.uint8]
    centres: NDArray[np.float32]
    bodies: NDArray[np.bool_] | None = None
    complete: tuple[str, ...] = ()


class CropSampler:
    """Draws crops; the same generator state gives the same crop.

    Parameters
    ----------
    scans : list of PreparedScan
        Scans on an isotropic 1 mm grid.
    weights : list of float
        How often each is drawn.
    size : int
        Pixels along each side.
    """

    def __init__(
        self, scans: list[PreparedScan], weights: list[float], size: int
    ) -> None:
        self.scans = scans
        self.weights = np.asarray(weights) / np.sum(weights)
        self.size = size

    def draw(self, rng: np.random.Generator) -> Crop:
        """Return one crop around a random voxel of a random structure."""
        scan = self.scans[int(rng.choice(len(self.scans), p=self.weights))]
        label = int(rng.choice(scan.structures))
        voxels = scan.voxels_of(label)
        start = voxels[int(rng.integers(len(voxels)))].astype(np.float64)
        normal_axis = int(rng.choice(3, p=PLANE_WEIGHTS))
        row_axis, col_axis = _random_axes(rng, normal_axis)
        normal = np.cross(row_axis, col_axis)
        scale = np.exp(rng.uniform(np.log(0.75), np.log(1.35)))
        aspect = np.exp(rng.uniform(np.log(0.85), np.log(1.18)))
        row_axis, col_axis = row_axis * scale * aspect, col_axis * scale / aspect
        shift = rng.uniform(-0.25, 0.25, 2) * self.size
        corner = start - row_axis * (self.size / 2 + shift[0])
        corner = corner - col_axis * (self.size / 2 + shift[1])
        grid = self._points(corner, row_axis, col_axis, scan.labels.shape)
        labels = _nearest(scan.labels, grid)
        bodies = None if scan.bodies is None else _nearest(scan.bodies, grid)
        if rng.random() < (PAINT_MR if scan.image is None else PAINT_MR_OVER_IMAGE):
            painted = _degrade(paint_mr(labels, bodies, rng), normal_axis, rng)
            image = (painted / (MR_UNITS * rng.uniform(0.7, 1.2))).clamp(0, 1)
        else:
            if scan.image is None:
                hounsfield = paint_ct(labels, rng)
            else:
                hounsfield = self._sample_image(
                    scan.image, corner, row_axis, col_axis, normal, rng
                )
            image = _windowed(_degrade(hounsfield, normal_axis, rng), rng)
        basis = np.stack(
            [col_axis / (col_axis @ col_axis), row_axis / (row_axis @ row_axis)]
        )
        centres = ((scan.centres - corner) @ basis.T).astype(np.float32)
        return Crop(image, labels, centres, bodies, scan.complete)

    def _points(
        self,
        corner: NDArray[np.float64],
        row_axis: NDArray[np.float64],
        col_axis: NDArray[np.float64],
        shape: tuple[int, ...],
    ) -> Tensor:
        """Return grid_sample coordinates (x, y, z) of a plane, shape (H, W, 3)."""
        steps = np.arange(self.size)
        points = (
            corner + steps[:, None, None] * row_axis + steps[None, :, None] * col_axis
        )
        normed = (points + 0.5) / np.asarray(shape) * 2 - 1
        return torch.from_numpy(normed[..., ::-1].astype(np.float32))

    def _sample_image(
        self,
        image: Tensor,
        corner: NDArray[np.float64],
        row_axis: NDArray[np.float64],
        col_axis: NDArray[np.float64],
        normal: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> Tensor:
        """Return the slice and two neighbours in HU, shape (3, H, W)."""
        gap = 0.0 if rng.random() < 0.15 else rng.uniform(1.5, 3.5)
        thickness = rng.uniform(1.5, 4.0) if rng.random() < 0.35 else 0.0
        parts = (-0.25, 0.25) if thickness else (0.0,)
        planes = [
            self._points(
                corner + normal * (side * gap + part * thickness),
                row_axis,
                col_axis,
                image.shape,
            )
            for side in (-1, 0, 1)
            for part in parts
        ]
        sampled = F.grid_sample(
            image[None, None],
            torch.stack(planes)[None],
            mode="bilinear",
            padding_mode="zeros",
            align_corners=False,
        )[0, 0]
        return sampled.reshape(3, len(parts), self.size, self.size).mean(1) + AIR_HU


def _nearest(volume: Tensor, grid: Tensor) -> NDArray[Any]:
    """Read a volume at the nearest voxels of a plane; zero outside."""
    shape = torch.tensor(volume.shape)
    voxel = torch.floor((grid.flip(-1) + 1) / 2 * shape).long()
    inside = ((voxel >= 0) & (voxel < shape)).all(-1)
    z, y, x = torch.minimum(voxel.clamp(min=0), shape - 1).unbind(-1)
    values = volume[z, y, x]
    return torch.where(inside, values, torch.zeros_like(values)).numpy()


def _random_axes(
    rng: np.random.Generator, normal_axis: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return unit row and column directions of a slightly tilted plane."""
    row, col = (axis for axis in range(3) if axis != normal_axis)
    axes = np.eye(3)
    tilt = Rotation.from_rotvec(np.radians(rng.normal(0, 7, 3)))
    spin = Rotation.from_rotvec(np.radians(rng.uniform(-25, 25)) * axes[normal_axis])
    turn = spin * tilt
    row_axis, col_axis = turn.apply(axes[row]), turn.apply(axes[col])
    if normal_axis != 2 and rng.random() < 0.5:
        col_axis = -col_axis
    if rng.random() < 0.1:
        row_axis = -row_axis
    if normal_axis == 2 and rng.random() < 0.2:
        col_axis = -col_axis
    return row_axis, col_axis


def _degrade(image: Tensor, normal_axis: int, rng: np.random.Generator) -> Tensor:
    """Return a slice in HU (or what MR is painted in) with coarse pixels and noise."""
    size = image.shape[-1]
    coarse_chance = 0.35 if normal_axis != 2 else 0.15
    if rng.random() < coarse_chance:
        few = int(size / rng.uniform(1.5, 3.5))
        shape = (size, few) if rng.random() < 0.7 else (few, size)
        image = F.interpolate(image[None], size=shape, mode="area")
        image = F.interpolate(
            image, size=(size, size), mode="bilinear", align_corners=False
        )[0]
    if rng.random() < 0.5:
        noise = torch.from_numpy(
            rng.normal(0, rng.uniform(5, 90), image.shape).astype(np.float32)
        )
        if rng.random() < 0.5:
            noise = F.avg_pool2d(noise, 3, stride=1, padding=1) * 2
        image = image + noise
    if rng.random() < 0.25:
        image = F.avg_pool2d(image, 3, stride=1, padding=1, count_include_pad=False)
    return image


def _windowed(hounsfield: Tensor, rng: np.random.Generator) -> Tensor:
    """Return HU as a random window shows them, 0..1."""
    image = hounsfield * rng.uniform(0.8, 1.25) + rng.uniform(-60, 60)
    if rng.random() < REMAP:
        return _remapped(image, rng)
    if rng.random() < 0.15:
        low, width = rng.uniform(-220, -100), rng.uniform(350, 700)
    else:
        low, width = rng.uniform(-550, -150), rng.uniform(900, 2000)
    image = ((image - low) / width).clamp(0, 1)
    if rng.random() < 0.3:
        image = image.pow(float(np.exp(rng.uniform(-0.35, 0.35))))
    return image


def _remapped(hounsfield: Tensor, rng: np.random.Generator) -> Tensor:
    """Return fat, muscle, marrow and cortex in random greys, 0..1."""
    knots = np.array([-1000, -150, -80, 20, 90, 250, 500, 900])
    greys = np.concatenate([[0.0], rng.uniform(0.05, 0.95, len(knots) - 1)])
    values = np.interp(hounsfield.numpy(), knots, greys)
    return torch.from_numpy(values.astype(np.float32))
