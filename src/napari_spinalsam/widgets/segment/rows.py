"""The rows of the Segment dock, from window and plane to progress and first steps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_spinalsam.actions import models as a
from napari_spinalsam.actions import pointer
from napari_spinalsam.core.anatomy import Plane
from napari_spinalsam.core.intensity import PRESETS, Window
from napari_spinalsam.layers.tools import TOOLS
from napari_spinalsam.widgets.parts import (
    ROW_GAP_PX,
    STEP_GAP_PX,
    StructureComboBox,
    button,
    make_narrow,
    menu_button,
    side_by_side,
)
from napari_spinalsam.widgets.preferences import keep, segment_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QResizeEvent

    from napari_spinalsam.annotation.state import Preview
    from napari_spinalsam.widgets.controller import SegmentController
    from napari_spinalsam.widgets.linked_views import ThreeViews

# The prompt tools, those of each minute first, and how wide each is in its row.
TOOL_ROWS = (
    (("positive", 4), ("negative", 4), ("box", 3)),
    (("scribble", 9), ("negative scribble", 10), ("lasso", 6)),
)
CUSTOM_WINDOW = "custom"
# As a share of the row that they have with the switch for three views.
PLANE_SHARES = {Plane.AXIAL: 4, Plane.SAGITTAL: 5, Plane.CORONAL: 5}
LONGEST_NAME = 6
DIRECTIONS = (
    ("Both ways", "both"),
    ("Forward, to higher slice numbers", "forward"),
    ("Backward, to lower slice numbers", "backward"),
)
REGIONS = (
    ("Lumbar, L1 to L5", "lumbar"),
    ("Thoracic, T1 to T12", "thoracic"),
    ("Cervical, C1 to C7", "cervical"),
    ("The whole spine", "spine"),
    ("Discs", "discs"),
)
THREE_SHARE = 6
# Progress that is over sooner is not shown: the dock would only flicker.
PROGRESS_DELAY_MS = 250
STEPS = (
    "1. Choose a structure (, or .).",
    "2. Click in it (P), beside it (N), or drag a box (B).",
    "3. Enter accepts, Esc drops; F propagates the mask through the volume.",
)
# The last line of a wrapped text is cut by about as much.
DESCENDER_PX = 3


class Section(QWidget):
    """A part of the dock that can be folded away; its content may grow.

    superqt's QCollapsible fixes the height of its content as it unfolds, so that a
    table that grows with each structure would be cut off.

    Parameters
    ----------
    title : str
        What the part shows.
    content : QWidget
        The part.
    """

    def __init__(self, title: str, content: QWidget) -> None:
        super().__init__()
        self.head = QToolButton()
        self.head.setText(title)
        self.head.setCheckable(True)
        self.head.setChecked(True)
        self.head.setAutoRaise(True)
        self.head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.content = content
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.head)
        layout.addWidget(content)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.head.toggled.connect(self._unfold)
        self._unfold(unfolded=True)

    def _unfold(self, unfolded: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if unfolded else Qt.ArrowType.RightArrow
        self.head.setArrowType(arrow)
        self.content.setVisible(unfolded)


class WindowComboBox(QComboBox):
    """Window presets, and the window in use where it is none of them."""

    preset_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        make_narrow(self)
        self.setToolTip(
            "How Hounsfield units become grey, for the display and for the model"
        )
        for name, window in PRESETS.items():
            text = f"{name.replace('_', ' ')} {window.level:g}/{window.width:g}"
            self.addItem(text, name)
        self.activated.connect(self._on_activated)

    def show_window(self, window: Window) -> None:
        """Show the preset that a window is, or its level and width."""
        custom = self.findData(CUSTOM_WINDOW)
        if custom >= 0:
            self.removeItem(custom)
        for place in range(self.count()):
            if PRESETS[self.itemData(place)] == window:
                self.setCurrentIndex(place)
                return
        self.addItem(f"{window.level:g}/{window.width:g}", CUSTOM_WINDOW)
        self.setCurrentIndex(self.count() - 1)

    def _on_activated(self) -> None:
        if self.currentData() != CUSTOM_WINDOW:
            self.preset_chosen.emit(self.currentData())


class PlaneRow(QWidget):
    """The plane that the viewer shows."""

    plane_chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(STEP_GAP_PX)
        self.planes = QButtonGroup(self)
        for plane in (Plane.AXIAL, Plane.SAGITTAL, Plane.CORONAL):
            chosen = QPushButton(plane.capitalize())
            chosen.setCheckable(True)
            chosen.setToolTip(f"Show {plane} slices")
            chosen.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            self.planes.addButton(chosen, plane.axis)
            row.addWidget(chosen, PLANE_SHARES[plane])
        self.planes.idClicked.connect(self._on_clicked)

    def show_plane(self, plane: Plane | None) -> None:
        """Press the button of the plane that the viewer shows."""
        self.planes.setExclusive(plane is not None)
        for each in self.planes.buttons():
            each.setChecked(plane is not None and self.planes.id(each) == plane.axis)

    def _on_clicked(self, axis: int) -> None:
        self.plane_chosen.emit(Plane.of_axis(axis))


class StructureRow(QWidget):
    """The structure to write to, and its neighbours."""

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(STEP_GAP_PX)
        self.combo_box = StructureComboBox()
        self.combo_box.setMinimumContentsLength(LONGEST_NAME)
        row.addWidget(self.combo_box, 1)
        for text, offset, tip in (
            ("<", -1, "Previous structure (,)"),
            (">", 1, "Next structure (.)"),
        ):
            step = QToolButton()
            step.setText(text)
            step.setToolTip(tip)
            step.clicked.connect(lambda _, offset=offset: self.step(offset))
            row.addWidget(step)

    def step(self, offset: int) -> None:
        """Choose a neighbour of the same kind."""
        self.combo_box.structure_chosen.emit(self.combo_box.neighbour(offset))


class PromptRow(QWidget):
    """The prompt tools and the live switch."""

    tool_pressed = Signal(str)
    live_changed = Signal(bool)
    predict_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(ROW_GAP_PX)
        self.tools: dict[str, QPushButton] = {}
        for names in TOOL_ROWS:
            row = side_by_side(rows)
            for name, share in names:
                tool = TOOLS[name]
                pressed = partial(self.tool_pressed.emit, name)
                made = button(tool.text, tool.tip, tool.key, pressed)
                made.setCheckable(True)
                self.tools[name] = made
                row.addWidget(made, share)
        self.live = QCheckBox("Live")
        self.live.setChecked(True)
        self.live.setToolTip("Predict after every prompt")
        self.live.toggled.connect(self.live_changed)
        self.predict = button(
            "Predict",
            "Predict from the prompts of this slice",
            "G",
            self.predict_pressed.emit,
        )
        self.clear = QPushButton("Clear")
        self.clear.setToolTip("Remove prompts that are not accepted; labels stay")
        self.clear.setSizePolicy(self.predict.sizePolicy())
        below = side_by_side(rows)
        for part in (self.live, self.predict, self.clear):
            below.addWidget(part, 1)

    def show_tool(self, tool: str) -> None:
        """Press the button of the active tool."""
        for name, made in self.tools.items():
            made.setChecked(name == tool)


def preview_text(preview: Preview | None) -> str:
    """Return structure, candidate and predicted IoU of the mask that waits."""
    if preview is None:
        return "no mask yet"
    return (
        f"{preview.structure}: {preview.chosen + 1}/{preview.count}"
        f" · predicted IoU {preview.predicted_iou:.2f}"
    )


class PreviewRow(QWidget):
    """Candidates, accept, reject, undo and redo."""

    def __init__(self) -> None:
        super().__init__()
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(ROW_GAP_PX)
        self.text = QLabel("no mask yet")
        self.text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.previous = QToolButton()
        self.previous.setText("<")
        self.previous.setToolTip("Previous candidate mask (Shift+C)")
        self.next = QToolButton()
        self.next.setText(">")
        self.next.setToolTip("Next candidate mask (C)")
        top = side_by_side(rows)
        top.addWidget(self.previous)
        top.addWidget(self.text, 1)
        top.addWidget(self.next)
        self.accept = QPushButton("Accept  Enter")
        self.accept.setToolTip("Write the mask into the labels (Enter)")
        self.reject = QPushButton("Reject  Esc")
        self.reject.setToolTip("Drop the mask; prompts stay until Esc once more (Esc)")
        self.undo = QPushButton("Undo  Ctrl+Z")
        self.redo = QPushButton("Redo")
        for pair in ((self.accept, self.reject), (self.undo, self.redo)):
            row = side_by_side(rows)
            for made in pair:
                made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
                row.addWidget(made)

    def show_preview(self, preview: Preview | None) -> None:
        """Show candidate and predicted IoU, or that there is no mask."""
        for made in (self.accept, self.reject, self.previous, self.next):
            made.setEnabled(preview is not None)
        self.text.setText(preview_text(preview))

    def show_history(self, undo: tuple[str, ...], redo: tuple[str, ...]) -> None:
        """Enable undo and redo, naming what they would do."""
        self.undo.setEnabled(bool(undo))
        self.redo.setEnabled(bool(redo))
        self.undo.setToolTip(f"Undo: {undo[0]} (Ctrl+Z)" if undo else "Nothing to undo")
        self.redo.setToolTip(
            f"Redo: {redo[0]} (Ctrl+Shift+Z)" if redo else "Nothing to redo"
        )


class PropagationRow(QWidget):
    """Two buttons with menus.

    Signals
    -------
    propagate_pressed(direction)
        ``"both"``, ``"forward"`` or ``"backward"``.
    find_pressed(region)
        Name of a region.
    """

    propagate_pressed = Signal(str)
    find_pressed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(ROW_GAP_PX)
        self.propagate = _offering(
            "Propagate  F",
            "Propagate the mask of the structure through the volume; what you "
            "accepted or painted stays as it is (F: the way chosen last, "
            "at first both)",
            DIRECTIONS,
            self.propagate_pressed.emit,
        )
        self.find_button = _offering(
            "Find",
            "Find and name vertebrae and the discs between them; label a vertebra "
            "first, and the others are counted from it",
            REGIONS,
            self.find_pressed.emit,
        )
        row.addWidget(self.propagate)
        row.addWidget(self.find_button)


def _offering(
    text: str,
    tip: str,
    choices: tuple[tuple[str, str], ...],
    chosen: Callable[[str], None],
) -> QPushButton:
    made, menu = menu_button(text, tip)
    for title, value in choices:
        menu.addAction(title, partial(chosen, value))
    return made


class ViewsRow(QWidget):
    """One plane, or all three: the last button stays pressed while they are shown.

    Parameters
    ----------
    views : ThreeViews
        What that button shows and hides.
    """

    def __init__(self, views: ThreeViews) -> None:
        super().__init__()
        self.planes = PlaneRow()
        self.three = button(
            "3 views",
            "Axial, sagittal and coronal at once; a click moves the cross-hair, and "
            "every tool works in every view",
            "T",
            views.toggle,
        )
        self.three.setCheckable(True)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(STEP_GAP_PX)
        row.addWidget(self.planes, sum(PLANE_SHARES.values()))
        row.addWidget(self.three, THREE_SHARE)
        views.shown.connect(self.three.setChecked)


class ProgressRow(QWidget):
    """What goes on in a thread, if it goes on for long enough to be worth a look."""

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.bar = QProgressBar()
        # A bar without an end would be animated, and each frame redraws the window.
        self.bar.setRange(0, 100)
        self.bar.setValue(0)  # Qt shows no text before there is a value
        self.cancel = QPushButton("Cancel")
        # What goes on; empty when idle.
        self.sentence = ""
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel)
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(PROGRESS_DELAY_MS)
        self._delay.timeout.connect(self.show)
        self.hide()

    def show_working(self, sentence: str) -> None:
        """Show what goes on before long, or nothing for an empty sentence."""
        self.sentence = sentence
        self.bar.setFormat(sentence)
        if not sentence:
            self._delay.stop()
            self.bar.setValue(0)
            self.hide()
        elif self.isHidden() and not self._delay.isActive():
            self._delay.start()

    def show_share(self, share: float) -> None:
        """Fill the bar up to a share, 0 to 1."""
        self.bar.setValue(round(100 * share))


class FirstSteps(QFrame):
    """Three steps with their keys, and a button that puts them away for good."""

    def __init__(self) -> None:
        super().__init__()
        self._fitted_width = 0
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._column = column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(2)
        self.dismiss = QToolButton()
        self.dismiss.setText("Got it")
        self.dismiss.setToolTip("Put this away; the button with the ? brings it back")
        self.dismiss.clicked.connect(lambda: self.show_if(wanted=False))
        first, *others = (QLabel(step) for step in STEPS)
        first.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        top = QHBoxLayout()
        top.addWidget(first, 1)
        top.addWidget(self.dismiss)
        column.addLayout(top)
        self._wrapped = others
        for line in others:
            line.setTextFormat(Qt.TextFormat.PlainText)
            line.setWordWrap(True)
            column.addWidget(line)
        self.setVisible(segment_settings().first_steps)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Keep room for all lines: a scroll area knows nothing of wrapped ones."""
        super().resizeEvent(event)
        if self.width() == self._fitted_width:  # a new height is no reason to measure
            return
        self._fitted_width = self.width()
        margins = self.contentsMargins() + self._column.contentsMargins()
        width = self.width() - margins.left() - margins.right()
        for line in self._wrapped:
            line.setMinimumHeight(0)  # else the height measured is at least the last
            line.setMinimumHeight(line.heightForWidth(width) + DESCENDER_PX)
        self.setMinimumHeight(0)
        self.setMinimumHeight(self.heightForWidth(self.width()))

    def toggle(self) -> None:
        """Show the hint, or put it away."""
        self.show_if(wanted=self.isHidden())

    def show_if(self, *, wanted: bool) -> None:
        """Show the hint or put it away, also at the next start."""
        keep("first_steps", wanted)
        self.setVisible(wanted)


