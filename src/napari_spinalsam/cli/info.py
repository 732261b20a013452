"""`info`: versions, devices, and the models with the places of their weights."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from napari_spinalsam.cli.arguments import add_command, add_json
from napari_spinalsam.cli.models import known_models, show_models
from napari_spinalsam.cli.terminal import show, show_json, show_table

if TYPE_CHECKING:
    from argparse import Namespace

    from napari_spinalsam.cli.arguments import Commands


def add_to(commands: Commands) -> None:
    """Add the command to the parser."""
    title = "versions, device and models"
    add_json(add_command(commands, "info", run, title=title))


def run(options: Namespace) -> None:
    """Print versions, devices and models; imports torch.

    Parameters
    ----------
    options : Namespace
        json.
    """
    from napari_spinalsam.model.diagnostics import devices, versions

    rows = devices()
    if options.json:
        show_json(
            {
                "versions": versions(),
                "device": next(row.device for row in rows if row.used),
                "devices": [asdict(row) for row in rows],
                "models": known_models(),
            }
        )
        return
    show_table(list(versions().items()))
    show("")
    show_table([row.row() for row in rows])
    show("")
    show_models()
