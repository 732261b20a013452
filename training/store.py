"""Labelled scans on a 1 mm grid, ready for slices in any plane."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import ndimage as ndi

from napari_spinalsam.core.errors import InputError
from training.discs import UNKNOWN, derive_discs
from training.labelled import read_bodies, read_labelled

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from training.config import ScanConfig

logger = logging.getLogger(__name__)

INDEX = "store.json"
IGNORED = UNKNOWN
AIR_HU = -1024.0
GRID_MM = 1.0
BONE_HU = 150.0
# How far beyond the last labelled vertebra its unlabelled neighbour may reach back.
OPEN_END_MM = 35.0


@dataclass(eq=False)
class PreparedScan:
    """One scan of the store.

    Parameters
    ----------
    name : str
        As in the configuration.
    image : Tensor or None, shape (z, y, x)
        Hounsfield units above air (HU + 1024), so that zero padding is air; None for
        a label map without an image.
    labels : Tensor of uint8, shape (z, y, x)
        The project's convention; 255 where nobody knows.
    structures : list of int
        Labels present.
    centres : ndarray of float64, shape (256, 3)
        Centre of mass (z, y, x) of each structure in voxels, which are millimetres.
    bodies : Tensor of bool or None, shape (z, y, x)
        Vertebral bodies; None where nobody told them from the processes.
    complete : tuple of str
        See ScanConfig.
    """

    name: str
    image: torch.Tensor | None
    labels: torch.Tensor
    structures: list[int]
    centres: NDArray[np.float64]
    bodies: torch.Tensor | None = None
    complete: tuple[str, ...] = ()
    _places: dict[int, NDArray[np.int32]] = field(init=False)

    def __post_init__(self) -> None:
        # Once, before worker processes share it: looking for them takes long.
        flat = self.labels.numpy().ravel()
        places = np.flatnonzero(np.isin(flat, self.structures)).astype(np.int32)
        places = places[np.argsort(flat[places], kind="stable")]
        starts = np.searchsorted(flat[places], self.structures)
        parts = np.split(places, starts[1:])
        self._places = dict(zip(self.structures, parts, strict=True))

    def random_voxel(self, label: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return the (z, y, x) indices of one voxel of a structure."""
        places = self._places[label]
        chosen = places[int(rng.integers(len(places)))]
        return np.array(np.unravel_index(chosen, tuple(self.labels.shape)), float)


def prepare(scans: tuple[ScanConfig, ...], data: Path, store: Path) -> None:
    """Bring scans to the canonical 1 mm grid and write them to a folder.

    A scan that is there already, made from the same files and settings, is kept.

    Parameters
    ----------
    scans : tuple of ScanConfig
        What to read.
    data : Path
        Folder that the files are relative to.
    store : Path
        Folder to write to.

    Raises
    ------
    InputError
        If an image and its labels do not lie on the same grid, or a label map has
        none of the wanted structures.
    """
    store.mkdir(parents=True, exist_ok=True)
    index = _index(store)
    for scan in scans:
        key = _fingerprint(scan, data)
        if index.get(scan.name, {}).get("fingerprint") == key:
            logger.info("%s is prepared already", scan.name)
            continue
        arrays = _prepare_one(scan, data)
        labels = arrays["labels"]
        unfinished = store / f"{scan.name}.part.npz"
        np.savez_compressed(unfinished, **arrays)
        os.replace(unfinished, store / f"{scan.name}.npz")
        counts = np.bincount(labels.ravel(), minlength=256)
        index[scan.name] = {
            "fingerprint": key,
            "shape_zyx": list(labels.shape),
            "complete": list(scan.complete),
            "voxels": {int(n): int(counts[n]) for n in np.flatnonzero(counts) if n},
        }
        (store / INDEX).write_text(json.dumps(index, indent=1))
        logger.info(
            "%s: %s mm, labels %s", scan.name, labels.shape, index[scan.name]["voxels"]
        )


