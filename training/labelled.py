"""Scans and their labels as files hold them, in the project's convention."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage as ndi

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.volume import FileGrid, Volume
from napari_spinalsam.io.images import read_volume

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from training.config import MoreLabels, ScanConfig


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
