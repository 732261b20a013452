"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest

from napari_spinalsam.model._native import shield_triton

# Tests of networks and of the window share a process.
shield_triton()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder with small real scans; tests that need it are skipped without it."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("NAPARI_SPINALSAM_DATA", beside))
    if not folder.is_dir():
        pytest.skip("no folder with real scans: set NAPARI_SPINALSAM_DATA")
    return folder
