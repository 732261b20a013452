"""Actions: what a user can ask for, as small frozen pieces of data.

Mouse, buttons, keys, menu commands, the offline parser and the language model all
produce these, and one executor applies them. `Action` is what words can ask for, and
the replies that carry it are in `replies`; what only a hand or a script does is in
`pointer`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StrictBool,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from napari_spinalsam.core.anatomy import REGIONS, STRUCTURE_NAMES, Plane, action_name
from napari_spinalsam.core.prompts import (
    Polarity,
)

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


@dataclass(frozen=True, slots=True)
class Command:
    """A way to ask for an action in a menu, the command palette, or by a key.

    Parameters
    ----------
    title : str
        What the menu says.
    menu : {"steps", "view", "structures"}
        The submenu of napari's *Layers > Segment* that holds it.
    key : str
        The key while the Segment dock is open, as Qt writes it; empty without one.
    name : str
        Of the command; empty takes that of the action.
    arguments : mapping of str to object
        Arguments of the action. Those that it needs besides are asked for.
    """

    title: str
    menu: Literal["steps", "view", "structures"] = "steps"
    key: str = ""
    name: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict)


class BaseAction(BaseModel):
    """What all actions have in common: frozen, no extra keys, a class, commands."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    action_class: ClassVar[ActionClass]
    commands: ClassVar[tuple[Command, ...]] = ()


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


class OpenImage(ReadAction):
    """Open a file dialog for an image."""

    action: Literal["open_image"] = "open_image"
    commands = (Command("Open an image", "view"),)


class OpenSample(ReadAction):
    """Open the shipped sample CT."""

    action: Literal["open_sample"] = "open_sample"
    commands = (Command("Open the lumbar CT sample", "view", name="show_sample"),)


class PreviousImage(ReadAction):
    """Step back in the list of images."""

    action: Literal["previous_image"] = "previous_image"
    commands = (Command("Go to the previous image", "view"),)


class NextImage(ReadAction):
    """Step forward in the list of images."""

    action: Literal["next_image"] = "next_image"
    commands = (Command("Go to the next image", "view"),)


class GoToSlice(ReadAction):
    """Show a slice of the current plane by its index, from 0."""

    action: Literal["go_to_slice"] = "go_to_slice"
    commands = (Command("Go to a slice", "view"),)
    index: Index


class MoveSlice(ReadAction):
    """Move by some slices, not 0: +1 is the next, -1 the previous."""

    action: Literal["move_slice"] = "move_slice"
    commands = (
        Command(
            "Go to the next slice", "view", name="next_slice", arguments={"offset": 1}
        ),
        Command(
            "Go to the previous slice",
            "view",
            name="previous_slice",
            arguments={"offset": -1},
        ),
    )
    offset: Offset


class SetPlane(ReadAction):
    """Turn the view to a plane."""

    action: Literal["set_plane"] = "set_plane"
    commands = (
        Command(
            "Show the axial plane",
            "view",
            name="axial_plane",
            arguments={"plane": "axial"},
        ),
        Command(
            "Show the sagittal plane",
            "view",
            name="sagittal_plane",
            arguments={"plane": "sagittal"},
        ),
        Command(
            "Show the coronal plane",
            "view",
            name="coronal_plane",
            arguments={"plane": "coronal"},
        ),
    )
    plane: Plane


class SetWindow(EditAction):
    """Set the window of display and model: a preset, or level and width in HU."""

    action: Literal["set_window"] = "set_window"
    commands = (
        Command(
            "Show the bone window",
            "view",
            name="bone_window",
            arguments={"preset": "bone"},
        ),
        Command(
            "Show the soft tissue window",
            "view",
            name="soft_tissue_window",
            arguments={"preset": "soft_tissue"},
        ),
        Command(
            "Show the disc window",
            "view",
            name="disc_window",
            arguments={"preset": "disc"},
        ),
        Command(
            "Show the lung window",
            "view",
            name="lung_window",
            arguments={"preset": "lung"},
        ),
        Command(
            "Show the full window",
            "view",
            name="full_window",
            arguments={"preset": "full"},
        ),
    )
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
    commands = (Command("Select a structure", "structures"),)
    structure: StructureName


class AddPoints(EditAction):
    """Place points in a structure or region, or arm the tool for so many clicks."""

    action: Literal["add_points"] = "add_points"
    commands = (
        Command("Place a point"),
        Command(
            "Place a negative point",
            name="add_negative_point",
            arguments={"polarity": "negative"},
        ),
    )
    count: PointCount = 1
    polarity: Polarity = Polarity.POSITIVE
    structure: PlaceName | None = None


class AddBox(EditAction):
    """Place a box around a structure or region, or arm the tool for one box."""

    action: Literal["add_box"] = "add_box"
    commands = (Command("Draw a box"),)
    structure: PlaceName | None = None


