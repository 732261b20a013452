"""View and prediction without a window, for scripts, the command line and tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from napari_spinalsam.annotation.jobs import Job
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import msg

if TYPE_CHECKING:
    from napari_spinalsam.actions.models import LabelFormat, LayerRole, ViewCount
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.jobs import Search
    from napari_spinalsam.annotation.outcome import Report
    from napari_spinalsam.annotation.ports import ToolKind, VolumeJob
    from napari_spinalsam.annotation.requests import PredictionRequest
    from napari_spinalsam.core.anatomy import Plane
    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.messages import Message
    from napari_spinalsam.core.prompts import Polarity
    from napari_spinalsam.core.protocols import VolumePredictor
    from napari_spinalsam.core.results import SliceKey


class HeadlessView:
    """Remember slice, plane, visibility and reports; refuse what needs a window.

    See `ports.ViewPort` for the methods.

    Parameters
    ----------
    geometry : Geometry
        The grid that is looked at, from the middle axial slice at first.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.reports: list[Report] = []
        self.visibility: dict[LayerRole, bool] = {}
        self._axis = 0
        self._index = [length // 2 for length in geometry.shape]

    def current_slice(self) -> SliceKey:
        """Return axis and index of the current slice."""
        return self._axis, self._index[self._axis]

    def go_to_slice(self, index: int) -> None:
        """Make a slice of the current plane the current one."""
        self._index[self._axis] = index

    def set_plane(self, plane: Plane) -> None:
        """Turn to a plane, at the slice where it was left."""
        self._axis = plane.axis

    def set_visibility(self, layer: LayerRole, visible: bool) -> None:
        """Remember whether a role is shown."""
        self.visibility[layer] = visible

    def show_report(self, report: Report) -> None:
        """Keep a table in `reports`."""
        self.reports.append(report)

    def show_measures(self, report: Report) -> None:
        """Keep a table of measures in `reports`."""
        self.reports.append(report)

    def show_help(self, report: Report) -> None:
        """Keep the help in `reports`."""
        self.reports.append(report)

    def open_image(self) -> str:
        """Refuse: there is no file dialog."""
        raise InputError(
            msg("Opening an image needs a window: read the file in the script instead.")
        )

    def open_sample(self) -> str:
        """Refuse: the image of a script is its own."""
        raise InputError(
            msg(
                "Opening the sample needs a window: "
                "read the file in the script instead."
            )
        )

    def step_image(self, offset: Literal[-1, 1]) -> str:
        """Refuse: there is no list of images."""
        raise InputError(
            msg(
                "Stepping through images needs a window: "
                "read the files in the script instead."
            )
        )

    def arm_tool(
        self, kind: ToolKind, polarity: Polarity, count: int, *, then_predict: bool
    ) -> None:
        """Refuse: there is no mouse."""
        raise InputError(
            msg(
                "Placing prompts by mouse needs a window: "
                "give their coordinates instead."
            )
        )

    def set_views(self, views: ViewCount) -> None:
        """Refuse: there is nothing to look at."""
        raise InputError(
            msg("Showing views needs a window: leave it out in the script.")
        )

    def set_orientation(self, codes: str) -> Message:
        """Refuse: there is no image to show otherwise."""
        raise InputError(
            msg(
                "Turning an image needs a window: use Volume.oriented before it is "
                "annotated instead."
            )
        )

    def cancel_work(self) -> bool:
        """Return False: a script waits for its work, so none goes on."""
        return False

    def save_labels(self, file_format: LabelFormat) -> str:
        """Refuse: there is no file dialog."""
        raise InputError(
            msg(
                "Choosing a file needs a window: "
                "write the labels in the script instead."
            )
        )


class DirectPrediction:
    """Predict at once in the calling thread, for scripts and tests.

    Parameters
    ----------
    annotation : Annotation
        The document that gets the previews.
    predictor : Predictor
        The model, with the annotation's volume set.
    """

    def __init__(self, annotation: Annotation, predictor: VolumePredictor) -> None:
        self._annotation = annotation
        self._predictor = predictor

    def request(self, request: PredictionRequest, *, wait: bool = False) -> bool:
        """Predict now; `wait` makes no difference. See `PredictionPort.request`."""
        prediction = self._predictor.predict(
            request.plane,
            request.prompts,
            window=request.window,
            mask_input=request.mask_input,
            start=request.start,
        )
        return self._annotation.show_prediction(prediction, request)

    @property
    def at_once(self) -> bool:
        """Return True: all is done now."""
        return True

    def work_ahead(self) -> str:
        """Return nothing: no work goes on."""
        return ""

    def submit(self, work: VolumeJob) -> Job:
        """Work to the end now. See `PredictionPort.submit`."""
        job = Job.of(self._annotation, work)
        for _ in job.run(self._predictor):
            pass
        job.write()
        if job.error is not None:
            raise job.error
        return job

    def locate(self, search: Search) -> None:
        """Look now. See `PredictionPort.locate`."""
        self.submit(search)
