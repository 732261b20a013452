"""What an adapter file says of itself; read without torch."""

from __future__ import annotations

import json
import logging
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.core.intensity import Window
from napari_spinalsam.model.weights.registry import (
    ModelEntry,
    entry_of_sha256,
    is_downloaded,
)

FORMAT = "napari-spinalsam-adapter"
VERSION = 1
FOLDER_VARIABLE = "NAPARI_SPINALSAM_ADAPTERS"
SUFFIX = ".safetensors"
# A safetensors file begins with the length of its header, which is JSON.
LENGTH_BYTES = 8
LARGEST_HEADER = 100_000_000
logger = logging.getLogger(__name__)


class AdapterConfig(BaseModel):
    """What an adapter changes, and of what.

    Parameters
    ----------
    version : int
        Of the format.
    base_sha256 : str
        Checksum of the base's file; empty where the adapter's maker did not note it.
    family : str
        Of the base, such as ``"sam_vit_b"``.
    rank : int
        Of LoRA; 0 where there is none.
    alpha : float or None
        LoRA's update is scaled by ``alpha / rank``; None scales by 1.
    targets : tuple of {"q", "k", "v"}
        Projections with LoRA.
    cbam : bool
        Whether the attention module is there.
    cbam_ratio : int
        Reduction of the attention module's channel perceptron.
    decoder : bool
        Whether the mask decoder is replaced.
    image_size : int
        Side of the image in training.
    window : tuple of float or None
        Level and width that all scans were seen with in training; None if they
        differed.
    pixel_mm : tuple of float or None
        Smallest and largest pixel of the slices in training, in mm, as the network
        saw them; None in files that were written before this was noted.
    notes : dict of str to str
        Scores, training data and the like.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    base_sha256: str
    family: str
    rank: int = Field(default=0, ge=0)
    alpha: float | None = None
    targets: tuple[Literal["q", "k", "v"], ...] = ("q", "v")
    cbam: bool = False
    cbam_ratio: int = Field(default=16, ge=1)
    decoder: bool = False
    image_size: int = 1024
    window: tuple[float, float] | None = None
    pixel_mm: tuple[float, float] | None = None
    notes: dict[str, str] = {}

    @property
    def trained_window(self) -> Window | None:
        """The window of all scans in training, if it was one."""
        return None if self.window is None else Window(*self.window)


@dataclass(frozen=True, slots=True)
class StoredAdapter:
    """An adapter file of the user's folder.

    Parameters
    ----------
    name : str
        Stem of its file, to show.
    path : Path
        The file.
    config : AdapterConfig
        Which base it needs and what it changes of it.
    """

    name: str
    path: Path
    config: AdapterConfig

    @property
    def base(self) -> ModelEntry | None:
        """The model of the registry that it lies on; None if it is none of them."""
        return entry_of_sha256(self.config.base_sha256)


def adapters_folder() -> Path:
    """Return the folder of the user's adapters, which need not exist yet.

    The environment variable NAPARI_SPINALSAM_ADAPTERS, where set, names it. It is no
    cache: an adapter cannot be downloaded again.
    """
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return platformdirs.user_data_path("napari-spinalsam") / "adapters"


def adapter_path(name: str) -> Path:
    """Return where the adapter of a name lies or is to be written.

    Raises
    ------
    ModelError
        If the name cannot be one of a file.
    """
    if not name or Path(name).name != name or name.startswith("."):
        raise ModelError(
            f"{name!r} cannot be the name of an adapter: use letters, digits and "
            "hyphens."
        )
    return adapters_folder() / f"{name.removesuffix(SUFFIX)}{SUFFIX}"


def list_adapters() -> tuple[StoredAdapter, ...]:
    """Return the adapters of the user's folder by name.

    A file that is no adapter of ours is left out, with a warning in the log.
    """
    found = []
    for path in sorted(adapters_folder().glob(f"*{SUFFIX}")):
        try:
            found.append(StoredAdapter(path.stem, path, read_config(path)))
        except ModelError as error:
            logger.warning("%s", error)
    return tuple(found)


def base_of(name: str, config: AdapterConfig) -> ModelEntry:
    """Return the model that an adapter lies on, whose weights are here.

    Parameters
    ----------
    name : str
        Of the adapter, for the message.
    config : AdapterConfig
        Of the adapter.

    Raises
    ------
    ModelError
        If its base is no model of the registry, or has not been downloaded.
    """
    entry = entry_of_sha256(config.base_sha256)
    if entry is None:
        raise ModelError(
            f"The adapter {name} needs a base of the family {config.family} that is "
            "not one of the known models: load it from Python, with that base as the "
            "model and this file as its adapter."
        )
    if not is_downloaded(entry.name):
        raise ModelError(
            f"The adapter {name} needs {entry.name}, which has not been downloaded "
            f"yet ({entry.size_bytes / 1e6:.0f} MB): run 'napari-spinalsam models "
            f"download {entry.name}', or choose {entry.name} in the Segment dock and "
            "press Download."
        )
    return entry


def read_config(path: Path) -> AdapterConfig:
    """Read what an adapter file says of itself, without its weights.

    Raises
    ------
    ModelError
        If the file cannot be read or is no adapter of ours.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(LENGTH_BYTES))
            header = json.loads(file.read(min(length, LARGEST_HEADER)))
        notes = header["__metadata__"]
        if notes["format"] == FORMAT:
            return AdapterConfig.model_validate_json(notes["config"])
    except OSError as error:
        raise ModelError(
            f"{path} cannot be opened ({error.strerror}): choose a file that can be "
            "read."
        ) from error
    except (struct.error, ValueError, KeyError, TypeError, ValidationError):
        pass
    raise ModelError(
        f"{path.name} is no adapter of napari-spinalsam: move it out of the folder of "
        "adapters, or save it again."
    )
