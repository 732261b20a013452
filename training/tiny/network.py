"""The bundled network as a run builds it, and as it was left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam.model.networks.cbam import is_signed
from napari_spinalsam.model.networks.tiny import SpinalSamTiny, TinyConfig
from training.common.checkpoints import CHECKPOINT, read_state
from training.tiny.config import RunConfig

if TYPE_CHECKING:
    from pathlib import Path


def build_network(config: RunConfig, *, signed_gate: bool = False) -> SpinalSamTiny:
    """Return the network that a run trains, with random weights.

    Parameters
    ----------
    config : RunConfig
        The run.
    signed_gate : bool
        Whether the share of attention has the form of older runs.
    """
    shape = config.model.model_dump()
    return SpinalSamTiny(TinyConfig(**shape, signed_gate=signed_gate))


def load_network(run: Path) -> SpinalSamTiny:
    """Return the network of a run as its last checkpoint has it.

    Raises
    ------
    ModelError
        If there is no checkpoint, or it is damaged.
    """
    state = read_state(run / CHECKPOINT)
    config, tensors = RunConfig.model_validate_json(state["config"]), state["trained"]
    network = build_network(config, signed_gate=is_signed(tensors))
    network.load_state_dict(tensors)
    return network.eval()
