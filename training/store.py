"""Labelled scans on a 1 mm grid, ready for slices in any plane."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
import torch
from scipy import ndimage as ndi

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.volume import FileGrid, Volume
from napari_spinalsam.io.volumes import read_volume

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from training.config import ScanConfig

logger = logging.getLogger(__name__)

IGNORED = 255
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
    """

    name: str
    image: torch.Tensor | None
    labels: torch.Tensor
    structures: list[int]
    centres: NDArray[np.float64]
    _voxels: dict[int, NDArray[np.intp]] = field(default_factory=dict)

    def voxels_of(self, label: int) -> NDArray[np.intp]:
        """Return the (z, y, x) indices of a structure, shape (N, 3)."""
        if label not in self._voxels:
            self._voxels[label] = np.argwhere(self.labels.numpy() == label)
        return self._voxels[label]


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
    index_file = store / "store.json"
    index = json.loads(index_file.read_text()) if index_file.exists() else {}
    for scan in scans:
        key = _fingerprint(scan, data)
        if index.get(scan.name, {}).get("fingerprint") == key:
            logger.info("%s is prepared already", scan.name)
            continue
        image, labels = _prepare_one(scan, data)
        unfinished = store / f"{scan.name}.part.npz"
        if image is None:
            np.savez_compressed(unfinished, labels=labels)
        else:
            np.savez_compressed(unfinished, labels=labels, image=image)
        os.replace(unfinished, store / f"{scan.name}.npz")
        counts = np.bincount(labels.ravel(), minlength=256)
        index[scan.name] = {
            "fingerprint": key,
            "shape_zyx": list(labels.shape),
            "voxels": {int(n): int(counts[n]) for n in np.flatnonzero(counts) if n},
        }
        index_file.write_text(json.dumps(index, indent=1))
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
    for name in names:
        file = store / f"{name}.npz"
        if not file.exists():
            raise InputError(
                f"The scan {name!r} is not in {store}: run `python -m training "
                "prepare` first."
            )
        with np.load(file) as content:
            labels = content["labels"]
            image = content.get("image")
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
            )
        )
    return scans


def _prepare_one(
    scan: ScanConfig, data: Path
) -> tuple[NDArray[np.int16] | None, NDArray[np.uint8]]:
    volume, labels = read_labelled(scan, data)
    spacing = labels.geometry.spacing
    fine = _resample_labels(labels.data, spacing)
    if volume is None:
        return None, fine
    image = _resample_image(volume.data, spacing, fine.shape)
    return image, _mark_unknown(fine, image, scan.open_ends)


def read_labelled(scan: ScanConfig, data: Path) -> tuple[Volume | None, Volume]:
    """Read a scan on its own grid.

    Parameters
    ----------
    scan : ScanConfig
        What to read.
    data : Path
        Folder that the files are relative to.

    Returns
    -------
    image : Volume or None
        None for a label map without an image.
    labels : Volume
        Of uint8, in the project's convention.

    Raises
    ------
    InputError
        If the files lie on different grids, or none of the wanted structures is
        labelled.
    """
    labelled = read_any(data / scan.labels)
    labels = _renumber(labelled.data, scan.label_values)
    if scan.also is not None:
        more = read_any(data / scan.also)
        _check_grids(labelled, more, scan.name)
        extra = _renumber(more.data, scan.also_values)
        labels = np.where(labels == 0, extra, labels)
    if not labels.any():
        raise InputError(f"The labels of {scan.name} are empty: check label_values.")
    volume = None if scan.image is None else read_any(data / scan.image)
    if volume is not None:
        _check_grids(labelled, volume, scan.name)
    return volume, replace(labelled, data=labels, name=scan.name)


def read_any(path: Path) -> Volume:
    """Read an image or label file; of a folder, the DICOM series in it."""
    if not path.is_dir():
        return read_volume(path)
    files = sorted(str(file) for file in path.iterdir())
    series = sitk.ReadImage(files)
    linear = np.array(series.GetDirection()).reshape(3, 3) * series.GetSpacing()
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = linear, series.GetOrigin()
    affine[:2] *= -1
    grid = FileGrid(series.GetSize(), affine)
    array = sitk.GetArrayFromImage(series).transpose(2, 1, 0)
    return Volume(grid.to_canonical(array), grid, "CT", path.name)


def _check_grids(labels: Volume, image: Volume, name: str) -> None:
    if not labels.geometry.same_grid(image.geometry):
        raise InputError(
            f"The files of {name} lie on different grids "
            f"({labels.geometry.shape} and {image.geometry.shape}): bring them "
            "onto one."
        )


def _renumber(values: NDArray[Any], mapping: dict[int, int]) -> NDArray[np.uint8]:
    whole = np.rint(values).astype(np.int64)
    if not mapping:
        return np.where((whole > 0) & (whole <= 28), whole, 0).astype(np.uint8)
    table = np.zeros(max(int(whole.max()), *mapping) + 1, np.uint8)
    for source, target in mapping.items():
        table[source] = target
    renumbered: NDArray[np.uint8] = table[np.clip(whole, 0, None)]
    return renumbered


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
    for name in (scan.image, scan.labels, scan.also):
        path = None if name is None else data / name
        if path is not None and path.is_file():
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
