"""The notebook API, without a window and without the bundled weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_spinalsam import api
from napari_spinalsam.actions import models as a
from napari_spinalsam.core.errors import InputError, ModelError
from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.model.engine_info import SessionInfo
from napari_spinalsam.model.networks.tiny import SpinalSamTiny, TinyConfig
from napari_spinalsam.model.weights.checkpoint import save_tiny

if TYPE_CHECKING:
    from pathlib import Path

    from napari_spinalsam.model.session import SegmentationSession

L3 = 22


@pytest.fixture
def volume() -> Volume:
    """Return a bright block on an anisotropic grid."""
    data = np.full((8, 40, 48), 40, np.int16)
    data[2:6, 12:28, 14:34] = 600
    geometry = Geometry.from_spacing(data.shape, (3.0, 1.0, 0.7))
    return Volume.from_geometry(data, geometry, "CT", "block")


@pytest.fixture
def session(tmp_path: Path) -> SegmentationSession:
    """Return a session with a small network from a file."""
    torch.manual_seed(0)
    network = SpinalSamTiny(TinyConfig((8, 8, 8, 8), (1, 1, 1, 1), (8, 8, 8)))
    torch.nn.init.constant_(network.votes.bias, 3.0)
    save_tiny(network, tmp_path / "small.safetensors")
    return api.load_session(str(tmp_path / "small.safetensors"), "cpu")


def test_prompt_accept_save_and_read_back(
    volume: Volume, session: SegmentationSession, tmp_path: Path
) -> None:
    work = api.annotate(volume, session)
    work.run(a.SelectStructure(structure="L3"))
    work.run(a.GoToSlice(index=4))
    work.annotation.set_box(0, 4, api.BoxPrompt(11, 13, 28, 34))
    work.run_plan([a.GenerateMask(), a.AcceptMask()])
    api.save_labels(tmp_path / "out.nii.gz", work.annotation.labels, volume)
    read = api.load_labels(tmp_path / "out.nii.gz", volume.grid)
    assert set(np.unique(read.data)) == {0, L3}
    assert np.array_equal(read.data, work.annotation.labels)


def test_an_annotation_is_saved_opened_and_replayed(
    volume: Volume, session: SegmentationSession, tmp_path: Path
) -> None:
    work = api.annotate(volume, session)
    work.run(a.SelectStructure(structure="L3"))
    work.annotation.set_box(0, 4, api.BoxPrompt(11, 13, 28, 34))
    work.run_plan([a.GoToSlice(index=4), a.GenerateMask(), a.AcceptMask()])
    api.save_annotation(work.annotation, tmp_path / "case.spinalsam")
    opened = api.open_annotation(tmp_path / "case.spinalsam", volume)
    assert np.array_equal(opened.labels, work.annotation.labels)
    labels = api.replay(tmp_path / "case.spinalsam", volume, session)
    assert labels.any()
    assert np.array_equal(labels, opened.labels)


def test_a_session_answers_the_same_whether_or_not_the_slice_is_at_hand(
    volume: Volume, session: SegmentationSession
) -> None:
    session.set_volume(volume)
    plane = volume.geometry.plane(0, 4)
    prompts = api.SlicePrompts(0, 4, box=api.BoxPrompt(11, 13, 28, 34))
    first, again = (
        session.predict(plane, prompts, window=api.PRESETS["bone"]) for _ in range(2)
    )
    assert first.encode_ms is not None
    assert again.encode_ms is None
    assert np.array_equal(first.masks, again.masks)


def test_devices_are_told_with_a_model_and_without(
    volume: Volume, session: SegmentationSession
) -> None:
    work = api.annotate(volume, session)
    assert "cpu" in work.run(a.CheckGpu()).text.lower()
    assert "Matched" in str(work.run(a.VerifyParameters()).text).title()
    work.engine = SessionInfo(None)
    assert "cpu" in work.run(a.CheckGpu()).text.lower()
    with pytest.raises(InputError, match="no model to ask"):
        work.run(a.VerifyParameters())


def test_a_missing_model_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.safetensors"):
        api.load_session(str(tmp_path / "absent.safetensors"))


def test_work_goes_on_from_a_file_of_labels_as_one_step(
    volume: Volume, session: SegmentationSession, tmp_path: Path
) -> None:
    labels = np.zeros(volume.data.shape, np.uint8)
    labels[2:6, 12:28, 14:34] = L3
    api.save_labels(tmp_path / "start.nii.gz", labels, volume)
    work = api.annotate(volume, session, start=tmp_path / "start.nii.gz")
    assert np.array_equal(work.annotation.labels, labels)
    assert [each.name for each in work.annotation.state.objects] == ["L3"]
    assert work.annotation.undo() == ("Open labels",)
    assert not work.annotation.labels.any()
    api.open_labels(work.annotation, tmp_path / "start.nii.gz")
    work.annotation.set_locked("L3", True)
    api.save_labels(tmp_path / "none.nii.gz", np.roll(labels, 1, 1), volume)
    with pytest.raises(InputError, match="L3 is locked"):
        api.open_labels(work.annotation, tmp_path / "none.nii.gz")
    assert np.array_equal(work.annotation.labels, labels)
