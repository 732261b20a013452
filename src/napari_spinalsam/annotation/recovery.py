"""The recovery folder: one file an annotation, each written by one process alone."""

from __future__ import annotations

import os
import secrets
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import platformdirs

from napari_spinalsam.annotation.container import drafts_of
from napari_spinalsam.annotation.saved import (
    SUFFIX,
    Summary,
    open_annotation,
    read_summary,
)
from napari_spinalsam.annotation.state import State
from napari_spinalsam.annotation.storage import Storage, StoredFile
from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.image import ImageReference
    from napari_spinalsam.core.volume import Volume

# Digits of the image's checksum in the names of files.
IMAGE_DIGITS = 32
FOLDER_VARIABLE = "NAPARI_SPINALSAM_RECOVERY"
# Whoever lists the folder holds each lock for an instant, to see whether it is free.
LOCK_TRIES = 10
LOCK_RETRY_SECONDS = 0.02

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
    file : StoredFile
        The file, to be opened with `recover`.
    summary : Summary or None
        What it holds; None if it cannot be read.
    problem : str
        Why it cannot be read, in one sentence; else empty.
    """

    file: StoredFile
    summary: Summary | None
    problem: str = ""

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.file.path


class RecoveryFile:
    """The file of one annotation, and the right of one process to write it.

    The operating system holds the lock: it is gone whenever the process is, however
    it ended, and no other process can have it meanwhile.

    Parameters
    ----------
    path : Path
        In the recovery folder; neither need exist yet.

    Attributes
    ----------
    holds : State or None
        What was written to it last, or read from it; None for nothing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.holds: State | None = None
        self._lock: BinaryIO | None = None

    @classmethod
    def new(cls, folder: Path, image: ImageReference) -> RecoveryFile:
        """Name a file for an annotation of an image, which nobody else writes."""
        digits, token = image.sha256[:IMAGE_DIGITS], secrets.token_hex(6)
        return cls(folder / f"{digits}-{token}{SUFFIX}")

    def has_all_of(self, state: State) -> bool:
        """Whether the work of a state is in the file."""
        return (
            self.holds is not None
            and self.holds.has_same_work(state)
            and self.path.exists()
        )

    def own(self) -> bool:
        """Take the right to write the file, and keep it; False if another has it.

        Raises
        ------
        InputError
            If the folder cannot be written to.
        """
        lock = _lock_path(self.path)
        if self._lock is not None:
            if _is_at(self._lock, lock):
                return True
            self._lock.close()  # somebody has emptied the folder
            self._lock = None
        try:
            lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _locked(lock)
        except OSError as error:
            raise InputError(
                f"The recovery folder {lock.parent} cannot be used "
                f"({error.strerror or error}): free some space, or save the "
                "annotation yourself."
            ) from error
        return self._lock is not None

    def release(self) -> None:
        """Give the file to whoever finds it."""
        if self._lock is not None:
            _remove(self._lock, _lock_path(self.path))
            self._lock = None

    def delete(self) -> None:
        """Delete the file, which is owned, and release it.

        Raises
        ------
        InputError
            If it cannot be deleted.
        """
        try:
            for each in (self.path, *drafts_of(self.path)):
                each.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be deleted ({error.strerror}): delete it yourself."
            ) from error
        self.holds = None
        self.release()


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


def recover(found: Recoverable, volume: Volume) -> Annotation:
    """Go on with what was left; from now on this process owns its file.

    The file stays until its work is saved, and is where the annotation is autosaved.

    Raises
    ------
    InputError
        If another process goes on with it, or it cannot be opened on this image.
    """
    file = _owned(found)
    try:
        annotation = open_annotation(file.path, volume)
    except InputError:
        file.release()
        raise
    file.holds = annotation.state
    # To whom it belongs, nothing of it is saved.
    annotation.storage = Storage(State(annotation.state.window), recovery=file)
    return annotation


def discard(found: Recoverable) -> None:
    """Delete what was left; its work is lost unless it was opened and saved.

    Raises
    ------
    InputError
        If another process goes on with it, or has left more work in it since.
    """
    file = _owned(found)
    if found.file.was_replaced:
        file.release()
        raise InputError(
            "Another window has gone on with this work since it was found: look at "
            "what is there now."
        )
    file.delete()


def remove_remains(folder: Path) -> None:
    """Remove what processes left that were killed before their first save was done."""
    for lock in folder.glob(".*.lock"):
        token = lock.stem.removeprefix(".")
        if any(folder.glob(f"*-{token}{SUFFIX}")):
            continue
        with suppress(OSError):  # another process has it, or the folder is read-only
            file = lock.open("r+b")
            try:
                _lock(file)
                for draft in folder.glob(f".*-{token}{SUFFIX}.*"):
                    draft.unlink()
                _remove(file, lock)
            finally:
                file.close()


def _owned(found: Recoverable) -> RecoveryFile:
    file = RecoveryFile(found.path)
    if not file.own():
        raise InputError(
            "Another window goes on with this work: close it there, or go on there."
        )
    return file


def _recoverable(path: Path) -> Recoverable:
    file = StoredFile.of(path)
    try:
        return Recoverable(file, read_summary(path))
    except InputError as error:
        return Recoverable(file, None, str(error))


def _time(found: Recoverable) -> str:
    return "" if found.summary is None else found.summary.saved


def _token(path: Path) -> str:
    return path.stem.rpartition("-")[2]


def _lock_path(path: Path) -> Path:
    return path.with_name(f".{_token(path)}.lock")


def _locked(lock: Path) -> BinaryIO | None:
    """Open a lock, made if need be, and take it; None if another has it."""
    for _ in range(LOCK_TRIES):
        file = lock.open("ab")
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):
            file.close()
            time.sleep(LOCK_RETRY_SECONDS)
        except OSError:
            file.close()
            raise
        else:
            if _is_at(file, lock):
                return file
            file.close()  # it was removed before it was taken
    return None


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether an open file is the one that has the name by now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _remove(file: BinaryIO, lock: Path) -> None:
    """Remove a lock that is held."""
    if sys.platform == "win32":
        file.close()  # nobody can remove what is open, nor hold what was removed
    with suppress(OSError):
        lock.unlink(missing_ok=True)
    file.close()


def _is_owned(path: Path) -> bool:
    """Whether the process that writes a file lives."""
    try:
        with _lock_path(path).open("r+b") as file:
            _lock(file)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
