"""A Shapes layer as a view of scribbles and lassos, both ways.

An open path is a scribble, a closed shape a lasso. A scribble's polarity and the axis
of its slice are in the layer's features; colour and sign only show them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Shapes

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.prompts import (
    PARTS_OF_PIXEL,
    LassoPrompt,
    Polarity,
    ScribblePrompt,
    SlicePrompts,
)
from napari_spinalsam.layers.prompts import (
    BRIGHT,
    COLORS,
    DIM,
    as_voxels,
    to_voxel,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.layers.prompts import Item

# Red, green and blue, 0 to 1.
LASSO_COLOR = (1.0, 0.86, 0.0)
OPEN, CLOSED = ("path", "line"), ("polygon", "rectangle")
# For the colour-blind; a lasso has none.
SIGNS = {Polarity.POSITIVE: "+", Polarity.NEGATIVE: "−"}
SIGN_SIZE = 14
# Prompts are kept to this part of a pixel.
SAME_PLACE = 1 / PARTS_OF_PIXEL


def new_drawings_layer(ndim: int, **attributes: Any) -> Shapes:
    """Return an empty layer for scribbles and lassos."""
    layer = Shapes(
        ndim=ndim,
        features=_features([]),
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
    armed = _features([(polarity, axis, closed)])
    if layer.feature_defaults.equals(armed):
        return
    layer.feature_defaults = armed
    layer.current_edge_color = _color(polarity, closed, BRIGHT)


def _features(rows: list[tuple[Polarity, int, bool]]) -> pd.DataFrame:
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
                f"The shape {kind!r} is no prompt: draw a scribble (S) or a lasso (L)."
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
    if not layer.features.equals(wanted := _features(rows)):
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
