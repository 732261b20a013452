"""`info`: what is installed, which device computes, and where the models are."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from napari_spinalsam.commands.models import known_models, show_models
from napari_spinalsam.commands.terminal import show, show_json, show_table

if TYPE_CHECKING:
    from argparse import Namespace

PACKAGES = (
    "napari-spinalsam",
    "napari",
    "torch",
    "numpy",
    "nibabel",
    "SimpleITK",
    "segment-anything",
    "peft",
)


def run(options: Namespace) -> None:
    """Print versions, device and models.

    Parameters
    ----------
    options : Namespace
        json.
    """
    from napari_spinalsam.model.backend import pick_device

    versions = {"Python": platform.python_version()}
    versions |= {name: found for name in PACKAGES if (found := _version(name))}
    device = pick_device("auto")
    if options.json:
        show_json({"versions": versions, "device": device, "models": known_models()})
    else:
        show_table([*versions.items(), ("device", device)])
        show("")
        show_models()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
