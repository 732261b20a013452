"""Autosave and recovery: files that one process owns, and when they are written."""

from __future__ import annotations

import os
import secrets
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import platformdirs

from napari_spinalsam.annotation.history import Storage, StoredFile
from napari_spinalsam.annotation.provenance import MaskWritten, VoxelsWritten
from napari_spinalsam.annotation.state import State
from napari_spinalsam.annotation.storage.files import (
    SUFFIX,
    Snapshot,
    Summary,
    open_annotation,
    read_summary,
)
from napari_spinalsam.annotation.storage.format import drafts_of
from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.events import Change
    from napari_spinalsam.annotation.provenance import ImageReference
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


INTERVAL_SECONDS = 60.0


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
    (filelock would do for that, but not tell whether the file that it holds is still in
    the folder, nor remove it while it is held.)

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


@dataclass(slots=True, eq=False)
class _Watched:
    """An annotation, and since when some of its work is nowhere but in memory."""

    annotation: Annotation
    clock: Callable[[], float]
    unsaved_since: float | None = None
    at_once: bool = False
    connected: bool = False

    @property
    def path(self) -> Path | None:
        """The recovery file, if there is one on the disk."""
        file = self.annotation.storage.recovery
        return file.path if file is not None and file.path.exists() else None

    @property
    def is_behind(self) -> bool:
        """Whether changes would be lost with the process, or undone ones come back."""
        state, storage = self.annotation.state, self.annotation.storage
        if self.path is None:
            return not storage.has_all_of(state)
        return storage.recovery is not None and not storage.recovery.has_all_of(state)

    def connect(self) -> None:
        """Take note of changes from now on."""
        if not self.connected:
            self.annotation.changed.connect(self.note)
            self.connected = True
            if self.unsaved_since is None and self.is_behind:
                self.unsaved_since = self.clock()

    def disconnect(self) -> None:
        """Take no more note of changes."""
        if self.connected:
            self.annotation.changed.disconnect(self.note)
            self.connected = False

    def note(self, change: Change) -> None:
        """Take note of a change of the annotation."""
        if change == type(change)(reference=True):
            return  # what is measured against is no work
        if self.unsaved_since is None:
            self.unsaved_since = self.clock()
        if change.labels is not None:
            accepted = change.preview  # or that is undone
            self.at_once |= accepted or _made_by_model(self.annotation)

    def is_due(self, now: float, interval: float) -> bool:
        """Whether to save by now."""
        since = self.unsaved_since
        if not self.connected or since is None or not self.is_behind:
            return False
        return self.at_once or now - since >= interval

    def settle(self) -> None:
        """Note that all work is saved, or about to be."""
        self.unsaved_since, self.at_once = None, False

    @contextmanager
    def retried_if_it_fails(self) -> Iterator[None]:
        """Be due again after the interval if an error leaves the block."""
        try:
            yield
        except InputError:
            self.unsaved_since, self.at_once = self.clock(), False
            raise


