"""`info`: what is installed, which device computes, and where the models are."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from napari_spinalsam.commands.models import known_models, show_models
from napari_spinalsam.commands.terminal import show, show_json, show_table

if TYPE_CHECKING:
    from argparse import Namespace


def run(options: Namespace) -> None:
    """Print versions, devices and models; imports torch.

    Parameters
    ----------
    options : Namespace
        json.
    """
    from napari_spinalsam.model.info import devices, versions

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
