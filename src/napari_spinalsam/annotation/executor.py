"""The one executor: it applies actions, whichever way they came, to the document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from napari_spinalsam.actions import models as a
from napari_spinalsam.actions import pointer
from napari_spinalsam.actions.describe import description
from napari_spinalsam.actions.models import ActionClass
from napari_spinalsam.actions.pointer import AnyAction
from napari_spinalsam.annotation import operations
from napari_spinalsam.annotation.jobs import search_for
from napari_spinalsam.annotation.outcome import Outcome
from napari_spinalsam.annotation.ports import Run
from napari_spinalsam.core.anatomy import Plane
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import join, msg

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_spinalsam.actions.models import BaseAction
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.jobs import Search
    from napari_spinalsam.annotation.ports import EngineInfo, PredictionPort, ViewPort

# The operation of an action is the function of its name. Each takes the action type
# that it is named after, which the type of a table cannot say.
OPERATIONS: Mapping[type[BaseAction], Callable[[Run, Any], Outcome]] = MappingProxyType(
    {
        model: getattr(operations, name)
        for name, model in {**a.ACTION_TYPES, **pointer.POINTER_ACTIONS}.items()
    }
)


_Action = TypeVar("_Action", bound=AnyAction)
# Runs a plan, such as `Executor.run_plan`.
Act = Callable[[Sequence[AnyAction]], tuple[Outcome, ...]]


class Executor:
    """Apply actions to the annotation that is open.

    Parameters
    ----------
    annotation : Annotation or None
        The document; None before an image is open. Set it again when another one is.
    view : ViewPort
        What needs a viewer or dialogs.
    predict : PredictionPort or None
        The way to the model; None before one is loaded.
    engine : EngineInfo or None
        What the model tells of itself; None before one is loaded.
    """

    def __init__(
        self,
        annotation: Annotation | None,
        view: ViewPort,
        predict: PredictionPort | None = None,
        engine: EngineInfo | None = None,
    ) -> None:
        self.annotation = annotation
        self.view = view
        self.predict = predict
        self.engine = engine

    def run(self, action: AnyAction) -> Outcome:
        """Apply one action, as one step of the history.

        Raises
        ------
        SpinalSamError
            If it cannot be done (InputError), the user closed its dialog
            (CancelledError), or the model fails (ModelError). Nothing has changed
            then.
        """
        return self.run_plan((action,))[0]

    def search(self, actions: Sequence[AnyAction]) -> Search | None:
        """Return what has to be looked for before a plan; None if nothing has to be.

        It is a job for `PredictionPort.submit`, and then for `run_plan`.
        """
        places = any(isinstance(action, a.AddPoints | a.AddBox) for action in actions)
        if self.annotation is None or not places:
            return None
        return search_for(self.annotation, self.view.current_slice(), actions)

    def run_plan(
        self, actions: Sequence[AnyAction], search: Search | None = None
    ) -> tuple[Outcome, ...]:
        """Apply actions in turn, all or none, as one step of the history.

        Labels, prompts, slice and plane return to what they were if one of them
        fails. An image that was opened stays open, a file that was written stays.

        Parameters
        ----------
        actions : sequence of Action
            The plan.
        search : Search or None
            What `search` returned for it, done by now; None lets the prediction port
            do it now, if it can.

        Raises
        ------
        SpinalSamError
            As for `run`.
        """
        for action in actions:
            check_available(action)
        if search is None:
            search = self.search(actions)
            if search is not None and self.predict is not None:
                self.predict.locate(search)
        run = Run(self.view, self.predict, self.engine, search=search)
        outcomes: list[Outcome] = []
        done: list[str] = []
        with self._slice_restored_on_error(), ExitStack() as groups:
            for number, action in enumerate(actions):
                if self.annotation is not run.open_annotation:
                    self._join(groups, actions, done)
                run.open_annotation = self.annotation
                run.following = tuple(actions[number + 1 :])
                steps = self._steps_done()
                outcome = OPERATIONS[type(action)](run, action)
                outcomes.append(outcome)
                # What has only begun is no step; what it did before it, is.
                made = self._steps_done()[len(steps) :]
                if isinstance(action, a.ByHand) or outcome.job is not None:
                    done += made
                else:
                    done.append(description(action))
            for arming in run.armings:
                self.view.arm_tool(
                    arming.kind,
                    arming.polarity,
                    arming.count,
                    then_predict=run.then_predict,
                )
        for job in run.jobs:
            if self.predict is not None:
                self.predict.submit(job)
        return tuple(outcomes)

    def _steps_done(self) -> tuple[str, ...]:
        """Return the names of the steps done, the newest last."""
        if self.annotation is None:
            return ()
        return self.annotation.history.undo_names[::-1]

    def _join(
        self, groups: ExitStack, actions: Sequence[AnyAction], done: Sequence[str]
    ) -> None:
        """Let what follows be one step of the annotation now open."""
        # Undo by itself moves through the history and adds nothing to it; what the
        # hand does by itself is the step that it makes.
        alone = len(actions) == 1 and isinstance(actions[0], a.Undo | a.Redo | a.ByHand)
        if self.annotation is not None and not alone:
            groups.enter_context(
                self.annotation.group(lambda: join(done, msg(", then ")))
            )

    @contextmanager
    def _slice_restored_on_error(self) -> Iterator[None]:
        """Return to the slice shown now, if one is, if an error leaves the block."""
        annotation, shown = self.annotation, self._slice_shown()
        try:
            yield
        except BaseException:  # also an interrupt; it goes on after the view is back
            moved = shown is not None and shown != self._slice_shown()
            if self.annotation is annotation and shown is not None and moved:
                axis, index = shown
                self.view.set_plane(Plane.of_axis(axis))
                self.view.go_to_slice(index)
            raise

    def _slice_shown(self) -> tuple[int, int] | None:
        """Return axis and index of the slice in view; None without one, as in 3-D."""
        if self.annotation is None:
            return None
        try:
            return self.view.current_slice()
        except InputError:
            return None


def stages(actions: Sequence[_Action]) -> list[tuple[_Action, ...]]:
    """Cut a plan behind work that goes on, if what follows needs its result.

    "Segment L3 and save" saves when L3 is there. What only looks need not wait.

    Parameters
    ----------
    actions : sequence of Action
        The plan.

    Returns
    -------
    list of tuple of Action
        The parts, of which each is to be run when the work of the one before has
        ended well.
    """
    cuts = [
        place
        for place, action in enumerate(actions, 1)
        if isinstance(action, a.Propagate | a.SegmentStructures)
        and any(_needs_result(later) for later in actions[place:])
    ]
    bounds = [0, *cuts, len(actions)]
    return [tuple(actions[start:end]) for start, end in pairwise(bounds)]


def _needs_result(action: AnyAction) -> bool:
    looks = action.action_class is ActionClass.READ
    return isinstance(action, a.Measure) or not (looks or isinstance(action, a.Cancel))


def check_available(action: AnyAction) -> None:
    """Refuse an action that this version cannot do yet, with an InputError."""
    if isinstance(action, a.SaveLabels) and action.format == "dicom_seg":
        raise InputError(
            msg(
                "Saving as DICOM SEG is not available in this version: save as "
                "NIfTI or NRRD."
            )
        )
