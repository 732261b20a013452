"""What the document expects from a model, what it asks, and the ways to ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from napari_spinalsam.annotation.carried import JobStart, write_masks
from napari_spinalsam.annotation.carrying import VolumePredictor
from napari_spinalsam.annotation.kept import KeptPrediction
from napari_spinalsam.annotation.state import Preview
from napari_spinalsam.core.errors import ModelError
from napari_spinalsam.core.masks import RunLengths

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_spinalsam.annotation.carrying import CarryJob
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.history import Step
    from napari_spinalsam.annotation.provenance import Question
    from napari_spinalsam.annotation.searching import Search
    from napari_spinalsam.annotation.state import SliceKey, State
    from napari_spinalsam.core.geometry import SlicePlane
    from napari_spinalsam.core.intensity import Window
    from napari_spinalsam.core.prompts import MaskPrediction, SlicePrompts


class Predictor(Protocol):
    """A model with an image set, such as `model.session.SegmentationSession`."""

    def predict(
        self,
        plane: SlicePlane,
        prompts: SlicePrompts,
        /,
        *,
        window: Window,
        mask_input: NDArray[np.float32] | None = None,
        start: NDArray[np.bool_] | None = None,
    ) -> MaskPrediction:
        """Predict candidate masks for one slice.

        Parameters
        ----------
        plane : SlicePlane
            The slice.
        prompts : SlicePrompts
            What to segment; without a mask to start from, something that says what is
            meant, such as a box or a positive point.
        window : Window
            How to map the intensities.
        mask_input : ndarray of float32, shape (height, width), or None
            Low-res logits of the mask that is to be refined.
        start : ndarray of bool, shape (rows, cols), or None
            The label that is to be corrected, where there are no such logits.
        """


@dataclass(frozen=True, slots=True, eq=False)
class PredictionRequest:
    """A question to the model, with what makes its answer valid or stale.

    Parameters
    ----------
    structure : str
        Canonical name of the structure that the mask is for.
    plane : SlicePlane
        The slice.
    prompts : SlicePrompts
        What the model is given; may be only the points or only the box.
    window : Window
        How to map the intensities.
    mask_input : ndarray of float32, shape (height, width), or None
        Low-res logits of the previous mask, where this is a refinement of it.
    all_prompts : SlicePrompts
        All prompts of the slice at the time of asking.
    answered : KeptPrediction or None
        The prediction that was shown at the time of asking.
    model : str
        What the model is known by that is asked.
    asked_by : Step or None
        The step that this belongs to; None makes the answer a step of its own.
    earlier : tuple of Question
        What led to `mask_input`; empty without.
    start : ndarray of bool, shape (rows, cols), or None
        The label to correct, where that is what is asked.
    """

    structure: str
    plane: SlicePlane
    prompts: SlicePrompts
    window: Window
    mask_input: NDArray[np.float32] | None
    all_prompts: SlicePrompts
    answered: KeptPrediction | None
    model: str
    asked_by: Step | None
    earlier: tuple[Question, ...] = ()
    start: NDArray[np.bool_] | None = None

    @property
    def key(self) -> SliceKey:
        """Axis and index, which name the slice."""
        return self.plane.axis, self.plane.index

    def fits(self, state: State, model: str) -> bool:
        """Whether an answer to this still belongs to what the annotation shows.

        It does not once the structure, the window, the model or the slice's prompts
        have changed, or once another mask was shown, accepted or rejected meanwhile.
        """
        preview = state.preview
        shown = None if preview is None else preview.prediction
        return (
            model == self.model
            and state.selected == self.structure
            and state.window == self.window
            and shown is self.answered
            and state.object_of(self.structure).prompts_at(self.key) == self.all_prompts
        )

    def preview(self, prediction: MaskPrediction) -> Preview:
        """Make a preview of the answer.

        Raises
        ------
        ModelError
            If the answer has no mask, or masks of another shape.
        """
        masks = prediction.masks
        if not len(masks) or masks.shape[1:] != self.plane.shape:
            raise ModelError(
                f"The model returned masks of shape {masks.shape} for a slice of "
                f"shape {self.plane.shape}: load the model again."
            )
        return Preview(
            structure=self.structure,
            axis=self.plane.axis,
            index=self.plane.index,
            prediction=KeptPrediction(prediction),
            prompts=self.prompts,
            all_prompts=self.all_prompts,
            window=self.window,
            model=self.model,
            earlier=self.earlier,
            start=None if self.start is None else RunLengths.of(self.start),
        )


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
        """Whether work on whole objects is done when `carry` returns."""

    def work_ahead(self) -> str:
        """Return the name of the work that goes on; empty without any."""

    def carry(self, job: CarryJob) -> bool:
        """Do work on whole objects, and write its masks into the annotation.

        Returns
        -------
        bool
            Whether the masks are written already; False while it goes on.
        """

    def locate(self, search: Search) -> None:
        """Look for structures before the plan that needs them, if that can be now.

        Where it takes a thread it is not done here: whoever runs the plan there looks
        first, with `carry`.
        """


class WholePredictor(Predictor, VolumePredictor, Protocol):
    """A model that knows slices and whole objects."""


class DirectPrediction:
    """Predict at once in the calling thread, for scripts and tests.

    Parameters
    ----------
    annotation : Annotation
        The document that gets the previews.
    predictor : Predictor
        The model, with the annotation's volume set.
    """

    def __init__(self, annotation: Annotation, predictor: WholePredictor) -> None:
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

    def carry(self, job: CarryJob) -> bool:
        """Work to the end now. See `PredictionPort.carry`."""
        start = JobStart.of(self._annotation.state)
        for _ in job.run(self._predictor):
            pass
        if masks := job.masks():
            write_masks(self._annotation, masks, job.step, job.model, start)
        return True

    def locate(self, search: Search) -> None:
        """Look now. See `PredictionPort.locate`."""
        self.carry(search)
