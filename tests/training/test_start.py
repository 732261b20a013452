"""A run that begins with the weights of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_spinalsam.core.errors import ModelError
from training.fit import Trainer

if TYPE_CHECKING:
    from pathlib import Path

    from training.config import RunConfig


def started(config: RunConfig, run: Path) -> RunConfig:
    """Return the configuration of a run that goes on from another's weights."""
    fit = config.fit.model_copy(update={"start_from": str(run)})
    return config.model_copy(update={"fit": fit})


def test_the_first_weights_are_those_of_the_other_run(
    config: RunConfig, store: Path, tmp_path: Path
) -> None:
    first = Trainer(config, store, tmp_path / "first")
    first.fit()
    second = Trainer(started(config, tmp_path / "first"), store, tmp_path / "second")
    assert second.step == 0
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], tensor)


def test_a_run_without_a_checkpoint_is_refused(
    config: RunConfig, store: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="no checkpoint"):
        Trainer(started(config, tmp_path / "none"), store, tmp_path / "second")


def test_blocks_that_the_other_run_lacks_change_nothing_at_first(
    config: RunConfig, store: Path, tmp_path: Path
) -> None:
    first = Trainer(config, store, tmp_path / "first")
    first.fit()
    blocks = (*config.model.blocks[:-1], config.model.blocks[-1] + 2)
    deeper = started(config, tmp_path / "first").model_copy(
        update={"model": config.model.model_copy(update={"blocks": blocks})}
    )
    second = Trainer(deeper, store, tmp_path / "second")
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before, after = (
        trainer.model.eval().encode(image).kinds for trainer in (first, second)
    )
    torch.testing.assert_close(after, before)


def test_a_network_of_other_widths_is_refused(
    config: RunConfig, store: Path, tmp_path: Path
) -> None:
    Trainer(config, store, tmp_path / "first").fit()
    wider = started(config, tmp_path / "first").model_copy(
        update={"model": config.model.model_copy(update={"decoder_widths": (4, 6, 9)})}
    )
    with pytest.raises(ModelError, match="other parts"):
        Trainer(wider, store, tmp_path / "second")
