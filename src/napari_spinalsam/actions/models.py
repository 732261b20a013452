"""Actions: what a user can ask for, as small frozen pieces of data.

Mouse, buttons, keys, menu commands, the offline parser and the language model all
produce these, and one executor applies them. `Action` is what words can ask for, and
the replies that carry it are in `replies`; `PointerAction` is what only a hand or a
script does.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, get_args

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    SerializerFunctionWrapHandler,
    StrictBool,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from napari_spinalsam.core.anatomy import REGIONS, STRUCTURE_NAMES, action_name
from napari_spinalsam.core.geometry import Geometry, Plane
from napari_spinalsam.core.masks import LabelDelta
from napari_spinalsam.core.prompts import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    Polarity,
    ScribblePrompt,
    SlicePrompts,
)
from napari_spinalsam.core.volume import FileGrid

if TYPE_CHECKING:
    from collections.abc import Mapping


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


class ByHand(EditAction):
    """Done with mouse, brush, buttons or a script, never from words or by a model."""


class OnSlice(ByHand):
    """Changes the prompts of the selected structure on one slice.

    `axis` is the array axis (of z, y, x) that the slice is perpendicular to, `index`
    its place along it, from 0. Prompts are in pixels (row, col) of the slice.
    """

    axis: Annotated[int, Field(strict=True, ge=0, le=2)]
    index: Index


class OpenImage(ReadAction):
    """Open a file dialog for an image or a DICOM series."""

    action: Literal["open_image"] = "open_image"


class OpenSample(ReadAction):
    """Open the shipped sample CT."""

    action: Literal["open_sample"] = "open_sample"


class PreviousImage(ReadAction):
    """Step back in the list of images."""

    action: Literal["previous_image"] = "previous_image"


class NextImage(ReadAction):
    """Step forward in the list of images."""

    action: Literal["next_image"] = "next_image"


class GoToSlice(ReadAction):
    """Show a slice of the current plane by its index, from 0."""

    action: Literal["go_to_slice"] = "go_to_slice"
    index: Index


class MoveSlice(ReadAction):
    """Move by some slices, not 0: +1 is the next, -1 the previous."""

    action: Literal["move_slice"] = "move_slice"
    offset: Offset


class SetPlane(ReadAction):
    """Turn the view to a plane."""

    action: Literal["set_plane"] = "set_plane"
    plane: Plane


class SetWindow(EditAction):
    """Set the window of display and model: a preset, or level and width in HU."""

    action: Literal["set_window"] = "set_window"
    preset: PresetName | None = None
    level: Finite | None = None
    width: AboveZero | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        numbers = (self.level is not None, self.width is not None)
        by_preset = self.preset is not None and not any(numbers)
        by_numbers = self.preset is None and all(numbers)
        if not (by_preset or by_numbers):
            raise ValueError("give either a preset, or both level and width")
        return self

    @model_serializer(mode="wrap")
    def _only_the_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}


class SelectStructure(EditAction):
    """Choose the structure that the next mask is written to."""

    action: Literal["select_structure"] = "select_structure"
    structure: StructureName


class AddPoints(EditAction):
    """Place points in a structure or region, or arm the tool for so many clicks."""

    action: Literal["add_points"] = "add_points"
    count: PointCount = 1
    polarity: Polarity = Polarity.POSITIVE
    structure: PlaceName | None = None


class AddBox(EditAction):
    """Place a box around a structure or region, or arm the tool for one box."""

    action: Literal["add_box"] = "add_box"
    structure: PlaceName | None = None


class GeneratePointMask(EditAction):
    """Predict from the points."""

    action: Literal["generate_point_mask"] = "generate_point_mask"


class GenerateBoxMask(EditAction):
    """Predict from the box."""

    action: Literal["generate_box_mask"] = "generate_box_mask"


class GenerateMask(EditAction):
    """Predict from whatever prompts there are."""

    action: Literal["generate_mask"] = "generate_mask"


class SegmentStructures(EditAction):
    """Locate and segment structures, or one region, without prompts."""

    action: Literal["segment_structures"] = "segment_structures"
    structures: StructureList


class Propagate(EditAction):
    """Carry the current mask on; without slices to the end of the object."""

    action: Literal["propagate"] = "propagate"
    direction: Direction = "both"
    slices: Positive | None = None


class AcceptMask(EditAction):
    """Write the preview into the labels."""

    action: Literal["accept_mask"] = "accept_mask"


class RejectMask(EditAction):
    """Drop the preview."""

    action: Literal["reject_mask"] = "reject_mask"


class ClearPoints(DestructiveAction):
    """Remove the points."""

    action: Literal["clear_points"] = "clear_points"


class ClearBoxes(DestructiveAction):
    """Remove the boxes."""

    action: Literal["clear_boxes"] = "clear_boxes"


class ClearAll(DestructiveAction):
    """Remove prompts and preview of this image, never files or accepted labels."""

    action: Literal["clear_all"] = "clear_all"


class Undo(EditAction):
    """Take back the last steps."""

    action: Literal["undo"] = "undo"
    steps: Positive = 1


class Redo(EditAction):
    """Do again what was taken back."""

    action: Literal["redo"] = "redo"
    steps: Positive = 1


class Measure(ReadAction):
    """Measure a structure, or all, against the reference; volume needs none."""

    action: Literal["measure"] = "measure"
    metrics: MetricList = ALL_METRICS
    structure: StructureName | None = None


class SaveLabels(WriteAction):
    """Save the labels through a dialog."""

    action: Literal["save_labels"] = "save_labels"
    format: LabelFormat = "nifti"


class SetVisibility(ReadAction):
    """Show or hide a layer."""

    action: Literal["set_visibility"] = "set_visibility"
    layer: LayerRole
    visible: StrictBool


class Cancel(EditAction):
    """Stop the running job and those that wait; what is done stays as one step."""

    action: Literal["cancel"] = "cancel"


class SetLock(EditAction):
    """Lock a structure, so that it is never overwritten, or unlock it."""

    action: Literal["set_lock"] = "set_lock"
    structure: StructureName
    locked: StrictBool = True


class SetStructureVisibility(ReadAction):
    """Show or hide one structure of the labels."""

    action: Literal["set_structure_visibility"] = "set_structure_visibility"
    structure: StructureName
    visible: StrictBool


class RenameStructure(EditAction):
    """Give a structure another name, one that is not labelled yet."""

    action: Literal["rename_structure"] = "rename_structure"
    structure: StructureName
    to: StructureName


class MergeStructures(EditAction):
    """Give the voxels of a structure to another one, which keeps its name."""

    action: Literal["merge_structures"] = "merge_structures"
    structure: StructureName
    into: StructureName


class DeleteStructure(DestructiveAction):
    """Remove a structure's label and its prompts."""

    action: Literal["delete_structure"] = "delete_structure"
    structure: StructureName


