"""Images that the plugin itself opens, as layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam._sample_data import open_sample
from napari_spinalsam.io.layer_data import METADATA_KEY, image_layer

if TYPE_CHECKING:
    from pathlib import Path

    from napari import Viewer
    from napari.layers import Image, Labels

    from napari_spinalsam.core.volume import Volume


def add_volume(viewer: Viewer, volume: Volume, path: Path | None) -> Image:
    """Add a volume, of a file if it has one, as an image layer; return the layer."""
    data, attributes, _ = image_layer(volume)
    layer = viewer.add_image(data, **attributes)
    layer.metadata[METADATA_KEY]["path"] = path
    return layer


def add_sample(viewer: Viewer) -> tuple[Image, Labels]:
    """Add the sample CT and, hidden, its reference labels; return both layers."""
    (data, attributes, _), (labels, labels_attributes, _) = open_sample()
    image = viewer.add_image(data, **attributes)
    reference = viewer.add_labels(labels, **labels_attributes)
    # Not the hidden reference, which napari selects as the latest.
    viewer.layers.selection.active = image
    return image, reference
