"""What a training of an adapter on SAM is made of, read from a YAML file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from pydantic import Field

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.model.networks.cbam import CBAM_RATIO
from training.common.config import Frozen, read_yaml, validated
from training.tiny.config import RunConfig

if TYPE_CHECKING:
    from pathlib import Path

TINY_FAMILY = "spinalsam-tiny"
Projection = Literal["q", "k", "v"]
SamFamily = Literal["sam_vit_b", "sam_vit_l", "sam_vit_h", "medsam_vit_b", "sam_toy"]


class LoraSettings(Frozen):
    """LoRA in the encoder's attention (equation 5).

    Parameters
    ----------
    rank : int
        Width of the factors; 0 for none. The paper does not say; its "99.5 % kept"
        fits 16 to 20 on ViT-H.
    alpha : float or None
        The update is scaled by ``alpha / rank``; None scales by 1.
    targets : tuple of {"q", "k", "v"}
        Projections that are adapted.
    """

    rank: int = Field(default=16, ge=0)
    alpha: float | None = None
    targets: tuple[Projection, ...] = Field(default=("q", "v"), min_length=1)


class CbamSettings(Frozen):
    """The attention module between encoder and decoder (equations 2 to 4)."""

    use: bool = True
    ratio: int = Field(default=CBAM_RATIO, ge=1)


class RoundSettings(Frozen):
    """The simulated interaction.

    Parameters
    ----------
    later : int
        Rounds after the first one; 0 trains without interaction.
    masks_per_image : int
        Targets asked for on a slice, drawn with repetition where it shows fewer.
    box_share : float
        How often the first prompt is a box rather than a point.
    box_shift : int
        Pixels by which a box is moved at most.
    points : tuple of int
        One of these is how many points a later round takes from the error region.
    keep_prompts : bool
        Whether later rounds keep the earlier points and the box, as the plugin sends
        them, or drop them, as SAM-Med2D does.
    mask_only : bool
        Whether one later round at random and the last one show the last mask alone.
    """

    later: int = Field(default=8, ge=0)
    masks_per_image: int = Field(default=5, ge=1)
    box_share: float = Field(default=0.5, ge=0, le=1)
    box_shift: int = Field(default=5, ge=0)
    points: tuple[int, ...] = Field(default=(1, 3, 5, 9), min_length=1)
    keep_prompts: bool = False
    mask_only: bool = True


class SamFitSettings(Frozen):
    """The course of the optimisation.

    Parameters
    ----------
    epochs : int
        How often every slice of the training part is seen.
    steps : int or None
        Number of steps in place of epochs.
    batch, accumulate : int
        Slices a process and pass, and passes a step of the optimiser.
    learning_rate : float
        Of Adam, constant.
    focal_weight, dice_weight, iou_weight : float
        Of the terms of the loss; the paper has 1 : 1 and does not speak of the third.
    mixed_precision : {"no", "bf16"}
        Of the image encoder; the decoder is small and stays in single precision.
    checkpoint_every, log_every : int
        Steps between checkpoints and rows of the log.
    tensorboard : bool
        Whether the figures are written for TensorBoard as well.
    seed, threads : int
        Seed of everything random; threads of torch (0: as torch thinks).
    """

    epochs: int = Field(default=15, ge=1)
    steps: int | None = Field(default=None, ge=1)
    batch: int = Field(default=2, ge=1)
    accumulate: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    focal_weight: float = Field(default=1.0, ge=0)
    dice_weight: float = Field(default=1.0, ge=0)
    iou_weight: float = Field(default=1.0, ge=0)
    mixed_precision: Literal["no", "bf16"] = "no"
    checkpoint_every: int = Field(default=200, ge=1)
    log_every: int = Field(default=20, ge=1)
    tensorboard: bool = False
    seed: int = 0
    threads: int = Field(default=0, ge=0)


class SamConfig(Frozen):
    """A whole run on SAM.

    Parameters
    ----------
    family : str
        Of the base.
    base : str
        Name of a downloaded model, or a file of weights.
    image_size : int
        Side of the network's image; the store has slices of this size.
    lora, cbam, rounds, fit
        See there.
    """

    family: SamFamily
    base: str
    image_size: int = Field(default=512, ge=32, multiple_of=16)
    lora: LoraSettings = LoraSettings()
    cbam: CbamSettings = CbamSettings()
    rounds: RoundSettings = RoundSettings()
    fit: SamFitSettings = SamFitSettings()


def load_any_config(path: Path) -> RunConfig | SamConfig:
    """Read a run; its ``family`` says of which network, the bundled one if not there.

    Raises
    ------
    InputError
        If the file is missing, or a value is not as it should be.
    """
    content = read_yaml(path)
    if not isinstance(content, dict) or "family" not in content:
        return validated(RunConfig, content, path.name)
    family = content["family"]
    if family == TINY_FAMILY:
        rest = {name: value for name, value in content.items() if name != "family"}
        return validated(RunConfig, rest, path.name)
    if family not in get_args(SamFamily):
        known = ", ".join((TINY_FAMILY, *get_args(SamFamily)))
        raise InputError(
            f"{path.name}: there is no family {family!r}: use one of {known}."
        )
    return validated(SamConfig, content, path.name)


def load_sam_config(path: Path) -> SamConfig:
    """Read a run on SAM.

    Raises
    ------
    InputError
        If it is one of the bundled network, or not as it should be.
    """
    config = load_any_config(path)
    if not isinstance(config, SamConfig):
        raise InputError(
            f"{path.name} describes the bundled network: use a configuration of a SAM, "
            "such as training/configs/vit_b.yaml."
        )
    return config