class PromptTools:
    """Ties the row of prompt tools to the controller.

    Parameters
    ----------
    controller : SegmentController
        What the tools act through.
    row : PromptRow
        The buttons.
    """

    def __init__(self, controller: SegmentController, row: PromptRow) -> None:
        self._controller, self._row = controller, row
        controller.tool_changed.connect(row.show_tool)
        row.tool_pressed.connect(self._toggle)
        menu = QMenu(row)
        for text, action in (
            ("Points", a.ClearPoints()),
            ("Boxes", a.ClearBoxes()),
            ("All prompts and the mask", a.ClearAll()),
            ("Scribbles", pointer.ClearScribbles()),
            ("Lassos", pointer.ClearLassos()),
        ):
            menu.addAction(text, partial(controller.perform, action))
        row.clear.setMenu(menu)

    def keys(self) -> dict[str, Callable[[], object]]:
        """Return what each key does."""
        tools = {tool.key: partial(self._toggle, name) for name, tool in TOOLS.items()}
        return {**tools, "Esc": self._escape}

    def _toggle(self, name: str) -> None:
        """Activate a tool, saying what to do with it, or put it away."""
        controller = self._controller
        controller.attempt(lambda: controller.view.toggle(name))
        active = controller.view.tool
        self._row.show_tool(active)
        if active:
            tool = TOOLS[active]
            told = f"{tool.tip}. {tool.key} puts the tool away."
            controller.message.emit(told, False)

    def _escape(self) -> None:
        """Drop the mask, once more the prompts it came from, then put the tool away."""
        annotation, view = self._controller.annotation, self._controller.view
        tell = self._controller.message.emit
        if annotation is not None and annotation.state.preview is not None:
            self._controller.perform(a.RejectMask())
            tell("The mask is dropped; Esc once more drops its prompts too.", False)
        elif self._clear_here():
            return
        elif view.tool:
            view.disarm()
        else:
            self._controller.perform(a.RejectMask())

    def _clear_here(self) -> bool:
        """Remove prompts not yet accepted from the slice in view, if there are any."""
        controller, annotation = self._controller, self._controller.annotation
        if annotation is None or controller.viewer.dims.ndisplay != 2:
            return False
        axis, index = controller.view.current_slice()
        if not annotation.has_pending(axis, index):
            return False
        clear = pointer.ClearSlice(axis=axis, index=index)
        return controller.perform(clear, hint="Ctrl+Z undoes it.")
