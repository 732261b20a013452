"""When the work is to be saved by itself, and where, so that a crash loses nothing."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_spinalsam.annotation.provenance import MaskWritten, VoxelsWritten
from napari_spinalsam.annotation.recovery import (
    RecoveryFile,
    recovery_folder,
    remove_remains,
)
from napari_spinalsam.annotation.saved import Snapshot
from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from napari_spinalsam.annotation.change import Change
    from napari_spinalsam.annotation.document import Annotation

INTERVAL_SECONDS = 60.0


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
