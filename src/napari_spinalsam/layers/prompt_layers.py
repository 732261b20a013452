"""Points and Shapes layers as views of prompts, both ways."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Points, Shapes

from napari_spinalsam.actions import pointer
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import msg
from napari_spinalsam.core.prompts import (
    PARTS_OF_PIXEL,
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    Polarity,
    ScribblePrompt,
    SlicePrompts,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from napari_spinalsam.actions.pointer import AnyAction
    from napari_spinalsam.annotation.state import StructureObject
    from napari_spinalsam.core.geometry import Geometry

# Red, green and blue, 0 to 1.
COLORS = {
    Polarity.POSITIVE: (0.18, 0.8, 0.25),
    Polarity.NEGATIVE: (1.0, 0.25, 0.21),
}
SYMBOLS = {Polarity.POSITIVE: "disc", Polarity.NEGATIVE: "cross"}
BOX_COLOR = "#ffdc00"
POINT_SIZE_MM = 4.0
DIM, BRIGHT = 0.35, 1.0
# Voxels by which a drawn prompt may differ from the one it shows.
SAME_PLACE = 1e-3
# Red, green and blue, 0 to 1.
LASSO_COLOR = (1.0, 0.86, 0.0)
OPEN, CLOSED = ("path", "line"), ("polygon", "rectangle")
# For the colour-blind; a lasso has none.
SIGNS = {Polarity.POSITIVE: "+", Polarity.NEGATIVE: "−"}
SIGN_SIZE = 14


@dataclass(frozen=True, slots=True)
class Item:
    """The prompts of a slice, and whether its mask was accepted already."""

    prompts: SlicePrompts
    accepted: bool


def new_points_layer(ndim: int, **attributes: Any) -> Points:
    """Return an empty layer for point prompts."""
    layer = Points(
        np.empty((0, ndim)),
        features=_features([], []),
        border_color="white",
        border_width=0.15,
        **attributes,
    )
    layer.current_size = max(1, round(POINT_SIZE_MM / float(np.mean(layer.scale[-2:]))))
    arm_polarity(layer, Polarity.POSITIVE, 0)
    return layer


def new_boxes_layer(ndim: int, **attributes: Any) -> Shapes:
    """Return an empty layer for box prompts."""
    layer = Shapes(
        ndim=ndim,
        features=_axes([]),
        face_color="transparent",
        edge_color=BOX_COLOR,
        edge_width=1,
        **attributes,
    )
    layer.current_edge_color = BOX_COLOR
    layer.current_face_color = "transparent"
    arm_axis(layer, 0)
    return layer


def _axes(axes: list[int]) -> pd.DataFrame:
    """Return a features table whose column keeps its type also when empty."""
    return pd.DataFrame({"axis": pd.Series(axes, dtype=int)})


def arm_axis(boxes: Shapes, axis: int) -> None:
    """Let the next boxes that the user draws lie in slices of this axis."""
    if not boxes.feature_defaults.equals(armed := _axes([axis])):
        boxes.feature_defaults = armed


def _features(polarities: list[Polarity], axes: list[int]) -> pd.DataFrame:
    """Return a features table whose columns keep their types also when empty."""
    return pd.DataFrame(
        {
            "polarity": pd.Series([str(p.value) for p in polarities], dtype=str),
            "axis": pd.Series(axes, dtype=int),
        }
    )


def arm_polarity(layer: Points, polarity: Polarity, axis: int) -> None:
    """Let the next points that the user adds have this polarity and slice axis."""
    armed = layer.feature_defaults
    if armed["polarity"].iloc[0] == polarity and armed["axis"].iloc[0] == axis:
        return
    layer.feature_defaults = _features([polarity], [axis])
    layer.current_face_color = np.array((*COLORS[polarity], BRIGHT))
    layer.current_symbol = SYMBOLS[polarity]


def read_prompts(
    points: Points | None, boxes: Shapes | None, geometry: Geometry
) -> dict[tuple[int, int], SlicePrompts]:
    """Return what both layers hold, by slice.

    Parameters
    ----------
    points : napari.layers.Points or None
        Voxel coordinates in (z, y, x), or (row, col) for a flat image; None if there
        is no such layer.
    boxes : napari.layers.Shapes or None
        Rectangles; of several in one slice the last drawn counts. None as above.
    geometry : Geometry
        The grid of the image.
    """
    found: dict[tuple[int, int], SlicePrompts] = {}

    def entry(axis: int, where: NDArray[np.float64]) -> SlicePrompts:
        last = geometry.shape[axis] - 1
        index = int(np.clip(np.rint(where[axis]), 0, last))
        return found.get((axis, index), SlicePrompts(axis, index))

    for place, polarity, axis in () if points is None else _rows_of(points):
        voxel = as_voxels(place, geometry)
        prompts = entry(int(axis), voxel[0])
        point = point_at(place, int(axis), Polarity(polarity), geometry)
        found[prompts.key] = prompts.with_point(point)
    for vertices, axis in () if boxes is None else _boxes_of(boxes):
        voxels = as_voxels(vertices, geometry)
        extent = np.ptp(voxels, axis=0)
        if extent[axis] > SAME_PLACE:  # drawn or put there for another plane
            axis = int(extent.argmin())
        prompts = entry(axis, voxels[0])
        corners = np.delete(voxels, axis, axis=1)
        plane = geometry.plane(*prompts.key)
        found[prompts.key] = prompts.with_box(_box_inside(corners, plane.shape))
    return found


def _rows_of(points: Points) -> Iterable[tuple[NDArray[Any], str, int]]:
    features = points.features
    return zip(
        np.asarray(points.data), features["polarity"], features["axis"], strict=True
    )


def _boxes_of(boxes: Shapes) -> Iterable[tuple[NDArray[Any], int]]:
    # napari keeps the row of a shape that was too short and that it dropped.
    axes = boxes.features["axis"].iloc[: boxes.nshapes]
    return zip(boxes.data, map(int, axes), strict=True)


def point_at(
    place: NDArray[Any], axis: int, polarity: Polarity, geometry: Geometry
) -> PointPrompt:
    """Return the point prompt at a place, in layer coordinates, of a slice."""
    row, col = np.delete(as_voxels(place, geometry)[0], axis)
    return PointPrompt(float(row), float(col), polarity)


def _box_inside(corners: NDArray[np.float64], shape: tuple[int, int]) -> BoxPrompt:
    """Return the box, its part outside of the slice cut off as long as some is inside.

    A hand that drags past the edge of the image means its edge.
    """
    low, high = corners.min(0), corners.max(0)
    last = np.asarray(shape) - 1.0
    if (high >= 0).all() and (low <= last).all():
        low, high = np.clip(low, 0, last), np.clip(high, 0, last)
    return BoxPrompt(*low.tolist(), *high.tolist())


def items_of(shown: StructureObject | None) -> list[Item]:
    """Return the prompts of a structure by slice, those to be accepted first."""
    if shown is None:
        return []
    pending = [Item(prompts, accepted=False) for prompts in shown.prompts]
    keys = {item.prompts.key for item in pending}
    done = [
        Item(entry.prompts, accepted=True)
        for entry in shown.accepted
        if entry.prompts.key not in keys
    ]
    return pending + done


def show_points(layer: Points, items: list[Item], geometry: Geometry) -> None:
    """Bring the layer to the wanted points, pending bright, accepted dim.

    What is right already is not touched.

    Each attribute of a layer that is set costs a redraw, and a click has mostly been
    drawn by napari itself.
    """
    flat = [(item, point) for item in items for point in item.prompts.points]
    at = [to_voxel(item.prompts, point.row, point.col) for item, point in flat]
    ndim = 2 if geometry.is_2d else 3
    data = np.asarray(at, dtype=float).reshape(-1, 3)[:, 3 - ndim :]
    polarities = [point.polarity for _, point in flat]
    if layer.selected_data:
        layer.selected_data = set()
    moved = data.shape != layer.data.shape or not np.allclose(
        data, layer.data, atol=SAME_PLACE
    )
    if moved:
        size = layer.current_size
        layer.data = data
        layer.size = size
    features = _features(polarities, [item.prompts.axis for item, _ in flat])
    if moved or not layer.features.equals(features):
        layer.features = features
    symbols = [SYMBOLS[polarity] for polarity in polarities]
    if [str(symbol) for symbol in layer.symbol] != symbols:
        layer.symbol = symbols
    faces = [
        (*COLORS[point.polarity], DIM if item.accepted else BRIGHT)
        for item, point in flat
    ]
    if flat and not np.allclose(layer.face_color, faces):
        layer.face_color = np.asarray(faces)


def show_boxes(layer: Shapes, items: list[Item], geometry: Geometry) -> None:
    """Bring the layer to the wanted boxes, pending bright, accepted dim."""
    boxed = [item for item in items if item.prompts.box is not None]
    ndim = 2 if geometry.is_2d else 3
    rectangles = [
        np.array([to_voxel(item.prompts, *corner) for corner in _corners(item)])[
            :, 3 - ndim :
        ]
        for item in boxed
    ]
    same = len(rectangles) == len(layer.data) and all(
        np.allclose(mine, theirs, atol=SAME_PLACE)
        for mine, theirs in zip(rectangles, layer.data, strict=True)
    )
    if layer.selected_data:
        layer.selected_data = set()
    if not same:
        layer.data = []
        if rectangles:
            layer.add(
                rectangles,
                shape_type="rectangle",
                edge_width=1,
                edge_color=BOX_COLOR,
                face_color="transparent",
            )
    axes = _axes([item.prompts.axis for item in boxed])
    if not layer.features.equals(axes):
        layer.features = axes
    edges = np.array(layer.edge_color)
    wanted = [DIM if item.accepted else BRIGHT for item in boxed]
    if boxed and not np.allclose(edges[:, 3], wanted):
        edges[:, 3] = wanted
        layer.edge_color = edges


def _corners(item: Item) -> list[tuple[float, float]]:
    box = item.prompts.box
    if box is None:
        return []
    return [
        (box.row_min, box.col_min),
        (box.row_min, box.col_max),
        (box.row_max, box.col_max),
        (box.row_max, box.col_min),
    ]


def to_voxel(prompts: SlicePrompts, row: float, col: float) -> list[float]:
    """Return (z, y, x) of a place in the slice of prompts."""
    at = [row, col]
    at.insert(prompts.axis, float(prompts.index))
    return at


def as_voxels(data: NDArray[Any], geometry: Geometry) -> NDArray[np.float64]:
    """Return layer coordinates as (z, y, x), shape (N, 3)."""
    at = np.atleast_2d(np.asarray(data, dtype=float))
    return np.insert(at, 0, 0.0, axis=1) if geometry.is_2d else at


def edit_between(before: SlicePrompts, after: SlicePrompts) -> AnyAction:
    """Return what the user did to the prompts of a slice."""
    place = {"axis": after.axis, "index": after.index}
    edits: list[AnyAction] = []
    if after.points[:-1] == before.points and after.points:
        edits.append(pointer.PlacePoint(**place, point=after.points[-1]))
    if after.scribbles[:-1] == before.scribbles and after.scribbles:
        edits.append(pointer.AddScribble(**place, scribble=after.scribbles[-1]))
    if after.box != before.box:
        edits.append(pointer.SetBox(**place, box=after.box))
    if after.lasso != before.lasso:
        edits.append(pointer.SetLasso(**place, lasso=after.lasso))
    for kind, had, left in (
        ("point", before.points, after.points),
        ("scribble", before.scribbles, after.scribbles),
    ):
        for number in range(len(had)):
            if had[:number] + had[number + 1 :] == left:
                edits.append(pointer.RemovePrompt(**place, kind=kind, number=number))
                break
    unchanged = sum(
        one == other for one, other in zip(astuple(before), astuple(after), strict=True)
    )
    # Several at once, or prompts that were moved.
    if len(edits) != 1 or unchanged != len(fields(after)) - 1:
        return pointer.EditPrompts(prompts=after)
    return edits[0]


def new_drawings_layer(ndim: int, **attributes: Any) -> Shapes:
    """Return an empty layer for scribbles and lassos."""
    layer = Shapes(
        ndim=ndim,
        features=_drawn_features([]),
        text={"string": "{sign}", "color": "white", "size": SIGN_SIZE},
        face_color="transparent",
        edge_width=1,
        **attributes,
    )
    layer.current_face_color = "transparent"
    arm_drawing(layer, Polarity.POSITIVE, 0, closed=False)
    return layer


def arm_drawing(layer: Shapes, polarity: Polarity, axis: int, *, closed: bool) -> None:
    """Let the next shapes that the user draws have this polarity and slice axis.

    Parameters
    ----------
    layer : napari.layers.Shapes
        From `new_drawings_layer`.
    polarity : Polarity
        Of scribbles.
    axis : int
        Array axis that the slice is perpendicular to.
    closed : bool
        Whether lassos are drawn rather than scribbles.
    """
    armed = _drawn_features([(polarity, axis, closed)])
    if layer.feature_defaults.equals(armed):
        return
    layer.feature_defaults = armed
    layer.current_edge_color = _color(polarity, closed, BRIGHT)


def _drawn_features(rows: list[tuple[Polarity, int, bool]]) -> pd.DataFrame:
    """Return a features table whose columns keep their types also when empty."""
    signs = ["" if closed else SIGNS[polarity] for polarity, _, closed in rows]
    return pd.DataFrame(
        {
            "polarity": pd.Series([str(p.value) for p, _, _ in rows], dtype=str),
            "axis": pd.Series([axis for _, axis, _ in rows], dtype=int),
            "sign": pd.Series(signs, dtype=str),
        }
    )


def _color(polarity: Polarity, closed: bool, alpha: float) -> NDArray[np.float64]:
    return np.array((*(LASSO_COLOR if closed else COLORS[polarity]), alpha))


def read_drawings(
    layer: Shapes | None,
    geometry: Geometry,
    others: Mapping[tuple[int, int], SlicePrompts],
) -> dict[tuple[int, int], SlicePrompts]:
    """Return other prompts with what the layer holds beside them, by slice.

    Parameters
    ----------
    layer : napari.layers.Shapes or None
        Paths and polygons; of several lassos in one slice the last drawn counts.
    geometry : Geometry
        The grid of the image.
    others : mapping
        Points and boxes by slice.

    Raises
    ------
    InputError
        If there is an ellipse.
    """
    found = dict(others)
    if layer is None:
        return found
    # napari keeps the row of a shape that was too short and that it dropped.
    features = layer.features.iloc[: layer.nshapes]
    for vertices, kind, polarity, axis in zip(
        layer.data,
        layer.shape_type,
        features["polarity"],
        features["axis"],
        strict=True,
    ):
        voxels = as_voxels(vertices, geometry)
        last = geometry.shape[int(axis)] - 1
        index = int(np.clip(np.rint(voxels[0, int(axis)]), 0, last))
        plane = geometry.plane(int(axis), index)
        prompts = found.get((plane.axis, index), SlicePrompts(plane.axis, index))
        places = _inside(plane.to_plane(voxels), plane.shape)
        if kind in OPEN:
            prompts = prompts.with_scribble(ScribblePrompt(places, Polarity(polarity)))
        elif kind in CLOSED:
            prompts = prompts.with_lasso(LassoPrompt(places))
        else:
            raise InputError(
                msg(
                    "The shape {kind!r} is no prompt: draw a scribble (S) or a "
                    "lasso (L).",
                    kind=kind,
                )
            )
        found[prompts.key] = prompts
    return found


def _inside(
    places: NDArray[np.float64], shape: tuple[int, int]
) -> tuple[tuple[float, float], ...]:
    """Return places, those outside of the slice moved to its edge if any is inside."""
    last = np.asarray(shape) - 1.0
    if ((places >= 0) & (places <= last)).all(axis=1).any():
        places = np.clip(places, 0, last)
    return tuple((row, col) for row, col in places.tolist())


def show_drawings(layer: Shapes, items: list[Item], geometry: Geometry) -> None:
    """Bring the layer to the wanted scribbles and lassos, accepted ones dim."""
    shapes, kinds, rows, colors = [], [], [], []
    for item in items:
        alpha = DIM if item.accepted else BRIGHT
        prompts = item.prompts
        drawn = [(each.path, each.polarity, False) for each in prompts.scribbles]
        if prompts.lasso is not None:
            drawn.append((prompts.lasso.outline, Polarity.POSITIVE, True))
        for places, polarity, closed in drawn:
            voxels = np.array([to_voxel(prompts, *place) for place in places])
            shapes.append(voxels[:, 1:] if geometry.is_2d else voxels)
            kinds.append("polygon" if closed else "path")
            rows.append((polarity, prompts.axis, closed))
            colors.append(_color(polarity, closed, alpha))
    if layer.selected_data:
        layer.selected_data = set()
    if not _same_shapes(layer, shapes, kinds):
        # napari tells of a new shape before it lets go of it, which this makes it do.
        mode, layer.mode = layer.mode, "pan_zoom"
        layer.data = []
        if shapes:
            layer.add(shapes, shape_type=kinds, face_color="transparent", edge_width=1)
        layer.mode = mode
    if not layer.features.equals(wanted := _drawn_features(rows)):
        layer.features = wanted
    if shapes and not np.allclose(layer.edge_color, colors):
        layer.edge_color = np.array(colors)


def _same_shapes(layer: Shapes, shapes: list[Any], kinds: list[str]) -> bool:
    return (
        len(shapes) == len(layer.data)
        and kinds == [str(kind) for kind in layer.shape_type]
        and all(
            len(mine) == len(theirs)
            and np.allclose(mine, theirs, atol=1 / PARTS_OF_PIXEL)
            for mine, theirs in zip(shapes, layer.data, strict=True)
        )
    )
