"""Label files: read onto the grid of an image, written onto the grid of a file."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_spinalsam.core.anatomy import (
    BACKGROUND,
    VERTEBRA_ORDER,
    by_label,
    structure,
)
from napari_spinalsam.core.errors import InputError, InputWarning
from napari_spinalsam.core.geometry import (
    SAME_GRID_VOXELS,
    Geometry,
    Known,
    largest_offset,
)
from napari_spinalsam.core.messages import msg
from napari_spinalsam.io._base import StoredImage
from napari_spinalsam.io.formats import (
    VOLUME_FORMATS,
    cannot_be_written,
    input_format,
    is_picture,
    name_of,
    output_suffix,
    stem_of,
    suffix_of,
)
from napari_spinalsam.io.images import (
    counts_of,
    read_stored,
    sample_of,
    to_labels,
    volume_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.core.messages import Message
    from napari_spinalsam.core.volume import FileGrid, Volume

# Values in a sentence: a file of another numbering may hold a hundred.
MOST_LISTED = 5
TURNED_DEGREES = 0.01
# Words in a name that say what the file holds.
LABEL_WORDS = frozenset(
    {
        *("label", "labels", "labelmap", "seg", "segm", "segmentation"),
        *("segmentations", "mask", "masks", "msk", "gt", "annotation", "annotations"),
    }
)
# Without such a word: so many values at most, most voxels 0, and few neighbours differ.
MOST_VALUES = 64
LEAST_BACKGROUND = 0.5
MOST_EDGES = 0.1
# With it: values may be more, but an image is still no label map.
MOST_VALUES_NAMED = 256
MOST_EDGES_NAMED = 0.3


@dataclass(frozen=True, eq=False)
class LabelVolume:
    """Labels with their geometry.

    Parameters
    ----------
    data : ndarray of uint8 or uint16, shape (z, y, x)
        0 is background.
    grid : FileGrid
        The grid that the data belongs to; carries the geometry.
    name : str
        A short name to show; never a path.
    """

    data: NDArray[Any]
    grid: FileGrid
    name: str


def read_labels(path: str | Path, like: FileGrid | None = None) -> LabelVolume:
    """Read a label file.

    Parameters
    ----------
    path : str or Path
        A file of whole numbers, of any format that is read.
    like : FileGrid or None
        The grid on which the labels are wanted. The file may store it in another
        orientation; it is turned, never resampled.

    Returns
    -------
    LabelVolume
        On the grid of `like`, or on its own.

    Raises
    ------
    InputError
        If the file cannot be read, holds no labels, or lies on another grid.
    """
    path = Path(path)
    return labels_of(read_stored(path), path, like)


def labels_of(
    stored: StoredImage, path: Path, like: FileGrid | None = None
) -> LabelVolume:
    """Return what a file holds as labels; see `read_labels`."""
    array, grid = to_labels(stored.array, path.name), stored.grid
    if like is not None:
        like.geometry.check_orientation_of(grid.geometry, path.name)
    if like is not None and _both_unplaced(grid, like):
        grid = like  # nothing is known but the order of the voxels, which is the same
    data = grid.to_canonical(array)
    if like is not None and grid is not like:
        turned, geometry = _turn(data, grid.geometry, like.geometry)
        if not geometry.same_grid(like.geometry):
            raise InputError(
                msg(
                    "{name} ({grid}) does not lie on the wanted grid ({like}): "
                    "{difference}; use labels made for the same image.",
                    name=path.name,
                    grid=_describe(grid),
                    like=_describe(like),
                    difference=_difference(geometry, like.geometry),
                )
            )
        data, grid = turned, like
    return LabelVolume(np.ascontiguousarray(data), grid, name_of(path))


def read_labels_for(volume: Volume, path: str | Path) -> NDArray[np.uint8]:
    """Read labels to go on from: those of an image, in the program's own numbering.

    That is the numbering of VerSe, with discs, canal and cord. No other one is
    guessed: the same number means another vertebra there.

    Parameters
    ----------
    volume : Volume
        The image that the labels were made for.
    path : str or Path
        A file of labels on the grid of the image, in any orientation.

    Returns
    -------
    ndarray of uint8, shape (z, y, x)
        On the canonical grid of the volume.

    Raises
    ------
    InputError
        If the file cannot be read, lies on another grid, holds a number of another
        numbering or no label at all, or its vertebrae run from foot to head.
    """
    path = Path(path)
    labels = read_labels(path, volume.grid).data
    values = [int(value) for value in np.unique(labels) if value != BACKGROUND]
    if not values:
        raise InputError(
            msg(
                "{name} holds no label, only 0: there is nothing to go on from.",
                name=path.name,
            )
        )
    unknown = [value for value in values if by_label(value) is None]
    if unknown:
        listed: str = ", ".join(map(str, unknown[:MOST_LISTED]))
        if len(unknown) > MOST_LISTED:
            more = len(unknown) - MOST_LISTED
            listed = msg("{names} and {count} more", names=listed, count=more)
        raise InputError(
            msg(
                "{name} holds {values}, which name no structure in the "
                "numbering of VerSe and of this program (C1 to C7 are 1 to 7, "
                "T1 to T12 8 to 19, L1 to L6 20 to 25, a disc is 100 + the "
                "vertebra above): renumber the labels first.",
                name=path.name,
                values=listed,
            )
        )
    if volume.geometry.orientation_known and _runs_upwards(labels):
        raise InputError(
            msg(
                "The vertebrae in {name} run from foot to head where the "
                "numbering of VerSe and of this program runs from head to "
                "foot: renumber the labels first.",
                name=path.name,
            )
        )
    return labels.astype(np.uint8, copy=False)


def _runs_upwards(labels: NDArray[Any]) -> bool:
    """Whether most neighbours among vertebrae (z, y, x) lie in the wrong order."""
    present = set(np.unique(labels).tolist())
    numbers = [structure(name).label for name in VERTEBRA_ORDER]
    counted = [number for number in numbers if number in present]
    centres = np.array(ndimage.center_of_mass(labels > 0, labels, counted))
    steps = np.diff(centres.reshape(-1, 3)[:, 0])
    return bool(np.count_nonzero(steps < 0) > len(steps) / 2)


def _both_unplaced(grid: FileGrid, like: FileGrid) -> bool:
    """Whether two grids agree in all that is known, which is no place for either."""
    if any(Known.ORIENTATION in each.known for each in (grid, like)):
        return False
    if grid.shape != like.shape:
        return False
    sized = all(Known.SPACING in each.known for each in (grid, like))
    mine, theirs = (
        np.linalg.norm(each.affine[:3, : len(grid.shape)], axis=0)
        for each in (grid, like)
    )
    return not sized or bool(np.allclose(mine, theirs, rtol=1e-3))


def write_labels(path: str | Path, labels: NDArray[np.uint8], grid: FileGrid) -> None:
    """Write labels on exactly the grid of a file, or leave everything as it was.

    Parameters
    ----------
    path : str or Path
        .nii, .nii.gz, .nrrd, .mha, .png or .tif. An existing file is replaced in
        one step once the new one is complete.
    labels : ndarray of uint8, shape (z, y, x)
        Labels in the canonical orientation.
    grid : FileGrid
        The grid of the image that they belong to.

    Raises
    ------
    InputError
        If the format cannot hold them, or the file cannot be written.
    """
    path = Path(path)
    suffix = output_suffix(path)
    if labels.shape != grid.geometry.shape or labels.dtype != np.uint8:
        raise InputError(
            msg(
                "Labels of shape {shape} and type {dtype} do not fit an image "
                "of shape {image_shape}: give uint8 labels of that shape.",
                shape=labels.shape,
                dtype=labels.dtype,
                image_shape=grid.geometry.shape,
            )
        )
    check_place(path, grid.geometry)
    array = np.asfortranarray(grid.from_canonical(labels))
    try:
        # A folder beside the target: on the same disk, and never half a file.
        with TemporaryDirectory(dir=path.parent, prefix=".labels-") as folder:
            draft = Path(folder) / f"labels{suffix}"
            _write(draft, suffix, array, grid)
            os.replace(draft, path)
    except OSError as error:
        raise cannot_be_written(path, error.strerror or str(error)) from error
    except RuntimeError as error:
        raise InputError(
            msg(
                "{name} cannot hold the geometry of this image: use a name "
                "that ends with .nii.gz.",
                name=path.name,
            )
        ) from error


def check_place(path: Path, geometry: Geometry) -> None:
    """Refuse a format that would state a size or a place which nobody knows.

    Raises
    ------
    InputError
        If labels of this geometry cannot be written under such a name.
    """
    if suffix_of(path) == ".png" and not geometry.is_2d:
        raise InputError(
            msg(
                "{name} is a picture, which cannot hold a volume: use a name "
                "that ends with .nii.gz, .nrrd or .mha.",
                name=path.name,
            )
        )
    if is_picture(path):
        return  # they say only what is known
    if not geometry.spacing_known:
        if geometry.is_2d:
            raise InputError(
                msg(
                    "The pixel size of the image is unknown, which {name} would have "
                    "to state: use a name that ends with .png or .tif, which leaves it "
                    "open, or state the size first, with set_pixel_size, --pixel-mm or "
                    "in the Segment dock.",
                    name=path.name,
                )
            )
        raise InputError(
            msg(
                "The voxel size of the image is unknown, which {name} would have to "
                "state: use a name that ends with .tif, which leaves it open, or state "
                "the size first, with set_spacing or in the Segment dock.",
                name=path.name,
            )
        )
    if geometry.orientation_known and not geometry.position_known:
        raise InputError(
            msg(
                "The image was moved or scaled in the viewer since it was "
                "opened, so that {name} would state a wrong place: set its "
                "scale and translate back, or use a name that ends with .tif.",
                name=path.name,
            )
        )
    placed = geometry.known == Known.EVERYTHING
    # A flat file has no place in the patient to state.
    if suffix_of(path) in {".nrrd", ".mha"} and not placed and not geometry.is_2d:
        raise InputError(
            msg(
                "It is unknown how this image lies in the patient, which "
                "{name} would have to state: use a name that ends with .nii.gz "
                "or .tif, which leave it open, or state the orientation first, "
                "with set_orientation or in the Segment dock.",
                name=path.name,
            )
        )


def _write(path: Path, suffix: str, array: NDArray[np.uint8], grid: FileGrid) -> None:
    # Each writer is a heavy import of its own.
    if suffix in {".nii", ".nii.gz"}:
        from napari_spinalsam.io._nifti import write_nifti

        write_nifti(path, array, grid)
    elif suffix in {".nrrd", ".mha"}:
        from napari_spinalsam.io._itk import write_itk

        write_itk(path, array, grid)
    elif suffix in {".tif", ".tiff"}:
        from napari_spinalsam.io._raster import write_tiff

        write_tiff(path, array, grid)
    else:
        from napari_spinalsam.io._raster import write_png

        write_png(path, array, grid)


def _turn(
    data: NDArray[Any], geometry: Geometry, wanted: Geometry
) -> tuple[NDArray[Any], Geometry]:
    """Exchange and reverse axes so that one grid becomes most like another."""
    step = np.linalg.solve(wanted.affine[:3, :3], geometry.affine[:3, :3])
    sign = np.rint(step / np.linalg.norm(step, axis=0)).astype(int)
    if not ((np.abs(sign).sum(0) == 1).all() and (np.abs(sign).sum(1) == 1).all()):
        return data, geometry
    order = np.abs(sign).argmax(axis=1)
    flipped = sign.sum(axis=1) < 0
    turned = data.transpose(order)[
        tuple(slice(None, None, -1 if flip else 1) for flip in flipped)
    ]
    affine = geometry.affine.copy()
    for axis, (source, flip) in enumerate(zip(order, flipped, strict=True)):
        affine[:3, axis] = geometry.affine[:3, source] * (-1 if flip else 1)
        if flip:
            affine[:3, 3] += geometry.affine[:3, source] * (data.shape[source] - 1)
    return turned, Geometry(turned.shape, affine, geometry.is_2d, geometry.known)


def _difference(geometry: Geometry, wanted: Geometry) -> Message:
    """Say in what a grid differs from the wanted one, and by how much."""
    if geometry.shape != wanted.shape:
        return msg("their numbers of voxels differ")
    apart, voxels = largest_offset(wanted.shape, wanted.affine, geometry.affine)
    sizes, others = np.array(wanted.spacing), np.array(geometry.spacing)
    grown = np.abs(others / sizes - 1) * (np.array(wanted.shape) - 1)
    cosines = ((wanted.affine / [*sizes, 1]) * (geometry.affine / [*others, 1]))[:3, :3]
    angle = float(np.degrees(np.arccos(np.clip(cosines.sum(axis=0).min(), -1, 1))))
    if grown.max() > SAME_GRID_VOXELS:
        axis = int(grown.argmax())
        what = msg(
            "a voxel measures {size:.4g} mm, not {wanted:.4g} mm",
            size=others[axis],
            wanted=sizes[axis],
        )
    elif angle > TURNED_DEGREES:
        what = msg("the axes are turned by {angle:.2g} degrees", angle=angle)
    else:
        what = msg("the place differs")
    return msg(
        "{what}, at the corners by {mm:.3g} mm or {voxels:.2g} voxels",
        what=what,
        mm=apart,
        voxels=voxels,
    )


def _describe(grid: FileGrid) -> Message:
    shape = " x ".join(str(n) for n in grid.shape)
    spacing = np.linalg.norm(grid.affine[:3, : min(len(grid.shape), 3)], axis=0)
    size = " x ".join(f"{s:.4g}" for s in spacing)
    first = ", ".join(f"{x:.1f}" for x in grid.affine[:3, 3])
    return msg(
        "{shape} voxels of {size} mm, the first at ({place}) mm",
        shape=shape,
        size=size,
        place=first,
    )


def read_image_or_labels(path: str | Path) -> Volume | LabelVolume:
    """Read a file as labels where it is sure that it holds them, else as an image.

    It is sure where the header says so (NIfTI intent 1002, as our own files have it);
    or the name does (a word such as labels, seg or mask) and the values are whole
    numbers in patches; or, for a volume, the values are few whole numbers in patches on
    a background of 0. The last is a conclusion, and a warning tells it.

    Parameters
    ----------
    path : str or Path
        Any file that is read.

    Raises
    ------
    InputError
        If the file cannot be read, or is neither labels nor an image.
    """
    path = Path(path)
    stored = read_stored(path)
    if stored.is_labels or _named_so(path) or input_format(path) in VOLUME_FORMATS:
        labels = _labels_in(stored, path)
        if labels is not None:
            return labels_of(StoredImage(labels, stored.grid), path)
    return volume_of(stored, path)


def _labels_in(stored: StoredImage, path: Path) -> NDArray[Any] | None:
    """Return the values of a file as labels, or None if it may be an image."""
    named = stored.is_labels or _named_so(path)
    most = MOST_VALUES_NAMED if named else MOST_VALUES
    # An image has more values in a small part already.
    if len(np.unique(sample_of(stored.array))) > most:
        return None
    try:
        labels = to_labels(stored.array, path.name)
    except InputError:
        return None
    if stored.is_labels:
        return labels
    counts = counts_of(labels)
    values = np.count_nonzero(counts)
    # The slowest axis first, as files are stored.
    edges = float(np.mean([np.mean(part[1:] != part[:-1]) for part in labels.T]))
    if named:
        return labels if values <= most and edges <= MOST_EDGES_NAMED else None
    background = counts[0] / labels.size
    if not (1 < values <= most and background >= LEAST_BACKGROUND):
        return None
    if edges > MOST_EDGES:
        return None
    warnings.warn(
        InputWarning(
            msg(
                "{name} holds {values} whole numbers in patches and is opened "
                "as labels: if it is an image, convert the layer to an image.",
                name=path.name,
                values=values,
            )
        ),
        stacklevel=3,
    )
    return labels


def _named_so(path: Path) -> bool:
    words = re.split(r"[^a-z]+", stem_of(path).lower())
    return not LABEL_WORDS.isdisjoint(words)
