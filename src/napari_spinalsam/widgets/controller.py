"""Ties image, annotation, layers and inference thread of one dock together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QCoreApplication, QEventLoop, QObject, QTimer, Signal

from napari_spinalsam.annotation.change import Change
from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.executor import Executor
from napari_spinalsam.core.errors import CancelledError, SpinalSamError
from napari_spinalsam.layers.bridge import AnnotationLayers
from napari_spinalsam.layers.images import labels_of, volume_of
from napari_spinalsam.layers.roles import Role, entry_of
from napari_spinalsam.layers.view import current_slice
from napari_spinalsam.widgets.engine import SessionInfo
from napari_spinalsam.widgets.inference import InferenceThread
from napari_spinalsam.widgets.view_port import NapariView

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from napari.layers import Image, Labels

    from napari_spinalsam.annotation.ports import Outcome
    from napari_spinalsam.annotation.predictor import PredictionRequest
    from napari_spinalsam.core.actions import Action
    from napari_spinalsam.core.prompts import MaskPrediction
    from napari_spinalsam.model.session import SegmentationSession

# A slice is encoded ahead once the user has stayed on it for so long.
ENCODE_AHEAD_MS = 150


class SegmentController(QObject):
    """What the widgets of a viewer act through.

    Signals
    -------
    annotation_changed(Change)
        The document differs, or another one is open (all flags set).
    model_changed()
        Another model was loaded.
    message(sentence, is_error)
        Something to tell the user.
    working(sentence)
        What the thread does; empty when idle.
    answered()
        The thread answered the last request, with a mask or with an error.
    tool_changed(name)
        ``"positive"``, ``"negative"``, ``"box"``, or empty.
    """

    annotation_changed = Signal(object)
    model_changed = Signal()
    message = Signal(str, bool)
    working = Signal(str)
    answered = Signal()
    tool_changed = Signal(str)

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.live = True
        self.layers: AnnotationLayers | None = None
        self.session: SegmentationSession | None = None
        self.reference: Labels | None = None
        self.view = NapariView(self)
        self.executor = Executor(None, self.view, self, None)
        self.thread_ = InferenceThread()
        self.thread_.loaded.connect(self._on_loaded)
        self.thread_.predicted.connect(self._on_predicted)
        self.thread_.failed.connect(self._on_failed)
        self.thread_.working.connect(self.working)
        self._asked: PredictionRequest | None = None
        self._ahead = QTimer(self)
        self._ahead.setSingleShot(True)
        self._ahead.setInterval(ENCODE_AHEAD_MS)
        self._ahead.timeout.connect(self._encode_ahead)
        viewer.dims.events.current_step.connect(self._on_dims)
        viewer.dims.events.order.connect(self._on_dims)
        viewer.dims.events.ndisplay.connect(self._on_dims)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.close)
        self.thread_.start()

    @property
    def annotation(self) -> Annotation | None:
        """The document of the chosen image, None before one is chosen."""
        return self.executor.annotation

    def load_model(self, build: Callable[[], SegmentationSession]) -> None:
        """Load a model in the inference thread; `model_changed` tells when."""
        self.thread_.load(build)

    def choose_image(self, layer: Image | None) -> None:
        """Annotate an image layer; its annotation is taken up where it was left.

        Raises
        ------
        InputError
            If the layer cannot be annotated; the image chosen before stays.
        """
        if self.layers is not None and layer == self.layers.image:
            return
        annotation = None
        if layer is not None:
            known = self._known_annotation(layer)
            annotation = known or Annotation(volume_of(layer))
        self._leave()
        if layer is not None and annotation is not None:
            self.executor.annotation = annotation
            self.layers = AnnotationLayers(
                self.viewer, layer, annotation, self._report_error
            )
            annotation.changed.connect(self._on_changed)
            self._name_model()
            self._ahead.start()
        self.annotation_changed.emit(_everything())

    def choose_reference(self, layer: Labels | None) -> None:
        """Measure against a labels layer from now on, or against none.

        Raises
        ------
        InputError
            If the layer lies on another grid than the image.
        """
        if self.annotation is None:
            return
        if layer is None:
            self.annotation.set_reference(None)
        else:
            self.annotation.set_reference(*labels_of(layer))
        self.reference = layer

    def run(self, *actions: Action) -> tuple[Outcome, ...]:
        """Apply a plan of actions; its outcome or error is told by `message`.

        Raises
        ------
        SpinalSamError
            If it cannot be done; nothing has changed then.
        """
        outcomes = self.executor.run_plan(actions)
        self.message.emit(" ".join(outcome.text for outcome in outcomes), False)
        return outcomes

    def perform(self, *actions: Action) -> None:
        """Apply a plan for a button or a key: an error becomes a message."""
        self.attempt(lambda: self.run(*actions))

    def attempt(self, operation: Callable[[], Any]) -> bool:
        """Call something for a widget; an error becomes a message."""
        try:
            operation()
        except CancelledError:
            return False
        except SpinalSamError as error:
            self._report_error(str(error))
            return False
        return True

    def request(self, request: PredictionRequest, *, wait: bool = False) -> bool:
        """Predict in the thread; see annotation.predictor.PredictionPort."""
        if self.annotation is None:
            return False
        self._asked = request
        self.thread_.predict(self.annotation, request)
        if not wait:
            return False
        loop = QEventLoop(self)
        self.answered.connect(loop.quit)
        loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        return True

    def is_asked(self) -> bool:
        """Whether the thread still owes an answer to the last request."""
        return self._asked is not None

    def cancel(self) -> None:
        """Drop what waits for the thread, and the answer to what runs."""
        self.thread_.cancel()
        self._finish(self._asked)
        self.message.emit("Cancelled.", False)

    def _finish(self, request: PredictionRequest | None) -> None:
        """Note the end of a request; only the newest one counts."""
        if request is not None and request is self._asked:
            self._asked = None
            self.answered.emit()

    def close(self) -> None:
        """End the thread and stop following the viewer; layers stay."""
        self._ahead.stop()
        self._leave()
        self.viewer.dims.events.disconnect(self)
        self.viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self.thread_.stop()

    def _name_model(self) -> None:
        """Let the annotation know by which model its next masks are made."""
        if self.annotation is not None and self.session is not None:
            self.annotation.model = self.session.record.sha256

    def _known_annotation(self, image: Image) -> Annotation | None:
        """Return the annotation that the layers beside an image already show."""
        for layer in self.viewer.layers:
            entry = entry_of(layer)
            annotation = entry.get("annotation")
            if (
                entry.get("role") == Role.LABELS
                and isinstance(annotation, Annotation)
                and annotation.volume is entry_of(image).get("volume")
            ):
                return annotation
        return None

    def _leave(self) -> None:
        """Put the present annotation down."""
        self.view.disarm()
        self.thread_.cancel()
        if self.layers is not None and self.annotation is not None:
            self.annotation.changed.disconnect(self._on_changed)
            self.layers.close()
        self.layers = self.reference = None
        self.executor.annotation = None

    def _report_error(self, sentence: str) -> None:
        self.message.emit(sentence, True)

    def _on_changed(self, change: Change) -> None:
        if self.live and (change.prompts or change.selection or change.window):
            self._predict_if_asked()
        if change.prompts:
            self.view.count_down()
        self.annotation_changed.emit(change)

    def _predict_if_asked(self) -> None:
        """Ask for a mask if the shown slice has prompts that no preview answers."""
        annotation, layers = self.annotation, self.layers
        if annotation is None or layers is None or annotation.state.selected is None:
            return
        if self.viewer.dims.ndisplay != 2:
            return
        key = current_slice(self.viewer, layers.image)
        state = annotation.state
        prompts = annotation.prompts_at(*key)
        preview = state.preview
        pending = state.object_of(annotation.state.selected).pending_at(key)
        answered = (
            preview is not None
            and preview.key == key
            and preview.all_prompts == prompts
            and preview.window == state.window
        )
        if pending is not None and prompts.asks_for_something and not answered:
            self.request(annotation.prediction_request(*key))

    def _encode_ahead(self) -> None:
        if self.layers is None or self.annotation is None or self.session is None:
            return
        if self.viewer.dims.ndisplay == 2:
            axis, index = current_slice(self.viewer, self.layers.image)
            window = self.annotation.state.window
            self.thread_.encode(self.annotation.volume, axis, index, window)

    def _on_dims(self) -> None:
        self._ahead.start()
        self.view.follow_plane()

    def _on_layer_removed(self, event: Any) -> None:
        if self.layers is not None and event.value == self.layers.image:
            name = event.value.name
            self.choose_image(None)
            self._report_error(
                f"The image {name!r} was closed: its labels layer stays; choose "
                "another image to go on."
            )

    def _on_loaded(self, session: SegmentationSession) -> None:
        self.session = session
        self._name_model()
        self.executor.engine = SessionInfo(session)
        self.model_changed.emit()
        self._ahead.start()

    def _on_predicted(
        self,
        annotation: Annotation,
        request: PredictionRequest,
        prediction: MaskPrediction,
    ) -> None:
        if annotation is self.annotation and request is self._asked:
            self.attempt(lambda: annotation.show_prediction(prediction, request))
        self._finish(request)

    def _on_failed(self, request: PredictionRequest | None, sentence: str) -> None:
        self._report_error(sentence)
        self._finish(request)


def _everything() -> Change:
    return Change(
        prompts=True,
        preview=True,
        selection=True,
        window=True,
        objects=True,
        reference=True,
    )
