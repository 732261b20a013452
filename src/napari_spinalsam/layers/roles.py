"""Which part a layer plays: kept in its metadata, since names and colours change."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from napari_spinalsam.io.layer_data import METADATA_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Layer

# What the metadata of a layer tell of its data, whatever part it plays.
KEPT = ("grid",)


class Role(StrEnum):
    """The parts that layers of an annotation play."""

    POINTS = "points"
    BOXES = "boxes"
    DRAWINGS = "drawings"
    PREVIEW = "preview"
    LABELS = "labels"


def entry_of(layer: Layer) -> dict[str, Any]:
    """Return our entry in a layer's metadata, an empty one if there is none."""
    entry = layer.metadata.get(METADATA_KEY)
    return entry if isinstance(entry, dict) else {}


def role_of(layer: Layer) -> Role | None:
    """Return the part a layer plays, None for a layer that is not ours."""
    role = entry_of(layer).get("role")
    return None if role is None else Role(role)


def find_layer(layers: Iterable[Layer], role: Role, owner: object) -> Layer | None:
    """Return the layer that plays a part for an annotation."""
    for layer in layers:
        entry = entry_of(layer)
        if entry.get("role") == role and entry.get("annotation") is owner:
            return layer
    return None


def role_metadata(role: Role, owner: object, image: Layer) -> dict[str, Any]:
    """Return the metadata of a layer that plays a part for an annotation.

    The annotation itself is in it, and the image that it annotates: with the layers
    they outlive a closed dock.
    """
    entry = {"role": role.value, "annotation": owner, "image": image}
    return {METADATA_KEY: entry}


def retire(layer: Layer) -> None:
    """Let a layer play no part any more; what it knows of its grid stays."""
    entry = {name: entry_of(layer)[name] for name in KEPT if name in entry_of(layer)}
    layer.metadata = {**layer.metadata, METADATA_KEY: entry}
