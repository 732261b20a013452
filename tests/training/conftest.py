"""Small synthetic scans as files, and the store made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.training.helpers import block_image, block_labels, write_nifti
from training.config import FitConfig, ModelConfig, RunConfig, ScanConfig
from training.store import prepare

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data folder with one scan, `ct.nii.gz` and `labels.nii.gz`."""
    folder = tmp_path / "data"
    folder.mkdir()
    labels = block_labels()
    write_nifti(labels, folder / "labels.nii.gz")
    write_nifti(block_image(labels), folder / "ct.nii.gz")
    return folder


@pytest.fixture
def scan() -> ScanConfig:
    """Return the scan of the data folder."""
    return ScanConfig(name="blocks", image="ct.nii.gz", labels="labels.nii.gz")


@pytest.fixture
def painted() -> ScanConfig:
    """Return the same labels as a scan without an image."""
    return ScanConfig(name="painted", image=None, labels="labels.nii.gz")


@pytest.fixture
def config(scan: ScanConfig, painted: ScanConfig) -> RunConfig:
    """Return a run of four steps of the smallest network."""
    return RunConfig(
        scans=(scan, painted),
        model=ModelConfig(
            widths=(4, 4, 4, 4), blocks=(1, 1, 1, 1), decoder_widths=(4, 4, 4)
        ),
        fit=FitConfig(
            steps=4,
            dense_steps=1,
            batch=2,
            crop=48,
            checkpoint_every=2,
            log_every=2,
            threads=1,
        ),
    )


@pytest.fixture
def store(data: Path, config: RunConfig, tmp_path: Path) -> Path:
    """Return the store of both scans."""
    folder = tmp_path / "store"
    prepare(config.scans, data, folder)
    return folder
