"""Prompt files: structures and their prompts as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_spinalsam.core.anatomy import Structure, structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.prompts import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    Polarity,
    ScribblePrompt,
    SlicePrompts,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.core.geometry import SlicePlane
    from napari_spinalsam.core.volume import FileGrid

Space = Literal["voxel", "world"]
Number = Annotated[float, Field(allow_inf_nan=False)]
Coordinates = Annotated[list[Number], Field(min_length=2, max_length=3)]
# Room for the rounding of millimetres to voxels.
TOLERANCE_VOXELS = 1e-6


class _Entry(BaseModel):
    """Part of a prompt file: nothing unknown in it, nothing converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PointEntry(_Entry):
    """A point, in the coordinates of the file."""

    at: Coordinates
    polarity: Literal["positive", "negative"] = "positive"


class ScribbleEntry(_Entry):
    """A line drawn by hand, in the coordinates of the file."""

    path: Annotated[list[Coordinates], Field(min_length=2)]
    polarity: Literal["positive", "negative"] = "positive"


class SliceEntry(_Entry):
    """The prompts on one slice; a flat image has neither axis nor index.

    The lasso is an outline whose last place is joined to the first.
    """

    axis: Annotated[int, Field(ge=0, le=2)] | None = None
    index: Annotated[int, Field(ge=0)] | None = None
    box: Annotated[list[Coordinates], Field(min_length=2, max_length=2)] | None = None
    points: list[PointEntry] = []
    scribbles: list[ScribbleEntry] = []
    lasso: Annotated[list[Coordinates], Field(min_length=3)] | None = None


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


@dataclass(frozen=True, slots=True)
class PromptedObject:
    """A structure and where it is, on the canonical grid of an image.

    Parameters
    ----------
    structure : Structure
        What to segment.
    prompts : tuple of SlicePrompts
        One entry is one prediction; their masks are united.
    propagate : bool
        Whether to follow the object through the volume.
    """

    structure: Structure
    prompts: tuple[SlicePrompts, ...]
    propagate: bool = False


