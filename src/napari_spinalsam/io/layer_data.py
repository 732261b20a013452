"""Volumes and labels as the layer data that napari exchanges with plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.volume import FileGrid, Volume

LayerData = tuple[Any, dict[str, Any], str]
# Key of our entry in the metadata of a layer.
METADATA_KEY = "napari_spinalsam"


def image_layer(volume: Volume) -> LayerData:
    """Describe the image layer of a volume, shown in its default window."""
    from napari_spinalsam.core.intensity import default_window

    window = default_window(volume.data, volume.modality)
    attributes = {
        "name": volume.name,
        "colormap": "gray",
        "contrast_limits": window.limits,
        "metadata": {METADATA_KEY: {"volume": volume}},
        **placement(volume.geometry),
    }
    return _flat_if_2d(volume.data, volume.geometry), attributes, "image"


def labels_layer(labels: NDArray[Any], grid: FileGrid, name: str) -> LayerData:
    """Describe the layer of a label volume (z, y, x).

    In the colours of anatomy, unless a value names no structure and would not be seen.
    """
    from napari_spinalsam.core.anatomy import label_colormap
    from napari_spinalsam.io.images import counts_of

    colours = label_colormap()
    named = all(int(value) in colours for value in counts_of(labels).nonzero()[0])
    attributes = {
        "name": name,
        **({"colormap": colours} if named else {}),
        "metadata": {METADATA_KEY: {"grid": grid}},
        **placement(grid.geometry),
    }
    return _flat_if_2d(labels, grid.geometry), attributes, "labels"


def placement(geometry: Geometry) -> dict[str, Any]:
    """Return the attributes that put a layer in its place: never an affine.

    Obliquity is not shown; the grid in the layer's metadata keeps it.
    """
    axes = slice(1 if geometry.is_2d else 0, 3)
    labels = ("z", "y", "x")[axes]
    return {
        "scale": geometry.spacing[axes],
        "translate": geometry.translate[axes],
        "units": ("mm" if geometry.spacing_known else "pixel",) * len(labels),
        "axis_labels": labels,
    }


def millimetres(unit: object, name: str) -> float | None:
    """Return millimetres of a unit of napari; None for pixels, which have no size.

    Parameters
    ----------
    unit : pint.Unit or str
        Of an axis of a layer.
    name : str
        Begins the sentence of an error.

    Raises
    ------
    InputError
        If it is no length.
    """
    import pint

    from napari_spinalsam.core.errors import InputError
    from napari_spinalsam.core.messages import msg

    try:
        known = pint.Unit(str(unit))
        if str(known) in ("pixel", "dimensionless", ""):
            return None
        return float(pint.Quantity(1.0, known).to("millimeter").magnitude)
    except pint.PintError as error:
        raise InputError(
            msg(
                "{name} has the unit {unit}, which is no length: give its axes a unit "
                "such as mm or µm.",
                name=name,
                unit=unit,
            )
        ) from error


def _flat_if_2d(data: NDArray[Any], geometry: Geometry) -> NDArray[Any]:
    return data[0] if geometry.is_2d else data
