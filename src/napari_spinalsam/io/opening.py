"""A file of either kind: an image, or labels where the file leaves no doubt of it."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam.core.errors import InputError, InputWarning
from napari_spinalsam.io.formats import VOLUME_FORMATS, input_format, stem_of
from napari_spinalsam.io.labels import LabelVolume, labels_of
from napari_spinalsam.io.stored import StoredImage, read_stored
from napari_spinalsam.io.values import counts_of, sample_of, to_labels
from napari_spinalsam.io.volumes import volume_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.core.volume import Volume

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
            f"{path.name} holds {values} whole numbers in patches and is opened as "
            "labels: if it is an image, convert the layer to an image."
        ),
        stacklevel=3,
    )
    return labels


def _named_so(path: Path) -> bool:
    words = re.split(r"[^a-z]+", stem_of(path).lower())
    return not LABEL_WORDS.isdisjoint(words)