def read_prompts(path: str | Path, grid: FileGrid) -> tuple[PromptedObject, ...]:
    """Read a prompt file for an image.

    Parameters
    ----------
    path : str or Path
        JSON as docs/reference/cli.md describes it.
    grid : FileGrid
        The grid of the image file that the coordinates refer to.

    Returns
    -------
    tuple of PromptedObject
        In the order of the file.

    Raises
    ------
    InputError
        If the file cannot be read, or something in it does not fit the image.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = json.loads(text, object_pairs_hook=_without_repeats)
    except OSError as error:
        raise InputError(
            f"The prompt file {path} cannot be read ({error.strerror}): check its name."
        ) from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path.name} is no JSON ({error.msg} at line {error.lineno}, column "
            f"{error.colno}): correct it there."
        ) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"{path.name} is no JSON text: give a prompt file as in "
            "docs/reference/cli.md."
        ) from error
    return parse_prompts(document, grid, path.name)


def parse_prompts(
    document: object, grid: FileGrid, name: str = "the prompts"
) -> tuple[PromptedObject, ...]:
    """Check prompts in the form of a prompt file and turn them to the canonical grid.

    Parameters
    ----------
    document : object
        Dictionaries, lists, numbers and strings as JSON gives them.
    grid : FileGrid
        The grid of the image file that the coordinates refer to.
    name : str
        Names the prompts in errors.

    Raises
    ------
    InputError
        If something in it is unknown, missing or does not fit the image.
    """
    file = validate_prompts(document, name)
    return tuple(
        _to_object(entry, _Converter(grid, file.space, f"{name}, {_called(n, entry)}"))
        for n, entry in enumerate(file.objects, start=1)
    )


def _to_object(entry: ObjectEntry, converter: _Converter) -> PromptedObject:
    try:
        found = structure(entry.structure)
    except InputError as error:
        raise InputError(f"{converter.name}: {error}") from error
    prompts = tuple(converter.slice_prompts(each) for each in entry.prompts)
    return PromptedObject(found, prompts, entry.propagate)


@dataclass(frozen=True)
class _Converter:
    """Turns the coordinates of one object; its name begins every error."""

    grid: FileGrid
    space: Space
    name: str

    @property
    def _axes(self) -> int:
        return len(self.grid.shape[:3])

    def slice_prompts(self, entry: SliceEntry) -> SlicePrompts:
        """Turn the prompts of one slice."""
        plane = self._plane(entry)
        points = tuple(
            PointPrompt(*self._to_plane(each.at, plane, entry), Polarity(each.polarity))
            for each in entry.points
        )
        box = None
        if entry.box is not None:
            first, second = (self._to_plane(at, plane, entry) for at in entry.box)
            box = BoxPrompt(*first, *second)
            _check_area(box, entry.box, self.name)
        scribbles = tuple(
            ScribblePrompt(self._path(each.path, plane, entry), Polarity(each.polarity))
            for each in entry.scribbles
        )
        lasso = None
        if entry.lasso is not None:
            lasso = LassoPrompt(self._path(entry.lasso, plane, entry))
            _check_enclosing(lasso, entry.lasso, self.name)
        prompts = SlicePrompts(plane.axis, plane.index, points, box, scribbles, lasso)
        if not prompts.asks_for_something:
            raise InputError(
                f"{self.name}: a prompt has neither a box nor a positive point, nor a "
                "lasso or a positive scribble, so there is nothing to segment; add one."
            )
        return prompts

    def _path(
        self, places: list[list[float]], plane: SlicePlane, entry: SliceEntry
    ) -> tuple[tuple[float, float], ...]:
        """Turn the places of a line into (row, col) of the slice."""
        return tuple(self._to_plane(at, plane, entry) for at in places)

    def _plane(self, entry: SliceEntry) -> SlicePlane:
        axis, index = entry.axis, entry.index
        if self._axes == 2:
            self._check_flat(entry)
            return self.grid.geometry.plane(0, 0)
        if axis is None or index is None:
            raise InputError(
                f"{self.name}: a prompt lacks {'axis' if axis is None else 'index'}, "
                "which a volume needs; add the slice that it lies in."
            )
        if index >= self.grid.shape[axis]:
            raise InputError(
                f"{self.name}: index {index} is beyond axis {axis} of the image; use "
                f"0 to {self.grid.shape[axis] - 1}."
            )
        at = np.zeros(3)
        at[axis] = index
        canonical_axis = self.grid.axis_to_canonical(axis)
        canonical = self.grid.points_to_canonical(at)[0, canonical_axis]
        return self.grid.geometry.plane(canonical_axis, round(float(canonical)))

    def _check_flat(self, entry: SliceEntry) -> None:
        if self.space == "world":
            raise InputError(
                f"{self.name}: the image is flat and has no world coordinates; use "
                '"space": "voxel" with [i, j].'
            )
        for key in ("axis", "index"):
            if getattr(entry, key) is not None:
                raise InputError(
                    f"{self.name}: the image is flat, but a prompt gives {key} "
                    f"{getattr(entry, key)}; leave it out."
                )

    def _to_plane(
        self, at: list[float], plane: SlicePlane, entry: SliceEntry
    ) -> tuple[float, float]:
        """Turn the coordinates of the file into (row, col) of the slice."""
        shown = _shown(at)
        if len(at) != self._axes:
            raise InputError(
                f"{self.name}: {shown} has {len(at)} coordinates, but the image has "
                f"{self._axes} axes; give {self._axes}."
            )
        voxel = np.zeros(3)
        voxel[: len(at)] = at
        if self.space == "world":
            affine = self.grid.affine
            voxel[:] = np.linalg.solve(affine[:3, :3], voxel - affine[:3, 3])
        shape = np.array((*self.grid.shape, 1)[:3])
        limit = 0.5 + TOLERANCE_VOXELS
        if not ((voxel >= -limit) & (voxel <= shape - 1 + limit)).all():
            size = " x ".join(str(n) for n in self.grid.shape)
            raise InputError(
                f"{self.name}: {shown} lies outside of the image of {size} voxels; "
                "place it inside."
            )
        canonical = self.grid.points_to_canonical(voxel)
        if not plane.contains(canonical, limit):
            raise InputError(
                f"{self.name}: {shown} does not lie in the slice with index "
                f"{entry.index} on axis {entry.axis}; correct the one or the other."
            )
        row, col = plane.to_plane(canonical)[0].tolist()
        return row, col


def _check_area(box: BoxPrompt, corners: Sequence[list[float]], name: str) -> None:
    """Refuse a box that is a point or a line, with an InputError."""
    height, width = box.row_max - box.row_min, box.col_max - box.col_min
    if min(height, width) <= TOLERANCE_VOXELS:
        first, second = map(_shown, corners)
        raise InputError(
            f"{name}: the box from {first} to {second} has no area; give two opposite "
            "corners, or a point."
        )


def _check_enclosing(
    lasso: LassoPrompt, places: Sequence[list[float]], name: str
) -> None:
    """Refuse an outline that is a point or a line, with an InputError."""
    outline = np.array(lasso.outline)
    if np.linalg.matrix_rank(outline - outline[0], tol=TOLERANCE_VOXELS) < 2:
        raise InputError(
            f"{name}: the lasso that begins at {_shown(places[0])} has no area; draw "
            "it around the structure, or give a point."
        )


def _shown(at: Sequence[float]) -> str:
    return f"({', '.join(f'{number:.10g}' for number in at)})"


def _called(number: int, entry: ObjectEntry) -> str:
    return f"object {number} ({entry.structure})"


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InputError(
            f"The prompt file has {twice!r} twice in one place: keep one of them."
        )
    return entries
