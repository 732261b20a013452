"""Random oblique crops of prepared scans, as the network meets slices, in batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.spatial.transform import Rotation
from torch.utils.data import DataLoader, Dataset

from training.tiny.dataset import AIR_HU, KINDS, Kind, choose
from training.tiny.synthesis import MR_UNITS, paint_ct, paint_mr, smooth_field
from training.tiny.targets import PromptedCrops, complete_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from training.tiny.config import FitConfig
    from training.tiny.dataset import PreparedScan

# How often crops show the axial, coronal and sagittal plane.
PLANE_WEIGHTS = (0.4, 0.2, 0.4)
# How often a label map is painted as MR: without an image, and in place of its image.
PAINT_MR = 0.5
PAINT_MR_OVER_IMAGE = 0.06
# How often the grey values of a CT are dealt out again, so that shape counts.
REMAP = 0.1
# How often a crop is bent, and by how many of its pixels at most, in bumps of a coarse
# grid of so many cells: more cells, smaller bumps.
BEND = 0.5
BEND_CELLS = (3, 4, 6, 8)
BEND_BY = 0.12
# How often the edges of a CT are made sharper, and how often its bone is made denser
# here and thinner there, by about so many HU.
SHARPEN = 0.2
DENSITY = 0.2
DENSITY_HU = 160.0
# Batches that wait for each worker process.
AHEAD = 4


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
        label = choose(scan.structures, rng)
        start = scan.random_voxel(label, rng)
        normal_axis = int(rng.choice(3, p=PLANE_WEIGHTS))
        row_axis, col_axis = _random_axes(rng, normal_axis)
        normal = np.cross(row_axis, col_axis)
        scale = np.exp(rng.uniform(np.log(0.75), np.log(1.35)))
        aspect = np.exp(rng.uniform(np.log(0.85), np.log(1.18)))
        row_axis, col_axis = row_axis * scale * aspect, col_axis * scale / aspect
        shift = rng.uniform(-0.25, 0.25, 2) * self.size
        corner = start - row_axis * (self.size / 2 + shift[0])
        corner = corner - col_axis * (self.size / 2 + shift[1])
        bend = _bend(self.size, rng) if rng.random() < BEND else None
        gap = 0.0 if rng.random() < 0.15 else float(rng.uniform(1.5, 3.5))
        plane = _Plane(corner, row_axis, col_axis, normal, self.size, bend)
        grid = plane.points(0.0, scan.labels.shape)
        labels = _nearest(scan.labels, grid)
        bodies = None if scan.bodies is None else _nearest(scan.bodies, grid)
        as_mr = rng.random() < (PAINT_MR if scan.image is None else PAINT_MR_OVER_IMAGE)
        if scan.image is None or as_mr:
            sides = [plane.points(side * gap, scan.labels.shape) for side in (-1, 1)]
            before, after = (_nearest(scan.labels, side) for side in sides)
            stack = np.stack([before, labels, after])
            if as_mr:
                painted = _degrade(paint_mr(stack, bodies, rng), normal_axis, rng)
                image = (painted / (MR_UNITS * rng.uniform(0.7, 1.2))).clamp(0, 1)
            else:
                image = _windowed(_degrade(paint_ct(stack, rng), normal_axis, rng), rng)
        else:
            hounsfield = _sample_image(scan.image, plane, gap, rng)
            if rng.random() < DENSITY:
                hounsfield = hounsfield + _density(labels, rng)
            image = _windowed(_degrade(hounsfield, normal_axis, rng), rng)
        centres = plane.seen_from_above(scan.centres)
        return Crop(image, labels, centres, bodies, scan.complete)


@dataclass(frozen=True, slots=True, eq=False)
class _Plane:
    """Where a crop lies in its scan.

    Parameters
    ----------
    corner, row_axis, col_axis, normal : ndarray, shape (3,)
        Place of the first pixel and the steps from one to the next, in voxels.
    size : int
        Pixels along each side.
    bend : ndarray or None, shape (2, H, W)
        By how many rows and columns each pixel looks beside its place.
    """

    corner: NDArray[np.float64]
    row_axis: NDArray[np.float64]
    col_axis: NDArray[np.float64]
    normal: NDArray[np.float64]
    size: int
    bend: NDArray[np.float32] | None

    def points(self, along: float, shape: tuple[int, ...]) -> Tensor:
        """Return grid_sample coordinates (x, y, z), shape (H, W, 3).

        `along` is the distance from the plane in its normal's direction.
        """
        rows, cols = np.indices((self.size, self.size), np.float32)
        if self.bend is not None:
            rows, cols = rows + self.bend[0], cols + self.bend[1]
        # From voxels to the coordinates of grid_sample, with the last axis first.
        unit = (2.0 / np.asarray(shape)).astype(np.float32)
        start = ((self.corner + self.normal * along + 0.5) * unit - 1).astype(
            np.float32
        )
        steps = (self.row_axis * unit, self.col_axis * unit)
        down, right = (step.astype(np.float32)[::-1] for step in steps)
        points = rows[..., None] * down + cols[..., None] * right + start[::-1]
        return torch.from_numpy(points)

    def seen_from_above(self, places: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return (x, y) pixels of places (N, 3), looking along the normal."""
        basis = np.stack(
            [
                self.col_axis / (self.col_axis @ self.col_axis),
                self.row_axis / (self.row_axis @ self.row_axis),
            ]
        )
        seen = ((places - self.corner) @ basis.T).astype(np.float32)
        if self.bend is not None:
            # Bumps are smooth, so that one step undoes them well enough.
            x, y = np.clip(np.rint(seen).astype(int), 0, self.size - 1).T
            seen = seen - self.bend[::-1, y, x].T
        return seen


