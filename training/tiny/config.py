"""What a training run is made of, read from a YAML file and kept beside its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from napari_spinalsam.core.errors import InputError
from training.common.config import Frozen, read_yaml, validated

if TYPE_CHECKING:
    from pathlib import Path


class MoreLabels(Frozen):
    """A further label file of a scan; it fills what the others leave empty.

    Parameters
    ----------
    labels : str
        Label file below the data folder.
    values : dict
        Value in the file to value in the project's convention; others are dropped.
    numbered : dict
        Value in the file to the values that its connected components get, from head
        to feet; components beyond those, the smallest first, are dropped.
    """

    labels: str
    values: dict[int, int] = Field(default_factory=dict)
    numbered: dict[int, tuple[int, ...]] = Field(default_factory=dict)


class BodyLabels(Frozen):
    """Where a scan tells the bodies of its vertebrae from their processes.

    Parameters
    ----------
    labels : str
        Label file below the data folder.
    values : tuple of int
        Values that mean a vertebral body.
    """

    labels: str
    values: tuple[int, ...]


class ScanConfig(Frozen):
    """One labelled scan.

    Parameters
    ----------
    name : str
        Name in the store, in splits and in reports.
    image : str or None
        File below the data folder; None for a label map without an image, which is
        painted again for every crop.
    labels : str
        Label file below the data folder.
    label_values : dict
        Value in the file to value in the project's convention; empty: the same.
    also : list
        Further label files, each filling what those before it leave empty.
    bodies : BodyLabels or None
        Which voxels of the vertebrae are their bodies.
    complete : list
        Which of discs and canal are labelled wherever they are seen; the others may
        be anywhere that has no label.
    derive_discs : bool
        Whether discs are made of the gaps between vertebral bodies, see
        `training.tiny.discs`; for scans whose labels have none.
    open_ends : list
        Ends at which unlabelled vertebrae are visible, so that bone near them is
        neither foreground nor background.
    weight : float
        How often crops come from this scan, relative to the others.
    """

    name: str
    image: str | None
    labels: str
    label_values: dict[int, int] = Field(default_factory=dict)
    also: tuple[MoreLabels, ...] = ()
    bodies: BodyLabels | None = None
    complete: tuple[Literal["disc", "canal"], ...] = ()
    derive_discs: bool = False
    open_ends: tuple[Literal["superior", "inferior"], ...] = ()
    weight: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _bone_is_seen(self) -> Self:
        if self.open_ends and self.image is None:
            raise ValueError("open_ends needs an image, to see the bone in")
        return self


class ModelConfig(Frozen):
    """The shape of the network; see TinyConfig."""

    widths: tuple[int, ...] = (32, 64, 96, 128)
    blocks: tuple[int, ...] = (1, 2, 2, 2)
    decoder_widths: tuple[int, int, int] = (32, 48, 64)
    cbam: bool = True


class FitConfig(Frozen):
    """The course of the optimisation.

    Parameters
    ----------
    steps, dense_steps : int
        All steps, and how many of them learn the dense votes alone.
    batch, crop : int
        Crops a step, and pixels (mm) along their sides, a multiple of 16.
    prompts_per_crop, correction_rounds : int
        Prompts a crop in the first round, and rounds that correct them.
    learning_rate, weight_decay, clip_norm : float
        AdamW with warm-up and cosine to zero.
    checkpoint_every, log_every : int
        Steps between checkpoints and log lines.
    mixed_precision : {"no", "bf16"}
        What the network computes in; bf16 is for GPUs.
    workers : int
        Processes that draw crops ahead (0: none, crops are drawn when wanted).
    seed, threads : int
        Seed of everything random; threads of torch (0: as torch thinks).
    start_from : str or None
        Folder of a finished run whose weights this one begins with, its network the
        same or with fewer blocks; else random ones.
    """

    steps: int = Field(default=3000, ge=1)
    dense_steps: int = Field(default=400, ge=0)
    batch: int = Field(default=8, ge=2)
    crop: int = Field(default=160, ge=32, multiple_of=16)
    prompts_per_crop: int = Field(default=2, ge=1)
    correction_rounds: int = Field(default=1, ge=0)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    clip_norm: float = Field(default=2.0, gt=0)
    checkpoint_every: int = Field(default=200, ge=1)
    log_every: int = Field(default=20, ge=1)
    mixed_precision: Literal["no", "bf16"] = "no"
    workers: int = Field(default=0, ge=0)
    seed: int = 0
    threads: int = Field(default=0, ge=0)
    start_from: str | None = None


class RunConfig(Frozen):
    """A whole run: scans, network, optimisation."""

    scans: tuple[ScanConfig, ...]
    model: ModelConfig = ModelConfig()
    fit: FitConfig = FitConfig()

    def scan(self, name: str) -> ScanConfig:
        """Return a scan by its name.

        Raises
        ------
        InputError
            If there is none of this name.
        """
        for each in self.scans:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.scans)
        raise InputError(f"There is no scan {name!r}: choose from {known}.")

    def without(self, names: tuple[str, ...]) -> RunConfig:
        """Return the run with some scans left out.

        Raises
        ------
        InputError
            If a name is unknown or nothing would be left.
        """
        for name in names:
            self.scan(name)
        kept = tuple(scan for scan in self.scans if scan.name not in names)
        if not kept:
            raise InputError("No scan is left to train on: leave fewer out.")
        return self.model_copy(update={"scans": kept})


def load_config(path: Path) -> RunConfig:
    """Read a run from YAML.

    Raises
    ------
    InputError
        If the file is missing or a value is not as it should be.
    """
    return validated(RunConfig, read_yaml(path), path.name)
