"""What computes, what is installed and what a file of weights holds, in rows."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.model.backends.base import pick_device
from napari_spinalsam.model.networks.cbam import share_in_words, share_of
from napari_spinalsam.model.networks.sam import build_sam
from napari_spinalsam.model.networks.tiny import SpinalSamTiny
from napari_spinalsam.model.weights.checkpoint import tiny_config
from napari_spinalsam.model.weights.identify import (
    Family,
    ParameterReport,
    check_supported,
    compare,
)
from napari_spinalsam.model.weights.loading import find_weights, read_model
from napari_spinalsam.model.weights.registry import ENTRIES, model_entry

if TYPE_CHECKING:
    from napari_spinalsam.model.session import SegmentationSession
    from napari_spinalsam.model.weights.loading import ModelFile

Rows = tuple[tuple[str, str], ...]

GIB = 1024**3
DRIVER_SECONDS = 5
PACKAGES = (
    "napari-spinalsam",
    "napari",
    "torch",
    "torchvision",
    "numpy",
    "nibabel",
    "SimpleITK",
    "segment-anything",
    "peft",
)


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device that can compute.

    Parameters
    ----------
    device : str
        Torch's name of it, such as ``"cuda:0"``.
    name : str
        Of the hardware.
    memory_gib : float or None
        In all; None where the system does not tell.
    driver : str
        Version, or the empty string.
    used : bool
        Whether it will compute.
    reason : str
        Why it will, or will not.
    """

    device: str
    name: str
    memory_gib: float | None
    driver: str
    used: bool
    reason: str

    def row(self) -> tuple[str, str]:
        """Return the device and what is known of it."""
        memory = "" if self.memory_gib is None else f", {self.memory_gib:.1f} GiB"
        driver = f", driver {self.driver}" if self.driver else ""
        return self.device, f"{self.name}{memory}{driver}; {self.reason}"


@dataclass(frozen=True, slots=True)
class Verification:
    """How the tensors of a model fit its network.

    Parameters
    ----------
    name, family, sha256, licence : str
        Of the model.
    report : ParameterReport
        What matched, is missing, unexpected or of another shape.
    attention : float or None
        Share of the attention module, below zero where it subtracts; None without one.
    doubt : str
        The sentence on what is not certain of the weights; empty if nothing is.
    """

    name: str
    family: str
    sha256: str
    licence: str
    report: ParameterReport
    attention: float | None = None
    doubt: str = ""

    def rows(self) -> Rows:
        """Return titles and values to be shown."""
        report, attention = self.report, self.attention
        told = [("doubt", self.doubt)] if self.doubt else []
        if attention is not None:
            told.append(("attention", share_in_words(attention)))
        return (
            ("model", self.name),
            ("family", Family(self.family).label),
            ("sha256", self.sha256),
            ("licence", self.licence),
            ("matched", str(len(report.matched))),
            ("missing", str(len(report.missing))),
            ("unexpected", str(len(report.unexpected))),
            ("shape mismatched", str(len(report.shape_mismatched))),
            *told,
        )


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that are installed."""
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def devices(wish: str = "auto") -> tuple[DeviceRow, ...]:
    """Return the devices of this computer and which one computes.

    Parameters
    ----------
    wish : {"auto", "cpu", "cuda", "mps"}
        As for `load_session`.

    Raises
    ------
    InputError
        If the wished device is not there.
    """
    used = pick_device(wish)
    faster = [*_cuda_rows(used), *_mps_rows(used)]
    if used != "cpu":
        reason = "is not used, as there is a faster device"
    else:
        reason = f"is used, as {'it was chosen' if faster else _why_no_gpu()}"
    cpu = DeviceRow("cpu", _cpu_name(), _memory_gib(), "", used == "cpu", reason)
    return (*faster, cpu)


def device_report(wish: str = "auto") -> Rows:
    """Return `devices` as names and values to be shown."""
    return tuple(device.row() for device in devices(wish))


def parameter_report(session: SegmentationSession) -> Rows:
    """Return how the tensors of a loaded model fitted, as names and values.

    Raises
    ------
    InputError
        If it was not noted when the model was loaded.
    """
    record, identity = session.record, session.identity
    if record.parameters is None:
        raise InputError(
            f"It is not noted how {identity.name} was loaded: load the model again."
        )
    return Verification(
        identity.name,
        record.family,
        identity.sha256,
        record.licence,
        record.parameters,
        record.attention,
        record.doubt,
    ).rows()


def verify(source: str | Path, model: str | None = None) -> Verification:
    """Return how the tensors of a file fit its network; nothing is loaded.

    Parameters
    ----------
    source : str or Path
        A file of weights, or a name of the registry.
    model : str, optional
        Name of the registry whose network the file is compared with, in place of
        the family that the file seems to be.

    Raises
    ------
    ModelError
        If the file cannot be read, or is of a family that is not supported.
    """
    path = find_weights(source)
    file = read_model(path, registered=str(source) in ENTRIES)
    family = file.family if model is None else Family(model_entry(model).family)
    check_supported(family, path.name)
    with torch.device("meta"):
        network = _network_of(family, file)
    report = compare(network.state_dict(), file.checkpoint.tensors)
    share = share_of(file.checkpoint.tensors)
    return Verification(
        file.name,
        file.family.value,
        file.sha256,
        file.licence,
        report,
        share,
        file.doubt,
    )


def _network_of(family: Family, file: ModelFile) -> torch.nn.Module:
    if family is not Family.TINY:
        return build_sam(family.value)
    own = file.family is Family.TINY
    return SpinalSamTiny(tiny_config(file.checkpoint) if own else None)


def _cuda_rows(used: str) -> list[DeviceRow]:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    rows = []
    for index in range(count):
        properties = torch.cuda.get_device_properties(index)
        chosen = used == "cuda" and index == torch.cuda.current_device()
        rows.append(
            DeviceRow(
                device=f"cuda:{index}",
                name=properties.name,
                memory_gib=properties.total_memory / GIB,
                driver=_cuda_driver(),
                used=chosen,
                reason="is used" if chosen else "is not used, as another was chosen",
            )
        )
    return rows


def _mps_rows(used: str) -> list[DeviceRow]:
    if not torch.backends.mps.is_available():
        return []
    chosen = used == "mps"
    reason = "is used" if chosen else "is not used, as another was chosen"
    return [DeviceRow("mps", "Apple GPU", _memory_gib(), "", chosen, reason)]


def _why_no_gpu() -> str:
    if torch.version.cuda is None and torch.backends.mps.is_built():
        return "no Apple GPU is available to torch"
    if torch.version.cuda is None:
        return "this torch was built without CUDA"
    if shutil.which("nvidia-smi") is None:
        return "there is no NVIDIA driver"
    return "torch finds no NVIDIA GPU that it can use"


def _cuda_driver() -> str:
    """Return the version of NVIDIA's driver, empty where its tool does not tell."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    question = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed question to a system tool
            question, capture_output=True, text=True, timeout=DRIVER_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.split("\n")[0].strip()


def _cpu_name() -> str:
    cores = os.cpu_count() or 1
    name = platform.processor() or platform.machine() or "processor"
    described = Path("/proc/cpuinfo")
    if described.is_file():
        lines = described.read_text(encoding="utf-8", errors="replace").splitlines()
        named = [line for line in lines if line.startswith("model name")]
        name = named[0].partition(":")[2].strip() if named else name
    return f"{name}, {cores} cores, {torch.get_num_threads()} threads"


def _memory_gib() -> float | None:
    """Return the main memory, where the system tells it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None
