"""An image, a session without a model, and a pair of label files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest

from napari_spinalsam.cli import segment
from napari_spinalsam.io.images import read_volume
from napari_spinalsam.io.labels import write_labels
from tests.cli.helpers import SHAPE, FillsTheBox

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> FillsTheBox:
    """The session that `segment` is given instead of a real model."""
    fake = FillsTheBox()
    monkeypatch.setattr(segment, "load_session", lambda model, device, adapter: fake)
    return fake


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A CT with axes to posterior, inferior and right, tilted by 8 degrees."""
    c, s = np.cos(np.radians(8)), np.sin(np.radians(8))
    pir = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ pir * (0.7, 1, 3)
    affine[:3, 3] = (12.5, -40.0, 7.25)
    array = np.random.default_rng(0).integers(-1000, 1000, SHAPE, dtype=np.int16)
    nib.save(nib.Nifti1Image(array, affine), tmp_path / "ct.nii.gz")
    return tmp_path / "ct.nii.gz"


@pytest.fixture
def pair(image: Path, tmp_path: Path) -> tuple[str, str]:
    """A reference with L3 and L4, and a prediction with L3 shifted, and L5."""
    grid = read_volume(image).grid
    reference, prediction = np.zeros((2, *grid.geometry.shape), np.uint8)
    reference[2:8, 2:6, 10:20] = 22
    reference[10:12, 2:6, 10:20] = 23
    prediction[2:8, 2:6, 11:21] = 22
    prediction[14:16, 2:6, 10:20] = 24
    paths = str(tmp_path / "prediction.nii.gz"), str(tmp_path / "reference.nrrd")
    for path, labels in zip(paths, (prediction, reference), strict=True):
        write_labels(path, labels, grid)
    return paths


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """The bundled network without training."""
    from napari_spinalsam.model.networks.tiny import SpinalSamTiny
    from napari_spinalsam.model.weights.checkpoint import save_tiny

    save_tiny(SpinalSamTiny(), tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"
