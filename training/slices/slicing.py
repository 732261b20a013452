"""From a labelled scan to windowed slices of one size, by the paper's rules."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field

from napari_spinalsam.core.anatomy import Kind, Plane, by_label
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.intensity import default_window, parse_window
from napari_spinalsam.io.images import read_volume
from napari_spinalsam.io.labels import read_labels
from napari_spinalsam.model.backends.sam import image_size
from training.common.losses import IGNORED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.volume import Volume
    from training.slices.sources import Case

AUTOMATIC = "auto"
Target = Literal["vertebra", "disc", "all"]
CLASSES: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.VERTEBRA: "vertebra",
        Kind.SACRUM: "vertebra",
        Kind.COCCYX: "vertebra",
        Kind.DISC: "disc",
        Kind.CANAL: "canal",
        Kind.CORD: "canal",
    }
)
# Of the smallest share of a class: less of a structure is a sliver and no target.
SLIVER = 0.1

logger = logging.getLogger(__name__)


class SliceSettings(BaseModel):
    """How slices are made.

    Parameters
    ----------
    size : int
        Pixels of the longer side; the paper has 512.
    window : str
        Name of a preset, or level and width with a comma between; ``"auto"`` is the
        bone preset for CT and the 0.5th to 99.5th percentile for all else.
    target : {"vertebra", "disc", "all"}
        Which class of structures is asked for; the paper has one class at a time.
        Sacrum and coccyx count as vertebrae; canal and cord are among all alone.
    smallest_share : float
        A class whose structures together cover less of a slice has no target there
        (equation 12); nor is a target what covers less than a tenth of that.
    short_side : float
        Planes whose short side is less than this share of the long one, in mm, are
        left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(default=512, ge=32, multiple_of=16)
    window: str = AUTOMATIC
    target: Target = "all"
    smallest_share: float = Field(default=0.01, ge=0, lt=1)
    short_side: float = Field(default=0.5, ge=0, le=1)


@dataclass(frozen=True, slots=True)
class SliceRow:
    """One slice of a store.

    Parameters
    ----------
    plane : str
        ``"axial"``, ``"coronal"`` or ``"sagittal"``.
    index : int
        Position in the canonical scan.
    rows, cols : int
        Pixels of the stored slice that are image; the rest is padding.
    row_mm, col_mm : float
        Millimetres between its pixels.
    targets : tuple of int
        Structures that cover enough of it.
    """

    plane: str
    index: int
    rows: int
    cols: int
    row_mm: float
    col_mm: float
    targets: tuple[int, ...]

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Build a row from what `as_json` gave."""
        return cls(**{**fields, "targets": tuple(fields["targets"])})

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledScan:
    """A scan, its labels and the window that it is seen through.

    Parameters
    ----------
    volume : Volume
        The image.
    labels : ndarray of uint8, shape (z, y, x)
        In the project's convention; 255 where nobody knows.
    window : Window
        Maps intensities to 0..1.
    """

    volume: Volume
    labels: NDArray[np.uint8]
    window: Window


def read_case(case: Case, settings: SliceSettings) -> LabelledScan:
    """Read a scan with its labels.

    Raises
    ------
    InputError
        If a file cannot be read, the grids differ, or a value is no label.
    """
    volume = read_volume(case.image)
    labels = np.zeros(volume.geometry.shape, np.uint8)
    for file in case.labels:
        values = read_labels(file.path, like=volume.grid).data
        told = _translate(values, file.values, file.path.name)
        labels = np.where(labels == 0, told, labels)
    if settings.window == AUTOMATIC:
        known = case.modality != "unknown"
        modality = case.modality if known else volume.modality
        window = default_window(volume.data, modality)
    else:
        window = parse_window(settings.window)
    return LabelledScan(volume, labels, window)


def plan(scan: LabelledScan, settings: SliceSettings) -> list[SliceRow]:
    """Choose the slices of a scan that show a target, plane by plane."""
    geometry = scan.volume.geometry
    rows: list[SliceRow] = []
    for kind in Plane:
        first = geometry.plane(kind.axis, 0)
        extent = np.array(first.shape) * first.spacing
        if geometry.is_2d and kind is not Plane.AXIAL:
            continue
        if extent.min() < settings.short_side * extent.max():
            logger.info(
                "%s: %s slices are left out, %.0f x %.0f mm",
                scan.volume.name,
                kind,
                *extent,
            )
            continue
        rows += _plane_rows(scan.labels, geometry, kind, settings)
    return rows


def render(
    scan: LabelledScan, row: SliceRow, size: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Cut a slice: windowed by equation 11 to 0..255, and its labels, both padded.

    Returns
    -------
    image, labels : ndarray of uint8, shape (size, size)
    """
    plane = scan.volume.geometry.plane(Plane(row.plane).axis, row.index)
    shape = (row.rows, row.cols)
    windowed = scan.window.apply(plane.take(scan.volume.data))
    image = F.interpolate(
        torch.from_numpy(np.ascontiguousarray(windowed))[None, None],
        size=shape,
        mode="bilinear",
        align_corners=False,
        antialias=True,
    )
    labels = F.interpolate(
        torch.from_numpy(np.ascontiguousarray(plane.take(scan.labels)))[None, None],
        size=shape,
        mode="nearest-exact",
    )
    below = (0, size - row.cols, 0, size - row.rows)
    return (
        F.pad((255 * image).round().to(torch.uint8), below)[0, 0].numpy(),
        F.pad(labels, below)[0, 0].numpy(),
    )


