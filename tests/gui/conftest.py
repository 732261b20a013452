"""A viewer with the Segment dock and a small real CT, and waiting without sleeping."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from napari import settings

from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.io.layer_data import image_layer
from napari_spinalsam.model.backends.base import ModelRecord
from napari_spinalsam.model.backends.tiny import TinyBackend
from napari_spinalsam.model.networks.tiny import SpinalSamTiny, TinyConfig
from napari_spinalsam.model.session import SegmentationSession
from napari_spinalsam.widgets.chat.widget import ChatWidget
from napari_spinalsam.widgets.handle import attach
from napari_spinalsam.widgets.segment import model_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari import Viewer

    from napari_spinalsam.widgets.handle import SegmentHandle

SPACING = (3.0, 1.0, 0.7)


def small_session() -> SegmentationSession:
    """Return a session with a small untrained network."""
    torch.manual_seed(0)
    config = TinyConfig((8, 8, 8, 8), (1, 1, 1, 1), (8, 8, 8))
    network = SpinalSamTiny(config)
    torch.nn.init.constant_(network.votes.bias, 3.0)  # all is foreground: no empty mask
    record = ModelRecord(
        ModelIdentity("0" * 64, "test-net"), "spinalsam-tiny", "none", 1
    )
    return SegmentationSession(TinyBackend(network, record, "cpu"))


def make_volume(shape: tuple[int, int, int] = (12, 40, 48)) -> Volume:
    """Return a bright block in soft tissue on an anisotropic grid."""
    rng = np.random.default_rng(0)
    data = rng.normal(40, 10, shape).astype(np.float32)
    data[:, :2] = -1000
    data[3:9, 12:28, 14:34] = 600
    geometry = Geometry.from_spacing(shape, SPACING, (5.0, -20.0, 7.0))
    return Volume.from_geometry(data, geometry, "CT", "block")


@pytest.fixture(autouse=True)
def _small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_row, "build_session", lambda *_: small_session())


@pytest.fixture(autouse=True)
def recovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the recovery folder of whoever runs the tests out; return the one used."""
    monkeypatch.setenv("NAPARI_SPINALSAM_RECOVERY", str(tmp_path / "recovery"))
    return tmp_path / "recovery"


@pytest.fixture(autouse=True)
def _own_preferences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the plugin's page of the Preferences of whoever runs the tests out."""
    monkeypatch.setattr(settings, "_CFG_PATH", str(tmp_path / "settings.yaml"))
    settings._clear_plugin_settings_cache()
    yield
    settings._clear_plugin_settings_cache()


@pytest.fixture
def chat(handle: SegmentHandle) -> ChatWidget:
    """Return the Chat dock beside a Segment dock that shows the block."""
    _, widget = handle.viewer.window.add_plugin_dock_widget("napari-spinalsam", "Chat")
    assert isinstance(widget, ChatWidget)
    return widget


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Viewer]) -> Viewer:
    """Return an empty viewer."""
    return make_napari_viewer()


def docked_block(viewer: Viewer) -> SegmentHandle:
    """Return the Segment dock of a viewer that shows the block, model loaded."""
    data, attributes, _ = image_layer(make_volume())
    viewer.add_image(data, **attributes)
    docked = attach(viewer)
    docked.wait_for_model()
    return docked


@pytest.fixture
def handle(viewer: Viewer) -> SegmentHandle:
    """Return the Segment dock beside the block."""
    return docked_block(viewer)


@pytest.fixture
def on_screen(make_napari_viewer: Callable[..., Viewer]) -> SegmentHandle:
    """Return the Segment dock beside the block in a viewer that is on the screen."""
    return docked_block(make_napari_viewer(show=True))
