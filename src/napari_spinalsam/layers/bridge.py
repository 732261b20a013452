"""Keeps the layers of one annotation in step with it, in both directions.

The annotation is the truth. What the user does to a prompt layer is read, offered to
the annotation, and drawn anew from it, so that a refused edit disappears at once.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from napari.layers import Labels, Points, Shapes

from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.errors import SpinalSamError
from napari_spinalsam.core.masks import LabelDelta
from napari_spinalsam.layers import drawings, masks
from napari_spinalsam.layers import prompts as prompt_layers
from napari_spinalsam.layers.clicking import ImageClicks
from napari_spinalsam.layers.hand_edits import take_prompts
from napari_spinalsam.layers.making import NAMES, new_layer
from napari_spinalsam.layers.orientation import OrientationLetters
from napari_spinalsam.layers.roles import Role, find_layer
from napari_spinalsam.layers.tools import TOOLS
from napari_spinalsam.layers.view import current_slice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari import Viewer
    from napari.layers import Image, Layer

    from napari_spinalsam.annotation.change import Box, Change
    from napari_spinalsam.annotation.document import Annotation

_Kind = TypeVar("_Kind", bound="Layer")
# Layer data events that tell of a finished edit.
_FINISHED = ("added", "removed", "changed")


class AnnotationLayers:
    """The layers that show an annotation of one image.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the layers live.
    image : napari.layers.Image
        The image that is annotated.
    annotation : Annotation
        The document.
    report : callable
        Told the sentence of every refused edit.
    later : callable
        Calls what it is given once the window has drawn.
    """

    def __init__(
        self,
        viewer: Viewer,
        image: Image,
        annotation: Annotation,
        report: Callable[[str], None],
        later: Callable[[Callable[[], None]], object],
    ) -> None:
        self.viewer, self.image, self.annotation = viewer, image, annotation
        self._report, self.later = report, later
        self._blocked = self._prompts_due = False
        self._connected: list[Layer] = []
        self.preview: masks.PreviewView | None = None
        self._tool, self._axis = TOOLS["positive"], 0
        self._stroke_expected = False
        self.clicks = ImageClicks(viewer, image, annotation, self._place_point)
        self.letters = OrientationLetters(viewer, image, annotation)
        for role in NAMES:
            self.layer(role)
        annotation.changed.connect(self._on_changed)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        self.refresh()

    @property
    def points(self) -> Points:
        """The layer of point prompts."""
        return self._typed(Role.POINTS, Points)

    @property
    def boxes(self) -> Shapes:
        """The layer of box prompts."""
        return self._typed(Role.BOXES, Shapes)

    @property
    def drawings(self) -> Shapes:
        """The layer of scribbles and lassos."""
        return self._typed(Role.DRAWINGS, Shapes)

    @property
    def labels(self) -> Labels:
        """The layer of accepted structures."""
        return self._typed(Role.LABELS, Labels)

    def layer(self, role: Role) -> Layer:
        """Return the layer that plays a part; one that was removed is made anew."""
        layer = find_layer(self.viewer.layers, role, self.annotation)
        if layer is None:
            layer = new_layer(role, self.image, self.annotation)
            self.viewer.add_layer(layer)
        if layer not in self._connected:
            self._connect(layer, role)
        return layer

    def _typed(self, role: Role, kind: type[_Kind]) -> _Kind:
        layer = self.layer(role)
        if not isinstance(layer, kind):
            raise TypeError(f"{layer.name} is no {kind.__name__} layer")
        return layer

    def refresh(self) -> None:
        """Draw everything from the annotation."""
        self.image.contrast_limits = self.annotation.state.window.limits
        self._show_labels()
        masks.hide_labels(self.labels, self.annotation.state.objects)
        self._show_prompts()
        self.show_preview()
        self.letters.show()

    def arm(self, tool: str) -> None:
        """Make the mouse place prompts with a tool, one of `tools.TOOLS`."""
        axis, _ = current_slice(self.viewer, self.image)
        self.disarm()
        self._tool = TOOLS[tool]
        self.set_axis(axis)
        layer = self.layer(self._tool.role)
        self.viewer.layers.selection.active = layer
        layer.mode = self._tool.mode
        if self._tool.role is Role.POINTS:
            self.clicks.armed, layer.cursor = True, "crosshair"

    def disarm(self) -> None:
        """Let the mouse pan and zoom again."""
        self.clicks.armed, self.points.cursor = False, "standard"
        for layer in (self.points, self.boxes, self.drawings):
            layer.mode = "pan_zoom"

    def set_axis(self, axis: int) -> None:
        """Let prompts placed from now on belong to slices of another axis."""
        self._axis = axis
        self._set_next_prompt()

    def close(self) -> None:
        """Stop following; the layers stay."""
        self._prompts_due = False
        self.clicks.close()
        self.letters.close()
        self.annotation.changed.disconnect(self._on_changed)
        self.viewer.layers.events.removed.disconnect(self._on_layer_removed)
        for layer in list(self._connected):
            self._disconnect(layer)

    def _set_next_prompt(self) -> None:
        polarity, axis = self._tool.polarity, self._axis
        prompt_layers.arm_polarity(self.points, polarity, axis)
        closed = self._tool is TOOLS["lasso"]
        drawings.arm_drawing(self.drawings, polarity, axis, closed=closed)

    def _connect(self, layer: Layer, role: Role) -> None:
        self._connected.append(layer)
        if role in (Role.POINTS, Role.BOXES, Role.DRAWINGS):
            layer.events.data.connect(self._on_prompts_edited)
        elif role is Role.LABELS:
            layer.events.paint.connect(self._on_paint)
            layer.events.labels_update.connect(self._take_stroke)
        else:
            self.preview = masks.PreviewView(layer, self.annotation.geometry)

    def _disconnect(self, layer: Layer) -> None:
        self._connected.remove(layer)
        layer.events.data.disconnect(self._on_prompts_edited)
        if isinstance(layer, Labels):
            layer.events.paint.disconnect(self._on_paint)
            layer.events.labels_update.disconnect(self._take_stroke)

    def _on_layer_removed(self, event: Any) -> None:
        if event.value in self._connected:
            self._disconnect(event.value)

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Ignore layer events that come from drawing."""
        before, self._blocked = self._blocked, True
        try:
            yield
        finally:
            self._blocked = before

    def _on_changed(self, change: Change) -> None:
        if (change.prompts or change.selection) and not self._prompts_due:
            self._show_prompts()
        if change.selection:
            self._set_brush()
        if change.preview:
            self.show_preview()
        if change.labels is not None:
            self._show_labels(change.labels)
        if change.objects:
            masks.hide_labels(self.labels, self.annotation.state.objects)
        if change.window:
            self.image.contrast_limits = self.annotation.state.window.limits

    def _show_labels(self, box: Box | None = None) -> None:
        """Draw the labels inside of a box, or all of them."""
        if box is None:
            z, y, x = (slice(0, n) for n in self.annotation.geometry.shape)
            box = (z, y, x)
        with self._quiet():
            masks.update_labels(self.labels, self.annotation.labels, box)

    def _show_prompts(self) -> None:
        self._prompts_due = False
        state = self.annotation.state
        shown = None if state.selected is None else state.find(state.selected)
        with self._quiet():
            prompt_layers.show_prompts(
                self.points, self.boxes, shown, self.annotation.geometry
            )
            drawings.show_drawings(self.drawings, shown, self.annotation.geometry)
            # New data made napari forget what the next prompt shall be.
            self._set_next_prompt()

    def _set_brush(self) -> None:
        """Let the brush of the labels layer paint the selected structure."""
        name = self.annotation.state.selected
        if name is not None:
            self.labels.selected_label = structure(name).label

    def show_preview(self) -> None:
        """Draw the mask that waits, in place of slices that were reached by a job."""
        layer, shown = self.layer(Role.PREVIEW), self.annotation.state.preview
        if self.preview is not None:
            self.preview.show(shown)
        if shown is not None:
            layer.visible = True  # a mask that was asked for is there to be seen

    def _place_point(self, position: tuple[float, ...]) -> None:
        """Offer a click to the annotation; its layer shows it after the mask."""
        self._prompts_due = True
        try:
            axis, index = current_slice(self.viewer, self.image)
            place = np.asarray(self.image.world_to_data(position[-self.image.ndim :]))
            polarity, geometry = self._tool.polarity, self.annotation.geometry
            point = prompt_layers.point_at(place, axis, polarity, geometry)
            self.annotation.add_point(axis, index, point)
        except SpinalSamError as error:
            self._report(str(error))
        self.later(self._show_due_prompts)

    def _show_due_prompts(self) -> None:
        if self._prompts_due:
            self._show_prompts()

    def _on_prompts_edited(self, event: Any) -> None:
        if self._blocked:
            return
        if str(event.action) not in _FINISHED:
            self._show_due_prompts()  # before the user's edit comes on top
            return
        try:
            current_slice(self.viewer, self.image)  # refuses a 3-D view
            take_prompts(self.annotation, self.points, self.boxes, self.drawings)
        except SpinalSamError as error:
            self._report(str(error))
        self._show_prompts()

    def _on_paint(self, event: Any) -> None:
        """Take a stroke; one that is only written after this event comes then."""
        if not self._blocked:
            self._stroke_expected = True
            self._take_stroke()

    def _take_stroke(self, event: Any = None) -> None:
        """Offer what the labels layer holds: the voxels tell, not napari's event."""
        if self._blocked or not self._stroke_expected:
            return
        before = self.annotation.labels
        painted = np.asarray(self.labels.data, np.uint8).reshape(before.shape)
        stroke = LabelDelta.between(before, painted)
        if stroke.is_empty:
            return
        self._stroke_expected = False
        try:
            spared = self.annotation.paint(stroke)
            if spared:
                self._report(f"{spared} voxels are locked: unlock them to paint there.")
        except SpinalSamError as error:
            self._report(str(error))
        self._show_labels()
