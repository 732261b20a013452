"""Small synthetic scans as files, and the store made of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import torch
from segment_anything import sam_model_registry

from napari_spinalsam.model.networks.sam import SpinalSam
from napari_spinalsam.model.weights import identify
from napari_spinalsam.model.weights.identify import Family
from tests.model.conftest import build_small_sam
from tests.training.helpers import block_image, block_labels, folder_tree, write_nifti
from training.sam.config import SamConfig
from training.slices.prepare import prepare_slices
from training.slices.slicing import SliceSettings
from training.tiny.config import FitConfig, ModelConfig, RunConfig, ScanConfig
from training.tiny.dataset import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator
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


@pytest.fixture(scope="session")
def slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of slices of 64 pixels of three scans, one of them to test on."""
    place = tmp_path_factory.mktemp("slices")
    settings = SliceSettings(size=64, window="bone")
    prepare_slices("folder", folder_tree(place / "own"), place / "store", settings)
    return place / "store"


@pytest.fixture
def sam_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the weights of a small SAM that passes for ViT-B, whose file is large."""
    monkeypatch.setitem(sam_model_registry, "vit_b", build_small_sam)
    monkeypatch.setitem(identify.VIT_SIZES, (32, 2), Family.SAM_B)
    torch.manual_seed(0)
    sam = build_small_sam()
    network = SpinalSam(sam.image_encoder, sam.prompt_encoder, sam.mask_decoder)
    path = tmp_path / "base.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def sam_config(sam_base: Path) -> SamConfig:
    """Return a run of three steps on the small SAM, two slices a step."""
    return SamConfig.model_validate(
        {
            "family": "sam_vit_b",
            "base": str(sam_base),
            "image_size": 64,
            "lora": {"rank": 2},
            "cbam": {"ratio": 4},
            "rounds": {"later": 3, "masks_per_image": 2},
            "fit": {
                "steps": 3,
                "batch": 2,
                "learning_rate": 1e-3,
                "checkpoint_every": 1,
                "log_every": 1,
                "threads": 1,
            },
        }
    )


@pytest.fixture(autouse=True)
def _new_processes() -> Iterator[None]:
    """Let each test choose the precision that processes compute in."""
    yield
    if "accelerate" in sys.modules:
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state(reset_partial_state=True)
