"""What the next start begins with: kept choices, the hint, adapters of the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from segment_anything import sam_model_registry

from napari_spinalsam.actions import models as a
from napari_spinalsam.core.intensity import PRESETS
from napari_spinalsam.core.prompts import BoxPrompt
from napari_spinalsam.io.layer_data import image_layer
from napari_spinalsam.model.networks.sam import SpinalSam
from napari_spinalsam.model.weights import identify, loading, registry
from napari_spinalsam.model.weights.adapter_files import AdapterConfig, adapter_path
from napari_spinalsam.model.weights.adapters import save_adapter
from napari_spinalsam.model.weights.checkpoint import digest_of
from napari_spinalsam.model.weights.identify import Family
from napari_spinalsam.model.weights.registry import ENTRIES, ModelEntry
from napari_spinalsam.widgets.handle import attach
from napari_spinalsam.widgets.preferences import keep, segment_settings
from napari_spinalsam.widgets.segment import model_row
from tests.gui.conftest import make_volume
from tests.model.conftest import build_small_sam

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.handle import SegmentHandle

pytestmark = pytest.mark.gui


def next_start(make_napari_viewer: Callable[..., Viewer]) -> SegmentHandle:
    """Return the dock of another viewer on the same image."""
    viewer = make_napari_viewer()
    data, attributes, _ = image_layer(make_volume())
    viewer.add_image(data, **attributes)
    return attach(viewer)


def test_the_dock_begins_with_the_last_choices_and_without_the_dismissed_hint(
    handle: SegmentHandle, make_napari_viewer: Callable[..., Viewer]
) -> None:
    dock = handle.widget
    assert not dock.first_steps.isHidden()
    dock.first_steps.dismiss.click()
    dock.prompts.live.setChecked(False)
    dock.window_.preset_chosen.emit("disc")
    dock.whole.propagate_pressed.emit("forward")

    again = next_start(make_napari_viewer)
    assert again.widget.first_steps.isHidden()
    assert not again.widget.prompts.live.isChecked()
    assert not again.widget.controller.predictions.live
    assert again.annotation.state.window == PRESETS["disc"]
    assert segment_settings().propagate == "forward"
    again.widget.steps.click()
    assert not again.widget.first_steps.isHidden()

    keep("remember", value=False)
    again.widget.window_.preset_chosen.emit("lung")
    assert segment_settings().window == "disc"


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small SAM that was downloaded as a ViT-B, and an adapter on it."""
    monkeypatch.setenv("NAPARI_SPINALSAM_ADAPTERS", str(tmp_path / "adapters"))
    monkeypatch.setenv("NAPARI_SPINALSAM_MODELS", str(tmp_path))
    monkeypatch.setitem(sam_model_registry, "vit_b", build_small_sam)
    monkeypatch.setitem(identify.VIT_SIZES, (32, 2), Family.SAM_B)
    sam = build_small_sam()
    network = SpinalSam(sam.image_encoder, sam.prompt_encoder, sam.mask_decoder)
    path = tmp_path / "small.pth"
    torch.save(network.state_dict(), path)
    digest = digest_of(path)
    entry = ModelEntry(
        "small", "sam_vit_b", "https://example.org/small.pth", digest, 1, "CC0-1.0", ""
    )
    table = {**ENTRIES, "small": entry}
    for module in (registry, loading, model_row):
        monkeypatch.setattr(module, "ENTRIES", table)
    network.add_lora(2)
    config = AdapterConfig(
        base_sha256=digest, family="sam_vit_b", rank=2, image_size=64
    )
    save_adapter(network, adapter_path("lumbar"), config)
    return path


def test_an_adapter_is_chosen_by_name_recorded_and_remembered(
    base: Path, handle: SegmentHandle, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    build = lambda model: loading.load_session(model, "cpu")  # noqa: E731
    monkeypatch.setattr(model_row, "build_session", build)
    box, controller = handle.widget.models.box, handle.widget.controller
    box.fill()
    with qtbot.waitSignal(controller.model_changed):
        box.setCurrentIndex(box.findText("lumbar (small)"))
        box.activated.emit(box.currentIndex())
    assert box.currentText() == "lumbar (small)"
    assert segment_settings().model == "lumbar"

    handle.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    handle.annotation.set_box(0, 6, BoxPrompt(11, 13, 28, 34))
    handle.wait_for_mask()
    handle.run(a.AcceptMask())
    (done,) = handle.annotation.state.object_of("L3").accepted
    made_by = done.origin.model
    assert (made_by.name, made_by.adapter) == ("small", "lumbar")
    assert made_by.adapter_sha256 == digest_of(adapter_path("lumbar"))
    assert "small + lumbar" in handle.widget.status.text()


def test_an_adapter_without_its_base_is_refused_in_one_sentence(
    base: Path, handle: SegmentHandle
) -> None:
    base.unlink()
    box = handle.widget.models.box
    box.fill()
    box.setCurrentIndex(box.findText("lumbar (small)"))
    box.activated.emit(box.currentIndex())
    assert "lumbar needs small, which has not been downloaded" in (
        handle.widget.status.text()
    )
    assert box.currentText() == "test-net"
