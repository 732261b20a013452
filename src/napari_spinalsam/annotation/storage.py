"""Where an annotation is stored, and whether all of its work is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from napari_spinalsam.annotation.recovery import RecoveryFile
    from napari_spinalsam.annotation.state import State


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it was when it was read or written here.

    Parameters
    ----------
    path : Path
        Where it is.
    stamp : tuple of int or None
        Size in bytes, time of the last change in ns, and number of the file, which
        differ once anybody has replaced it; None if there was no such file.
    """

    path: Path
    stamp: tuple[int, int, int] | None

    @classmethod
    def of(cls, path: Path) -> StoredFile:
        """Describe a file as it is now."""
        path = path.absolute()
        try:
            found = path.stat()
        except OSError:  # whoever reads or writes it says why
            return cls(path, None)
        return cls(path, (found.st_size, found.st_mtime_ns, found.st_ino))

    @property
    def was_replaced(self) -> bool:
        """Whether there is a file now that was not read or written here."""
        now = StoredFile.of(self.path)
        return now.stamp is not None and now != self


@dataclass(slots=True)
class Storage:
    """Where an annotation is stored.

    Parameters
    ----------
    saved : State
        The annotation as its file holds it; without a file, as it began.
    file : StoredFile or None
        What it was saved to or opened from last.
    recovery : RecoveryFile or None
        Its own file in the recovery folder.
    """

    saved: State
    file: StoredFile | None = None
    recovery: RecoveryFile | None = None

    def has_all_of(self, state: State) -> bool:
        """Whether a state holds no work that a file of the user does not hold."""
        return not state.has_work or self.saved.has_same_work(state)
