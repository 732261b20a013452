"""The sample that napari offers."""

from __future__ import annotations

from napari_spinalsam.io.layer_data import LayerData, image_layer, labels_layer


def open_sample() -> list[LayerData]:
    """Return the sample CT and its reference labels as layers."""
    from napari_spinalsam.io.sample import read_sample

    volume, labels = read_sample()
    data, attributes, kind = labels_layer(labels.data, labels.grid, labels.name)
    return [image_layer(volume), (data, {**attributes, "visible": False}, kind)]
