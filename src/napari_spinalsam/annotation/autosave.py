"""When the work is to be saved by itself, and where, so that a crash loses nothing."""

from __future__ import annotations

import time
from contextlib import contextmanager
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


class Autosave:
    """Watch an annotation and write it to a file of its own in the recovery folder.

    Whoever has a timer asks `due` now and then, and calls `save`, or runs the job of
    `prepare` in a thread. The file stays until the work is saved elsewhere.

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
        self._annotation: Annotation | None = None
        # Files that nobody else may take, of this annotation and of earlier ones.
        self._held: list[RecoveryFile] = []
        self._unsaved_since: float | None = None
        self._at_once = False
        self.enabled, self.interval = True, INTERVAL_SECONDS

    @property
    def path(self) -> Path | None:
        """The recovery file of the annotation; None before there is one."""
        file = None if self._annotation is None else self._annotation.storage.recovery
        return file.path if file is not None and file.path.exists() else None

    def follow(self, annotation: Annotation | None) -> None:
        """Watch another annotation from now on, or none, the present one saved.

        The file of the present one stays this process's until `release_all_but`.

        Raises
        ------
        InputError
            If the present one cannot be written; the other one is watched all the same.
        """
        try:
            self._leave()
        finally:
            self._annotation = annotation
            self._unsaved_since, self._at_once = None, False
            if annotation is not None:
                annotation.changed.connect(self.note)
                self._take_file(annotation)

    def note(self, change: Change) -> None:
        """Take note of a change of the annotation."""
        if self._annotation is None or change == type(change)(reference=True):
            return  # what is measured against is no work
        if self._unsaved_since is None:
            self._unsaved_since = self._clock()
        if change.labels is not None:
            accepted = change.preview  # or that is undone
            self._at_once |= accepted or _made_by_model(self._annotation)

    def due(self, now: float | None = None) -> bool:
        """Whether to save: a model made labels, or a change is as old as `interval`.

        Never while there is nothing to lose: nothing that neither a file of the user
        nor the recovery file holds.

        Parameters
        ----------
        now : float or None
            Seconds of the clock; None asks it.
        """
        since = self._unsaved_since
        if not self.enabled or since is None or not self._is_behind():
            return False
        now = self._clock() if now is None else now
        return self._at_once or now - since >= self.interval

    def save(self) -> None:
        """Write the annotation now.

        Raises
        ------
        InputError
            If it cannot be written; it is due again after the interval.
        """
        self.prepare()()

    def prepare(self) -> Callable[[], None]:
        """Return the job of writing the annotation as it is now, for any thread.

        The annotation may change while the job runs. Jobs must not overlap.

        Raises
        ------
        InputError
            If no annotation is watched, or the folder cannot be used.
        """
        if self._annotation is None:
            raise InputError("There is nothing to save: open an image first.")
        with self._retried_if_it_fails():
            file = self._file_of(self._annotation)
            snapshot = Snapshot.of(self._annotation)
        self._unsaved_since, self._at_once = None, False

        def write() -> None:
            with self._retried_if_it_fails():
                snapshot.write(file.path)
            file.holds = snapshot.state

        return write

    def discard(self) -> None:
        """Delete the recovery file, because the work was saved or is not wanted.

        Raises
        ------
        InputError
            If it cannot be deleted.
        """
        if self._annotation is not None:
            self._delete_file(self._annotation)
        self._unsaved_since, self._at_once = None, False

    def release_all_but(self, annotations: Collection[Annotation]) -> None:
        """Let others find the work on all annotations but these and the present one."""
        kept = [*annotations, self._annotation]
        files = [each.storage.recovery for each in kept if each is not None]
        for file in self._held:
            if file not in files:
                file.release()
        self._held = [file for file in self._held if file in files]

    def close(self) -> None:
        """Save and stop watching; what is not discarded can be recovered from now on.

        Raises
        ------
        InputError
            If the annotation cannot be written.
        """
        try:
            self.follow(None)
        finally:
            self.release_all_but(())

    def _leave(self) -> None:
        """Stop watching, with all work in a file of the user or in the folder."""
        annotation = self._annotation
        if annotation is None:
            return
        annotation.changed.disconnect(self.note)
        if annotation.storage.has_all_of(annotation.state):
            self._delete_file(annotation)
        elif self.enabled and self._unsaved_since is not None and self._is_behind():
            self.save()

    def _is_behind(self) -> bool:
        """Whether the annotation holds changes that would be lost with the process."""
        if self._annotation is None:
            return False
        state, storage = self._annotation.state, self._annotation.storage
        if self.path is None:
            return not storage.has_all_of(state)
        return storage.recovery is not None and not storage.recovery.has_all_of(state)

    def _take_file(self, annotation: Annotation) -> None:
        """Own the file that the annotation was recovered from, or had before."""
        file = annotation.storage.recovery
        if file is not None:
            self._hold(file, annotation)
        self._unsaved_since = self._clock() if self._is_behind() else None

    def _file_of(self, annotation: Annotation) -> RecoveryFile:
        """Return the file to write to, which nobody else writes."""
        file = annotation.storage.recovery
        if file is not None and self._hold(file, annotation):
            return file
        remove_remains(self._folder)
        file = RecoveryFile.new(self._folder, annotation.image)
        if not self._hold(file, annotation):
            raise InputError(
                f"The recovery folder {self._folder} knows no locks: save the "
                "annotation yourself."
            )
        return file

    def _hold(self, file: RecoveryFile, annotation: Annotation) -> bool:
        """Own a file; if another process has it by now, the annotation gets another."""
        owned = file.own()
        annotation.storage.recovery = file if owned else None
        if owned and file not in self._held:
            self._held.append(file)
        return owned

    def _delete_file(self, annotation: Annotation) -> None:
        file = annotation.storage.recovery
        if file is not None and self._hold(file, annotation):
            file.delete()

    @contextmanager
    def _retried_if_it_fails(self) -> Iterator[None]:
        """Be due again after the interval if an error leaves the block."""
        try:
            yield
        except InputError:
            self._unsaved_since, self._at_once = self._clock(), False
            raise


def _made_by_model(annotation: Annotation) -> bool:
    """Whether the last change of the labels took a model, and the user's waiting."""
    record = annotation.state.record
    if record is None:
        return False
    event = record.event
    return isinstance(event, MaskWritten) or (
        isinstance(event, VoxelsWritten) and event.model is not None
    )
