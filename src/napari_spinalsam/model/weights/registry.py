"""The models that the program knows by name, and where their weights lie."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import platformdirs

from napari_spinalsam.core.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER_VARIABLE = "NAPARI_SPINALSAM_MODELS"
BUNDLED = "spinalsam-tiny"
BUNDLED_FILE = "resources/models/spinalsam-tiny.safetensors"
META_FILES = "https://dl.fbaipublicfiles.com/segment_anything"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that can be asked for by name.

    Parameters
    ----------
    name : str
        What the user types and sees.
    family : str
        ``"spinalsam-tiny"``, ``"sam_vit_b"``, ``"sam_vit_l"`` or ``"sam_vit_h"``.
    url : str
        Where the weights are downloaded from; empty if they are in the package.
    sha256 : str
        Of the weights, hexadecimal; empty if they are in the package.
    size_bytes : int
        For showing progress only; 0 if they are in the package.
    licence : str
        Of the weights.
    description : str
        One line.
    """

    name: str
    family: str
    url: str
    sha256: str
    size_bytes: int
    licence: str
    description: str

    @property
    def is_bundled(self) -> bool:
        """Whether the weights come with the package."""
        return not self.url

    @property
    def file_name(self) -> str:
        """Name of the file of weights."""
        return (self.url or BUNDLED_FILE).rsplit("/", 1)[-1]


def _table(*entries: ModelEntry) -> Mapping[str, ModelEntry]:
    return MappingProxyType({entry.name: entry for entry in entries})


ENTRIES: Mapping[str, ModelEntry] = _table(
    ModelEntry(
        name=BUNDLED,
        family="spinalsam-tiny",
        url="",
        sha256="",
        size_bytes=0,
        licence="CC-BY-SA-4.0",
        description="Small, trained on spine CT, comes with the package",
    ),
    ModelEntry(
        name="sam-vit-b",
        family="sam_vit_b",
        url=f"{META_FILES}/sam_vit_b_01ec64.pth",
        sha256="ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        size_bytes=375_042_383,
        licence="Apache-2.0",
        description="Segment Anything, 94 million parameters, natural images",
    ),
    ModelEntry(
        name="sam-vit-l",
        family="sam_vit_l",
        url=f"{META_FILES}/sam_vit_l_0b3195.pth",
        sha256="3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        # Sources differ by 26 kB; the checksum decides what is right.
        size_bytes=1_249_524_607,
        licence="Apache-2.0",
        description="Segment Anything, 312 million parameters, natural images",
    ),
    ModelEntry(
        name="sam-vit-h",
        family="sam_vit_h",
        url=f"{META_FILES}/sam_vit_h_4b8939.pth",
        sha256="a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        size_bytes=2_564_550_879,
        licence="Apache-2.0",
        description="Segment Anything, 641 million parameters, natural images",
    ),
)


def model_entry(name: str) -> ModelEntry:
    """Return the entry of a name.

    Raises
    ------
    ModelError
        If there is none.
    """
    if name not in ENTRIES:
        raise ModelError(
            f"There is no model {name!r}: choose one of {', '.join(ENTRIES)}, or give "
            "the path of a file."
        )
    return ENTRIES[name]


def models_folder() -> Path:
    """Return the folder for downloaded weights, which need not exist yet.

    The environment variable NAPARI_SPINALSAM_MODELS, where set, names it.
    """
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return platformdirs.user_cache_path("napari-spinalsam") / "models"


def weights_path(name: str) -> Path:
    """Return where the weights of a model are, or would be once downloaded.

    Raises
    ------
    ModelError
        If there is no such model.
    """
    entry = model_entry(name)
    if entry.is_bundled:
        return Path(str(files("napari_spinalsam").joinpath(BUNDLED_FILE)))
    return models_folder() / entry.file_name


def is_downloaded(name: str) -> bool:
    """Whether the weights of a model are here; a file still incomplete is not.

    Raises
    ------
    ModelError
        If there is no such model.
    """
    return weights_path(name).is_file()


def entry_of_sha256(sha256: str) -> ModelEntry | None:
    """Return the model whose weights have this checksum."""
    known = (entry for entry in ENTRIES.values() if entry.sha256)
    return next((entry for entry in known if entry.sha256 == sha256), None)