def load_store(store: Path, names: list[str]) -> list[PreparedScan]:
    """Read prepared scans.

    Raises
    ------
    InputError
        If one is not there.
    """
    scans = []
    index = _index(store)
    for name in names:
        file = store / f"{name}.npz"
        if name not in index or not file.exists():
            raise InputError(
                f"The scan {name!r} is not in {store}: run `python -m training "
                "prepare` first."
            )
        with np.load(file) as content:
            labels = content["labels"]
            image, bodies = content.get("image"), content.get("bodies")
        structures = [int(n) for n in np.unique(labels) if n not in (0, IGNORED)]
        centres = np.zeros((256, 3))
        found = ndi.center_of_mass(labels > 0, labels, structures)
        centres[structures] = np.asarray(found)
        scans.append(
            PreparedScan(
                name,
                None
                if image is None
                else torch.from_numpy(image.astype(np.float32) - AIR_HU),
                torch.from_numpy(labels),
                structures,
                centres,
                None if bodies is None else torch.from_numpy(bodies),
                tuple(index[name]["complete"]),
            )
        )
    return scans


def _index(store: Path) -> dict[str, Any]:
    """Return what `prepare` noted of each scan."""
    file = store / INDEX
    return json.loads(file.read_text()) if file.exists() else {}


def _prepare_one(scan: ScanConfig, data: Path) -> dict[str, Any]:
    """Return the arrays of a scan on the 1 mm grid: labels, image, bodies."""
    volume, labels = read_labelled(scan, data)
    spacing = labels.geometry.spacing
    fine = _resample_labels(labels.data, spacing)
    arrays: dict[str, Any] = {"labels": fine}
    if volume is not None:
        arrays["image"] = _resample_image(volume.data, spacing, fine.shape)
        arrays["labels"] = _mark_unknown(fine, arrays["image"], scan.open_ends)
    if scan.derive_discs:
        arrays["labels"] = derive_discs(arrays["labels"], scan.open_ends)
    bodies = read_bodies(scan, data)
    if bodies is not None:
        arrays["bodies"] = _zoom(bodies.astype(np.float32), spacing, fine.shape) > 0.5
    return arrays


def _resample_image(
    data: NDArray[Any], spacing: tuple[float, ...], shape: tuple[int, ...]
) -> NDArray[np.int16]:
    fine = _zoom(np.asarray(data, np.float32), spacing, shape)
    return np.clip(np.rint(fine), -1100, 3100).astype(np.int16)


def _zoom(
    data: NDArray[np.float32], spacing: tuple[float, ...], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Resample linearly onto the 1 mm grid that shares the first voxel's corner."""
    step = GRID_MM / np.asarray(spacing)
    fine: NDArray[np.float32] = ndi.affine_transform(
        data, step, (step - 1) / 2, output_shape=shape, order=1, mode="nearest"
    )
    return fine


def _resample_labels(
    labels: NDArray[np.uint8], spacing: tuple[float, ...]
) -> NDArray[np.uint8]:
    """Resample each structure's indicator linearly and keep the strongest."""
    shape = tuple(
        max(1, round(n * s / GRID_MM))
        for n, s in zip(labels.shape, spacing, strict=True)
    )
    fine = np.zeros(shape, np.uint8)
    strength = np.full(shape, 0.5, np.float32)
    for value in np.unique(labels[labels > 0]):
        here = _zoom((labels == value).astype(np.float32), spacing, shape)
        stronger = here > strength
        fine[stronger], strength[stronger] = value, here[stronger]
    return fine


def _mark_unknown(
    labels: NDArray[np.uint8], image: NDArray[np.int16], open_ends: tuple[str, ...]
) -> NDArray[np.uint8]:
    """Set bone near an open end, and all beyond it, to unknown."""
    levels = np.flatnonzero((labels > 0).any(axis=(1, 2)))
    bone = ndi.gaussian_filter(image.astype(np.float32), 1.0) > BONE_HU
    height = np.arange(len(labels))[:, None, None]
    unknown = np.zeros(labels.shape, bool)
    if "superior" in open_ends:
        unknown |= (height < levels[0]) | (bone & (height < levels[0] + OPEN_END_MM))
    if "inferior" in open_ends:
        unknown |= (height > levels[-1]) | (bone & (height > levels[-1] - OPEN_END_MM))
    return np.where((labels == 0) & unknown, IGNORED, labels).astype(np.uint8)


def _fingerprint(scan: ScanConfig, data: Path) -> str:
    digest = hashlib.sha256(scan.model_dump_json(exclude={"weight"}).encode())
    names = [scan.image, scan.labels, *(also.labels for also in scan.also)]
    names.append(scan.bodies.labels if scan.bodies else None)
    for path in (data / name for name in names if name is not None):
        if path.is_file():
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
