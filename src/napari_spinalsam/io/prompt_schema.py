"""The JSON of a prompt file as validated data, with problems said in words."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_spinalsam.core.errors import InputError

Space = Literal["voxel", "world"]
Number = Annotated[float, Field(allow_inf_nan=False)]
Coordinates = Annotated[list[Number], Field(min_length=2, max_length=3)]


class _Entry(BaseModel):
    """Part of a prompt file: nothing unknown in it, nothing converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PointEntry(_Entry):
    """A point, in the coordinates of the file."""

    at: Coordinates
    polarity: Literal["positive", "negative"] = "positive"


class SliceEntry(_Entry):
    """The prompts on one slice; a flat image has neither axis nor index."""

    axis: Annotated[int, Field(ge=0, le=2)] | None = None
    index: Annotated[int, Field(ge=0)] | None = None
    box: Annotated[list[Coordinates], Field(min_length=2, max_length=2)] | None = None
    points: list[PointEntry] = []


class ObjectEntry(_Entry):
    """One structure with its prompts."""

    structure: str
    propagate: bool = False
    prompts: Annotated[list[SliceEntry], Field(min_length=1)]


class PromptFile(_Entry):
    """A whole prompt file."""

    space: Space = "voxel"
    objects: Annotated[list[ObjectEntry], Field(min_length=1)]


def validate_prompts(document: object, name: str) -> PromptFile:
    """Check the form of prompts, without regard to an image.

    Parameters
    ----------
    document : object
        Dictionaries, lists, numbers and strings as JSON gives them.
    name : str
        Names the prompts in errors.

    Raises
    ------
    InputError
        If a key is unknown or missing, or a value of the wrong kind.
    """
    try:
        return PromptFile.model_validate(document)
    except ValidationError as error:
        raise InputError(f"{name}: {_first_problem(error, document)}.") from error


def _first_problem(error: ValidationError, document: object) -> str:
    """Say in words where the first problem is, and with which value."""
    problem = error.errors(include_url=False)[0]
    place = list(problem["loc"])
    value = json.dumps(problem["input"], default=str)
    value = value if len(value) <= 60 else f"{value[:57]}..."
    words = []
    if place[:1] == ["objects"] and len(place) > 1:
        number = int(place[1])
        called = _name_in(document, number)
        words.append(f"object {number + 1}{f' ({called})' if called else ''}")
        place = place[2:]
    key = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place)
    key = key.lstrip(".") or "the whole"
    at = f"{', '.join(words)}: " if words else ""
    if problem["type"] == "extra_forbidden":
        return f"{at}{key} is not known; leave it out or correct its name"
    if problem["type"] == "missing":
        return f"{at}{key} is missing; add it"
    return f"{at}{key} is {value}, but {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _name_in(document: object, number: int) -> str:
    try:
        return str(document["objects"][number]["structure"])  # type: ignore[index]
    except (KeyError, IndexError, TypeError):
        return ""
