"""Reading and writing files of weights, without ever running code from them."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.model.networks.cbam import is_signed
from napari_spinalsam.model.networks.tiny import SpinalSamTiny, TinyConfig
from napari_spinalsam.model.networks.toy import build_toy_sam
from napari_spinalsam.model.weights.identify import Family, identify, load_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


FORMAT = "napari-spinalsam"
VERSION = "1"
LARGEST_HALF = float(torch.finfo(torch.float16).max)
ZIP_START = b"PK\x03\x04"
PICKLE_START = b"\x80"
# Of a safetensors file, as its library has it.
LARGEST_HEADER = 100_000_000
# What a cut or changed pickle raises, depending on where it was cut.
UNREADABLE = (
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    struct.error,
    TypeError,
    ValueError,
)
# Where training programs put the weights, with the prefix that their names have there.
WRAPPERS = (("model_state", "sam."), ("model", ""), ("state_dict", ""))
TOY_LICENCE = "CC0-1.0"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The content of a file of weights.

    Parameters
    ----------
    path : Path
        The file.
    tensors : dict of str to Tensor
        Unwrapped, on the CPU, in the number types of the file.
    metadata : dict of str to str
        Of a safetensors file; empty for others.
    """

    path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def digest_of(path: Path, algorithm: str = "sha256") -> str:
    """Return the hexadecimal checksum of a file, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a safetensors or PyTorch file; the content decides, not the name.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    ModelError
        If it is missing, empty, truncated, no checkpoint, or holds Python objects
        besides tensors.
    """
    start = _first_bytes(path)
    # The length of a header may begin with the byte that a pickle begins with.
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= LARGEST_HEADER:
        return _read_safetensors(path)
    if start.startswith((ZIP_START, PICKLE_START)):
        return Checkpoint(path, unwrap(_read_torch(path), path.name), {})
    raise ModelError(
        f"{path.name} is no file of weights: choose a .safetensors, .pth or .pt file."
    )


def unwrap(content: object, name: str) -> dict[str, Tensor]:
    """Return the tensors of what a training program saved.

    Parameters
    ----------
    content : object
        A mapping of names to tensors, maybe inside of another under ``model``,
        ``model_state`` or ``state_dict``, maybe with ``module.`` before each name.
    name : str
        Names the file in the error.

    Raises
    ------
    ModelError
        If there are no tensors, or other things between them.
    """
    for key, prefix in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = _without_prefix(content[key], prefix)
    if isinstance(content, dict):
        content = _without_prefix(content, "module.")
    named_tensors = isinstance(content, dict) and all(
        isinstance(key, str) and isinstance(value, Tensor)
        for key, value in content.items()
    )
    if not named_tensors or not content:
        raise ModelError(
            f"{name} holds no list of named tensors: save the model's state_dict() "
            "and choose that file."
        )
    return dict(content)  # type: ignore[call-overload, no-any-return]


