"""What the executor needs from outside, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import msg

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_spinalsam.actions.models import LabelFormat, LayerRole, ViewCount
    from napari_spinalsam.actions.pointer import AnyAction
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.jobs import Search
    from napari_spinalsam.annotation.outcome import Report
    from napari_spinalsam.annotation.requests import PredictionRequest
    from napari_spinalsam.core.anatomy import Plane
    from napari_spinalsam.core.messages import Message
    from napari_spinalsam.core.prompts import Polarity
    from napari_spinalsam.core.protocols import ModelIdentity, VolumePredictor
    from napari_spinalsam.core.results import (
        Progress,
        SliceKey,
        SliceMask,
        VolumeMask,
    )

ToolKind = Literal["point", "box"]


class VolumeJob(Protocol):
    """Work on whole objects that takes a while; `jobs.Job` runs it."""

    @property
    def step(self) -> Message:
        """Name of the step that it becomes."""

    @property
    def shown(self) -> str:
        """Name of the structure whose slices come one by one."""

    @property
    def model(self) -> ModelIdentity | None:
        """The model that does the work; None before it has begun."""

    def run(self, predictor: VolumePredictor) -> Iterator[SliceMask | Progress]:
        """Do the work, yielding what can be shown; may be left at any time."""

    def masks(self) -> dict[str, VolumeMask]:
        """Return what there is by now, by structure."""

    def outcome(self) -> Message:
        """Say in one sentence what came of it."""


class SubmittedJob(Protocol):
    """What `PredictionPort.submit` returns: a job known by itself."""

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""

    @property
    def sentence(self) -> Message:
        """What came of it; empty before its end."""

    def cancel(self) -> None:
        """End this job, and no other, after its present piece."""


class PredictionPort(Protocol):
    """The way from a request to the preview: at once, or through a worker."""

    def request(self, request: PredictionRequest, *, wait: bool = False) -> bool:
        """Predict, and hand the result to `Annotation.show_prediction`.

        Parameters
        ----------
        request : PredictionRequest
            From `Annotation.prediction_request`.
        wait : bool
            Whether to return only after the result is there, because the next
            step needs it. A worker lets the window go on painting meanwhile but
            takes no input.

        Returns
        -------
        bool
            Whether the preview is shown already; False while it is being computed.
        """

    @property
    def at_once(self) -> bool:
        """Whether a volume job is done when `submit` returns."""

    def work_ahead(self) -> str:
        """Return the name of the job that goes on; empty without any."""

    def submit(self, work: VolumeJob) -> SubmittedJob:
        """Do work on whole objects, and write its masks into the annotation.

        Jobs run one after the other, in the order in which they were submitted.
        """

    def locate(self, search: Search) -> None:
        """Look for structures before the plan that needs them, if that can be now.

        Where it takes a thread it is not done here: the plan is submitted there, and
        the search before it.
        """


class ViewPort(Protocol):
    """What needs a viewer or a dialog.

    A dialog that the user closes raises CancelledError; what cannot be done raises
    InputError.
    """

    def open_image(self) -> str:
        """Let the user choose an image and open it; return its name."""

    def open_sample(self) -> str:
        """Open the shipped sample CT; return its name."""

    def step_image(self, offset: Literal[-1, 1]) -> str:
        """Open the image before or after in the list of images; return its name."""

    def current_slice(self) -> SliceKey:
        """Return axis and index of the slice that is shown."""

    def go_to_slice(self, index: int) -> None:
        """Show a slice, known to exist, of the current plane."""

    def set_plane(self, plane: Plane) -> None:
        """Turn the view to a plane."""

    def set_visibility(self, layer: LayerRole, visible: bool) -> None:
        """Show or hide what has this role."""

    def arm_tool(
        self, kind: ToolKind, polarity: Polarity, count: int, *, then_predict: bool
    ) -> None:
        """Let the user place prompts by mouse.

        Parameters
        ----------
        kind : {"point", "box"}
            The tool. Armed again before it is done, tools follow each other.
        polarity : Polarity
            Of the points.
        count : int
            How many to place before the tool is put away.
        then_predict : bool
            Whether a mask was asked for once they are placed, also where masks do
            not follow each prompt by themselves.
        """

    def set_views(self, views: ViewCount) -> None:
        """Show one plane, or all three at once."""

    def set_orientation(self, codes: str) -> Message:
        """Show the image as it is said to lie; say what became of its work."""

    def cancel_work(self) -> bool:
        """Stop what runs in threads and what waits; return whether there was any."""

    def save_labels(self, file_format: LabelFormat) -> str:
        """Let the user choose a file and write the labels; return its name."""

    def show_report(self, report: Report) -> None:
        """Show a table."""

    def show_measures(self, report: Report) -> None:
        """Show measures, which may go on to change, beside a table of them now."""

    def show_help(self, report: Report) -> None:
        """Show what can be said."""


class EngineInfo(Protocol):
    """What the model side tells of itself, as (name, value) rows."""

    def device_report(self) -> Sequence[tuple[str, str]]:
        """Return device, memory, driver, and what will be used."""

    def parameter_report(self) -> Sequence[tuple[str, str]]:
        """Return matched, missing, unexpected and shape-mismatched weights."""


@dataclass(frozen=True, slots=True)
class Arming:
    """A tool to be given to the user's hand when a plan has succeeded."""

    kind: ToolKind
    polarity: Polarity
    count: int


@dataclass(slots=True)
class Run:
    """One plan while it runs: the ports, what is still to come, what to do at the end.

    Parameters
    ----------
    view : ViewPort
        Viewer and dialogs.
    predict : PredictionPort or None
        The way to the model; None without one.
    engine : EngineInfo or None
        What the model tells of itself; None without one.
    open_annotation : Annotation or None
        The document; None before an image is open.
    following : tuple of AnyAction
        The steps after the present one.
    search : Search or None
        What was looked for before the plan; None if nothing had to be.
    armings : list of Arming
        Tools to arm at the end.
    then_predict : bool
        Whether a mask was asked for after the armed tools.
    jobs : list of VolumeJob
        Work to begin at the end.
    """

    view: ViewPort
    predict: PredictionPort | None
    engine: EngineInfo | None
    open_annotation: Annotation | None = None
    following: tuple[AnyAction, ...] = ()
    search: Search | None = None
    armings: list[Arming] = field(default_factory=list)
    then_predict: bool = False
    jobs: list[VolumeJob] = field(default_factory=list)

    @property
    def annotation(self) -> Annotation:
        """The document; an InputError before an image is open."""
        if self.open_annotation is None:
            raise InputError(
                msg("There is no image: open one, or the sample CT, first.")
            )
        return self.open_annotation
