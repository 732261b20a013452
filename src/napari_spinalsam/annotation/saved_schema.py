"""The JSON of a saved annotation as validated data."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from napari_spinalsam.core.volume import Modality

FORMAT: Final = "napari-spinalsam annotation"
VERSION: Final = 1

Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Label = Annotated[int, Field(ge=0, le=255)]
Digest = Annotated[str, Field(pattern="^([0-9a-f]{64})?$")]
Four = tuple[Number, Number, Number, Number]
Place = tuple[Number, Number]


class _Entry(BaseModel):
    """Part of the file: nothing unknown in it, nothing converted."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageEntry(_Entry):
    """What the image is recognised by; neither its path nor whose it is."""

    name: str
    modality: Modality
    sha256: Digest
    shape: tuple[Count, Count, Count]
    affine: tuple[Four, Four, Four, Four]
    is_2d: bool


class GridEntry(_Entry):
    """Where the image lies, if that was stated after it was opened.

    The affine leads from indices of the file's array to millimetres, as far as that is
    known: `known` names spacing, orientation and position.
    """

    shape: tuple[Count, ...]
    affine: tuple[Four, Four, Four, Four]
    known: tuple[Literal["spacing", "orientation", "position"], ...]


class WindowEntry(_Entry):
    """Intensities that were shown and given to the model."""

    level: Number
    width: Number


class PointEntry(_Entry):
    """A point in pixels of its slice."""

    row: Number
    col: Number
    polarity: Literal["positive", "negative"]


class ScribbleEntry(_Entry):
    """A line of (row, col) pixels of its slice."""

    path: Annotated[tuple[Place, ...], Field(min_length=2)]
    polarity: Literal["positive", "negative"]


class PromptsEntry(_Entry):
    """The prompts of one slice.

    The box is row_min, col_min, row_max, col_max; the lasso an outline of (row, col).
    """

    axis: Annotated[int, Field(ge=0, le=2)]
    index: Count
    points: tuple[PointEntry, ...] = ()
    box: Four | None = None
    scribbles: tuple[ScribbleEntry, ...] = ()
    lasso: Annotated[tuple[Place, ...], Field(min_length=3)] | None = None


class QuestionEntry(_Entry):
    """What the model was given, and which candidate was taken.

    `start` is a label that was to be corrected: numbers of pixels of the slice, row by
    row, that are out, in, out and so on.
    """

    prompts: PromptsEntry
    chosen: Count
    start: tuple[Count, ...] | None = None


class ModelEntry(_Entry):
    """A model that made masks; checksums are empty where they are not known."""

    sha256: str
    name: str
    adapter: str
    adapter_sha256: str


class OriginEntry(_Entry):
    """How an accepted mask was made; `model` counts in the list of models."""

    questions: Annotated[tuple[QuestionEntry, ...], Field(min_length=1)]
    window: WindowEntry
    model: Count
    predicted_iou: Number
    time: str
    version: str


class AcceptedEntry(_Entry):
    """A slice whose mask was accepted; `origin` counts in the list of origins."""

    prompts: PromptsEntry
    origin: Count


class ObjectEntry(_Entry):
    """One structure."""

    name: str
    locked: bool
    visible: bool
    prompts: tuple[PromptsEntry, ...]
    accepted: tuple[AcceptedEntry, ...]


class MaskEvent(_Entry):
    """A mask was accepted."""

    kind: Literal["mask"] = "mask"
    structure: str
    origin: Count


class VoxelsEvent(_Entry):
    """Voxels were painted, loaded or carried: so many of the runs, after those before.

    `model` counts in the list of models; a hand has none.
    """

    kind: Literal["voxels"] = "voxels"
    step: str
    runs: Count
    model: Count | None = None


class ExchangeEvent(_Entry):
    """Label values were exchanged: pairs of old and new."""

    kind: Literal["exchange"] = "exchange"
    step: str
    values: tuple[tuple[Label, Label], ...]


EventEntry = Annotated[
    MaskEvent | VoxelsEvent | ExchangeEvent, Field(discriminator="kind")
]


class SavedDocument(_Entry):
    """A whole annotation but its arrays."""

    format: Literal["napari-spinalsam annotation"] = FORMAT
    version: Literal[1] = VERSION
    program: str
    saved: str
    image: ImageEntry
    grid: GridEntry | None = None
    window: WindowEntry
    selected: str | None
    objects: tuple[ObjectEntry, ...]
    models: tuple[ModelEntry, ...]
    origins: tuple[OriginEntry, ...]
    events: tuple[EventEntry, ...]
