"""Actions of the hand, which words cannot ask for: of mouse, brush, layers, scripts."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import numpy as np
from pydantic import Field, InstanceOf, TypeAdapter

from napari_spinalsam.actions.models import BaseAction, ByHand, Index, WordAction
from napari_spinalsam.actions.replies import validated
from napari_spinalsam.core.geometry import Geometry
from napari_spinalsam.core.masks import LabelDelta
from napari_spinalsam.core.messages import msg
from napari_spinalsam.core.prompts import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    ScribblePrompt,
    SlicePrompts,
)
from napari_spinalsam.core.volume import FileGrid

if TYPE_CHECKING:
    from collections.abc import Mapping


class OnSlice(ByHand):
    """Changes the prompts of the selected structure on one slice.

    `axis` is the array axis (of z, y, x) that the slice is perpendicular to, `index`
    its place along it, from 0. Prompts are in pixels (row, col) of the slice.
    """

    axis: Annotated[int, Field(strict=True, ge=0, le=2)]
    index: Index


class PlacePoint(OnSlice):
    """Place a point."""

    action: Literal["place_point"] = "place_point"
    point: PointPrompt


class SetBox(OnSlice):
    """Draw the one box of the slice, or remove it with null."""

    action: Literal["set_box"] = "set_box"
    box: BoxPrompt | None


class AddScribble(OnSlice):
    """Draw a scribble."""

    action: Literal["add_scribble"] = "add_scribble"
    scribble: ScribblePrompt


class SetLasso(OnSlice):
    """Draw the one lasso of the slice, or remove it with null."""

    action: Literal["set_lasso"] = "set_lasso"
    lasso: LassoPrompt | None


class RemovePrompt(OnSlice):
    """Remove a point or a scribble by its number, from 0 in the order of placing."""

    action: Literal["remove_prompt"] = "remove_prompt"
    kind: Literal["point", "scribble"]
    number: Index


class EditPrompts(ByHand):
    """Leave the prompts of a slice as they were moved or redrawn, all at once."""

    action: Literal["edit_prompts"] = "edit_prompts"
    prompts: SlicePrompts


class ClearSlice(OnSlice):
    """Drop the prompts of the slice that were not accepted."""

    action: Literal["clear_slice"] = "clear_slice"


class ClearScribbles(ByHand):
    """Remove the scribbles that were not accepted."""

    action: Literal["clear_scribbles"] = "clear_scribbles"


class ClearLassos(ByHand):
    """Remove the lassos that were not accepted."""

    action: Literal["clear_lassos"] = "clear_lassos"


class Paint(ByHand):
    """Enter voxels that a brush or another tool has written, named as a step."""

    action: Literal["paint"] = "paint"
    stroke: InstanceOf[LabelDelta]
    step: InstanceOf[str] = msg("Paint")


class OpenLabels(ByHand):
    """Put other labels, shape (z, y, x), in place of all present ones."""

    action: Literal["open_labels"] = "open_labels"
    labels: InstanceOf[np.ndarray]


class SetReference(ByHand):
    """Measure against labels, shape (z, y, x), on the grid of the image; or none."""

    action: Literal["set_reference"] = "set_reference"
    labels: InstanceOf[np.ndarray] | None
    geometry: InstanceOf[Geometry] | None = None


class MoveImage(ByHand):
    """Let the image lie where it was moved or scaled to in the viewer."""

    action: Literal["move_image"] = "move_image"
    grid: InstanceOf[FileGrid]


class SetVoxelSize(ByHand):
    """State the millimetres of a voxel along (z, y, x)."""

    action: Literal["set_voxel_size"] = "set_voxel_size"
    spacing: tuple[float, ...]


class SetOrientation(ByHand):
    """State where slices, rows and columns grow to, such as ``"SPL"``."""

    action: Literal["set_orientation"] = "set_orientation"
    codes: str


PointerAction = (
    PlacePoint
    | SetBox
    | AddScribble
    | SetLasso
    | RemovePrompt
    | EditPrompts
    | ClearSlice
    | ClearScribbles
    | ClearLassos
    | Paint
    | OpenLabels
    | SetReference
    | MoveImage
    | SetVoxelSize
    | SetOrientation
)
# What the executor takes.
AnyAction = Annotated[WordAction | PointerAction, Field(discriminator="action")]
POINTER_ACTIONS: Mapping[str, type[BaseAction]] = MappingProxyType(
    {model.model_fields["action"].default: model for model in get_args(PointerAction)}
)
_ANY_ACTION: TypeAdapter[AnyAction] = TypeAdapter(AnyAction)


def parse_any_action(data: Mapping[str, Any] | str) -> AnyAction:
    """Read one action, of words or of the hand; see `replies.parse_action`."""
    return validated(_ANY_ACTION, data, "action")
