"""The file that a killed run goes on from."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

import torch

from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.model.weights.checkpoint import UNREADABLE

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

CHECKPOINT = "checkpoint.pt"
PARTS = frozenset({"config", "trained", "optimizer", "step", "processes"})


def write_state(state: dict[str, Any], path: Path) -> None:
    """Write a run's state in one move, so that a kill leaves the old or the new.

    Raises
    ------
    ModelError
        If it cannot be written, on a full disk for one; the old file stays.
    """
    unfinished = path.with_suffix(".part")
    try:
        torch.save(state, unfinished)
        os.replace(unfinished, path)
    except (OSError, RuntimeError) as error:
        unfinished.unlink(missing_ok=True)
        raise ModelError(
            f"{path} cannot be written ({error}): make room on the disk and give the "
            "same line again; the checkpoint before stays as it was."
        ) from error


def read_state(path: Path) -> dict[str, Any]:
    """Read what `write_state` wrote.

    Raises
    ------
    ModelError
        If the file is missing, damaged or something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(
            f"There is no checkpoint {path}: check the folder of the run, or train "
            "until the first one is written."
        ) from None
    except (pickle.UnpicklingError, *UNREADABLE) as error:
        raise ModelError(
            f"{path} is damaged: remove it to train the run from the start."
        ) from error
    if not isinstance(state, dict) or not set(state) >= PARTS:
        raise ModelError(f"{path} is no checkpoint of a run: check the folder.")
    return state


def trained(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return what training changes of a network: parameters, and running statistics."""
    frozen = {n for n, each in network.named_parameters() if not each.requires_grad}
    return {
        name: tensor
        for name, tensor in network.state_dict().items()
        if name not in frozen
    }
