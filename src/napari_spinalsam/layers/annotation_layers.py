"""Keeps the layers of one annotation in step with it, in both directions.

The annotation is the truth. What the user does to a prompt layer is read, offered to
the annotation, and redrawn from it, so that a refused edit disappears at once. A
layer that is removed comes back once the removal is over, if it has anything to show
and its image is still there.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from napari.layers import Labels, Points, Shapes

from napari_spinalsam.actions import models as a
from napari_spinalsam.actions import pointer
from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.errors import InputError, SpinalSamError
from napari_spinalsam.core.messages import msg
from napari_spinalsam.core.prompts import SlicePrompts
from napari_spinalsam.layers import label_layers, prompt_layers
from napari_spinalsam.layers.dims import current_slice, shares_units, to_data
from napari_spinalsam.layers.grids import (
    move_with_all,
    resize_turned,
    set_transform,
    sized_transform,
    transform_of,
)
from napari_spinalsam.layers.label_layers import LabelEdits, LeftLabels
from napari_spinalsam.layers.mouse import ImageClicks
from napari_spinalsam.layers.orientation import OrientationLetters
from napari_spinalsam.layers.prompt_layers import read_drawings, read_prompts
from napari_spinalsam.layers.roles import (
    Role,
    entry_of,
    find_layer,
    retire,
    role_metadata,
    role_of,
)
from napari_spinalsam.layers.tools import TOOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from napari import Viewer
    from napari.layers import Image, Layer

    from napari_spinalsam.actions.pointer import AnyAction
    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.events import Change
    from napari_spinalsam.annotation.executor import Act
    from napari_spinalsam.core.volume import FileGrid

NAMES = {
    Role.LABELS: "labels",
    Role.PREVIEW: "preview",
    Role.BOXES: "boxes",
    Role.DRAWINGS: "drawings",
    Role.POINTS: "points",
}
# Rows and columns; a box that is smaller was a click or a line.
LEAST_BOX = 1.0
logger = logging.getLogger(__name__)
_Kind = TypeVar("_Kind", bound="Layer")
PROMPT_ROLES = (Role.POINTS, Role.BOXES, Role.DRAWINGS)
# Where a labels layer keeps where its image was shown when it was put down.
LEFT_AT = "left_at"
# Layer data events that tell of a finished edit.
_FINISHED = ("added", "removed", "changed")


def new_layer(role: Role, image: Image, annotation: Annotation) -> Layer:
    """Return a layer that plays a part for an annotation, lying on its image."""
    attributes: dict[str, Any] = {
        **transform_of(image),
        "axis_labels": image.axis_labels,
        "name": f"{image.name} {NAMES[role]}",
        "metadata": role_metadata(role, annotation, image),
    }
    if role is Role.POINTS:
        return prompt_layers.new_points_layer(image.ndim, **attributes)
    if role is Role.BOXES:
        return prompt_layers.new_boxes_layer(image.ndim, **attributes)
    if role is Role.DRAWINGS:
        return prompt_layers.new_drawings_layer(image.ndim, **attributes)
    shape = tuple(image.data.shape)
    if role is Role.PREVIEW:
        return label_layers.new_preview_layer(shape, **attributes)
    attributes["metadata"]["napari_spinalsam"]["grid"] = annotation.volume.grid
    labels = annotation.labels.reshape(shape)
    return label_layers.new_labels_layer(labels, annotation.state.objects, **attributes)


def edits_in(
    annotation: Annotation,
    points: Points | None,
    boxes: Shapes | None,
    drawings: Shapes | None,
) -> list[AnyAction]:
    """Return what was done to the prompt layers, an action for each slice.

    Parameters
    ----------
    annotation : Annotation
        The document.
    points, boxes, drawings : layer or None
        The prompt layers. Prompts whose layer is not there stay as they are.

    Raises
    ------
    InputError
        If something drawn is no prompt.
    """
    geometry = annotation.geometry
    found = read_drawings(drawings, geometry, read_prompts(points, boxes, geometry))
    unseen = [
        field
        for layer, fields in (
            (points, ("points",)),
            (boxes, ("box",)),
            (drawings, ("scribbles", "lasso")),
        )
        for field in fields
        if layer is None
    ]
    name = annotation.state.selected
    known = None if name is None else annotation.state.find(name)
    keys = set(found)
    if known is not None:
        keys |= {prompts.key for prompts in known.prompts}
        keys |= {entry.prompts.key for entry in known.accepted}
    edits = []
    for key in sorted(keys):
        before = annotation.prompts_at(*key)
        drawn = found.get(key) or SlicePrompts(*key)
        after = replace(drawn, **{field: getattr(before, field) for field in unseen})
        if after != before:
            _check_box(before, after)
            edits.append(prompt_layers.edit_between(before, after))
    return edits


def _check_box(before: SlicePrompts, after: SlicePrompts) -> None:
    box = after.box
    if box is None or box == before.box:
        return
    if min(box.row_max - box.row_min, box.col_max - box.col_min) < LEAST_BOX:
        raise InputError(
            msg(
                "The box is thinner than a pixel: drag from one corner of the "
                "structure to the other."
            )
        )


def left_at(layers: Iterable[Layer], annotation: Annotation) -> dict[str, Any] | None:
    """Return where the image of an annotation was shown when it was put down."""
    labels = find_layer(layers, Role.LABELS, annotation)
    return None if labels is None else entry_of(labels).get(LEFT_AT)


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
    act : callable
        Runs actions on the document, such as `Executor.run_plan`.
    report : callable
        Told the sentence of every refused edit.
    after_drawing : callable
        Calls what it is given once the window has drawn.
    """

    def __init__(
        self,
        viewer: Viewer,
        image: Image,
        annotation: Annotation,
        act: Act,
        report: Callable[[str], None],
        after_drawing: Callable[[Callable[[], None]], object],
    ) -> None:
        self.viewer, self.image, self.annotation = viewer, image, annotation
        self.act, self._report, self.after_drawing = act, report, after_drawing
        self._blocked = self._prompts_due = False
        self._connected: list[Layer] = []
        self.preview: label_layers.PreviewView | None = None
        self.label_edits: LabelEdits | None = None
        self._tool, self._axis = TOOLS["positive"], 0
        # A shape that napari has begun and not finished, and whether it is void.
        self._half_drawn = self._void = False
        self._closed = False
        self.clicks = ImageClicks(
            viewer, image, annotation, self._place_point, self._select
        )
        self.letters = OrientationLetters(viewer, image, annotation)
        # Where the image was shown on each grid, for undo to bring it back there.
        self._transforms = {annotation.volume.grid: self._left_at()}
        for role in NAMES:
            self.layer(role)
        annotation.changed.connect(self._on_changed)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        viewer.layers.events.inserted.connect(self._on_layer_inserted)
        self._on_layer_inserted()
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
        """Return the layer that plays a part; one that was removed is made again."""
        layer = find_layer(self.viewer.layers, role, self.annotation)
        if layer is None:
            layer = new_layer(role, self.image, self.annotation)
            self.viewer.add_layer(layer)
        if layer not in self._connected:
            self._connect(layer, role)
        return layer

    def _present(self, role: Role) -> Any:
        """Return the layer that plays a part, None if it was removed."""
        return find_layer(self.viewer.layers, role, self.annotation)

    def _typed(self, role: Role, kind: type[_Kind]) -> _Kind:
        layer = self.layer(role)
        if not isinstance(layer, kind):
            raise TypeError(f"{layer.name} is no {kind.__name__} layer")
        return layer

    def refresh(self) -> None:
        """Draw everything from the annotation."""
        self.image.contrast_limits = self.annotation.state.window.limits
        self._hide_labels()
        self._show_prompts_when_free()
        self.show_preview()
        self.letters.show()

    def take_edits(self, *, in_stroke: bool = True) -> None:
        """Enter what the labels layer holds and napari has not told of."""
        if self.label_edits is not None:
            self.label_edits.take(in_stroke=in_stroke)

    def arm(self, tool: str) -> None:
        """Make the mouse place prompts with a tool, one of `tools.TOOLS`."""
        axis, _ = current_slice(self.viewer, self.image)
        drawn = TOOLS[tool].role is not Role.POINTS
        if drawn and not shares_units(self.viewer, self.image):
            raise InputError(
                msg(
                    "Another layer is in a smaller unit than {name!r}, which "
                    "napari's drawing tools ignore: give all layers the same unit, "
                    "or use points.",
                    name=self.image.name,
                )
            )
        self.disarm()
        self._tool = TOOLS[tool]
        self.set_axis(axis)
        layer = self.layer(self._tool.role)
        self.viewer.layers.selection.active = layer
        layer.mode = self._tool.mode
        if self._tool.role is Role.POINTS:
            self.clicks.armed, layer.cursor = True, "crosshair"

    def disarm(self) -> None:
        """Let the mouse pan and zoom again; what is half drawn is dropped."""
        self.clicks.armed, points = False, self._present(Role.POINTS)
        if points is not None:
            points.cursor = "standard"
        with self._quiet():  # napari finishes what is half drawn
            for layer in filter(None, map(self._present, PROMPT_ROLES)):
                layer.mode = "pan_zoom"
        if self._half_drawn:
            self._show_prompts()

    def set_axis(self, axis: int) -> None:
        """Let prompts placed from now on belong to slices of another axis."""
        self._axis = axis
        self._set_next_prompt()

    @property
    def is_drawing(self) -> bool:
        """Whether layers change because they are drawn, and not by the user."""
        return self._blocked

    def note_place(self, grid: FileGrid) -> None:
        """Remember that the image is shown where it is now when it has a grid."""
        self._transforms[grid] = transform_of(self.image)

    def follow_image(self) -> None:
        """Let all layers lie where the image is now, which its grid tells already."""
        self.note_place(self.annotation.volume.grid)
        transform = transform_of(self.image)
        with self._quiet():
            for role in NAMES:
                layer = self._present(role)
                if layer is None:
                    continue
                set_transform(layer, transform)
                if "grid" in entry_of(layer):
                    entry_of(layer)["grid"] = self.annotation.volume.grid
        resize_turned(self.image, self.viewer.layers, self.annotation.volume.grid)

    def show_grid(self) -> None:
        """Show image and layers where the grid of the annotation has them."""
        grid = self.annotation.volume.grid
        wanted = self._transforms.get(grid)
        if wanted is None:
            wanted = sized_transform(self.image, grid.geometry)
        with self._quiet():
            move_with_all(self.image, self.viewer.layers, wanted)
        self.follow_image()

    def follow_moved(self, grid: FileGrid) -> None:
        """Let the annotation lie where the image was moved to while it was put down."""
        self.note_place(grid)
        if not grid.equals(self.annotation.volume.grid):
            self.act([pointer.MoveImage(grid=grid)])
        self.follow_image()

    def _left_at(self) -> dict[str, Any]:
        """Return where the image was shown as its annotation lay at last."""
        left = left_at(self.viewer.layers, self.annotation)
        return transform_of(self.image) if left is None else left

    def close(self) -> None:
        """Stop following; the layers stay, and show what the labels become."""
        self._prompts_due, self._closed = False, True
        self.clicks.close()
        self.letters.close()
        self.annotation.changed.disconnect(self._on_changed)
        self.viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self.viewer.layers.events.inserted.disconnect(self._on_layer_inserted)
        for layer in list(self._connected):
            self._disconnect(layer)
        if isinstance(labels := self._present(Role.LABELS), Labels):
            LeftLabels(labels, self.annotation)
            known = self._transforms.get(self.annotation.volume.grid)
            entry_of(labels)[LEFT_AT] = known or transform_of(self.image)

    def _set_next_prompt(self) -> None:
        polarity, axis = self._tool.polarity, self._axis
        points, drawn = self._present(Role.POINTS), self._present(Role.DRAWINGS)
        if points is not None:
            prompt_layers.arm_polarity(points, polarity, axis)
        if (boxes := self._present(Role.BOXES)) is not None:
            prompt_layers.arm_axis(boxes, axis)
        if drawn is not None:
            closed = self._tool is TOOLS["lasso"]
            prompt_layers.arm_drawing(drawn, polarity, axis, closed=closed)

    def _connect(self, layer: Layer, role: Role) -> None:
        self._connected.append(layer)
        if role in (Role.POINTS, Role.BOXES, Role.DRAWINGS):
            layer.events.data.connect(self._on_prompts_edited)
            layer.events.features.connect(self._on_prompts_refreshed)
            layer.events.set_data.connect(self._on_prompts_refreshed)
        elif isinstance(layer, Labels) and role is Role.LABELS:
            self.label_edits = LabelEdits(
                self.viewer,
                self.image,
                layer,
                self.annotation,
                self.act,
                self._edit,
                self._report,
                self.after_drawing,
            )
        else:
            self.preview = label_layers.PreviewView(layer, self.annotation.geometry)

    def _disconnect(self, layer: Layer) -> None:
        self._connected.remove(layer)
        if self.preview is not None and self.preview.layer is layer:
            self.preview = None
        layer.events.data.disconnect(self._on_prompts_edited)
        if not isinstance(layer, Labels):
            layer.events.features.disconnect(self._on_prompts_refreshed)
            layer.events.set_data.disconnect(self._on_prompts_refreshed)
        if self.label_edits is not None and self.label_edits.layer is layer:
            self.label_edits.close()
            self.label_edits = None

    def _on_layer_removed(self, event: Any) -> None:
        if event.value in self._connected:
            self._disconnect(event.value)
            role = role_of(event.value)
            # Not now: others may be about to go, and the image with them.
            self.after_drawing(lambda: self._bring_back(role))

    def _bring_back(self, role: Role | None) -> None:
        """Show again what a removed layer showed, unless the image is gone too."""
        if self._closed or self.image not in self.viewer.layers:
            return
        if role is Role.LABELS and self._present(role) is None:
            self.layer(role)
            if self.annotation.labels.any():
                self._report(
                    "The labels layer shows the annotation and is back: clear "
                    "structures to empty it, or close the image to end the work."
                )
        self._show_prompts_when_free()
        self.show_preview()

    def _on_layer_inserted(self, _event: Any = None) -> None:
        """Let a duplicate of one of our layers be a layer like any other."""
        played = {role_of(layer) for layer in self._connected}
        for layer in self.viewer.layers:
            is_ours = entry_of(layer).get("annotation") is self.annotation
            if is_ours and layer not in self._connected and role_of(layer) in played:
                retire(layer)

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
            self._show_prompts_when_free()
        if change.selection:
            self._set_brush()
        if change.preview:
            self.show_preview()
        if self.label_edits is not None:
            self.label_edits.show(change.deltas)
        if change.objects:
            self._hide_labels()
        if change.window:
            self.image.contrast_limits = self.annotation.state.window.limits

    def _hide_labels(self) -> None:
        """Draw the structures that are shown, and no others."""
        if self.label_edits is not None:
            with self.label_edits.quiet():
                label_layers.hide_labels(
                    self.label_edits.layer, self.annotation.state.objects
                )

    def _show_prompts_when_free(self) -> None:
        """Draw the prompts, but not into a shape that the hand is drawing.

        That shape belongs to prompts that are no more; it goes once it is finished.
        """
        self._void = self._half_drawn
        if not self._void:
            self._show_prompts()

    def _show_prompts(self) -> None:
        self._prompts_due = self._half_drawn = self._void = False
        state = self.annotation.state
        shown = None if state.selected is None else state.find(state.selected)
        items = prompt_layers.items_of(shown)
        geometry = self.annotation.geometry
        views: tuple[tuple[Role, Callable[..., None], bool], ...] = (
            (
                Role.POINTS,
                prompt_layers.show_points,
                any(i.prompts.points for i in items),
            ),
            (Role.BOXES, prompt_layers.show_boxes, any(i.prompts.box for i in items)),
            (
                Role.DRAWINGS,
                prompt_layers.show_drawings,
                any(i.prompts.scribbles or i.prompts.lasso for i in items),
            ),
        )
        with self._quiet():
            for role, show, is_needed in views:
                layer = self.layer(role) if is_needed else self._present(role)
                if layer is not None:
                    show(layer, items, geometry)
            # New data made napari forget what the next prompt shall be.
            self._set_next_prompt()

    def _set_brush(self) -> None:
        """Let the brush of the labels layer paint the selected structure."""
        name = self.annotation.state.selected
        if name is not None:
            self.labels.selected_label = structure(name).label

    def show_preview(self) -> None:
        """Draw the mask that waits, in place of slices that were reached by a job."""
        shown = self.annotation.state.preview
        if shown is not None:
            # A mask that was asked for is there to be seen.
            self.layer(Role.PREVIEW).visible = True
        if self.preview is not None:
            self.preview.show(shown)

    def _place_point(self, position: tuple[float, ...]) -> None:
        """Offer a click to the annotation; its layer shows it after the mask."""
        self._prompts_due = True
        with self._edit():
            axis, index = current_slice(self.viewer, self.image)
            place = to_data(self.viewer, self.image, position)
            polarity, geometry = self._tool.polarity, self.annotation.geometry
            point = prompt_layers.point_at(place, axis, polarity, geometry)
            self.act([pointer.PlacePoint(axis=axis, index=index, point=point)])
        self.after_drawing(self._show_due_prompts)

    def _select(self, name: str) -> None:
        with self._edit():
            self.act([a.SelectStructure(structure=name)])

    def _show_due_prompts(self) -> None:
        if self._prompts_due:
            self._show_prompts_when_free()

    @contextmanager
    def _edit(self) -> Iterator[None]:
        """Take an edit of a layer; whatever goes wrong is told in one sentence.

        This is the edge between napari's layers, which anyone may have changed in any
        way, and the annotation. Nothing that is raised may go on from here: it would
        end napari's own work on the layer halfway. Whoever takes an edit then draws
        the layer from the annotation, so that both are equal whatever came.
        """
        try:
            yield
        except SpinalSamError as error:
            self._report(str(error))
        except Exception as error:  # the documented edge, reported and logged
            logger.exception("An edit of a layer failed")
            kind = type(error).__name__
            self._report(
                f"The edit of the layer could not be taken ({kind}: {error}): the "
                "layer shows the annotation again."
            )

    def _take_prompts(self, *layers: Any) -> int:
        """Enter what was done to the prompt layers; return on how many slices."""
        edits = edits_in(self.annotation, *layers)
        if edits:
            self.act(edits)
        return len(edits)

    def _on_prompts_edited(self, event: Any) -> None:
        if self._blocked:
            return
        action = str(event.action)
        if action not in _FINISHED:
            self._show_due_prompts()  # before the user's edit comes on top
            self._half_drawn = action == "adding"
            return
        with self._edit():
            if self._void:
                raise InputError(
                    msg(
                        "What was being drawn is dropped, for the prompts changed "
                        "meanwhile: draw it again."
                    )
                )
            current_slice(self.viewer, self.image)  # refuses a 3-D view
            layers = map(self._present, PROMPT_ROLES)
            taken = self._take_prompts(*layers)
            if not taken and action == "added" and isinstance(event.source, Shapes):
                raise InputError(msg("Nothing was drawn. {tip}.", tip=self._tool.tip))
        self._show_prompts()

    def _on_prompts_refreshed(self, event: Any) -> None:
        """Take what others wrote into the arrays or the features of a prompt layer."""
        drawing = event.type == "set_data" and str(event.source.mode) != "pan_zoom"
        if self._blocked or self._prompts_due or self._half_drawn or drawing:
            return
        failed, taken = True, 0
        with self._edit():
            taken = self._take_prompts(*map(self._present, PROMPT_ROLES))
            failed = False
        if failed or taken:
            self._show_prompts()
