"""From the data of a file back to the state of an annotation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_spinalsam.annotation import saved_schema as schema
from napari_spinalsam.annotation.image import ImageReference
from napari_spinalsam.annotation.provenance import (
    AcceptedSlice,
    MaskOrigin,
    MaskWritten,
    ModelReference,
    Question,
    ValuesExchanged,
    VoxelsWritten,
    record_of,
)
from napari_spinalsam.annotation.state import State, StructureObject
from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.geometry import Geometry, Known
from napari_spinalsam.core.intensity import Window
from napari_spinalsam.core.masks import RunLengths
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
    from numpy.typing import NDArray

    from napari_spinalsam.annotation.provenance import LabelEvent
    from napari_spinalsam.core.masks import Runs


def decode_image(entry: schema.ImageEntry) -> ImageReference:
    """Return what the image of a file is recognised by."""
    geometry = Geometry(entry.shape, np.array(entry.affine), entry.is_2d)
    return ImageReference(entry.name, entry.modality, entry.sha256, geometry)


def decode(document: schema.SavedDocument, runs: Runs) -> State:
    """Return the state that was written.

    Parameters
    ----------
    document : SavedDocument
        The JSON.
    runs : Runs
        The voxels of all strokes, one stroke after the other.

    Raises
    ------
    ValueError
        If its parts do not fit together, or do not fit the image.
    """
    geometry = decode_image(document.image).geometry
    models = [
        ModelReference(each.sha256, each.name, each.adapter, each.adapter_sha256)
        for each in document.models
    ]
    origins = [_origin(each, models, geometry) for each in document.origins]
    state = State(
        grid=None if document.grid is None else _grid(document.grid, geometry),
        window=Window(document.window.level, document.window.width),
        selected=None if document.selected is None else _known(document.selected),
        record=record_of(_events(document, origins, models, runs, geometry)),
    )
    for each in document.objects:
        entry = _object(each, origins, geometry)
        if state.find(entry.name) is not None:
            raise ValueError(f"{entry.name} is there twice")
        state = state.with_object(entry)
    return state


def _grid(entry: schema.GridEntry, geometry: Geometry) -> FileGrid:
    known = Known(0)
    for name in entry.known:
        known |= Known[name.upper()]
    grid = FileGrid(entry.shape, np.array(entry.affine), known)
    if grid.geometry.shape != geometry.shape:
        raise ValueError(f"a grid of {entry.shape} voxels is not that of the image")
    return grid


def check_labels(labels: NDArray[np.uint8], state: State) -> None:
    """Refuse labels that stand for no object of the state, with a ValueError."""
    known = bytes([0, *(entry.label for entry in state.objects)])
    unknown = set(labels.tobytes().translate(None, delete=known))
    if unknown:
        raise ValueError(f"the values {sorted(unknown)} belong to no object")


def _known(name: str) -> str:
    if structure(name).name != name:
        raise ValueError(f"{name} is not the name of a structure")
    return name


def _origin(
    entry: schema.OriginEntry, models: list[ModelReference], geometry: Geometry
) -> MaskOrigin:
    return MaskOrigin(
        questions=tuple(_question(each, geometry) for each in entry.questions),
        window=Window(entry.window.level, entry.window.width),
        model=models[entry.model],
        predicted_iou=entry.predicted_iou,
        time=entry.time,
        version=entry.version,
    )


def _question(entry: schema.QuestionEntry, geometry: Geometry) -> Question:
    prompts, start = _prompts(entry.prompts, geometry), None
    if entry.start is not None:
        start = RunLengths(geometry.plane(*prompts.key).shape, entry.start)
    return Question(prompts, entry.chosen, start)


def _object(
    entry: schema.ObjectEntry, origins: list[MaskOrigin], geometry: Geometry
) -> StructureObject:
    found = StructureObject(
        _known(entry.name), locked=entry.locked, visible=entry.visible
    )
    for each in entry.prompts:
        found = found.with_prompts(_prompts(each, geometry))
    for accepted in entry.accepted:
        prompts = _prompts(accepted.prompts, geometry)
        found = found.with_accepted(AcceptedSlice(prompts, origins[accepted.origin]))
    return found


def _prompts(entry: schema.PromptsEntry, geometry: Geometry) -> SlicePrompts:
    points = tuple(
        PointPrompt(each.row, each.col, Polarity(each.polarity))
        for each in entry.points
    )
    box = None if entry.box is None else BoxPrompt(*entry.box)
    scribbles = tuple(
        ScribblePrompt(each.path, Polarity(each.polarity)) for each in entry.scribbles
    )
    lasso = None if entry.lasso is None else LassoPrompt(entry.lasso)
    prompts = SlicePrompts(entry.axis, entry.index, points, box, scribbles, lasso)
    prompts.check_inside(geometry.plane(*prompts.key))
    return prompts


def _events(
    document: schema.SavedDocument,
    origins: list[MaskOrigin],
    models: list[ModelReference],
    runs: Runs,
    geometry: Geometry,
) -> tuple[LabelEvent, ...]:
    if not runs.fit(int(np.prod(geometry.shape))):
        raise ValueError("a stroke lies outside of the image")
    first = 0
    events: list[LabelEvent] = []
    for entry in document.events:
        if isinstance(entry, schema.MaskEvent):
            events.append(MaskWritten(_known(entry.structure), origins[entry.origin]))
        elif isinstance(entry, schema.VoxelsEvent):
            model = None if entry.model is None else models[entry.model]
            part = runs.part(first, entry.runs)
            events.append(VoxelsWritten(entry.step, part, model))
            first += entry.runs
        else:
            events.append(ValuesExchanged(entry.step, entry.values))
    return tuple(events)
