"""From the name of a model or a file of weights to a session that can be prompted."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.model.backends.base import ModelRecord, pick_device
from napari_spinalsam.model.backends.tiny import TinyBackend
from napari_spinalsam.model.networks.cbam import share_of
from napari_spinalsam.model.session import SegmentationSession
from napari_spinalsam.model.weights.adapter_files import base_of, list_adapters
from napari_spinalsam.model.weights.adapters import Adapter, apply_adapter, read_adapter
from napari_spinalsam.model.weights.checkpoint import (
    Checkpoint,
    build_tiny,
    digest_of,
    read_checkpoint,
)
from napari_spinalsam.model.weights.identify import (
    MED_SAM_MD5,
    Family,
    check_supported,
    compare,
    identify,
    load_parameters,
)
from napari_spinalsam.model.weights.registry import (
    BUNDLED,
    ENTRIES,
    entry_of_sha256,
    is_downloaded,
    model_entry,
    weights_path,
)

if TYPE_CHECKING:
    from napari_spinalsam.model.backends.base import Backend
    from napari_spinalsam.model.networks.sam import SpinalSam

OWN_LICENCE = "not known: a file of the user"

# The two networks are the same; only what they expect of image and prompts differs.
MAY_BE_MED_SAM = (
    "{} has the layout of SAM ViT-B and of MedSAM and the published checksum of "
    "neither: it is used as SAM ViT-B, which is wrong if it is a MedSAM."
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of weights that was read and recognised.

    Parameters
    ----------
    checkpoint : Checkpoint
        Its content.
    family : Family
        By its checksum where that is known, else by its tensors.
    name : str
        In the registry, or the stem of the file.
    sha256 : str
        Of the file.
    licence : str
        Of the weights.
    doubt : str
        The sentence on what neither tensors nor checksum tell; empty if nothing.
    """

    checkpoint: Checkpoint
    family: Family
    name: str
    sha256: str
    licence: str
    doubt: str = ""


def load_session(
    model: str | Path = BUNDLED,
    device: str = "auto",
    adapter: str | Path | None = None,
) -> SegmentationSession:
    """Load a model, ready for `set_volume`.

    Parameters
    ----------
    model : str or Path
        A name of the registry or of an adapter in the user's folder; or a file: a
        spinalsam-tiny, a SAM ViT-B, ViT-L or ViT-H, or an adapter whose base has
        been downloaded.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    adapter : str or Path, optional
        A file to put on a SAM.

    Raises
    ------
    ModelError
        If the model is unknown, not downloaded, damaged, of a family that is not
        supported, or the adapter belongs to another base.
    InputError
        If the device is not there.
    """
    place = pick_device(device)
    file = read_model(find_weights(model), registered=str(model) in ENTRIES)
    if file.family is Family.ADAPTER and adapter is None:
        added = read_adapter(file.checkpoint.path)
        file = read_model(_base_of(added), registered=True)
        return _on(place, file, added)
    return _on(place, file, None if adapter is None else read_adapter(Path(adapter)))


def find_weights(model: str | Path) -> Path:
    """Return the file of a model's name or path.

    Raises
    ------
    ModelError
        If there is no such name and no such file, or the weights of the name have
        not been downloaded.
    """
    if str(model) not in ENTRIES:
        path = Path(model).expanduser()
        if path.is_file():
            return path
        adapters = {each.name: each.path for each in list_adapters()}
        if str(model) in adapters:
            return adapters[str(model)]
        raise ModelError(
            f"There is no model and no file {str(model)!r}: use one of "
            f"{', '.join((*ENTRIES, *adapters))}, or the path of a checkpoint."
        )
    entry = model_entry(str(model))
    if is_downloaded(entry.name):
        return weights_path(entry.name)
    if entry.is_bundled:
        raise ModelError(
            f"The weights of {entry.name} are missing in this installation: install "
            "napari-spinalsam again, or choose another model."
        )
    raise ModelError(
        f"{entry.name} has not been downloaded yet ({entry.size_bytes / 1e6:.0f} MB): "
        f"run 'napari-spinalsam models download {entry.name}', or choose it in the "
        "Segment dock and press Download."
    )


