"""What actions are made of: their classes, and the arguments with their bounds."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)

from napari_spinalsam.core.anatomy import REGIONS, STRUCTURE_NAMES, action_name


class ActionClass(StrEnum):
    """What an action can do to the user's work."""

    READ = "read"
    EDIT = "edit"
    DESTRUCTIVE = "destructive"
    WRITE = "write"


def _structure_or_region(name: str) -> str:
    return name.lower() if name.lower() in REGIONS else action_name(name)


def _structures(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(names) > 1 and (region := next((n for n in names if n in REGIONS), None)):
        raise ValueError(f"a region ({region}) stands alone in the list")
    return names


def _not_zero(value: int) -> int:
    if value == 0:
        raise ValueError("must not be 0")
    return value


def _number(value: object) -> object:
    if isinstance(value, (bool, str)):
        raise ValueError("must be a number")
    return value


def _names(*names: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": list(names)})


StructureName = Annotated[str, AfterValidator(action_name), _names(*STRUCTURE_NAMES)]
PlaceName = Annotated[
    str, AfterValidator(_structure_or_region), _names(*STRUCTURE_NAMES, *REGIONS)
]
StructureList = Annotated[
    tuple[PlaceName, ...], Field(min_length=1), AfterValidator(_structures)
]
Index = Annotated[int, Field(strict=True, ge=0)]
Offset = Annotated[int, Field(strict=True), AfterValidator(_not_zero)]
Positive = Annotated[int, Field(strict=True, ge=1)]
PointCount = Annotated[int, Field(strict=True, ge=1, le=50)]
Finite = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
AboveZero = Annotated[Finite, Field(gt=0)]
PresetName = Literal["bone", "soft_tissue", "disc", "lung", "full"]
MetricName = Literal["dice", "iou", "msd", "hd95", "volume"]
LabelFormat = Literal["nifti", "nrrd", "dicom_seg"]
LayerRole = Literal["image", "labels", "points", "boxes", "reference"]
Direction = Literal["both", "forward", "backward"]
ViewCount = Literal["one", "three"]
MetricList = Annotated[tuple[MetricName, ...], Field(min_length=1)]
ALL_METRICS: tuple[MetricName, ...] = ("dice", "iou", "msd", "hd95", "volume")


class BaseAction(BaseModel):
    """What all actions have in common: frozen, no extra keys, a class."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    action_class: ClassVar[ActionClass]


class ReadAction(BaseAction):
    """Shows or tells something; the annotation stays as it is."""

    action_class = ActionClass.READ


class EditAction(BaseAction):
    """Changes the annotation; undo takes it back."""

    action_class = ActionClass.EDIT


class DestructiveAction(BaseAction):
    """Removes what the user made; undo takes it back."""

    action_class = ActionClass.DESTRUCTIVE


class WriteAction(BaseAction):
    """Writes a file."""

    action_class = ActionClass.WRITE
