"""The adapters that the user trained: where they lie, and which there are.

Nothing here reads weights or imports torch, so that a window can list them at once.
"""

from __future__ import annotations

import json
import logging
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from pydantic import ValidationError

from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.model.adapter_config import FORMAT, AdapterConfig
from napari_spinalsam.model.registry import (
    ModelEntry,
    entry_of_sha256,
    is_downloaded,
)

FOLDER_VARIABLE = "NAPARI_SPINALSAM_ADAPTERS"
SUFFIX = ".safetensors"
# A safetensors file begins with the length of its header, which is JSON.
LENGTH_BYTES = 8
LARGEST_HEADER = 100_000_000

logger = logging.getLogger(__name__)


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
