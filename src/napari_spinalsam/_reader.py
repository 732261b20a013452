"""The reader that napari calls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_spinalsam.io.formats import (
    FORMAT_OF_SUFFIX,
    FileFormat,
    suffix_of,
)
from napari_spinalsam.io.layer_data import LayerData, image_layer, labels_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def get_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return the reader of a path, or None where the suffix is of no known image.

    Parameters
    ----------
    path : str or sequence of str
        What the user opens.
    """
    formats = [FORMAT_OF_SUFFIX.get(suffix_of(one)) for one in _as_paths(path)]
    known = all(found not in (None, FileFormat.DICOM) for found in formats)
    return read_layers if known and formats else None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Read images and labels as layers in the canonical orientation.

    Parameters
    ----------
    path : str or sequence of str
        One file, or several that become a layer each; `io.labels` tells which becomes
        a labels layer.

    Raises
    ------
    InputError
        If a file cannot be read as either.
    """
    from napari_spinalsam.core.volume import Volume
    from napari_spinalsam.io.labels import read_image_or_labels

    layers = []
    for one in _as_paths(path):
        found = read_image_or_labels(one)
        if isinstance(found, Volume):
            layers.append(image_layer(found))
        else:
            layers.append(labels_layer(found.data, found.grid, found.name))
    return layers


def _as_paths(path: str | Sequence[str]) -> list[Path]:
    return [Path(one) for one in ([path] if isinstance(path, str) else path)]
