"""The docked Segment widget in the hands of a notebook or a script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEventLoop, QTimer

from napari_spinalsam.actions import models as a
from napari_spinalsam.actions.replies import Clarify, Plan, parse_action
from napari_spinalsam.annotation.executor import stages
from napari_spinalsam.core.errors import CancelledError, InputError, ModelError
from napari_spinalsam.language.offline import parse_offline
from napari_spinalsam.widgets.inference import Searching
from napari_spinalsam.widgets.segment.widget import SegmentWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer

    from napari_spinalsam.actions.models import AnyAction
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.jobs import Search
    from napari_spinalsam.annotation.outcome import Outcome

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
            raise InputError("There is no image: open one, or the sample CT, first.")
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
            cannot be done; nothing has changed then.
        ModelError
            If structures that are to be prompted are looked for too long.
        """
        steps = [step for action in actions for step in _steps(action)]
        first, *later = stages(steps)
        outcomes = self._run(first)
        for part in later:
            self.wait_for_objects()
            outcomes += self._run(part)
        return outcomes

    def _run(self, steps: tuple[AnyAction, ...]) -> tuple[Outcome, ...]:
        """Apply one part of a plan, after the search that it needs."""
        controller = self.widget.controller
        search = controller.executor.search(steps)
        if search is not None:
            self._look_for(search)
        return controller.run(*steps, search=search)

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
            self._wait(controller.model_changed, timeout)
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
        predictions = self.widget.controller.predictions
        if predictions.is_asked():
            self._wait(predictions.answered, timeout)
        if self.annotation.state.preview is None:
            raise ModelError(
                f"No mask was shown within {timeout:g} s: {self.widget.status.text()}"
            )

    def wait_for_objects(self, timeout: float = OBJECTS_TIMEOUT_S) -> None:
        """Let the window go on until propagating or finding has ended.

        Raises
        ------
        ModelError
            If it has not ended after `timeout` seconds; it goes on.
        """
        predictions = self.widget.controller.predictions
        if predictions.is_carrying():
            self._wait(predictions.carrying_ended, timeout)
        if predictions.is_carrying():
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
        self.run(a.SetOrientation(codes=codes))

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
        self.run(a.SetVoxelSize(spacing=tuple(spacing)))

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

    def _look_for(self, search: Search) -> None:
        """Let the window go on until structures have been looked for."""
        searching = Searching(self.widget.controller, search)
        ends: list[bool] = []
        searching.ended.connect(ends.append)
        self._wait(searching.ended, OBJECTS_TIMEOUT_S)
        if not ends:
            raise ModelError(
                f"{', '.join(search.names)} were looked for for {OBJECTS_TIMEOUT_S:g} "
                "s: cancel, and place the prompts by hand."
            )
        if not ends[0]:
            raise CancelledError("The search was cancelled; nothing was done.")

    def _wait(self, signal: Any, timeout: float) -> None:
        loop = QEventLoop()
        signal.connect(loop.quit)
        QTimer.singleShot(int(1000 * timeout), loop.quit)
        loop.exec()
        signal.disconnect(loop.quit)


def _steps(action: AnyAction | dict[str, Any] | str) -> tuple[AnyAction, ...]:
    """Return the actions that an argument of `run` stands for."""
    if not isinstance(action, dict | str):
        return (action,)
    if isinstance(action, dict) or action.lstrip().startswith("{"):
        return (parse_action(action, by_hand=True),)
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
