"""A run that begins with the weights of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.model.networks.tiny import SpinalSamTiny
from training.tiny.fit import build_loop, fit_tiny
from training.tiny.network import load_network

if TYPE_CHECKING:
    from pathlib import Path

    from training.tiny.config import RunConfig


def started(config: RunConfig, run: Path) -> RunConfig:
    """Return the configuration of a run that goes on from another's weights."""
    fit = config.fit.model_copy(update={"start_from": str(run)})
    return config.model_copy(update={"fit": fit})


def test_the_first_weights_are_those_of_the_other_run(
    config: RunConfig, store: Path, tmp_path: Path
) -> None:
    fit_tiny(config, store, tmp_path / "first")
    first = load_network(tmp_path / "first")
    second = build_loop(started(config, tmp_path / "first"), store, tmp_path / "second")
    assert second.step == 0
    for name, tensor in first.state_dict().items():
        assert torch.equal(second.task.network.state_dict()[name], tensor)


def test_a_run_without_a_checkpoint_is_refused(
    config: RunConfig, store: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="no checkpoint"):
        build_loop(started(config, tmp_path / "none"), store, tmp_path / "second")


def test_blocks_that_the_other_run_lacks_change_nothing_at_first(
    config: RunConfig, store: Path, tmp_path: Path
) -> None:
    fit_tiny(config, store, tmp_path / "first")
    blocks = (*config.model.blocks[:-1], config.model.blocks[-1] + 2)
    deeper = started(config, tmp_path / "first").model_copy(
        update={"model": config.model.model_copy(update={"blocks": blocks})}
    )
    second = build_loop(deeper, store, tmp_path / "second").task.network.eval()
    assert isinstance(second, SpinalSamTiny)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before, after = (
        network.encode(image).kinds
        for network in (load_network(tmp_path / "first"), second)
    )
    torch.testing.assert_close(after, before)


def test_a_network_of_other_widths_is_refused(
    config: RunConfig, store: Path, tmp_path: Path
) -> None:
    fit_tiny(config, store, tmp_path / "first")
    wider = started(config, tmp_path / "first").model_copy(
        update={"model": config.model.model_copy(update={"decoder_widths": (4, 6, 9)})}
    )
    with pytest.raises(ModelError, match="other parts"):
        build_loop(wider, store, tmp_path / "second")