def read_model(path: Path, *, registered: bool = False) -> ModelFile:
    """Read a file of weights and find out what it is.

    SAM ViT-B and MedSAM have the same tensors; the checksums of the published files
    tell them apart. Any other file counts as SAM, and its doubt says so.

    Parameters
    ----------
    path : Path
        The file.
    registered : bool
        Whether it lies there as a model of the registry, whose checksum is known.

    Raises
    ------
    ModelError
        If it cannot be read, or is a damaged file of the registry.
    """
    checkpoint = read_checkpoint(path)
    sha256 = digest_of(path)
    entry = entry_of_sha256(sha256)
    if registered and path == weights_path(BUNDLED):
        entry = model_entry(BUNDLED)
    elif registered and entry is None:
        raise ModelError(
            f"{path} has another checksum than it was downloaded with: delete it and "
            "download the model again."
        )
    if entry is not None:
        family = Family(entry.family)
        return ModelFile(checkpoint, family, entry.name, sha256, entry.licence)
    family, doubt = identify(checkpoint.tensors).family, ""
    if family is Family.SAM_B:
        if is_med_sam(path):
            family = Family.MED_SAM
        else:
            doubt = MAY_BE_MED_SAM.format(path.name)
            logger.warning("%s", doubt)
    licence = checkpoint.metadata.get("licence", OWN_LICENCE)
    return ModelFile(checkpoint, family, path.stem, sha256, licence, doubt)


def build_backend(
    file: ModelFile, device: str, adapter: Adapter | None = None
) -> Backend:
    """Build the network of a file and put it on a device.

    Raises
    ------
    ModelError
        If the family is not supported, tensors are missing or too many, or the
        adapter does not fit.
    """
    name = file.checkpoint.path.name
    if file.family is Family.MED_SAM and adapter is not None:
        # An adapter is trained with the preprocessing of SAM, whatever its base is.
        file = replace(file, family=Family.SAM_B)
    check_supported(file.family, name)
    record = ModelRecord(
        ModelIdentity(
            file.sha256,
            file.name,
            adapter="" if adapter is None else adapter.name,
            adapter_sha256="" if adapter is None else adapter.sha256,
        ),
        family=file.family.value,
        licence=file.licence,
        size=0,
        # An adapter names the checksum of its base, so that there is no doubt left.
        doubt=file.doubt if adapter is None else "",
        attention=share_of(
            file.checkpoint.tensors if adapter is None else adapter.tensors
        ),
        window=None if adapter is None else adapter.config.trained_window,
        pixel_mm=None if adapter is None else adapter.config.pixel_mm,
    )
    if file.family is Family.TINY:
        if adapter is not None:
            raise ModelError(
                f"{file.name} takes no adapter: choose the SAM that {adapter.name} "
                "was made for."
            )
        tiny = build_tiny(file.checkpoint)
        return TinyBackend(tiny, _measured(record, tiny, file), device)
    from napari_spinalsam.model.backends.sam import SamBackend

    network = build_loaded_sam(file)
    record = _measured(record, network, file)
    if adapter is not None:
        apply_adapter(
            network, adapter, family=file.family.value, base_sha256=file.sha256
        )
    return SamBackend(network, record, device)


def build_loaded_sam(file: ModelFile) -> SpinalSam:
    """Build a SAM with the weights of a file, on the CPU.

    Raises
    ------
    ModelError
        If tensors are missing, too many or of other shapes.
    """
    from napari_spinalsam.model.networks.sam import build_sam

    with torch.device("meta"):
        network = build_sam(file.family.value)
    load_parameters(network, file.checkpoint.tensors, file.checkpoint.path.name)
    return network.eval()


def _on(device: str, file: ModelFile, adapter: Adapter | None) -> SegmentationSession:
    try:
        return SegmentationSession(build_backend(file, device, adapter))
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"{file.name} does not fit in the memory of {device}: use the device "
            "'cpu' or a smaller model."
        ) from error


def _base_of(adapter: Adapter) -> Path:
    """Return the downloaded base of an adapter."""
    return weights_path(base_of(adapter.name, adapter.config).name)


def is_med_sam(path: Path) -> bool:
    """Whether a file is the published MedSAM, by its checksum."""
    return digest_of(path, "md5") == MED_SAM_MD5


def _measured(
    record: ModelRecord, network: torch.nn.Module, file: ModelFile
) -> ModelRecord:
    """Add how large the network is and how the file's tensors fitted it."""
    return replace(
        record,
        size=sum(parameter.numel() for parameter in network.parameters()),
        parameters=compare(network.state_dict(), file.checkpoint.tensors),
    )
