"""Labelled scans: read, brought to a 1 mm grid, and stored for slices in any plane."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
import torch
from scipy import ndimage as ndi

from napari_spinalsam.core import anatomy
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.volume import FileGrid, Volume
from napari_spinalsam.io.images import read_volume
from training.common.losses import IGNORED
from training.tiny.discs import derive_discs

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from training.tiny.config import MoreLabels, ScanConfig

# How often a structure of each kind is looked at, relative to one of bone.
SHARES = np.array([1.0, 0.4, 0.3, 0.0])
logger = logging.getLogger(__name__)
INDEX = "store.json"
AIR_HU = -1024.0
GRID_MM = 1.0
BONE_HU = 150.0
# How far beyond the last labelled vertebra its unlabelled neighbour may reach back.
OPEN_END_MM = 35.0


class Kind(IntEnum):
    """Place of a kind among the votes of the network; OTHER has none."""

    BONE = 0
    DISC = 1
    CANAL = 2
    OTHER = 3


_OF_ANATOMY = {
    anatomy.Kind.VERTEBRA: Kind.BONE,
    anatomy.Kind.SACRUM: Kind.BONE,
    anatomy.Kind.COCCYX: Kind.BONE,
    anatomy.Kind.DISC: Kind.DISC,
    anatomy.Kind.CANAL: Kind.CANAL,
}


def _kind_of(label: int) -> Kind:
    known = anatomy.by_label(label)
    return Kind.OTHER if known is None else _OF_ANATOMY.get(known.kind, Kind.OTHER)


# Kind of each value of a label map.
KINDS = np.array([_kind_of(label) for label in range(256)], np.uint8)
VOTED = (Kind.BONE, Kind.DISC, Kind.CANAL)


def choose(labels: ArrayLike, rng: np.random.Generator) -> int:
    """Return one of some labels, by the shares of their kinds."""
    names = np.asarray(labels)
    shares = SHARES[KINDS[names]]
    return int(rng.choice(names, p=shares / shares.sum()))


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
    for also in scan.also:
        more = read_any(data / also.labels)
        _check_grids(labelled, more, scan.name)
        labels = np.where(labels == 0, _more_labels(more.data, also), labels)
    if not labels.any():
        raise InputError(f"The labels of {scan.name} are empty: check label_values.")
    volume = None if scan.image is None else read_any(data / scan.image)
    if volume is not None:
        _check_grids(labelled, volume, scan.name)
    return volume, replace(labelled, data=labels, name=scan.name)


def read_bodies(scan: ScanConfig, data: Path) -> NDArray[np.bool_] | None:
    """Read which voxels are vertebral bodies; None where the scan does not say.

    Raises
    ------
    InputError
        If that file lies on another grid than the labels.
    """
    if scan.bodies is None:
        return None
    bodies = read_any(data / scan.bodies.labels)
    _check_grids(read_any(data / scan.labels), bodies, scan.name)
    return np.isin(bodies.data, scan.bodies.values)


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


def _more_labels(values: NDArray[Any], more: MoreLabels) -> NDArray[np.uint8]:
    """Return the wanted structures of a further label file."""
    labels = _renumber(values, more.values or {0: 0})
    for value, names in more.numbered.items():
        parts, count = ndi.label(values == value, np.ones((3, 3, 3)))
        sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
        chosen = 1 + np.argsort(-sizes)[: len(names)]
        centres = np.asarray(ndi.center_of_mass(parts > 0, parts, chosen))
        order = np.argsort(centres.reshape(-1, 3)[:, 0])
        for name, part in zip(names, chosen[order], strict=False):
            labels[parts == part] = name
    return labels


def _renumber(values: NDArray[Any], mapping: dict[int, int]) -> NDArray[np.uint8]:
    whole = np.rint(values).astype(np.int64)
    if not mapping:
        return np.where((whole > 0) & (whole <= 28), whole, 0).astype(np.uint8)
    table = np.zeros(max(int(whole.max()), *mapping) + 1, np.uint8)
    for source, target in mapping.items():
        table[source] = target
    renumbered: NDArray[np.uint8] = table[np.clip(whole, 0, None)]
    return renumbered


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
        (store / INDEX).write_text(json.dumps(index, indent=1), "utf-8")
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
    return json.loads(file.read_text("utf-8")) if file.exists() else {}


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
