"""The docked Segment widget in the hands of a notebook or a script."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from napari_spinalsam.actions import pointer
from napari_spinalsam.actions.pointer import parse_any_action
from napari_spinalsam.actions.replies import Clarify, Plan
from napari_spinalsam.core.errors import InputError, ModelError
from napari_spinalsam.core.messages import msg
from napari_spinalsam.language.parser.offline import parse_offline
from napari_spinalsam.widgets.jobs import wait_for
from napari_spinalsam.widgets.segment.widget import SegmentWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer

    from napari_spinalsam.actions.pointer import AnyAction
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.outcome import Outcome
    from napari_spinalsam.widgets.jobs import PlanHandle

PLUGIN, WIDGET = "napari-spinalsam", "Segment"
MODEL_TIMEOUT_S = 120.0
MASK_TIMEOUT_S = 60.0
OBJECTS_TIMEOUT_S = 600.0


class SegmentHandle:
    """Drives the Segment dock of a viewer by actions.

    Parameters
    ----------
    widget : SegmentWidget
        The docked widget.
    viewer : napari.Viewer
        Where it is docked.
    """

    def __init__(self, widget: SegmentWidget, viewer: Viewer) -> None:
        self.widget, self._viewer = widget, viewer

    @property
    def viewer(self) -> Viewer:
        """The viewer that the widget is docked in."""
        return self._viewer

    @property
    def annotation(self) -> Annotation:
        """The document of the chosen image.

        Raises
        ------
        InputError
            If no image is chosen.
        """
        annotation = self.widget.controller.annotation
        if annotation is None:
            raise InputError(
                msg("There is no image: open one, or the sample CT, first.")
            )
        return annotation

    def run(self, *actions: AnyAction | dict[str, Any] | str) -> tuple[Outcome, ...]:
        """Apply a plan of actions, all or none, as one undo step.

        What needs the result of propagating or finding is done when that has ended,
        as a step of its own.

        Parameters
        ----------
        *actions : Action, dict or str
            Actions, their JSON, such as ``{"action": "accept_mask"}``, or sentences,
            such as ``"add 3 points to L3"``, which are understood offline.

        Raises
        ------
        SpinalSamError
            If a sentence asks for nothing that can be done as it stands, or a step
            cannot be done; nothing of its part of the plan has changed then.
        ModelError
            If what a step waits for takes too long; the plan is cancelled then.
        """
        plan = self.submit(*actions)
        self._wait_until_applied(plan)
        if plan.error is not None:
            raise plan.error
        return plan.outcomes

    def submit(self, *actions: AnyAction | dict[str, Any] | str) -> PlanHandle:
        """Submit a plan whole, and return its handle at once.

        Write ``await handle`` or ``handle.result(timeout)`` for its outcomes, once its
        search, its jobs and what waits for them have ended.

        Parameters
        ----------
        *actions : Action, dict or str
            As for `run`.

        Raises
        ------
        SpinalSamError
            If a sentence asks for nothing that can be done as it stands. What cannot
            be done is told by the handle.
        """
        steps = [step for action in actions for step in _steps(action)]
        return self.widget.controller.submit(*steps)

    def _wait_until_applied(self, plan: PlanHandle) -> None:
        """Let the window go on until a plan waits for nothing but its last jobs."""
        end = monotonic() + OBJECTS_TIMEOUT_S
        while not (plan.is_applied or plan.done):
            if (left := end - monotonic()) <= 0:
                plan.cancel()
                raise ModelError(
                    f"The plan is not done after {OBJECTS_TIMEOUT_S:g} s and is "
                    "cancelled: place the prompts by hand, or submit it and wait."
                )
            wait_for(left, plan.applied, plan.ended)

    def wait_for_model(self, timeout: float = MODEL_TIMEOUT_S) -> None:
        """Let the window go on until a model is loaded.

        Raises
        ------
        InputError
            If none will be, because no image is chosen; the sentence tells why.
        ModelError
            If none is loaded after `timeout` seconds.
        """
        controller = self.widget.controller
        if controller.session is None and controller.annotation is None:
            raise InputError(
                "A model is loaded once an image is chosen, and none is: "
                f"{self.widget.status.text()}"
            )
        if controller.session is None:
            wait_for(timeout, controller.model_changed)
        if controller.session is None:
            raise ModelError(
                f"No model was loaded within {timeout:g} s: {self.widget.status.text()}"
            )

    def wait_for_mask(self, timeout: float = MASK_TIMEOUT_S) -> None:
        """Let the window go on until the prompts placed last have their mask.

        Raises
        ------
        ModelError
            If no mask is shown after `timeout` seconds.
        """
        asked = self.widget.controller.predictions.asked
        if asked is not None:
            wait_for(timeout, asked.ended)
        if self.annotation.state.preview is None:
            raise ModelError(
                f"No mask was shown within {timeout:g} s: {self.widget.status.text()}"
            )

    def wait_for_objects(self, timeout: float = OBJECTS_TIMEOUT_S) -> None:
        """Let the window go on until all volume jobs of the image have ended.

        Raises
        ------
        ModelError
            If one has not ended after `timeout` seconds; it goes on.
        """
        predictions = self.widget.controller.predictions
        end = monotonic() + timeout
        while predictions.has_jobs() and (left := end - monotonic()) > 0:
            wait_for(left, predictions.job_ended)
        if predictions.has_jobs():
            raise ModelError(
                f"The work on whole objects takes longer than {timeout:g} s: wait for "
                "longer, or cancel it."
            )

    def set_orientation(self, codes: str) -> None:
        """Say how an image lies in the patient that does not tell it itself.

        The image is shown anew as it lies, head up, and annotated from then on; labels
        that there are already are turned with it.

        Parameters
        ----------
        codes : str
            Where slices, rows and columns of the image grow to: three of R or L, A or
            P, and S or I, such as "SPL" for an array of SimpleITK.

        Raises
        ------
        InputError
            If the orientation is known, or the codes name none.
        """
        self.run(pointer.SetOrientation(codes=codes))

    def set_spacing(self, spacing: Sequence[float]) -> None:
        """State the voxel size of an image that does not tell it itself.

        Parameters
        ----------
        spacing : sequence of float
            Millimetres along slices, rows and columns, above 0.

        Raises
        ------
        InputError
            If the file of the image tells it, or a size is none.
        """
        self.run(pointer.SetVoxelSize(spacing=tuple(spacing)))

    def save(self, path: Path) -> str:
        """Write the labels on the grid of the image; return the file's name."""
        return self.widget.controller.view.write_labels(path)

    def open_labels(self, path: str | Path) -> str:
        """Go on from an existing segmentation: its labels replace the present ones.

        One step, which undo takes back. A script is not asked.

        Parameters
        ----------
        path : str or Path
            Labels of the chosen image, in the numbering of VerSe and of this program.

        Raises
        ------
        InputError
            If the file lies on another grid or in another numbering, or would change a
            locked structure; nothing has changed then.
        """
        return self.widget.start.open(Path(path))


def _steps(action: AnyAction | dict[str, Any] | str) -> tuple[AnyAction, ...]:
    """Return the actions that an argument of `run` stands for."""
    if not isinstance(action, dict | str):
        return (action,)
    if isinstance(action, dict) or action.lstrip().startswith("{"):
        return (parse_any_action(action),)
    reply = parse_offline(action)
    if isinstance(reply, Plan):
        return reply.steps
    raise InputError(reply.question if isinstance(reply, Clarify) else reply.reason)


def find_dock(viewer: Viewer) -> SegmentWidget | None:
    """Return the Segment dock of a viewer; None while it is not open."""
    docked = viewer.window.dock_widgets.values()
    return next((one for one in docked if isinstance(one, SegmentWidget)), None)


def attach(viewer: Viewer) -> SegmentHandle:
    """Return the handle of a viewer's Segment dock, which is opened if need be."""
    if (widget := find_dock(viewer)) is not None:
        return SegmentHandle(widget, viewer)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET, tabify=True)
    return SegmentHandle(widget, viewer)