class ShiftNames(EditAction):
    """Rename every vertebra and disc by levels, not 0: +1 is one towards the feet."""

    action: Literal["shift_names"] = "shift_names"
    levels: Offset


class SetViews(ReadAction):
    """Show one plane, or all three at once."""

    action: Literal["set_views"] = "set_views"
    views: ViewCount


class NextCandidate(EditAction):
    """Show the next candidate mask."""

    action: Literal["next_candidate"] = "next_candidate"


class PreviousCandidate(EditAction):
    """Show the previous candidate mask."""

    action: Literal["previous_candidate"] = "previous_candidate"


class SetPixelSize(EditAction):
    """State how many millimetres a pixel of a picture measures."""

    action: Literal["set_pixel_size"] = "set_pixel_size"
    mm: AboveZero


class CheckGpu(ReadAction):
    """Tell device, memory, driver and what will be used."""

    action: Literal["check_gpu"] = "check_gpu"


class VerifyParameters(ReadAction):
    """Tell which weights of the loaded model match."""

    action: Literal["verify_parameters"] = "verify_parameters"


class ShowHelp(ReadAction):
    """Tell what can be said."""

    action: Literal["show_help"] = "show_help"


class PlacePoint(OnSlice):
    """Place a point."""

    action: Literal["place_point"] = "place_point"
    point: PointPrompt


class SetBox(OnSlice):
    """Draw the box of the slice anew, or remove it with null."""

    action: Literal["set_box"] = "set_box"
    box: BoxPrompt | None


class AddScribble(OnSlice):
    """Draw a scribble."""

    action: Literal["add_scribble"] = "add_scribble"
    scribble: ScribblePrompt


class SetLasso(OnSlice):
    """Draw the lasso of the slice anew, or remove it with null."""

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
    step: str = "Paint"


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


_WordAction = (
    OpenImage
    | OpenSample
    | PreviousImage
    | NextImage
    | GoToSlice
    | MoveSlice
    | SetPlane
    | SetWindow
    | SelectStructure
    | AddPoints
    | AddBox
    | GeneratePointMask
    | GenerateBoxMask
    | GenerateMask
    | SegmentStructures
    | Propagate
    | AcceptMask
    | RejectMask
    | ClearPoints
    | ClearBoxes
    | ClearAll
    | Undo
    | Redo
    | Measure
    | SaveLabels
    | SetVisibility
    | Cancel
    | SetLock
    | SetStructureVisibility
    | RenameStructure
    | MergeStructures
    | DeleteStructure
    | ShiftNames
    | SetViews
    | NextCandidate
    | PreviousCandidate
    | SetPixelSize
    | CheckGpu
    | VerifyParameters
    | ShowHelp
)
Action = Annotated[_WordAction, Field(discriminator="action")]
ACTION_TYPES: Mapping[str, type[BaseAction]] = MappingProxyType(
    {model.model_fields["action"].default: model for model in get_args(_WordAction)}
)
ACTION_CLASS: Mapping[str, ActionClass] = MappingProxyType(
    {name: model.action_class for name, model in ACTION_TYPES.items()}
)

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
AnyAction = Annotated[_WordAction | PointerAction, Field(discriminator="action")]
POINTER_ACTIONS: Mapping[str, type[BaseAction]] = MappingProxyType(
    {model.model_fields["action"].default: model for model in get_args(PointerAction)}
)
