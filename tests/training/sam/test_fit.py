"""A store becomes an adapter that the plugin loads, whatever stops the run between."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_spinalsam.core.errors import InputError, ModelError
from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.intensity import PRESETS
from napari_spinalsam.core.prompts import BoxPrompt, SlicePrompts
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.core.volume import Volume
from napari_spinalsam.model.backends.base import ModelRecord
from napari_spinalsam.model.weights.adapters import read_adapter
from napari_spinalsam.model.weights.checkpoint import digest_of
from napari_spinalsam.model.weights.loading import load_session
from training.common.checkpoints import CHECKPOINT
from training.common.paths import HERE
from training.sam.config import SamConfig, load_any_config, load_sam_config
from training.sam.fit import fit_sam
from training.sam.sampler import SliceSampler
from training.slices.store import SliceStore

if TYPE_CHECKING:
    from torch import Tensor


def with_fit(config: SamConfig, **values: object) -> SamConfig:
    fit = config.fit.model_copy(update=values)
    return config.model_copy(update={"fit": fit})


def trained(run: Path) -> dict[str, Tensor]:
    return torch.load(run / CHECKPOINT, weights_only=True)["trained"]


@pytest.mark.parametrize("name", ["paper_vit_h", "vit_b", "medsam"])
def test_shipped_configurations_are_those_of_a_sam(name: str) -> None:
    config = load_sam_config(HERE / "configs" / f"{name}.yaml")
    assert config.image_size == 512
    assert config.fit.learning_rate == 1e-4
    assert config.fit.focal_weight == config.fit.dice_weight


def test_the_family_decides_which_network_is_trained(tmp_path: Path) -> None:
    tiny = load_any_config(HERE / "configs" / "tiny.yaml")
    assert not isinstance(tiny, SamConfig)
    file = tmp_path / "tiny.yaml"
    text = (HERE / "configs" / "tiny.yaml").read_text()
    file.write_text(f"family: spinalsam-tiny\n{text}")
    assert load_any_config(file) == tiny
    with pytest.raises(InputError, match="use a configuration of a SAM"):
        load_sam_config(file)
    file.write_text("family: sam_vit_x\nbase: none")
    with pytest.raises(InputError, match="no family 'sam_vit_x'"):
        load_any_config(file)


def test_the_adapter_answers_in_the_plugin(
    sam_config: SamConfig, slices: Path, tmp_path: Path
) -> None:
    path = fit_sam(sam_config, slices, tmp_path / "run")
    config = read_adapter(path).config
    assert config.base_sha256 == digest_of(Path(sam_config.base))
    assert (config.rank, config.cbam_ratio, config.decoder) == (2, 4, True)
    assert config.window == (300, 1500)
    assert config.notes["scans"] == "2"

    session = load_session(sam_config.base, "cpu", path)
    geometry = Geometry.from_spacing((4, 30, 40), (3.0, 1.0, 1.0))
    data = np.random.default_rng(0).integers(-100, 600, (4, 30, 40)).astype(np.int16)
    volume = Volume.from_geometry(data, geometry, "CT")
    session.set_volume(volume)
    box = SlicePrompts(0, 2, box=BoxPrompt(5, 5, 20, 25))
    answer = session.predict(geometry.plane(0, 2), box, window=PRESETS["bone"])
    assert answer.masks.shape == (3, 30, 40)
    assert session.record.window == PRESETS["bone"]
    assert session.record.pixel_mm == config.pixel_mm == SliceStore(slices).pixel_mm
    assert answer.remarks == ()
    answer = session.predict(geometry.plane(0, 2), box, window=PRESETS["disc"])
    (told,) = answer.remarks
    assert "trained with the window 300/1500 and sees the image with 60/300" in told


def test_pixels_unlike_those_in_training_are_told() -> None:
    record = ModelRecord(
        ModelIdentity("", "base", "spine"), "sam_vit_b", "", 0, pixel_mm=(0.4, 0.9)
    )
    assert record.pixel_size_doubt((0.35, 1.0)) == ""
    assert "0.40 to 0.90 mm and sees 2.00 mm" in record.pixel_size_doubt((2.0, 2.0))
    assert (
        ModelRecord(ModelIdentity("", "base"), "sam_vit_b", "", 0).pixel_size_doubt(
            (9, 9)
        )
        == ""
    )


def test_a_killed_run_ends_as_one_that_was_not(
    sam_config: SamConfig,
    slices: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = with_fit(sam_config, accumulate=2)
    fit_sam(config, slices, tmp_path / "whole")
    draw = SliceSampler.draw

    def killed_at_the_third(source: SliceSampler, step: int) -> object:
        if step == 2:
            raise KeyboardInterrupt
        return draw(source, step)

    monkeypatch.setattr(SliceSampler, "draw", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        fit_sam(config, slices, tmp_path / "killed")
    monkeypatch.setattr(SliceSampler, "draw", draw)
    fit_sam(config, slices, tmp_path / "killed")

    whole, killed = (trained(tmp_path / run) for run in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    logs = [(tmp_path / run / "log.csv").read_text() for run in ("whole", "killed")]
    steps = [[line.split(",")[:4] for line in log.splitlines()] for log in logs]
    assert steps[0] == steps[1]
    assert (tmp_path / "killed" / "loss.png").exists()


def test_a_checkpoint_of_another_configuration_is_refused(
    sam_config: SamConfig, slices: Path, tmp_path: Path
) -> None:
    one = with_fit(sam_config, steps=1)
    fit_sam(one, slices, tmp_path / "run")
    with pytest.raises(ModelError, match="another configuration"):
        fit_sam(with_fit(one, seed=1), slices, tmp_path / "run")


def test_slices_of_another_size_are_refused(
    sam_config: SamConfig, slices: Path, tmp_path: Path
) -> None:
    larger = sam_config.model_copy(update={"image_size": 128})
    with pytest.raises(InputError, match="prepare with --size 128"):
        fit_sam(larger, slices, tmp_path / "run")


def test_a_base_of_another_family_is_refused(
    sam_config: SamConfig, slices: Path, tmp_path: Path
) -> None:
    other = sam_config.model_copy(update={"family": "sam_vit_h"})
    with pytest.raises(ModelError, match="is SAM ViT-B and the configuration says"):
        fit_sam(other, slices, tmp_path / "run")


def test_medsam_is_trained_as_the_vit_b_that_it_is(
    sam_config: SamConfig, slices: Path, tmp_path: Path
) -> None:
    config = with_fit(sam_config, steps=1)
    base = Path(config.base).rename(tmp_path / "medsam_vit_b.pth")
    config = config.model_copy(update={"family": "medsam_vit_b", "base": str(base)})
    path = fit_sam(config, slices, tmp_path / "run")
    assert read_adapter(path).config.family == "sam_vit_b"
    assert load_session(base, "cpu", path).identity.adapter == "adapter"


def test_tensorboard_that_is_not_installed_is_told(
    sam_config: SamConfig,
    slices: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        fit_sam(with_fit(sam_config, tensorboard=True), slices, tmp_path / "run")
