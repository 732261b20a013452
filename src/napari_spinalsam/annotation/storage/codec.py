"""Between an annotation's state and the entries of its file."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam import __version__
from napari_spinalsam.annotation.provenance import (
    AcceptedSlice,
    ImageReference,
    MaskOrigin,
    MaskWritten,
    Question,
    ValuesExchanged,
    VoxelsWritten,
    events_of,
    record_of,
)
from napari_spinalsam.annotation.state import State, StructureObject
from napari_spinalsam.annotation.storage import format as schema
from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.geometry import Geometry, Known
from napari_spinalsam.core.intensity import Window
from napari_spinalsam.core.masks import LabelRuns, MaskRuns
from napari_spinalsam.core.prompts import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    Polarity,
    ScribblePrompt,
    SlicePrompts,
)
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.core.volume import FileGrid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.annotation.provenance import LabelEvent


def encode(
    image: ImageReference, state: State, saved: str
) -> tuple[schema.SavedDocument, LabelRuns]:
    """Return what is written besides the labels.

    Parameters
    ----------
    image : ImageReference
        The image.
    state : State
        The annotation; its preview is left out.
    saved : str
        The time, ISO 8601 in UTC.

    Returns
    -------
    SavedDocument
        The JSON.
    LabelRuns
        The voxels of all strokes, one stroke after the other.
    """
    events = events_of(state.record)
    tables = _Tables()
    strokes = [event.runs for event in events if isinstance(event, VoxelsWritten)]
    document = schema.SavedDocument(
        program=__version__,
        saved=saved,
        image=_encode_image(image),
        grid=None if state.grid is None else _encode_grid(state.grid),
        window=_encode_window(state.window),
        selected=state.selected,
        objects=tuple(_encode_object(entry, tables) for entry in state.objects),
        events=tuple(_encode_event(event, tables) for event in events),
        origins=tuple(tables.origins),
        models=tuple(tables.models.values()),
    )
    return document, LabelRuns.joined(strokes)


class _Tables:
    """Origins and models, each written once however often it is referred to."""

    def __init__(self) -> None:
        self.origins: list[schema.OriginEntry] = []
        self.models: dict[ModelIdentity, schema.ModelEntry] = {}
        self._places: dict[int, int] = {}

    def place_of(self, origin: MaskOrigin) -> int:
        """Return the place of an origin in the table, adding it if need be."""
        # By identity: the state that is written keeps every origin alive.
        if id(origin) not in self._places:
            self._places[id(origin)] = len(self.origins)
            self.origins.append(
                schema.OriginEntry(
                    questions=tuple(
                        schema.QuestionEntry(
                            prompts=_encode_prompts(question.prompts),
                            chosen=question.chosen,
                            start=question.start and question.start.lengths,
                        )
                        for question in origin.questions
                    ),
                    window=_encode_window(origin.window),
                    model=self.place_of_model(origin.model),
                    predicted_iou=origin.predicted_iou,
                    time=origin.time,
                    version=origin.version,
                )
            )
        return self._places[id(origin)]

    def place_of_model(self, model: ModelIdentity) -> int:
        """Return the place of a model in the table, adding it if need be."""
        if model not in self.models:
            self.models[model] = schema.ModelEntry(**asdict(model))
        return list(self.models).index(model)


def _encode_image(image: ImageReference) -> schema.ImageEntry:
    affine: Any = image.geometry.affine.tolist()
    return schema.ImageEntry(
        name=image.name,
        modality=image.modality,
        sha256=image.sha256,
        shape=image.geometry.shape,
        affine=affine,
        is_2d=image.geometry.is_2d,
    )


def _encode_grid(grid: FileGrid) -> schema.GridEntry:
    affine: Any = grid.affine.tolist()
    known: Any = tuple(str(each.name).lower() for each in grid.known)
    return schema.GridEntry(shape=grid.shape, affine=affine, known=known)


def _encode_window(window: Window) -> schema.WindowEntry:
    return schema.WindowEntry(level=window.level, width=window.width)


def _encode_object(entry: StructureObject, tables: _Tables) -> schema.ObjectEntry:
    return schema.ObjectEntry(
        name=entry.name,
        locked=entry.locked,
        visible=entry.visible,
        prompts=tuple(_encode_prompts(prompts) for prompts in entry.prompts),
        accepted=tuple(
            schema.AcceptedEntry(
                prompts=_encode_prompts(accepted.prompts),
                origin=tables.place_of(accepted.origin),
            )
            for accepted in entry.accepted
        ),
    )


def _encode_prompts(prompts: SlicePrompts) -> schema.PromptsEntry:
    box = prompts.box
    corners = box and (box.row_min, box.col_min, box.row_max, box.col_max)
    return schema.PromptsEntry(
        axis=prompts.axis,
        index=int(prompts.index),
        points=tuple(
            schema.PointEntry(
                row=float(point.row),
                col=float(point.col),
                polarity=point.polarity.value,
            )
            for point in prompts.points
        ),
        box=corners,
        scribbles=tuple(
            schema.ScribbleEntry(path=scribble.path, polarity=scribble.polarity.value)
            for scribble in prompts.scribbles
        ),
        lasso=prompts.lasso and prompts.lasso.outline,
    )


def _encode_event(event: LabelEvent, tables: _Tables) -> schema.EventEntry:
    if isinstance(event, MaskWritten):
        origin = tables.place_of(event.origin)
        return schema.MaskEvent(structure=event.structure, origin=origin)
    if isinstance(event, VoxelsWritten):
        model = None if event.model is None else tables.place_of_model(event.model)
        runs = len(event.runs.starts)
        return schema.VoxelsEvent(step=event.step, runs=runs, model=model)
    return schema.ExchangeEvent(step=event.step, values=event.values)


def decode_image(entry: schema.ImageEntry) -> ImageReference:
    """Return what the image of a file is recognised by."""
    geometry = Geometry(entry.shape, np.array(entry.affine), entry.is_2d)
    return ImageReference(entry.name, entry.modality, entry.sha256, geometry)


def decode(document: schema.SavedDocument, runs: LabelRuns) -> State:
    """Return the state that was written.

    Parameters
    ----------
    document : SavedDocument
        The JSON.
    runs : LabelRuns
        The voxels of all strokes, one stroke after the other.

    Raises
    ------
    ValueError
        If its parts do not fit together, or do not fit the image.
    """
    geometry = decode_image(document.image).geometry
    models = [ModelIdentity(**each.model_dump()) for each in document.models]
    origins = [_decode_origin(each, models, geometry) for each in document.origins]
    state = State(
        grid=None if document.grid is None else _decode_grid(document.grid, geometry),
        window=Window(document.window.level, document.window.width),
        selected=None if document.selected is None else _known(document.selected),
        record=record_of(_decode_events(document, origins, models, runs, geometry)),
    )
    for each in document.objects:
        entry = _decode_object(each, origins, geometry)
        if state.find(entry.name) is not None:
            raise ValueError(f"{entry.name} is there twice")
        state = state.with_object(entry)
    return state


def _decode_grid(entry: schema.GridEntry, geometry: Geometry) -> FileGrid:
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


def _decode_origin(
    entry: schema.OriginEntry, models: list[ModelIdentity], geometry: Geometry
) -> MaskOrigin:
    return MaskOrigin(
        questions=tuple(_decode_question(each, geometry) for each in entry.questions),
        window=Window(entry.window.level, entry.window.width),
        model=models[entry.model],
        predicted_iou=entry.predicted_iou,
        time=entry.time,
        version=entry.version,
    )


def _decode_question(entry: schema.QuestionEntry, geometry: Geometry) -> Question:
    prompts, start = _decode_prompts(entry.prompts, geometry), None
    if entry.start is not None:
        start = MaskRuns(geometry.plane(*prompts.key).shape, entry.start)
    return Question(prompts, entry.chosen, start)


def _decode_object(
    entry: schema.ObjectEntry, origins: list[MaskOrigin], geometry: Geometry
) -> StructureObject:
    found = StructureObject(
        _known(entry.name), locked=entry.locked, visible=entry.visible
    )
    for each in entry.prompts:
        found = found.with_prompts(_decode_prompts(each, geometry))
    for accepted in entry.accepted:
        prompts = _decode_prompts(accepted.prompts, geometry)
        found = found.with_accepted(AcceptedSlice(prompts, origins[accepted.origin]))
    return found


def _decode_prompts(entry: schema.PromptsEntry, geometry: Geometry) -> SlicePrompts:
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


def _decode_events(
    document: schema.SavedDocument,
    origins: list[MaskOrigin],
    models: list[ModelIdentity],
    runs: LabelRuns,
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
