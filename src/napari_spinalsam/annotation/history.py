"""State and labels over time: every change a step, undone and redone without limit.

Also which moment is stored, and in which file.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_spinalsam.annotation.provenance import VoxelsWritten
from napari_spinalsam.core.masks import LabelDelta, LabelRuns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_spinalsam.annotation.state import Preview, State
    from napari_spinalsam.annotation.storage.autosave import RecoveryFile


@dataclass(frozen=True, slots=True)
class Step:
    """One change that is undone as a whole.

    Parameters
    ----------
    name : str
        What the user did, such as "Add point".
    before, after : State
        The annotation on either side of the change.
    deltas : tuple of LabelDelta
        Changes of the label volume in the order in which they were made; several
        only where a group was joined into one step.
    parts : tuple of Step
        The steps of such a group.
    """

    name: str
    before: State
    after: State
    deltas: tuple[LabelDelta, ...] = ()
    parts: tuple[Step, ...] = ()

    def includes(self, step: Step) -> bool:
        """Whether this is that very step, or the group that it was joined into."""
        return self is step or any(part.includes(step) for part in self.parts)

    def reversed(self, verb: str = "Undo") -> Step:
        """Return the step that takes this one back."""
        deltas = tuple(
            replace(delta, old=delta.new, new=delta.old)
            for delta in reversed(self.deltas)
        )
        return Step(f"{verb} {self.name}", self.after, self.before, deltas)


@dataclass(slots=True)
class _Level:
    """What can be undone and redone, and what a group has recorded so far."""

    done: list[Step] = field(default_factory=list)
    undone: list[Step] = field(default_factory=list)
    recorded: list[Step] = field(default_factory=list)


class History:
    """The present state and labels, and how they came about.

    Parameters
    ----------
    state : State
        The state to start from.
    labels : ndarray of uint8, shape (z, y, x)
        The label volume. Changed in place by every step, and by nothing else.
    on_change : callable
        Called with (before, after, deltas) whenever either has changed.
    """

    def __init__(
        self,
        state: State,
        labels: NDArray[np.uint8],
        on_change: Callable[[State, State, Sequence[LabelDelta]], Any],
    ) -> None:
        self._state = state
        self._labels = labels
        self._on_change = on_change
        # One level for the past, one more for each open group.
        self._levels = [_Level()]

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    @property
    def undo_names(self) -> tuple[str, ...]:
        """Names of the steps that can be undone, the next one first."""
        return tuple(step.name for step in reversed(self._levels[-1].done))

    @property
    def redo_names(self) -> tuple[str, ...]:
        """Names of the steps that can be redone, the next one first."""
        return tuple(step.name for step in reversed(self._levels[-1].undone))

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return bool(self._levels[-1].done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to redo."""
        return bool(self._levels[-1].undone)

    @property
    def is_grouping(self) -> bool:
        """Whether a group is open, which may still be taken back as a whole."""
        return len(self._levels) > 1

    @property
    def newest(self) -> Step | None:
        """The step that undo would take back; None at the start."""
        done = self._levels[-1].done
        return done[-1] if done else None

    def do(self, name: str, after: State, *deltas: LabelDelta) -> bool:
        """Make a step, unless nothing would change.

        Returns
        -------
        bool
            Whether there was anything to change.
        """
        if after == self._state and not deltas:
            return False
        self._levels[-1].undone.clear()
        return self.insert(name, after, *deltas)

    def insert(self, name: str, after: State, *deltas: LabelDelta) -> bool:
        """Make a step that leaves what can be redone, for what comes by itself.

        The undone steps are redone on top of it.

        Returns
        -------
        bool
            Whether there was anything to change.
        """
        if after == self._state and not deltas:
            return False
        step = Step(name, self._state, after, deltas)
        level = self._levels[-1]
        level.done.append(step)
        self._apply(step, level)
        return True

    def undo(self, steps: int = 1) -> tuple[str, ...]:
        """Take up to so many steps back; return their names in that order."""
        level = self._levels[-1]
        taken = []
        for _ in range(min(steps, len(level.done))):
            step = level.done.pop()
            level.undone.append(step)
            self._apply(step.reversed(), level)
            taken.append(step.name)
        return tuple(taken)

    def redo(self, steps: int = 1) -> tuple[str, ...]:
        """Repeat up to so many undone steps; return their names in that order."""
        level = self._levels[-1]
        repeated = []
        for _ in range(min(steps, len(level.undone))):
            step = level.undone.pop()
            if step.before.record is not self._state.record:
                step = self._rebased(step)
            level.done.append(step)
            self._apply(step, level)
            repeated.append(step.name)
        return tuple(repeated)

    def amend(self, asked_by: Step, preview: Preview) -> bool:
        """Attach a preview to the step that asked for it.

        Undo then takes the step and its preview back together. Steps made or undone
        since then hold the new preview, too, as far as it still belongs there.

        Returns
        -------
        bool
            False, without any effect, if that step is not among those done, or if
            what it asked for was dropped since.
        """
        level = self._levels[-1]
        place = next(
            (i for i, step in enumerate(level.done) if step.includes(asked_by)), None
        )
        if place is None:
            return False
        found = level.done[place]
        old = found.after.preview
        amended = replace(found, after=replace(found.after, preview=preview))
        newer, ahead = level.done[place + 1 :], level.undone[::-1]
        renewed = _with_preview([*newer, *ahead], old, preview)
        if newer and renewed[len(newer) - 1].after.preview is not preview:
            return False
        level.done[place:] = [amended, *renewed[: len(newer)]]
        level.undone[:] = renewed[len(newer) :][::-1]
        self._move(replace(self._state, preview=preview))
        return True

    def attach(self, preview: Preview) -> None:
        """Show a preview as part of the newest step, whatever asked for it.

        It is no step, and what can be redone stays.
        """
        level, old = self._levels[-1], self._state.preview
        if level.done:
            newest = level.done[-1]
            after = replace(newest.after, preview=preview)
            level.done[-1] = replace(newest, after=after)
        level.undone[:] = _with_preview(level.undone[::-1], old, preview)[::-1]
        self._move(replace(self._state, preview=preview))

    @contextmanager
    def group(self, name: str | Callable[[], str]) -> Iterator[None]:
        """Join all steps made inside into one; take them back if an error leaves it.

        A name that is known only at the end is asked for then.

        Undo and redo inside of a group move through the past as usual and count as
        part of the group's own step, so that undoing it restores what was before.
        """
        outer, start = self._levels[-1], self._state
        inner = _Level(list(outer.done), list(outer.undone))
        self._levels.append(inner)
        try:
            yield
        except BaseException:  # also an interrupt; all is taken back, then it goes on
            self._levels.pop()
            steps = [step.reversed() for step in reversed(inner.recorded)]
            # Told as one change, at the end: a listener that fails stops nothing.
            self._move(start, [delta for step in steps for delta in step.deltas])
            raise
        self._levels.pop()
        deltas = tuple(delta for step in inner.recorded for delta in step.deltas)
        if deltas or self._state != start:
            parts = tuple(inner.recorded)
            joined = Step(
                name if isinstance(name, str) else name(),
                start,
                self._state,
                deltas,
                parts,
            )
            outer.done.append(joined)
            outer.undone.clear()
            self._record(joined, outer)

    def _rebased(self, step: Step) -> Step:
        """Return an undone step as it is on top of one that was inserted since.

        Its voxels get the values that it gave them. What the inserted step knows
        stays: its objects, as far as they have voxels, and its record.
        """
        present, delta = self._state, LabelDelta.joined(step.deltas, self._labels)
        after = replace(step.after, record=present.record)
        for entry in present.objects:
            if after.find(entry.name) is None:
                left = np.count_nonzero(self._labels == entry.label)
                if delta is not None:
                    left -= np.count_nonzero(delta.old == entry.label)
                after = after.with_object(entry) if left else after
        if delta is None:
            return replace(step, before=present, after=after, deltas=())
        after = after.with_event(VoxelsWritten(step.name, LabelRuns.of(delta)))
        return replace(step, before=present, after=after, deltas=(delta,))

    def _apply(self, step: Step, level: _Level) -> None:
        """Move the present to the other side of a step that a level has noted.

        Whoever listens is told last, when past and future are as they will be.
        """
        self._record(step, level)
        self._move(step.after, step.deltas)

    def _record(self, step: Step, level: _Level) -> None:
        """Remember a step for the group that is open, if one is."""
        if level is not self._levels[0]:
            level.recorded.append(step)

    def _move(self, state: State, deltas: Sequence[LabelDelta] = ()) -> None:
        """Let the present be another state, and tell it."""
        for delta in deltas:
            delta.apply(self._labels)
        before, self._state = self._state, state
        if deltas or before != state:
            self._on_change(before, state, deltas)


def _with_preview(
    steps: Sequence[Step], old: Preview | None, new: Preview
) -> list[Step]:
    """Put a new preview for an old one into steps that follow each other."""
    renewed, alive = [], True
    for step in steps:
        if alive:
            alive = _leaves_preview(step, old, new)
            before = replace(step.before, preview=new)
            after = replace(step.after, preview=new) if alive else step.after
            step = replace(step, before=before, after=after)
        renewed.append(step)
    return renewed


def _leaves_preview(step: Step, old: Preview | None, new: Preview) -> bool:
    """Whether a step changes neither the preview nor what it was asked for."""
    before = step.before.object_of(new.structure)
    after = step.after.object_of(new.structure)
    kept = step.after.preview is old and step.after.selected == new.structure
    return (
        kept
        and before.pending_at(new.key) == after.pending_at(new.key)
        and before.accepted_at(new.key) == after.accepted_at(new.key)
    )


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
