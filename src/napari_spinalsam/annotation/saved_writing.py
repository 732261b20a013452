"""From the state of an annotation to the data of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_spinalsam import __version__
from napari_spinalsam.annotation import saved_schema as schema
from napari_spinalsam.annotation.provenance import (
    MaskWritten,
    VoxelsWritten,
    events_of,
)
from napari_spinalsam.core.masks import Runs

if TYPE_CHECKING:
    from napari_spinalsam.annotation.image import ImageReference
    from napari_spinalsam.annotation.provenance import (
        LabelEvent,
        MaskOrigin,
        ModelReference,
    )
    from napari_spinalsam.annotation.state import State, StructureObject
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.prompts import SlicePrompts
    from napari_spinalsam.core.volume import FileGrid


def encode(
    image: ImageReference, state: State, saved: str
) -> tuple[schema.SavedDocument, Runs]:
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
    Runs
        The voxels of all strokes, one stroke after the other.
    """
    events = events_of(state.record)
    tables = _Tables()
    strokes = [event.runs for event in events if isinstance(event, VoxelsWritten)]
    document = schema.SavedDocument(
        program=__version__,
        saved=saved,
        image=_image(image),
        grid=None if state.grid is None else _grid(state.grid),
        window=_window(state.window),
        selected=state.selected,
        objects=tuple(_object(entry, tables) for entry in state.objects),
        events=tuple(_event(event, tables) for event in events),
        origins=tuple(tables.origins),
        models=tuple(tables.models.values()),
    )
    return document, Runs.joined(strokes)


class _Tables:
    """Origins and models, each written once however often it is referred to."""

    def __init__(self) -> None:
        self.origins: list[schema.OriginEntry] = []
        self.models: dict[ModelReference, schema.ModelEntry] = {}
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
                            prompts=_prompts(question.prompts),
                            chosen=question.chosen,
                            start=question.start and question.start.lengths,
                        )
                        for question in origin.questions
                    ),
                    window=_window(origin.window),
                    model=self.place_of_model(origin.model),
                    predicted_iou=origin.predicted_iou,
                    time=origin.time,
                    version=origin.version,
                )
            )
        return self._places[id(origin)]

    def place_of_model(self, model: ModelReference) -> int:
        """Return the place of a model in the table, adding it if need be."""
        if model not in self.models:
            self.models[model] = schema.ModelEntry(
                sha256=model.sha256,
                name=model.name,
                adapter=model.adapter,
                adapter_sha256=model.adapter_sha256,
            )
        return list(self.models).index(model)


def _image(image: ImageReference) -> schema.ImageEntry:
    affine: Any = image.geometry.affine.tolist()
    return schema.ImageEntry(
        name=image.name,
        modality=image.modality,
        sha256=image.sha256,
        shape=image.geometry.shape,
        affine=affine,
        is_2d=image.geometry.is_2d,
    )


def _grid(grid: FileGrid) -> schema.GridEntry:
    affine: Any = grid.affine.tolist()
    known: Any = tuple(str(each.name).lower() for each in grid.known)
    return schema.GridEntry(shape=grid.shape, affine=affine, known=known)


def _window(window: Window) -> schema.WindowEntry:
    return schema.WindowEntry(level=window.level, width=window.width)


def _object(entry: StructureObject, tables: _Tables) -> schema.ObjectEntry:
    return schema.ObjectEntry(
        name=entry.name,
        locked=entry.locked,
        visible=entry.visible,
        prompts=tuple(_prompts(prompts) for prompts in entry.prompts),
        accepted=tuple(
            schema.AcceptedEntry(
                prompts=_prompts(accepted.prompts),
                origin=tables.place_of(accepted.origin),
            )
            for accepted in entry.accepted
        ),
    )


def _prompts(prompts: SlicePrompts) -> schema.PromptsEntry:
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


def _event(event: LabelEvent, tables: _Tables) -> schema.EventEntry:
    if isinstance(event, MaskWritten):
        origin = tables.place_of(event.origin)
        return schema.MaskEvent(structure=event.structure, origin=origin)
    if isinstance(event, VoxelsWritten):
        model = None if event.model is None else tables.place_of_model(event.model)
        runs = len(event.runs.starts)
        return schema.VoxelsEvent(step=event.step, runs=runs, model=model)
    return schema.ExchangeEvent(step=event.step, values=event.values)