def save_tiny(
    network: SpinalSamTiny, path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write the bundled network, its numbers in half precision where they fit.

    Parameters
    ----------
    network : SpinalSamTiny
        With trained weights.
    path : Path
        A .safetensors file; replaced as a whole if it exists.
    metadata : mapping of str to str, optional
        What to note besides the shape of the network, such as its ``card``.
    """
    tensors = {
        name: _halved(tensor.detach().cpu())
        for name, tensor in network.state_dict().items()
    }
    notes = dict(metadata or {})
    notes |= {"format": FORMAT, "version": VERSION, "family": Family.TINY.value}
    notes["config"] = json.dumps(asdict(network.config))
    write_safetensors(tensors, path, notes)


def load_tiny(path: Path) -> SpinalSamTiny:
    """Read the network that `save_tiny` wrote, in single precision on the CPU.

    Raises
    ------
    ModelError
        If the file cannot be read or holds something else.
    """
    return build_tiny(read_checkpoint(path))


def build_tiny(checkpoint: Checkpoint) -> SpinalSamTiny:
    """Build the bundled network from a file that was read; see `load_tiny`."""
    name = checkpoint.path.name
    network = SpinalSamTiny(tiny_config(checkpoint))
    load_parameters(network, checkpoint.tensors, name)
    return network.eval()


def tiny_config(checkpoint: Checkpoint) -> TinyConfig:
    """Return the shape of the bundled network that a file was written from.

    Raises
    ------
    ModelError
        If the file holds another family, or is of a newer version.
    """
    name, notes = checkpoint.path.name, checkpoint.metadata
    family = notes.get("family", identify(checkpoint.tensors).family.label)
    if notes.get("format") != FORMAT or family != Family.TINY:
        raise ModelError(
            f"{name} is no {Family.TINY} file but of the family {family}: choose a "
            "file that was exported by the training of napari-spinalsam."
        )
    if notes.get("version") != VERSION:
        raise ModelError(
            f"{name} has the version {notes.get('version')} and this program reads "
            f"version {VERSION}: update napari-spinalsam or the file."
        )
    try:
        fields = json.loads(notes["config"])
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in fields.items()
        }
        return TinyConfig(**values | {"signed_gate": is_signed(checkpoint.tensors)})
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ModelError(
            f"{name} does not say the shape of its network: export it again."
        ) from None


def write_safetensors(
    tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]
) -> None:
    """Write tensors so that a broken write leaves an older file as it was.

    Raises
    ------
    ModelError
        If the file cannot be written.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(contiguous, unfinished, dict(metadata))
        unfinished.replace(path)
    except (OSError, SafetensorError) as error:
        unfinished.unlink(missing_ok=True)
        raise ModelError(
            f"{path} cannot be written ({error}): choose another place."
        ) from error


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except FileNotFoundError:
        raise ModelError(
            f"There is no file {path}: check the path or download the model."
        ) from None
    except OSError as error:
        raise ModelError(
            f"{path} cannot be opened ({error.strerror}): choose a file that can be "
            "read."
        ) from None
    if not start:
        raise ModelError(f"{path.name} is empty: download or copy it again.")
    return start


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{path.name} is damaged or not complete ({error}): download or copy it "
            "again."
        ) from error
    return Checkpoint(path, unwrap(tensors, path.name), metadata)


def _read_torch(path: Path) -> Any:
    """Return what a PyTorch file holds, tensors and plain containers only."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported global" in str(error) or "Unsupported class" in str(error):
            raise ModelError(
                f"{path.name} holds Python objects besides tensors, which are not "
                "loaded for safety: save its state_dict() as .safetensors."
            ) from error
        raise _damaged(path) from error
    except UNREADABLE as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> ModelError:
    return ModelError(
        f"{path.name} is damaged or not complete: download or copy it again."
    )


def _without_prefix(tensors: dict[Any, Any], prefix: str) -> dict[Any, Any]:
    """Take a prefix from the names, if all have it."""
    if not all(isinstance(name, str) and name.startswith(prefix) for name in tensors):
        return tensors
    return {name[len(prefix) :]: value for name, value in tensors.items()}


def _halved(tensor: Tensor) -> Tensor:
    """Return half precision, unless the numbers are whole or too large for it."""
    if not tensor.is_floating_point() or tensor.abs().max() > LARGEST_HALF:
        return tensor
    return tensor.half()


def write_toy_sam(path: Path, seed: int = 0) -> int:
    """Write a toy SAM's random weights, as a base to train an adapter on.

    Parameters
    ----------
    path : Path
        A .safetensors file; replaced as a whole if it exists.
    seed : int
        Of the weights; the same one gives the same file.

    Returns
    -------
    int
        Number of its parameters.

    Raises
    ------
    ModelError
        If the file cannot be written.
    """
    pass

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sam = build_toy_sam()
    write_safetensors(sam.state_dict(), path, {"licence": TOY_LICENCE})
    return sum(parameter.numel() for parameter in sam.parameters())
