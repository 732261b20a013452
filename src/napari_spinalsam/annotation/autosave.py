"""When the work is to be saved by itself, and where, so that a crash loses nothing."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_spinalsam.annotation.recovery import Ownership, recovery_folder
from napari_spinalsam.annotation.saved import Snapshot
from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_spinalsam.annotation.change import Change
    from napari_spinalsam.annotation.document import Annotation

INTERVAL_SECONDS = 60.0


class Autosave:
    """Watch an annotation and write it to the recovery folder.

    Whoever has a timer asks `due` now and then, and calls `save`, or runs the job of
    `prepare` in a thread.

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
        self._ownership: Ownership | None = None
        self._unsaved_since: float | None = None
        self._accepted = False
        self.enabled, self.interval = True, INTERVAL_SECONDS

    @property
    def path(self) -> Path | None:
        """The recovery file of the annotation; None before there is one."""
        if self._annotation is None or self._ownership is None:
            return None
        path = self._ownership.path_of(self._annotation.image)
        return path if path.exists() else None

    def follow(self, annotation: Annotation | None) -> None:
        """Watch another annotation from now on, or none, the present one saved.

        Raises
        ------
        InputError
            If the present one cannot be written; the other one is watched all the same.
        """
        try:
            if self._has_unsaved_work():
                self.save()
        finally:
            if self._annotation is not None:
                self._annotation.changed.disconnect(self.note)
            self._annotation = annotation
            self._unsaved_since, self._accepted = None, False
            if annotation is not None:
                annotation.changed.connect(self.note)

    def note(self, change: Change) -> None:
        """Take note of a change of the annotation."""
        if change == type(change)(reference=True):
            return  # what is measured against is no work
        if self._unsaved_since is None:
            self._unsaved_since = self._clock()
        if change.preview and change.labels is not None:
            self._accepted = True

    def due(self, now: float | None = None) -> bool:
        """Whether to save: a mask was accepted, or a change is as old as `interval`.

        Never while there is nothing to lose: no prompt, no label and no older file.

        Parameters
        ----------
        now : float or None
            Seconds of the clock; None asks it.
        """
        if self._unsaved_since is None or not self._has_unsaved_work():
            return False
        now = self._clock() if now is None else now
        return self._accepted or now - self._unsaved_since >= self.interval

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
            if self._ownership is None:
                self._ownership = Ownership(self._folder)
            path = self._ownership.path_of(self._annotation.image)
            snapshot = Snapshot.of(self._annotation)
        self._unsaved_since, self._accepted = None, False

        def write() -> None:
            with self._retried_if_it_fails():
                snapshot.write(path)

        return write

    def discard(self) -> None:
        """Delete the recovery file, because the work was saved or is not wanted."""
        if self.path is not None:
            self.path.unlink()
        self._unsaved_since, self._accepted = None, False

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
            if self._ownership is not None:
                self._ownership.release()
                self._ownership = None

    def _has_unsaved_work(self) -> bool:
        if self._annotation is None or self._unsaved_since is None:
            return False
        if not self.enabled:
            return False
        state = self._annotation.state
        prompted = any(entry.prompts for entry in state.objects)
        return prompted or state.record is not None or self.path is not None

    @contextmanager
    def _retried_if_it_fails(self) -> Iterator[None]:
        """Be due again after the interval if an error leaves the block."""
        try:
            yield
        except InputError:
            self._unsaved_since, self._accepted = self._clock(), False
            raise
