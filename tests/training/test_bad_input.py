"""What goes wrong in a lab is one sentence and exit code 2, and harms nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_spinalsam.core.errors import InputError
from tests.training.helpers import block_labels, saved_tree, write_nifti
from training.__main__ import main
from training.common.checkpoints import CHECKPOINT
from training.common.config import save_config
from training.sam.sampler import SliceSampler
from training.slices.store import SliceStore

if TYPE_CHECKING:
    from pathlib import Path

    from training.sam.config import SamConfig

needs_a_full_disk = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="/dev/full is a full disk on Linux"
)


def line_of(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the line that tells what is wrong, which is the last one."""
    return capsys.readouterr().err.strip().splitlines()[-1]


def prepare(own: Path, store: Path, *more: str) -> int:
    line = ["prepare", "--source", "folder", str(own), "--store", str(store)]
    return main([*line, "--size", "64", *more])


def fit(config: SamConfig, slices: Path, run: Path, **changes: object) -> int:
    fit = config.fit.model_copy(update=changes)
    run.mkdir(exist_ok=True)
    save_config(config.model_copy(update={"fit": fit}), run.parent / "small.yaml")
    line = ["fit", "--config", str(run.parent / "small.yaml"), "--store", str(slices)]
    return main([*line, "--run", str(run)])


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (block_labels()[:, :, :50], "grid"),
        (np.zeros_like(block_labels()), "draw labels where they are empty"),
        (block_labels(), "none can be held back"),
    ],
    ids=["another grid", "empty labels", "one patient"],
)
def test_scans_that_cannot_be_used_leave_no_store(
    labels: np.ndarray, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = saved_tree(tmp_path / "own", ("a",))
    write_nifti(labels, own / "a_labels.nii.gz")
    assert prepare(own, tmp_path / "store") == 2
    assert told in line_of(capsys)
    with pytest.raises(InputError, match="no complete store"):
        SliceStore(tmp_path / "store")


def test_one_scan_without_anything_drawn_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = saved_tree(tmp_path / "own", ("a", "b"))
    write_nifti(np.zeros_like(block_labels()), own / "a_labels.nii.gz")
    assert prepare(own, tmp_path / "store", "--test-share", "0") == 0
    assert list(SliceStore(tmp_path / "store").cases) == ["b"]
    assert "a: its labels are empty" in caplog.text


@needs_a_full_disk
def test_a_full_disk_leaves_the_preparation_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, store = saved_tree(tmp_path / "own", ("a",)), tmp_path / "store"
    store.mkdir()
    full = store / ".store.json.part"
    full.symlink_to("/dev/full")
    assert prepare(own, store, "--test-share", "0") == 2
    assert "No space left on device" in line_of(capsys)
    full.unlink()
    assert prepare(own, store, "--test-share", "0") == 0
    assert SliceStore(store).keys("train")


@needs_a_full_disk
def test_a_full_disk_leaves_the_checkpoint_before(
    sam_config: SamConfig,
    slices: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, draw = tmp_path / "run", SliceSampler.draw

    def full_at_the_second(source: SliceSampler, step: int) -> object:
        if step == 1:
            (run / "checkpoint.part").symlink_to("/dev/full")
        return draw(source, step)

    monkeypatch.setattr(SliceSampler, "draw", full_at_the_second)
    assert fit(sam_config, slices, run) == 2
    assert "make room on the disk" in line_of(capsys)
    assert torch.load(run / CHECKPOINT, weights_only=True)["step"] == 1
    monkeypatch.setattr(SliceSampler, "draw", draw)
    assert fit(sam_config, slices, run) == 0
    assert torch.load(run / CHECKPOINT, weights_only=True)["step"] == 3


def test_a_loss_that_is_no_number_spares_the_checkpoint(
    sam_config: SamConfig,
    slices: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    assert fit(sam_config, slices, run, learning_rate=1e30, steps=9) == 2
    assert "The loss is not a number at step" in line_of(capsys)
    if (run / CHECKPOINT).exists():
        weights = torch.load(run / CHECKPOINT, weights_only=True)["trained"]
        assert all(torch.isfinite(each).all() for each in weights.values())


def test_a_gradient_that_is_no_number_is_not_stepped_on(
    sam_config: SamConfig,
    slices: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def sharp(logits: torch.Tensor, *_: object) -> torch.Tensor:
        flat = logits.flatten(1).sum(1)
        return (flat - flat.detach()).sqrt()  # 0, with an infinite slope

    run = tmp_path / "run"
    monkeypatch.setattr("training.sam.interactive.dice_loss", sharp)
    assert fit(sam_config, slices, run) == 2
    assert "The loss is not a number at step 1" in line_of(capsys)
    assert not (run / CHECKPOINT).exists()


def test_an_interrupted_run_says_how_to_go_on(
    sam_config: SamConfig,
    slices: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(source: SliceSampler, step: int) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(SliceSampler, "draw", stopped)
    assert fit(sam_config, slices, tmp_path / "run") == 130
    assert line_of(capsys) == "training: interrupted; the same line goes on."
