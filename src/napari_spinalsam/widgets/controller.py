"""Ties image, annotation, layers and inference thread of one dock together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QCoreApplication, QObject, QTimer, Signal

from napari_spinalsam.actions import pointer
from napari_spinalsam.annotation.document import Annotation
from napari_spinalsam.annotation.events import EVERYTHING, Change
from napari_spinalsam.annotation.executor import Executor
from napari_spinalsam.core.anatomy import Plane
from napari_spinalsam.core.errors import CancelledError, InputError, SpinalSamError
from napari_spinalsam.core.messages import msg
from napari_spinalsam.layers.annotation_layers import AnnotationLayers, left_at
from napari_spinalsam.layers.dims import current_slice, set_plane
from napari_spinalsam.layers.grids import (
    TRANSFORM,
    grid_of_layer,
    move_with_all,
    note_turned,
    same_transform,
    sized_transform,
    transform_of,
)
from napari_spinalsam.layers.images import (
    add_volume,
    known_annotations,
    labels_of,
    make_usable,
    volume_of,
)
from napari_spinalsam.layers.roles import Role, entry_of, find_layer
from napari_spinalsam.model.engine_info import SessionInfo
from napari_spinalsam.widgets.inference import Predictions
from napari_spinalsam.widgets.jobs import PlanHandle
from napari_spinalsam.widgets.napari_view import NapariView
from napari_spinalsam.widgets.preferences import first_window
from napari_spinalsam.widgets.window import after_drawing

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from napari.layers import Image, Labels

    from napari_spinalsam.actions.pointer import AnyAction
    from napari_spinalsam.annotation.jobs import Search
    from napari_spinalsam.annotation.outcome import Outcome
    from napari_spinalsam.core.messages import Message
    from napari_spinalsam.core.results import SliceMask
    from napari_spinalsam.core.volume import FileGrid
    from napari_spinalsam.model.session import SegmentationSession
    from napari_spinalsam.widgets.jobs import JobHandle

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
        What goes on in a thread; empty when idle.
    cancelled()
        The user pressed Cancel.
    tool_changed(name)
        One of `layers.tools.TOOLS`, or empty.
    measures_wanted()
        The Measures window is to be shown.
    closing()
        The dock or the application ends.
    """

    annotation_changed = Signal(object)
    model_changed = Signal()
    message = Signal(str, bool)
    working = Signal(str)
    cancelled = Signal()
    tool_changed = Signal(str)
    measures_wanted = Signal()
    closing = Signal()

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.layers: AnnotationLayers | None = None
        self.session: SegmentationSession | None = None
        self.reference: Labels | None = None
        # Name and annotation of an image that was closed, until that is told.
        self._closed_image: tuple[str, Annotation | None] | None = None
        self.predictions = Predictions(self)
        # Plans that have not ended.
        self.plans: set[PlanHandle] = set()
        self.predictions.loaded.connect(self._on_loaded)
        self.predictions.failed.connect(self.report_error)
        self.predictions.working.connect(self.working)
        self.predictions.slice_propagated.connect(self._show_slice)
        self.predictions.job_ended.connect(self._on_job_ended)
        self.view = NapariView(self)
        self.executor = Executor(None, self.view, self.predictions, SessionInfo(None))
        self._ahead = QTimer(self)
        self._ahead.setSingleShot(True)
        self._ahead.setInterval(ENCODE_AHEAD_MS)
        self._ahead.timeout.connect(self._encode_ahead)
        for event in ("current_step", "order", "ndisplay"):
            getattr(viewer.dims.events, event).connect(self._on_dims)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.close)

    @property
    def annotation(self) -> Annotation | None:
        """The document of the chosen image, None before one is chosen."""
        return self.executor.annotation

    def load_model(self, build: Callable[[], SegmentationSession]) -> None:
        """Load a model in the inference thread; `model_changed` tells when."""
        self.predictions.load(build)

    def choose_image(self, layer: Image | None) -> None:
        """Annotate an image layer; its annotation is taken up where it was left.

        Raises
        ------
        InputError
            If the layer cannot be annotated; the image chosen before stays.
        """
        if self.layers is not None and layer == self.layers.image:
            return
        annotation = moved = None
        if layer is not None:
            make_usable(layer)
            annotation = self._known_annotation(layer)
            if annotation is None:
                annotation = self._new_annotation(layer)
            else:
                moved = self._moved_since(layer, annotation)
        self._leave()
        if layer is not None and annotation is not None:
            self._take(layer, annotation, moved)
            # What was said of the image before is over.
            self.message.emit(f"{layer.name} is open: choose a structure.", False)
        self.annotation_changed.emit(EVERYTHING)

    def take_up(self, annotation: Annotation) -> None:
        """Go on with another annotation of the chosen image."""
        if self.layers is None:
            return
        image, old = self.layers.image, self.annotation
        self._leave()
        for layer in list(self.viewer.layers):
            if entry_of(layer).get("annotation") is old:
                self.viewer.layers.remove(layer)
        self._take(image, annotation)
        self.annotation_changed.emit(EVERYTHING)

    def turn_image(self, codes: str) -> Message:
        """Show the chosen image as it is said to lie, and annotate it so.

        Parameters
        ----------
        codes : str
            Where slices, rows and columns grow to; see `FileGrid.oriented`.

        Raises
        ------
        InputError
            If no image is chosen, its orientation is known, or the codes name none.
        """
        if self.layers is None or self.annotation is None:
            raise InputError(
                msg("There is no image: open one, or the sample CT, first.")
            )
        annotation, image = self.annotation, self.layers.image
        if annotation.geometry.orientation_known:
            raise InputError(
                msg(
                    "The file of {name!r} tells how it lies: correct the file if "
                    "that is wrong.",
                    name=image.name,
                )
            )
        before = annotation.volume
        turned = before.oriented(codes)
        labels = turned.grid.to_canonical(before.grid.from_canonical(annotation.labels))
        if before.geometry.spacing_known:
            # In millimetres like the new one: napari warns of layers without a unit.
            wanted = sized_transform(image, before.geometry)
            move_with_all(image, self.viewer.layers, wanted)
        named = replace(turned, name=f"{image.name} (turned)")
        shown = add_volume(self.viewer, named, entry_of(image).get("path"))
        note_turned(shown, image, before.grid)
        self.choose_image(shown)
        self.annotation.set_window(annotation.state.window)
        if annotation.state.has_work:
            with self.annotation.group(msg("Turn labels")):
                self.annotation.replace_labels(labels, msg("Turn labels"))
                self.annotation.take_over_objects(annotation.state.objects)
        for layer in list(self.viewer.layers):
            if entry_of(layer).get("annotation") is annotation:
                # By its labels layer an annotation is taken up again.
                is_labels = entry_of(layer).get("role") == Role.LABELS
                layer.visible = False
                if not (is_labels and annotation.state.has_work):
                    self.viewer.layers.remove(layer)
        image.visible = False
        set_plane(self.viewer, shown, Plane.AXIAL)
        return msg(
            "{shown} is {image} as you say that it lies, with its labels, names and "
            "locks; prompts, undo, reference and file start over, and the hidden image "
            "keeps its own: choose it to go back.",
            shown=shown.name,
            image=image.name,
        )

    def choose_reference(self, layer: Labels | None) -> None:
        """Measure against a labels layer from now on, or against none.

        Raises
        ------
        InputError
            If the layer lies on another grid than the image.
        """
        if self.annotation is None:
            return
        beside = self.viewer.layers
        labels, geometry = (None, None) if layer is None else labels_of(layer, beside)
        before = self.reference
        # Known before it is told of: who listens shows which layer it is.
        self._hold_reference(layer)
        try:
            self.executor.run(pointer.SetReference(labels=labels, geometry=geometry))
        except InputError:
            self._hold_reference(before)
            raise

    def run(
        self, *actions: AnyAction, search: Search | None = None, hint: str = ""
    ) -> tuple[Outcome, ...]:
        """Apply a plan now, its search being done; `message` tells what came.

        `submit` does the search first. A hint is a sentence to add to what is told.

        Raises
        ------
        SpinalSamError
            If it cannot be done; nothing has changed then.
        """
        outcomes = self.executor.run_plan(actions, search)
        told = [outcome.text for outcome in outcomes]
        self.message.emit(" ".join([*told, hint] if hint else told), False)
        return outcomes

    def submit(self, *actions: AnyAction) -> PlanHandle:
        """Submit a plan whole: search, run, and what waits for its jobs.

        Without a search it is applied when this returns. What cannot be done is told
        by the handle, and changes nothing.
        """
        plan = PlanHandle(self, actions)
        plan.start()
        return plan

    def perform(self, *actions: AnyAction, hint: str = "") -> bool:
        """Submit a plan for a button or a key: an error becomes a message.

        Parameters
        ----------
        *actions : AnyAction
            The plan.
        hint : str
            A sentence to add to what is told.

        Returns
        -------
        bool
            Whether it was done, or waits for a search.
        """
        plan = PlanHandle(self, actions, hint)
        plan.refused.connect(self._on_refused)
        plan.start()
        return plan.error is None

    def attempt(self, operation: Callable[[], Any]) -> bool:
        """Call something for a widget; an error becomes a message."""
        try:
            operation()
        except CancelledError:
            return False
        except SpinalSamError as error:
            self.report_error(str(error))
            return False
        return True

    def cancel(self) -> None:
        """Drop what waits for the threads."""
        self.predictions.cancel()
        self.cancelled.emit()
        self.message.emit("Cancelled.", False)

    def report_error(self, sentence: str) -> None:
        """Tell the user what went wrong."""
        self.message.emit(sentence, True)

    def close(self) -> None:
        """End the thread and stop following the viewer; layers stay."""
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.disconnect(self.close)
        # First, so that what its work has brought is still saved.
        self.predictions.stop()
        self.closing.emit()
        self._ahead.stop()
        self._leave()
        for event in ("current_step", "order", "ndisplay"):
            getattr(self.viewer.dims.events, event).disconnect(self._on_dims)
        self.viewer.layers.events.removed.disconnect(self._on_layer_removed)

    def _name_model(self) -> None:
        """Let the annotation know by which model its next masks are made."""
        if self.annotation is not None and self.session is not None:
            self.annotation.use_model(self.session.identity)

    def _known_annotation(self, image: Image) -> Annotation | None:
        """Return the annotation that the layers beside an image already show."""
        known = known_annotations(self.viewer.layers)
        return next((annotation for each, annotation in known if each is image), None)

    def _new_annotation(self, image: Image) -> Annotation:
        volume = volume_of(image, self.viewer.layers)
        return Annotation(volume, first_window(volume))

    def _moved_since(self, image: Image, annotation: Annotation) -> FileGrid | None:
        """Return the grid of an image if it was moved while it was not annotated.

        Raises
        ------
        InputError
            If it cannot be followed to where it is now.
        """
        grid = grid_of_layer(image, (), f"The image {image.name!r}").grid
        left = left_at(self.viewer.layers, annotation)
        still = left is None or same_transform(left, transform_of(image))
        return None if still else grid

    def _take(
        self, image: Image, annotation: Annotation, moved: FileGrid | None = None
    ) -> None:
        """Show an annotation beside its image, which may have moved; follow both."""
        self.executor.annotation = annotation
        self.predictions.follow(annotation)
        self.layers = AnnotationLayers(
            self.viewer,
            image,
            annotation,
            self.executor.run_plan,
            self.report_error,
            after_drawing,
        )
        if moved is not None:
            self.layers.follow_moved(moved)
        elif annotation.state.grid is not None:
            self.layers.show_grid()
        annotation.changed.connect(self._on_changed)
        image.events.data.connect(self._on_image_replaced)
        for name in TRANSFORM:
            getattr(image.events, name).connect(self._on_image_moved)
        self._name_model()
        self._ahead.start()

    def _leave(self) -> None:
        """Put the present annotation down."""
        self.view.disarm()
        if self.layers is not None and self.annotation is not None:
            self.layers.take_edits()
            self.annotation.changed.disconnect(self._on_changed)
            image = self.layers.image
            image.events.data.disconnect(self._on_image_replaced)
            for name in TRANSFORM:
                getattr(image.events, name).disconnect(self._on_image_moved)
            self.layers.close()
            if self.reference is not None:
                # Taken up again, the annotation has none, as the dock will show.
                self._hold_reference(None)
                self.executor.run(pointer.SetReference(labels=None))
        self.predictions.follow(None)
        self.layers = None
        self.executor.annotation = None

    def _on_changed(self, change: Change) -> None:
        if change.geometry and self.layers is not None:
            self.layers.show_grid()
            if self.predictions.stop_work():
                self.report_error(
                    "The size or the place of the voxels has changed: the work on "
                    "whole objects is stopped, and what is done stays."
                )
        asks = change.prompts or change.selection or change.window or change.geometry
        if asks and self.layers is not None and self.viewer.dims.ndisplay == 2:
            self.predictions.answer_prompts(self.view.current_slice())
        if change.prompts:
            self.view.count_down()
        self.annotation_changed.emit(change)

    def _on_refused(self, _: PlanHandle, error: SpinalSamError) -> None:
        if not isinstance(error, CancelledError):
            self.report_error(str(error))

    def _show_slice(self, name: str, item: SliceMask) -> None:
        if self.layers is not None and self.layers.preview is not None:
            self.layers.preview.add_slice(name, (item.axis, item.index), item.mask)

    def _on_job_ended(self, handle: JobHandle) -> None:
        if self.layers is not None:
            self.layers.show_preview()
        self.message.emit(handle.sentence, handle.job.end == "failed")

    def _encode_ahead(self) -> None:
        if self.layers is not None and self.viewer.dims.ndisplay == 2:
            key = current_slice(self.viewer, self.layers.image)
            self.predictions.encode_ahead(key)

    def _on_dims(self) -> None:
        self._ahead.start()
        self.view.follow_plane()

    def _on_layer_removed(self, event: Any) -> None:
        if self.layers is not None and event.value == self.layers.image:
            self._closed_image = self.layers.image.name, self.annotation
            self.choose_image(None)
            # Others may be about to go: only then is it seen what stays.
            after_drawing(self._tell_closed)
        elif self.reference is not None and event.value == self.reference:
            self.choose_reference(None)
            self.message.emit("The reference was closed: there is none now.", False)

    def _tell_closed(self) -> None:
        """Say what became of the work on an image that was closed."""
        if self.annotation is not None or self._closed_image is None:
            return  # the next case is open already
        (name, annotation), self._closed_image = self._closed_image, None
        if find_layer(self.viewer.layers, Role.LABELS, annotation) is not None:
            self.report_error(
                f"The image {name!r} was closed: its labels layer stays; choose "
                "another image to go on."
            )
        else:
            self.message.emit(f"{name} was closed. Open the next image.", False)

    def _hold_reference(self, layer: Labels | None) -> None:
        """Take a layer as the reference, and follow what becomes of it."""
        for held, change in ((self.reference, "disconnect"), (layer, "connect")):
            if held is not None:
                for event in (held.events.data, held.events.paint):
                    getattr(event, change)(self._on_reference_edited)
        self.reference = layer

    def _on_reference_edited(self) -> None:
        """Measure against the reference as it is now, or against none if unfit."""
        layer = self.reference
        if layer is not None and not self.attempt(lambda: self.choose_reference(layer)):
            self.choose_reference(None)

    def _on_image_moved(self) -> None:
        """Follow another scale, place or unit of the image, or put it down."""
        layers, annotation = self.layers, self.annotation
        if layers is None or annotation is None or layers.is_drawing:
            return
        name = f"The image {layers.image.name!r}"
        try:
            grid = grid_of_layer(layers.image, (), name).grid
        except InputError as error:
            self.choose_image(None)
            self.report_error(f"{error} Until then it is put down; its labels stay.")
            return
        if grid.equals(annotation.volume.grid):
            layers.follow_image()
        else:
            layers.note_place(grid)
            self.executor.run(pointer.MoveImage(grid=grid))

    def _on_image_replaced(self) -> None:
        if self.layers is not None:
            name = self.layers.image.name
            self.choose_image(None)
            self.report_error(
                f"The image {name!r} was replaced by other data: its labels layer "
                "stays; choose an image to go on."
            )

    def _on_loaded(self, session: SegmentationSession) -> None:
        self.session = session
        self._name_model()
        self.executor.engine = SessionInfo(session)
        self.model_changed.emit()
        self._ahead.start()