def _bend(size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return by how many rows and columns a bent crop looks aside, (2, H, W)."""
    cells = int(rng.choice(BEND_CELLS))
    strength = rng.uniform(0, BEND_BY) * size / cells / 2
    bumps = [smooth_field((size, size), cells, rng) for _ in range(2)]
    return np.asarray(strength * torch.stack(bumps).numpy(), np.float32)


def _sample_image(
    image: Tensor, plane: _Plane, gap: float, rng: np.random.Generator
) -> Tensor:
    """Return the slice and two neighbours in HU, shape (3, H, W)."""
    thickness = rng.uniform(1.5, 4.0) if rng.random() < 0.35 else 0.0
    parts = (-0.25, 0.25) if thickness else (0.0,)
    shape = tuple(image.shape)
    planes = [
        plane.points(side * gap + part * thickness, shape)
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
    layers = sampled.reshape(3, len(parts), plane.size, plane.size).mean(1) + AIR_HU
    return _sharpened(layers, rng) if rng.random() < SHARPEN else layers


def _density(labels: NDArray[np.uint8], rng: np.random.Generator) -> Tensor:
    """Return HU to add to the bone of a slice, shape (H, W), its edges soft."""
    bone = torch.from_numpy(KINDS[labels] == Kind.BONE).float()
    soft = F.avg_pool2d(bone[None], 3, stride=1, padding=1)[0]
    shape = (labels.shape[0], labels.shape[1])
    cells = int(rng.integers(4, 12))
    change = rng.uniform(0, DENSITY_HU) * smooth_field(shape, cells, rng)
    return soft * change.clamp(min=-DENSITY_HU / 2)


def _sharpened(layers: Tensor, rng: np.random.Generator) -> Tensor:
    """Return slices (3, H, W) as a sharper kernel would have made them, roughly."""
    blurred = F.avg_pool2d(layers, 5, stride=1, padding=2, count_include_pad=False)
    return layers + float(rng.uniform(0.2, 1.2)) * (layers - blurred)


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


@dataclass(frozen=True, slots=True, eq=False)
class CropBatch:
    """What one step trains on.

    Parameters
    ----------
    step : int
        Number of the step, from 0.
    images : Tensor, shape (B, 3, H, W)
        Slices between their neighbours, 0..1.
    labels : Tensor of uint8, shape (B, H, W)
        Structure of each pixel; 255 where nobody knows.
    centres : Tensor, shape (B, 256, 2)
        In-plane centre (x, y) of each structure.
    complete : Tensor of bool, shape (B, 3)
        Which of bone, discs and canal are labelled wherever they are seen.
    prompted : PromptedCrops or None
        The prompts of the first round; None where votes alone are learnt.
    """

    step: int
    images: Tensor
    labels: Tensor
    centres: Tensor
    complete: Tensor
    prompted: PromptedCrops | None

    def to(self, device: torch.device) -> CropBatch:
        """Return the same on a device, images with their channels last."""
        images = self.images.to(device, non_blocking=True)
        return CropBatch(
            self.step,
            images.contiguous(memory_format=torch.channels_last),
            self.labels.to(device, non_blocking=True),
            self.centres.to(device, non_blocking=True),
            self.complete.to(device, non_blocking=True),
            None if self.prompted is None else self.prompted.to(device),
        )


class CropBatches(Dataset[CropBatch]):
    """The batch of each step, a function of the seed and the step alone."""

    def __init__(self, sampler: CropSampler, config: FitConfig) -> None:
        self._sampler, self._config = sampler, config

    def __getitem__(self, step: int) -> CropBatch:
        """Draw the batch of a step."""
        config = self._config
        rng = np.random.default_rng([config.seed, step])
        crops = [self._sampler.draw(rng) for _ in range(config.batch)]
        prompted = None
        if step >= config.dense_steps:
            prompted = PromptedCrops.sample(crops, config.prompts_per_crop, rng)
        return CropBatch(
            step,
            torch.stack([crop.image for crop in crops]),
            torch.from_numpy(np.stack([crop.labels for crop in crops])),
            torch.from_numpy(np.stack([crop.centres for crop in crops])),
            torch.tensor([complete_kinds(crop) for crop in crops]),
            prompted,
        )


class CropLoader:
    """Deals out batches in the order of the steps, from any step on.

    Parameters
    ----------
    batches : CropBatches
        What is dealt out.
    steps : int
        Steps of the run.
    workers : int
        Processes that draw ahead; with none, the batch is drawn when it is wanted.
    """

    def __init__(self, batches: CropBatches, steps: int, workers: int) -> None:
        self._batches, self._steps, self._workers = batches, steps, workers
        self._ahead: Iterator[CropBatch] | None = None
        self._next = 0

    def draw(self, step: int) -> CropBatch:
        """Return the batch of a step."""
        if not self._workers:
            return self._batches[step]
        if self._ahead is None or step != self._next:
            loader = DataLoader(
                self._batches,
                sampler=range(step, self._steps),
                batch_size=None,
                num_workers=self._workers,
                prefetch_factor=AHEAD,
            )
            self._ahead = iter(loader)
        self._next = step + 1
        return next(self._ahead)
