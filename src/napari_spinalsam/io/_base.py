"""What a file holds before it becomes a volume or labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_spinalsam.core.messages import msg

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_spinalsam.core.messages import Message
    from napari_spinalsam.core.volume import FileGrid
    from napari_spinalsam.io.formats import FileFormat


@dataclass(frozen=True, eq=False)
class StoredImage:
    """The array of a file, with its grid.

    Parameters
    ----------
    array : ndarray, shape (i, j) or (i, j, k)
        Values after the file's own scaling, fastest-varying axis first.
    grid : FileGrid
        Shape and affine of the file.
    is_labels : bool
        Whether the header says that it holds labels.
    """

    array: NDArray[Any]
    grid: FileGrid
    is_labels: bool = False


def damaged(path: Path, kind: FileFormat) -> Message:
    """Return the sentence for a file that does not hold what its name says."""
    return msg(
        "{name} cannot be read as {kind}: it is damaged, cut off or of another format; "
        "copy or export it again.",
        name=path.name,
        kind=kind,
    )
