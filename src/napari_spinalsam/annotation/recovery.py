"""The recovery folder: saved annotations, each owned by the process that writes it."""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import platformdirs

from napari_spinalsam.annotation.saved import SUFFIX, Summary, read_summary
from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from napari_spinalsam.annotation.image import ImageReference

# Digits of the image's checksum in the names of files.
IMAGE_DIGITS = 32
FOLDER_VARIABLE = "NAPARI_SPINALSAM_RECOVERY"

if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        file.seek(0)  # what is locked is the byte here
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def recovery_folder() -> Path:
    """Return the folder for annotations not yet saved, which need not exist yet.

    The environment variable NAPARI_SPINALSAM_RECOVERY names another one.
    """
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen)
    return platformdirs.user_state_path("napari-spinalsam") / "recovery"


@dataclass(frozen=True, slots=True)
class Recoverable:
    """A file that a process left behind when it ended without saving.

    Parameters
    ----------
    path : Path
        The file, to be opened with `saved.open_annotation`.
    summary : Summary or None
        What it holds; None if it cannot be read.
    problem : str
        Why it cannot be read, in one sentence; else empty.
    """

    path: Path
    summary: Summary | None
    problem: str = ""


class Ownership:
    """The right of one process to files of its own, which ends with the process.

    The operating system holds the lock: it is gone whenever the process is, however
    it ended, and no other process can have it meanwhile.

    Parameters
    ----------
    folder : Path
        The recovery folder; made if need be.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._token = secrets.token_hex(6)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = _lock_path(folder, self._token).open("xb")
            self._file.write(str(os.getpid()).encode())
            self._file.flush()
            _lock(self._file)
        except OSError as error:
            with suppress(OSError):
                _lock_path(folder, self._token).unlink()
            raise InputError(
                f"The recovery folder {folder} cannot be used ({error.strerror}): "
                "free some space, or save the annotation yourself."
            ) from error

    def path_of(self, image: ImageReference) -> Path:
        """Return the file of an image, which nobody else writes."""
        return self._folder / f"{image.sha256[:IMAGE_DIGITS]}-{self._token}{SUFFIX}"

    def release(self) -> None:
        """Give the files to whoever finds them."""
        self._file.close()
        _lock_path(self._folder, self._token).unlink(missing_ok=True)


def find_recoverable(
    folder: Path | None = None, image: ImageReference | None = None
) -> tuple[Recoverable, ...]:
    """List what processes that no longer live have left, the newest first.

    Parameters
    ----------
    folder : Path or None
        The recovery folder; None for the usual one.
    image : ImageReference or None
        Only what was made on this image; None for all.
    """
    folder = folder or recovery_folder()
    digits = "*" if image is None else image.sha256[:IMAGE_DIGITS]
    left = [path for path in folder.glob(f"{digits}-*{SUFFIX}") if not _is_owned(path)]
    found = [_recoverable(path) for path in left]
    return tuple(sorted(found, key=_time, reverse=True))


def discard(found: Recoverable) -> None:
    """Delete what was left; its work is lost unless it was opened and saved."""
    found.path.unlink(missing_ok=True)
    _lock_path(found.path.parent, _token(found.path)).unlink(missing_ok=True)


def _recoverable(path: Path) -> Recoverable:
    try:
        return Recoverable(path, read_summary(path))
    except InputError as error:
        return Recoverable(path, None, str(error))


def _time(found: Recoverable) -> str:
    return "" if found.summary is None else found.summary.saved


def _token(path: Path) -> str:
    return path.stem.rpartition("-")[2]


def _lock_path(folder: Path, token: str) -> Path:
    return folder / f".{token}.lock"


def _is_owned(path: Path) -> bool:
    """Whether the process that writes a file lives."""
    try:
        with _lock_path(path.parent, _token(path)).open("r+b") as file:
            _lock(file)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