def _plane_rows(
    labels: NDArray[np.uint8], geometry: Geometry, kind: Plane, settings: SliceSettings
) -> list[SliceRow]:
    rows = []
    for index in range(geometry.shape[kind.axis]):
        plane = geometry.plane(kind.axis, index)
        here = plane.take(labels)
        counts = np.bincount(here.ravel(), minlength=256)
        # What nobody knows is part of the slice but of no class.
        counts[0] += counts[IGNORED]
        counts[IGNORED] = 0
        targets = _targets(counts, settings)
        if not targets:
            continue
        size = image_size(plane.shape, plane.spacing, settings.size)
        row_mm, col_mm = (
            float(n * mm / fine)
            for n, mm, fine in zip(plane.shape, plane.spacing, size, strict=True)
        )
        rows.append(SliceRow(kind, index, *size, row_mm, col_mm, targets))
    return rows


def _targets(counts: NDArray[np.int64], settings: SliceSettings) -> tuple[int, ...]:
    """Return the structures that are asked for in a slice.

    Parameters
    ----------
    counts : ndarray of int, shape (256,)
        Pixels of each label; none of what nobody knows.
    settings : SliceSettings
        Which class, and how much of a slice it must cover.
    """
    smallest = settings.smallest_share * counts.sum()
    present = [int(label) for label in np.flatnonzero(counts[1:]) + 1]
    areas: Counter[str] = Counter()
    for label in present:
        areas[_class_of(label)] += int(counts[label])
    return tuple(
        label
        for label in present
        if settings.target in ("all", _class_of(label))
        and areas[_class_of(label)] >= smallest
        and counts[label] >= max(SLIVER * smallest, 1)
    )


def _class_of(label: int) -> str:
    """Return the class that a label is filtered with; unknown ones are alone."""
    known = by_label(label)
    return f"label {label}" if known is None else CLASSES[known.kind]


def _translate(
    values: NDArray[Any], mapping: Mapping[int, int] | None, name: str
) -> NDArray[np.uint8]:
    if mapping is None:
        if values.max() >= IGNORED:
            raise InputError(
                f"{name} holds the label {int(values.max())}: use labels from 1 to "
                f"{IGNORED - 1}."
            )
        return values.astype(np.uint8)
    table = np.zeros(max(int(values.max()), *mapping) + 1, np.uint8)
    for source, target in mapping.items():
        table[source] = target
    translated: NDArray[np.uint8] = table[values]
    return translated