class GeneratePointMask(EditAction):
    """Predict from the points."""

    action: Literal["generate_point_mask"] = "generate_point_mask"
    commands = (Command("Generate a mask from the points"),)


class GenerateBoxMask(EditAction):
    """Predict from the box."""

    action: Literal["generate_box_mask"] = "generate_box_mask"
    commands = (Command("Generate a mask from the box"),)


class GenerateMask(EditAction):
    """Predict from whatever prompts there are."""

    action: Literal["generate_mask"] = "generate_mask"
    commands = (Command("Generate a mask from the prompts", key="G"),)


class SegmentStructures(EditAction):
    """Locate and segment structures, or one region, without prompts."""

    action: Literal["segment_structures"] = "segment_structures"
    commands = (
        Command(
            "Find the lumbar vertebrae",
            name="find_lumbar",
            arguments={"structures": ("lumbar",)},
        ),
        Command(
            "Find the thoracic vertebrae",
            name="find_thoracic",
            arguments={"structures": ("thoracic",)},
        ),
        Command(
            "Find the cervical vertebrae",
            name="find_cervical",
            arguments={"structures": ("cervical",)},
        ),
        Command(
            "Find the whole spine",
            name="find_spine",
            arguments={"structures": ("spine",)},
        ),
        Command(
            "Find the discs", name="find_discs", arguments={"structures": ("discs",)}
        ),
    )
    structures: StructureList


class Propagate(EditAction):
    """Carry the current mask on; without slices to the end of the object."""

    action: Literal["propagate"] = "propagate"
    commands = (
        Command("Propagate the mask both ways"),
        Command(
            "Propagate the mask forward",
            name="propagate_forward",
            arguments={"direction": "forward"},
        ),
        Command(
            "Propagate the mask backward",
            name="propagate_backward",
            arguments={"direction": "backward"},
        ),
    )
    direction: Direction = "both"
    slices: Positive | None = None


class AcceptMask(EditAction):
    """Write the preview into the labels."""

    action: Literal["accept_mask"] = "accept_mask"
    commands = (Command("Accept the mask", key="Return"),)


class RejectMask(EditAction):
    """Drop the preview."""

    action: Literal["reject_mask"] = "reject_mask"
    commands = (Command("Reject the mask"),)


class ClearPoints(DestructiveAction):
    """Remove the points."""

    action: Literal["clear_points"] = "clear_points"
    commands = (Command("Clear the points"),)


class ClearBoxes(DestructiveAction):
    """Remove the boxes."""

    action: Literal["clear_boxes"] = "clear_boxes"
    commands = (Command("Clear the boxes"),)


class ClearAll(DestructiveAction):
    """Remove prompts and preview of this image, never files or accepted labels."""

    action: Literal["clear_all"] = "clear_all"
    commands = (Command("Clear all prompts and the preview"),)


class Undo(EditAction):
    """Take back the last steps."""

    action: Literal["undo"] = "undo"
    commands = (Command("Undo the last step of the annotation", key="Ctrl+Z"),)
    steps: Positive = 1


class Redo(EditAction):
    """Do again what was taken back."""

    action: Literal["redo"] = "redo"
    commands = (Command("Redo the step undone last", key="Ctrl+Shift+Z"),)
    steps: Positive = 1


class Measure(ReadAction):
    """Measure a structure, or all, against the reference; volume needs none."""

    action: Literal["measure"] = "measure"
    commands = (Command("Measure all structures"),)
    metrics: MetricList = ALL_METRICS
    structure: StructureName | None = None


class SaveLabels(WriteAction):
    """Save the labels through a dialog; DICOM SEG is refused in this version."""

    action: Literal["save_labels"] = "save_labels"
    commands = (
        Command("Save the labels"),
        Command(
            "Save the labels as NRRD", name="save_nrrd", arguments={"format": "nrrd"}
        ),
    )
    format: LabelFormat = "nifti"


class SetVisibility(ReadAction):
    """Show or hide a layer."""

    action: Literal["set_visibility"] = "set_visibility"
    commands = (
        Command(
            "Show the image",
            "view",
            name="show_image",
            arguments={"layer": "image", "visible": True},
        ),
        Command(
            "Hide the image",
            "view",
            name="hide_image",
            arguments={"layer": "image", "visible": False},
        ),
        Command(
            "Show the labels",
            "view",
            name="show_labels",
            arguments={"layer": "labels", "visible": True},
        ),
        Command(
            "Hide the labels",
            "view",
            name="hide_labels",
            arguments={"layer": "labels", "visible": False},
        ),
        Command(
            "Show the points",
            "view",
            name="show_points",
            arguments={"layer": "points", "visible": True},
        ),
        Command(
            "Hide the points",
            "view",
            name="hide_points",
            arguments={"layer": "points", "visible": False},
        ),
        Command(
            "Show the boxes",
            "view",
            name="show_boxes",
            arguments={"layer": "boxes", "visible": True},
        ),
        Command(
            "Hide the boxes",
            "view",
            name="hide_boxes",
            arguments={"layer": "boxes", "visible": False},
        ),
        Command(
            "Show the reference",
            "view",
            name="show_reference",
            arguments={"layer": "reference", "visible": True},
        ),
        Command(
            "Hide the reference",
            "view",
            name="hide_reference",
            arguments={"layer": "reference", "visible": False},
        ),
    )
    layer: LayerRole
    visible: StrictBool