class Autosave:
    """Watch annotations and write each to a file of its own in the recovery folder.

    Whoever has a timer asks `due` now and then, and calls `save`, or runs the job of
    `prepare` in a thread. A file stays until its work is saved elsewhere.

    Parameters
    ----------
    folder : Path or None
        The recovery folder; None for the usual one.
    clock : callable
        Tells seconds.

    Attributes
    ----------
    enabled : bool
        Whether anything is saved.
    interval : float
        Seconds after which a change is saved.
    """

    def __init__(
        self,
        folder: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder or recovery_folder()
        self._clock = clock
        self._present: _Watched | None = None
        # Put down, but nobody else may take their files yet.
        self._others: list[_Watched] = []
        self.enabled, self.interval = True, INTERVAL_SECONDS

    @property
    def path(self) -> Path | None:
        """The recovery file of the annotation; None before there is one."""
        return None if self._present is None else self._present.path

    def follow(self, annotation: Annotation | None) -> None:
        """Watch another annotation from now on, or none, the present one saved.

        The file of the present one stays this process's until `keep` says otherwise.

        Raises
        ------
        InputError
            If the present one cannot be written; the other one is watched all the same.
        """
        try:
            if self._present is not None:
                self._leave(self._present)
        finally:
            if self._present is not None:
                self._others.append(self._present)
            self._present = None
            if annotation is not None:
                self._present = self._watched(annotation)
                self._take_file(self._present)
                self._present.connect()

    def keep(self, annotations: Collection[Annotation]) -> None:
        """Go on watching these beside the present one; let others find the rest.

        Raises
        ------
        InputError
            If one that is let go cannot be written.
        """
        gone = [each for each in self._others if each.annotation not in annotations]
        self._others = [each for each in self._others if each not in gone]
        for each in self._others:
            each.connect()
        self._let_go(gone)

    def due(self, now: float | None = None) -> bool:
        """Whether to save: a model made labels, or a change is as old as `interval`.

        Never while there is nothing to lose: nothing that neither a file of the user
        nor the recovery file holds.

        Parameters
        ----------
        now : float or None
            Seconds of the clock; None asks it.
        """
        return self._first_due(now) is not None

    def save(self) -> None:
        """Write the annotation now.

        Raises
        ------
        InputError
            If it cannot be written; it is due again after the interval.
        """
        self._job_of(self._present)()

    def prepare(self) -> Callable[[], None]:
        """Return the job of writing what is due, as it is now, for any thread.

        It is the present annotation if none is due. It may change while the job runs.
        Jobs must not overlap.

        Raises
        ------
        InputError
            If no annotation is watched, or the folder cannot be used.
        """
        return self._job_of(self._first_due() or self._present)

    def discard(self) -> None:
        """Delete the recovery file, because the work was saved or is not wanted.

        Raises
        ------
        InputError
            If it cannot be deleted.
        """
        if self._present is not None:
            self._delete_file(self._present)
            self._present.settle()

    def close(self) -> None:
        """Save and stop watching; what is not discarded can be recovered from now on.

        Raises
        ------
        InputError
            If an annotation cannot be written.
        """
        try:
            self.follow(None)
        finally:
            self.keep(())

    def _first_due(self, now: float | None = None) -> _Watched | None:
        if not self.enabled:
            return None
        now = self._clock() if now is None else now
        watched = [*self._others]
        if self._present is not None:
            watched.insert(0, self._present)
        return next((each for each in watched if each.is_due(now, self.interval)), None)

    def _watched(self, annotation: Annotation) -> _Watched:
        """Return an annotation with what is known of it, if it was put down before."""
        for each in self._others:
            if each.annotation is annotation:
                self._others.remove(each)
                return each
        return _Watched(annotation, self._clock)

    def _job_of(self, watched: _Watched | None) -> Callable[[], None]:
        if watched is None:
            raise InputError("There is nothing to save: open an image first.")
        with watched.retried_if_it_fails():
            file = self._file_of(watched)
            snapshot = Snapshot.of(watched.annotation)
        watched.settle()

        def write() -> None:
            with watched.retried_if_it_fails():
                snapshot.write(file.path)
            file.holds = snapshot.state

        return write

    def _leave(self, watched: _Watched) -> None:
        """Stop watching, with all work in a file of the user or in the folder."""
        changed = watched.connected and watched.unsaved_since is not None
        watched.disconnect()
        if watched.annotation.storage.has_all_of(watched.annotation.state):
            self._delete_file(watched)
        elif changed and self.enabled and watched.is_behind:
            self._job_of(watched)()

    def _let_go(self, gone: list[_Watched]) -> None:
        """Leave annotations for good; an error of one keeps none of the others."""
        if not gone:
            return
        try:
            self._leave(gone[0])
        finally:
            file = gone[0].annotation.storage.recovery
            if file is not None:
                file.release()
            self._let_go(gone[1:])

    def _take_file(self, watched: _Watched) -> None:
        """Own the file that the annotation was recovered from, or had before."""
        file = watched.annotation.storage.recovery
        if file is not None and not file.own():
            # Another process goes on with it; this annotation gets another.
            watched.annotation.storage.recovery = None

    def _file_of(self, watched: _Watched) -> RecoveryFile:
        """Return the file to write to, which nobody else writes."""
        self._take_file(watched)
        storage = watched.annotation.storage
        if storage.recovery is None:
            remove_remains(self._folder)
            storage.recovery = RecoveryFile.new(self._folder, watched.annotation.image)
            self._take_file(watched)
        if storage.recovery is None:
            raise InputError(
                f"The recovery folder {self._folder} knows no locks: save the "
                "annotation yourself."
            )
        return storage.recovery

    def _delete_file(self, watched: _Watched) -> None:
        self._take_file(watched)
        if watched.annotation.storage.recovery is not None:
            watched.annotation.storage.recovery.delete()


def _made_by_model(annotation: Annotation) -> bool:
    """Whether the last change of the labels took a model, and the user's waiting."""
    record = annotation.state.record
    if record is None:
        return False
    event = record.event
    return isinstance(event, MaskWritten) or (
        isinstance(event, VoxelsWritten) and event.model is not None
    )
