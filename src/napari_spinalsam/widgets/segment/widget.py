"""The Segment dock: choose an image and a structure, prompt, look, accept."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Image, Labels
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_spinalsam.actions import models as a
from napari_spinalsam.actions.replies import parse_action
from napari_spinalsam.annotation.events import EVERYTHING
from napari_spinalsam.core.anatomy import BACKGROUND, Plane, structure
from napari_spinalsam.core.metrics import compare_masks
from napari_spinalsam.core.prompts import Polarity
from napari_spinalsam.widgets.autosave import AutosaveController, RecoveryOffer
from napari_spinalsam.widgets.controller import SegmentController
from napari_spinalsam.widgets.linked_views import ThreeViews
from napari_spinalsam.widgets.objects.panel import ObjectsPanel
from napari_spinalsam.widgets.parts import LEAST_WIDTH_PX, STEP_GAP_PX, LayerComboBox
from napari_spinalsam.widgets.preferences import remember, segment_settings
from napari_spinalsam.widgets.segment import rows
from napari_spinalsam.widgets.segment.geometry_row import GeometryRow
from napari_spinalsam.widgets.segment.model_row import ModelRow
from napari_spinalsam.widgets.segment.rows import (
    FirstSteps,
    ProgressRow,
    PromptTools,
    PropagationRow,
    ViewsRow,
)
from napari_spinalsam.widgets.segment.shortcuts import CanvasFocus, Shortcuts
from napari_spinalsam.widgets.segment.start_labels import StartLabels
from napari_spinalsam.widgets.window import DockedWidget, after_drawing

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari

    from napari_spinalsam.actions.models import PresetName
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.events import Change
    from napari_spinalsam.annotation.state import Preview
    from napari_spinalsam.core.results import Direction, SliceKey
    from napari_spinalsam.model.session import SegmentationSession

STATUS_LINES = 3
# Two buttons share the row of the image.
IMAGE_CHARACTERS = 3
ERROR_COLOR = "#e5484d"  # can be read on dark and on light
HINT = (
    "No image yet? Press Open…, or File > Open Sample > Lumbar CT (SpinalSAM). Where "
    "napari asks for a reader, choose SpinalSAM."
)


def model_text(session: SegmentationSession) -> str:
    """Return name and device of a model, such as ``spinalsam-tiny on CPU``."""
    return f"{session.identity.title} on {session.device.upper()}"


def prediction_text(annotation: Annotation, preview: Preview) -> str:
    """Return times and estimate of a preview, and its measures against a reference."""
    prediction = preview.prediction
    encoded = (
        "slice at hand"
        if prediction.encode_ms is None
        else f"slice encoded in {prediction.encode_ms:.0f} ms"
    )
    times = f"{encoded} · mask in {prediction.decode_ms:.0f} ms"
    lines = (
        foreign_text(annotation, preview.structure, preview.key),
        times,
        reference_text(annotation, preview),
        *prediction.remarks,
    )
    return "\n".join(line for line in lines if line)


def foreign_text(annotation: Annotation, name: str, key: SliceKey) -> str:
    """Return whose label the newest point for a structure lies on, if on another's.

    Parameters
    ----------
    annotation : Annotation
        The document.
    name : str
        The structure that the prompts are for.
    key : tuple of int
        Axis and index of the slice.
    """
    entry = annotation.state.object_of(name)
    pending = entry.pending_at(key)
    points = () if pending is None else pending.points
    if not points or points[-1].polarity is not Polarity.POSITIVE:
        return ""
    plane = annotation.geometry.plane(*key)
    row, col = (round(at) for at in (points[-1].row, points[-1].col))
    label = int(plane.take(annotation.labels)[row, col])
    if label in (BACKGROUND, entry.label):
        return ""
    found = [each.name for each in annotation.state.objects if each.label == label]
    return (
        f"You clicked on {found[0] if found else f'label {label}'}, which stays as it "
        f"is; the mask is for {name}."
    )


def reference_text(annotation: Annotation, preview: Preview) -> str:
    """Return measures of the previewed mask in its slice, empty without a reference."""
    if annotation.reference is None:
        return ""
    plane = annotation.geometry.plane(*preview.key)
    truth = plane.take(annotation.reference) == structure(preview.structure).label
    metrics = compare_masks(preview.mask, truth, plane.spacing)
    measurable = annotation.geometry.spacing_known
    distances = (("MSD", metrics.msd_mm), ("HD95", metrics.hd95_mm))
    overlap = (("Dice", metrics.dice), ("IoU", metrics.iou))
    texts = [f"{name} {value:.3f}" for name, value in overlap if value is not None]
    texts += [
        f"{name} {value:.2f} mm"
        for name, value in distances
        if measurable and value is not None
    ]
    return "slice against reference: " + " ".join(texts) if texts else ""


class Choices:
    """Does what is chosen, and keeps it if the user wants that.

    Parameters
    ----------
    controller : SegmentController
        Through which it is done.
    """

    def __init__(self, controller: SegmentController) -> None:
        self._controller = controller

    def set_window(self, preset: PresetName) -> None:
        """Show an image in a preset, which the next CT begins with."""
        self._controller.perform(a.SetWindow(preset=preset))
        annotation = self._controller.annotation
        if annotation is not None and annotation.volume.modality == "CT":
            remember("window", preset)

    def set_live(self, live: bool) -> None:
        """Answer prompts at once, or on demand."""
        self._controller.predictions.live = live
        remember("live", live)

    def propagate(self, direction: Direction) -> None:
        """Propagate one way, which is the way of the key from now on."""
        self._controller.perform(a.Propagate(direction=direction))
        remember("propagate", direction)

    def propagate_again(self) -> None:
        """Propagate the way that the Preferences have."""
        self.propagate(segment_settings().propagate)


class SegmentWidget(DockedWidget):
    """The dock for daily work.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer that it is docked in.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(napari_viewer)
        self.controller = SegmentController(napari_viewer, self)
        self.choices = Choices(self.controller)
        self.images = LayerComboBox(napari_viewer, Image, "choose an image")
        self.geometry_ = GeometryRow(self.controller)
        self.reference = LayerComboBox(napari_viewer, Labels, "no reference")
        self.models = ModelRow(self.controller)
        self.window_ = rows.WindowComboBox()
        self.structures = rows.StructureRow()
        self.prompts = rows.PromptRow()
        self.tools = PromptTools(self.controller, self.prompts)
        self.preview = rows.PreviewRow()
        self.whole = PropagationRow()
        self.objects = ObjectsPanel(self.controller)
        self.save = QPushButton("Save labels…")
        self.autosave_controller = AutosaveController(self.controller, self)
        self.offer = RecoveryOffer(self.autosave_controller)
        self.start = StartLabels(self.controller)
        self.more = QPushButton("Annotation")
        self.more.setToolTip("Prompts, labels and their history as one file")
        self.status = QLabel(HINT)
        self._error_stands = False
        self._aging = QTimer(self)
        self._aging.setSingleShot(True)
        self._aging.timeout.connect(self._age_error)
        self.first_steps = FirstSteps()
        self.progress_row = ProgressRow()
        self.shortcuts = Shortcuts(self, self._keys())
        self.three_views = ThreeViews(self.controller, self)
        self.views = ViewsRow(self.three_views)
        self.planes = self.views.planes
        self.open = QToolButton()
        self.open.setText("Open…")
        self.open.setToolTip("Open an image file in its own geometry")
        self.steps = QToolButton()
        self.steps.setText("?")
        self.steps.setToolTip("The first steps and their keys")
        self._parts_of_an_image = (
            self.window_,
            self.views,
            self.structures,
            self.prompts,
            self.preview,
            self.whole,
            self.objects,
            self.save,
            self.more,
        )
        self._lay_out()
        self.focus = CanvasFocus(self)
        self._connect()
        self._choose_first_image()
        self._on_changed(None)
        # napari may drop the dock without closing it; its thread must end all the same.
        thread, autosave = (
            self.controller.predictions.thread_,
            self.autosave_controller.autosave,
        )
        self.destroyed.connect(lambda: thread.stop())
        self.destroyed.connect(lambda: autosave.close())

    def end(self) -> None:
        """End keys and threads and follow nothing; layers and annotation stay."""
        self.shortcuts.release()
        dims = self.viewer.dims.events
        for event in (dims.order, dims.ndisplay):
            event.disconnect(self._show_plane)
        for event in (dims.order, dims.ndisplay, dims.current_step):
            event.disconnect(self._forget_error)
        self.viewer.layers.events.inserted.disconnect(self._choose_first_image)
        self.images.disconnect_viewer()
        self.reference.disconnect_viewer()
        self.start.disconnect_viewer()
        self.models.close_threads()
        self.objects.close_windows()
        self.controller.close()

    def _lay_out(self) -> None:
        inner = QWidget()
        form = QFormLayout(inner)
        form.setContentsMargins(6, 6, 6, 6)
        form.setVerticalSpacing(4)
        form.setHorizontalSpacing(6)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        form.addRow(self.first_steps)
        self.images.setMinimumContentsLength(IMAGE_CHARACTERS)
        image = QHBoxLayout()
        image.setSpacing(STEP_GAP_PX)
        image.addWidget(self.images, 1)
        image.addWidget(self.open)
        image.addWidget(self.steps)
        form.addRow("Image", image)
        form.addRow(self.geometry_)
        form.addRow("Window", self.window_)
        form.addRow(self.views)
        form.addRow("Structure", self.structures)
        form.addRow(self.prompts)
        form.addRow(self.whole)
        form.addRow(rows.Section("Objects", self.objects))
        form.addRow("Reference", self.reference)
        form.addRow("Model", self.models)
        saving = QHBoxLayout()
        saving.setSpacing(6)
        for made in (self.save, self.more):
            made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            saving.addWidget(made)
        form.addRow(saving)
        scroll = QScrollArea()
        scroll.setWidget(inner)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.models.offered.connect(lambda: scroll.ensureWidgetVisible(self.models))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
        outer.addWidget(self._foot())
        self.setMinimumWidth(LEAST_WIDTH_PX)

    def _foot(self) -> QWidget:
        """Return what is always in sight: the mask, the status, and the work."""
        self.status.setWordWrap(True)
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self.status.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
        )
        self.status.setMinimumHeight(STATUS_LINES * self.fontMetrics().lineSpacing())
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop)
        foot = QWidget()
        column = QVBoxLayout(foot)
        column.setContentsMargins(6, 4, 6, 6)
        column.setSpacing(4)
        for part in (
            self.offer,
            self.start,
            self.preview,
            self.status,
            self.progress_row,
        ):
            column.addWidget(part)
        return foot

    def _connect(self) -> None:
        controller, perform = self.controller, self.controller.perform
        choices = self.choices
        controller.annotation_changed.connect(self._on_changed)
        controller.message.connect(self._show_message)
        for changed in (controller.model_changed, controller.tool_changed):
            changed.connect(self._forget_error)
        controller.working.connect(self.progress_row.show_working)
        controller.predictions.progress.connect(self.progress_row.show_share)
        controller.measures_wanted.connect(self.objects.open_measures)
        self.images.layer_chosen.connect(self.choose_image)
        self.reference.layer_chosen.connect(self._choose_reference)
        self.window_.preset_chosen.connect(choices.set_window)
        self.planes.plane_chosen.connect(lambda plane: perform(a.SetPlane(plane=plane)))
        self.structures.combo_box.structure_chosen.connect(self._select)
        self.structures.combo_box.refused.connect(controller.report_error)
        self.prompts.live_changed.connect(choices.set_live)
        self.prompts.live.setChecked(segment_settings().live)
        self.prompts.predict_pressed.connect(lambda: perform(a.GenerateMask()))
        self.open.clicked.connect(lambda: perform(a.OpenImage()))
        self.steps.clicked.connect(self.first_steps.toggle)
        self.preview.accept.clicked.connect(lambda: perform(a.AcceptMask()))
        self.preview.reject.clicked.connect(lambda: perform(a.RejectMask()))
        self.preview.undo.clicked.connect(lambda: perform(a.Undo()))
        self.preview.redo.clicked.connect(lambda: perform(a.Redo()))
        self.preview.next.clicked.connect(lambda: self._cycle(1))
        self.preview.previous.clicked.connect(lambda: self._cycle(-1))
        self.whole.propagate_pressed.connect(choices.propagate)
        self.whole.find_pressed.connect(
            lambda region: perform(a.SegmentStructures(structures=(region,)))
        )
        self.save.clicked.connect(lambda: perform(a.SaveLabels()))
        self.progress_row.cancel.clicked.connect(controller.cancel)
        files = QMenu(self)
        files.addAction("Save\tCtrl+S", self.autosave_controller.save)
        files.addAction("Save as…", self.autosave_controller.save_as)
        files.addAction("Open…", self.autosave_controller.open)
        files.addAction("Open labels to go on from…", self.start.choose)
        self.more.setMenu(files)
        dims = self.viewer.dims.events
        dims.order.connect(self._show_plane)
        dims.ndisplay.connect(self._show_plane)
        for event in (dims.order, dims.ndisplay, dims.current_step):
            event.connect(self._forget_error)
        self.viewer.layers.events.inserted.connect(self._choose_first_image)

    def _keys(self) -> dict[str, Callable[[], object]]:
        perform = self.controller.perform
        return {
            **self.tools.keys(),
            **{
                command.key: partial(
                    perform, parse_action({"action": name, **command.arguments})
                )
                for name, command in a.COMMANDS.values()
                if command.key
            },
            "F": self.choices.propagate_again,
            "Ctrl+S": self.autosave_controller.save,
            ",": lambda: self.structures.step(-1),
            ".": lambda: self.structures.step(1),
            "M": self.objects.commands.select_next_free,
            "T": lambda: self.three_views.toggle_by_key(),
        }

    def choose_image(self, layer: Image | None) -> None:
        """Annotate an image layer; a layer that cannot serve is told and not taken."""
        controller = self.controller
        controller.attempt(lambda: controller.choose_image(layer))

    def _choose_first_image(self, event: object = None) -> None:
        """Take the first grey image by itself as long as none is chosen."""
        if self.controller.annotation is not None:
            return
        for layer in self.viewer.layers:
            if isinstance(layer, Image) and not layer.rgb:
                self.choose_image(layer)
                return

    def _choose_reference(self, layer: Labels | None) -> None:
        controller = self.controller
        if not controller.attempt(lambda: controller.choose_reference(layer)):
            self.reference.show_layer(controller.reference)

    def _select(self, name: str) -> None:
        self.controller.perform(a.SelectStructure(structure=name))

    def _cycle(self, offset: int) -> None:
        forward, back = a.NextCandidate(), a.PreviousCandidate()
        self.controller.perform(forward if offset > 0 else back)

    def _on_changed(self, change: Change | None) -> None:
        controller = self.controller
        annotation, layers = controller.annotation, controller.layers
        self._forget_error()
        self.images.show_layer(None if layers is None else layers.image)
        self.reference.show_layer(controller.reference)
        for part in self._parts_of_an_image:
            part.setEnabled(annotation is not None)
        if annotation is None or layers is None:
            self.preview.show_preview(None)
            return
        state, history = annotation.state, annotation.history
        self.structures.combo_box.show_structure(state.selected)
        self.window_.show_window(state.window)
        self.preview.show_preview(state.preview)
        self.preview.show_history(history.undo_names, history.redo_names)
        self._show_plane()
        if change is None or change == EVERYTHING:
            if self.status.text() == HINT:
                self._show_message("", False)
            return
        if change.selection and state.selected is not None:
            self._show_message(f"{state.selected} is selected.", False)
        if change.prompts and state.selected is not None and state.preview is None:
            self._show_foreign(state.selected)
        if change.preview and state.preview is not None:
            # After the mask is drawn: measures against a reference take a while.
            after_drawing(self._show_prediction)

    def _show_foreign(self, name: str) -> None:
        """Say so where the newest point lies on the label of another structure."""
        if self.viewer.dims.ndisplay == 2 and self.controller.annotation is not None:
            key = self.controller.view.current_slice()
            told = foreign_text(self.controller.annotation, name, key)
            if told:
                self._show_message(told, False)

    def _show_prediction(self) -> None:
        annotation = self.controller.annotation
        if annotation is not None and annotation.state.preview is not None:
            told = prediction_text(annotation, annotation.state.preview)
            self._show_message(told, False)

    def _show_plane(self) -> None:
        flat = self.viewer.dims.ndisplay == 2 and self.viewer.dims.ndim >= 3
        axis = self.viewer.dims.order[-3] - (self.viewer.dims.ndim - 3) if flat else 0
        self.planes.show_plane(Plane.of_axis(axis) if flat else None)

    def _show_message(self, sentence: str, is_error: bool) -> None:
        session = self.controller.session
        told = model_text(session) if session is not None else ""
        lines = [sentence] if is_error else [told, sentence]
        hint = HINT if self.controller.annotation is None and not sentence else ""
        self.status.setText("\n".join(line for line in (*lines, hint) if line))
        self.status.setStyleSheet(f"color: {ERROR_COLOR};" if is_error else "")
        self._error_stands = False
        self._aging.stop()
        if is_error:
            self._aging.start(0)

    def _age_error(self) -> None:
        """Let the error go with the next change, but not with the one it came with."""
        self._error_stands = True

    def _forget_error(self, _event: object = None) -> None:
        """Take back an error of what has changed since; without a model it stays."""
        if self._error_stands and self.controller.session is not None:
            self._show_message("", False)