class Cancel(EditAction):
    """Stop the running job and those that wait; what is done stays as one step."""

    action: Literal["cancel"] = "cancel"
    commands = (Command("Stop the running job and those that wait"),)


class SetLock(EditAction):
    """Lock a structure, so that it is never overwritten, or unlock it."""

    action: Literal["set_lock"] = "set_lock"
    commands = (
        Command("Lock a structure", "structures"),
        Command(
            "Unlock a structure",
            "structures",
            name="unlock",
            arguments={"locked": False},
        ),
    )
    structure: StructureName
    locked: StrictBool = True


class SetStructureVisibility(ReadAction):
    """Show or hide one structure of the labels."""

    action: Literal["set_structure_visibility"] = "set_structure_visibility"
    commands = (
        Command(
            "Show a structure",
            "structures",
            name="show_structure",
            arguments={"visible": True},
        ),
        Command(
            "Hide a structure",
            "structures",
            name="hide_structure",
            arguments={"visible": False},
        ),
    )
    structure: StructureName
    visible: StrictBool


class RenameStructure(EditAction):
    """Give a structure another name, one that is not labelled yet."""

    action: Literal["rename_structure"] = "rename_structure"
    commands = (Command("Rename a structure", "structures"),)
    structure: StructureName
    to: StructureName


class MergeStructures(EditAction):
    """Give the voxels of a structure to another one, which keeps its name."""

    action: Literal["merge_structures"] = "merge_structures"
    commands = (Command("Merge a structure into another", "structures"),)
    structure: StructureName
    into: StructureName


class DeleteStructure(DestructiveAction):
    """Remove a structure's label and its prompts."""

    action: Literal["delete_structure"] = "delete_structure"
    commands = (Command("Delete a structure", "structures"),)
    structure: StructureName


class ShiftNames(EditAction):
    """Rename every vertebra and disc by levels, not 0: +1 is one towards the feet."""

    action: Literal["shift_names"] = "shift_names"
    commands = (
        Command(
            "Shift all names one level down",
            "structures",
            name="shift_names_down",
            arguments={"levels": 1},
        ),
        Command(
            "Shift all names one level up",
            "structures",
            name="shift_names_up",
            arguments={"levels": -1},
        ),
    )
    levels: Offset


class SetViews(ReadAction):
    """Show one plane, or all three at once."""

    action: Literal["set_views"] = "set_views"
    commands = (
        Command("Show one plane", "view", name="one_view", arguments={"views": "one"}),
        Command(
            "Show three planes",
            "view",
            name="three_planes",
            arguments={"views": "three"},
        ),
    )
    views: ViewCount


class NextCandidate(EditAction):
    """Show the next candidate mask."""

    action: Literal["next_candidate"] = "next_candidate"
    commands = (Command("Show the next candidate mask", key="C"),)


class PreviousCandidate(EditAction):
    """Show the previous candidate mask."""

    action: Literal["previous_candidate"] = "previous_candidate"
    commands = (Command("Show the previous candidate mask", key="Shift+C"),)


class SetPixelSize(EditAction):
    """State how many millimetres a pixel of a picture measures."""

    action: Literal["set_pixel_size"] = "set_pixel_size"
    commands = (Command("State the pixel size of a picture", "view"),)
    mm: AboveZero


class CheckGpu(ReadAction):
    """Tell device, memory, driver and what will be used."""

    action: Literal["check_gpu"] = "check_gpu"
    commands = (Command("Check the GPU"),)


class VerifyParameters(ReadAction):
    """Tell which weights of the loaded model match."""

    action: Literal["verify_parameters"] = "verify_parameters"
    commands = (Command("Verify the parameters of the model"),)


class ShowHelp(ReadAction):
    """Tell what can be said."""

    action: Literal["show_help"] = "show_help"
    commands = (Command("Show what can be asked for"),)


WordAction = (
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
Action = Annotated[WordAction, Field(discriminator="action")]
ACTION_TYPES: Mapping[str, type[BaseAction]] = MappingProxyType(
    {model.model_fields["action"].default: model for model in get_args(WordAction)}
)
ACTION_CLASS: Mapping[str, ActionClass] = MappingProxyType(
    {name: model.action_class for name, model in ACTION_TYPES.items()}
)
# By their names: the action that each asks for, and its row.
COMMANDS: Mapping[str, tuple[str, Command]] = MappingProxyType(
    {
        command.name or name: (name, command)
        for name, model in ACTION_TYPES.items()
        for command in model.commands
    }
)
