"""Small real networks with fixed random weights."""

import pytest
import torch
from segment_anything.modeling import Sam

from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.intensity import Window
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.model.backends.base import ModelRecord
from napari_spinalsam.model.networks.sam import SpinalSam
from napari_spinalsam.model.networks.tiny import SpinalSamTiny
from napari_spinalsam.model.networks.toy import build_toy_sam
from tests.model.helpers import SHAPE, SPACING, TINY_CONFIG, noise


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    torch.manual_seed(0)


@pytest.fixture
def small_sam() -> Sam:
    """SAM of 131,912 parameters for images of 64 pixels."""
    return build_small_sam()


def build_small_sam(checkpoint: None = None) -> Sam:
    return build_toy_sam()


@pytest.fixture
def network(small_sam: Sam) -> SpinalSam:
    """The same SAM, composed by us."""
    return SpinalSam(
        small_sam.image_encoder, small_sam.prompt_encoder, small_sam.mask_decoder
    ).eval()


@pytest.fixture
def tiny() -> SpinalSamTiny:
    """The bundled network, much narrower and untrained."""
    return SpinalSamTiny(TINY_CONFIG).eval()


@pytest.fixture
def record() -> ModelRecord:
    return ModelRecord(ModelIdentity("ab" * 32, "small"), "sam_vit_b", "CC0-1.0", 1)


@pytest.fixture
def volume() -> Volume:
    """Noise with anisotropic spacing."""
    geometry = Geometry.from_spacing(SHAPE, SPACING)
    return Volume.from_geometry(noise(*SHAPE), geometry)


@pytest.fixture
def window() -> Window:
    return Window(level=0.5, width=1.0)
