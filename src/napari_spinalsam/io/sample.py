"""The lumbar CT that comes with the package, and its reference labels."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from napari_spinalsam.io.images import read_volume
from napari_spinalsam.io.labels import LabelVolume, read_labels

if TYPE_CHECKING:
    from napari_spinalsam.core.volume import Volume

SAMPLE_NAME = "Lumbar CT (sample)"
REFERENCE_NAME = "Lumbar CT reference (sample)"


def read_sample() -> tuple[Volume, LabelVolume]:
    """Read the sample scan and the labels of its vertebrae L1 to L5.

    Returns
    -------
    Volume
        CT in Hounsfield units, tilted by about 8 degrees against the scanner.
    LabelVolume
        On the same grid, drawn by people.
    """
    with as_file(files("napari_spinalsam") / "resources" / "sample") as folder:
        volume = read_volume(folder / "lumbar_ct.nii.gz")
        labels = read_labels(folder / "lumbar_labels.nii.gz", volume.grid)
    return replace(volume, name=SAMPLE_NAME), replace(labels, name=REFERENCE_NAME)
