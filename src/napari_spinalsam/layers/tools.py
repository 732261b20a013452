"""The tools that place prompts by mouse, each with its layer and its key."""

from __future__ import annotations

from dataclasses import dataclass

from napari_spinalsam.core.prompts import Polarity
from napari_spinalsam.layers.roles import Role


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool.

    Parameters
    ----------
    text, key : str
        What its button says, and the key.
    role : Role
        The layer that it draws into.
    mode : str
        The layer's mode while the tool is active; clicks of the point tools are taken
        by `mouse.ImageClicks`.
    tip : str
        What to do with it.
    polarity : Polarity
        Of points and scribbles.
    """

    text: str
    key: str
    role: Role
    mode: str
    tip: str
    polarity: Polarity = Polarity.POSITIVE


TOOLS = {
    "positive": Tool(
        "+ Point", "P", Role.POINTS, "pan_zoom", "Click inside the structure"
    ),
    "negative": Tool(
        "− Point",
        "N",
        Role.POINTS,
        "pan_zoom",
        "Click where the mask must not be",
        Polarity.NEGATIVE,
    ),
    "box": Tool(
        "Box", "B", Role.BOXES, "add_rectangle", "Drag a box around the structure"
    ),
    "scribble": Tool(
        "+ Scribble",
        "S",
        Role.DRAWINGS,
        "add_path",
        "Drag a line along the inside of the structure",
    ),
    "negative scribble": Tool(
        "− Scribble",
        "Shift+S",
        Role.DRAWINGS,
        "add_path",
        "Drag a line through what the mask must leave out",
        Polarity.NEGATIVE,
    ),
    "lasso": Tool(
        "Lasso",
        "L",
        Role.DRAWINGS,
        "add_polygon_lasso",
        "Drag an outline around the structure; the mask stays inside of it",
    ),
}
