"""The other two planes of the annotated image, each a view of the same annotation.

A side view is a viewer model of its own, which napari can show in a second canvas. It
holds copies of the image and of the reference, and `AnnotationLayers` like the main
viewer does: prompts placed there and strokes painted there go to the annotation, and
what changes in the annotation is drawn there.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer, Vectors

from napari_spinalsam.core.anatomy import Plane
from napari_spinalsam.layers.annotation_layers import AnnotationLayers
from napari_spinalsam.layers.dims import current_slice, set_plane
from napari_spinalsam.layers.mouse import LEFT, until_release
from napari_spinalsam.layers.roles import Role, find_layer, role_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from napari import Viewer
    from napari.layers import Image, Labels
    from numpy.typing import NDArray

NAME = "cross-hair"
COLOR = "#4fc3f7"
OPACITY = 0.7
# On the screen, at every zoom.
WIDTH_PX = 1.5
PLANES = (Plane.SAGITTAL, Plane.CORONAL, Plane.AXIAL)
_LOOK = ("visible", "opacity", "blending")
_IMAGE_LOOK = (*_LOOK, "contrast_limits", "colormap", "gamma", "interpolation2d")
_LABELS_LOOK = (*_LOOK, "colormap", "contour")
# What the user sets in napari's controls of the main view holds in all views.
_OF_ROLE: dict[Role, tuple[str, ...]] = {
    Role.POINTS: (*_LOOK, "mode"),
    Role.BOXES: (*_LOOK, "mode"),
    Role.DRAWINGS: (*_LOOK, "mode"),
    Role.PREVIEW: _LOOK,
    Role.LABELS: (
        *_LOOK,
        "mode",
        "contour",
        "brush_size",
        "selected_label",
        "preserve_labels",
        "contiguous",
    ),
}


class CrossHair:
    """The lines of one view.

    Parameters
    ----------
    model : ViewerModel
        Where they are drawn; the layer that was active stays so.
    image : napari.layers.Image
        They reach from its first voxel to its last, along all three axes.
    """

    def __init__(self, model: ViewerModel, image: Image) -> None:
        self._model = model
        # Isotropic, so that all lines are equally thick, and no finer than the image,
        # so that the steps of the sliders stay the image's.
        ends = [np.zeros(image.ndim), np.asarray(image.data.shape) - 1]
        corners = np.array([image.data_to_world(end) for end in ends])
        self._unit = float(np.max(image.extent.step))
        self._low = corners.min(axis=0)
        size = np.ptp(corners, axis=0)
        # A rounding error less than the image, whose extent must stay the largest.
        self._size = size * (1 - 1e-9)
        self.layer = Vectors(
            self._lines(self._low),
            name=NAME,
            scale=(self._unit,) * 3,
            translate=self._low,
            units=image.units,
            edge_color=COLOR,
            opacity=OPACITY,
            vector_style="line",
        )
        active = model.layers.selection.active
        model.add_layer(self.layer)
        model.layers.selection.active = active
        model.scene.camera.events.zoom.connect(self._fit)
        self._fit()

    def move(self, point: NDArray[np.float64]) -> None:
        """Cross at another place.

        Parameters
        ----------
        point : ndarray of float, shape (3,)
            In world coordinates, (z, y, x).
        """
        self.layer.data = self._lines(point)

    def close(self) -> None:
        """Take the lines away."""
        self._model.scene.camera.events.zoom.disconnect(self._fit)
        if self.layer in self._model.layers:
            self._model.layers.remove(self.layer)

    def _lines(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return start and direction of a line along each axis, in units."""
        place = np.clip(point - self._low, 0, self._size)
        starts = np.tile(place, (3, 1))
        np.fill_diagonal(starts, 0)
        return np.stack([starts, np.diag(self._size)], axis=1) / self._unit

    def _fit(self) -> None:
        """Keep the thickness on the screen."""
        self.layer.edge_width = WIDTH_PX / self._model.scene.camera.zoom / self._unit


class Mirror:
    """Keeps attributes of a layer as they are in another one.

    Parameters
    ----------
    source : Layer
        Where they are changed.
    target : Layer
        Where they are copied to, at once and after each change.
    names : tuple of str
        The attributes, each with an event of the same name.
    """

    def __init__(self, source: Layer, target: Layer, names: tuple[str, ...]) -> None:
        self.source, self._target = source, target
        self._handlers = {name: partial(self._copy, name) for name in names}
        for name, handler in self._handlers.items():
            handler()
            getattr(source.events, name).connect(handler)

    def close_at(self, target: Layer) -> bool:
        """End if this is the target; return whether it goes on."""
        if self._target is target:
            self.close()
        return self._target is not target

    def close(self) -> None:
        """Stop following."""
        for name, handler in self._handlers.items():
            getattr(self.source.events, name).disconnect(handler)

    def _copy(self, name: str, _event: Any = None) -> None:
        setattr(self._target, name, getattr(self.source, name))


class SideView:
    """One more plane.

    Parameters
    ----------
    main : AnnotationLayers
        The layers of the main view.
    report : callable
        Told the sentence of every refused edit.

    Attributes
    ----------
    model : ViewerModel
        What a canvas is to show.
    layers : AnnotationLayers
        The layers of this view.
    """

    def __init__(self, main: AnnotationLayers, report: Callable[[str], None]) -> None:
        self.model = ViewerModel()
        self._main = main
        self._mirrors: list[Mirror] = []
        self._reference: Layer | None = None
        image = _copied(main.image)
        self.model.add_layer(image)
        self._mirrors.append(Mirror(main.image, image, _IMAGE_LOOK))
        self.layers = AnnotationLayers(
            self.model, image, main.annotation, main.act, report, main.after_drawing
        )
        self.mirror_roles()
        self.follow_active()
        self.cross_hair = CrossHair(self.model, image)
        self.model.dims.events.ndisplay.connect(self._stay_flat)
        label = self.model.canvas.overlays.text
        label.visible, label.position = True, "top_left"

    @property
    def plane(self) -> Plane:
        """The plane that is shown."""
        return Plane.of_axis(current_slice(self.model, self.layers.image)[0])

    def turn(self, plane: Plane) -> None:
        """Show another plane, the whole image in view."""
        set_plane(self.model, self.layers.image, plane)
        self.layers.set_axis(plane.axis)
        self._tell_place()

    def move(self, point: NDArray[np.float64]) -> None:
        """Show the slice through a place in world coordinates, (z, y, x)."""
        if not np.allclose(self.model.dims.point, point):
            self.model.dims.point = tuple(point)
        self.cross_hair.move(point)
        self._tell_place()

    def mirror_roles(self) -> None:
        """Follow the main view's layers of the annotation; also such as are new."""
        known = [mirror.source for mirror in self._mirrors]
        for role, names in _OF_ROLE.items():
            source = find_layer(self._main.viewer.layers, role, self._main.annotation)
            if source is not None and source not in known:
                mirror = Mirror(source, self.layers.layer(role), names)
                self._mirrors.append(mirror)

    def follow_active(self) -> None:
        """Let the mouse act on the layer that it acts on in the main view."""
        active = self._main.viewer.layers.selection.active
        role = None if active is None else role_of(active)
        image = self.layers.image
        chosen = image if role is None else self.layers.layer(role)
        self.model.layers.selection.active = chosen

    def show_reference(self, reference: Labels | None) -> None:
        """Show the labels that are measured against, or none."""
        if self._reference is not None:
            self.model.layers.remove(self._reference)
            self._mirrors = [m for m in self._mirrors if m.close_at(self._reference)]
        self._reference = None if reference is None else _copied(reference)
        if reference is not None and self._reference is not None:
            active = self.model.layers.selection.active
            self.model.layers.insert(1, self._reference)
            self.model.layers.selection.active = active
            self._mirrors.append(Mirror(reference, self._reference, _LABELS_LOOK))

    def close(self) -> None:
        """Stop following."""
        self.cross_hair.close()
        self.layers.close()
        for mirror in self._mirrors:
            mirror.close()
        self.model.dims.events.ndisplay.disconnect(self._stay_flat)

    def _stay_flat(self) -> None:
        self.model.dims.ndisplay = 2

    def _tell_place(self) -> None:
        axis, index = current_slice(self.model, self.layers.image)
        self.model.canvas.overlays.text.text = f"{Plane.of_axis(axis)} {index}"


class SideViews:
    """Both other planes, linked to the main view by one place.

    A click in any view, while no tool is active, makes its place the shared one.

    Parameters
    ----------
    main : AnnotationLayers
        The layers of the main view; its image is a volume.
    report : callable
        Told the sentence of every refused edit.
    taken : callable
        Told the viewer model in which the mouse was pressed or its wheel turned.
    """

    def __init__(
        self,
        main: AnnotationLayers,
        report: Callable[[str], None],
        taken: Callable[[Viewer], None],
    ) -> None:
        self._main, self._taken = main, taken
        self._viewer, self._moving = main.viewer, False
        self.sides = (SideView(main, report), SideView(main, report))
        self._cross_hair = CrossHair(self._viewer, main.image)
        self._events = (
            (self._viewer.dims.events.order, self._on_order),
            (self._viewer.dims.events.point, self._on_main_moved),
            (self._viewer.layers.events.inserted, self._on_inserted),
            (self._viewer.layers.selection.events.active, self._on_active),
            (self._viewer.events.theme, self._on_theme),
        )
        for event, handler in self._events:
            event.connect(handler)
        self._callbacks: list[tuple[Any, Callable[..., Any]]] = []
        for layers in (main, *self.layers):
            drag = layers.viewer.mouse_drag_callbacks
            take, press = (
                partial(self._on_mouse, layers),
                partial(self._on_press, layers),
            )
            for callbacks in (drag, layers.viewer.mouse_wheel_callbacks):
                callbacks.insert(0, take)
                self._callbacks.append((callbacks, take))
            drag.append(press)
            self._callbacks.append((drag, press))
        for side in self.sides:
            side.model.dims.events.point.connect(partial(self._on_side_moved, side))
        self._on_theme()
        self._on_order()
        self._on_main_moved()

    @property
    def layers(self) -> Iterable[AnnotationLayers]:
        """The layers of the annotation in both other planes."""
        return (side.layers for side in self.sides)

    def close(self) -> None:
        """Take the cross-hair away and stop following the main view."""
        for event, handler in self._events:
            event.disconnect(handler)
        for callbacks, callback in self._callbacks:
            callbacks.remove(callback)
        if self._main.image in self._viewer.layers:
            self._cross_hair.close()
        else:
            # Not now: napari may be about to remove it, with the image and all others.
            self._main.after_drawing(self._cross_hair.close)
        for side in self.sides:
            side.close()

    def _on_order(self) -> None:
        """Show the two planes that the main view does not show."""
        if self._viewer.dims.ndisplay != 2:
            return
        axis, _ = current_slice(self._viewer, self._main.image)
        others = [plane for plane in PLANES if plane.axis != axis]
        for side, plane in zip(self.sides, others, strict=True):
            side.turn(plane)

    def _on_main_moved(self) -> None:
        if self._moving or self._viewer.dims.ndim < 3:
            return  # in the latter case the image is being removed
        point = np.asarray(self._viewer.dims.point[-3:], float)
        self._moving = True
        try:
            for side in self.sides:
                side.move(point)
            self._cross_hair.move(point)
        finally:
            self._moving = False

    def _on_side_moved(self, side: SideView, _event: Any = None) -> None:
        if not self._moving:
            self._move(side.model.dims.point)

    def _move(self, point: Iterable[float]) -> None:
        """Make a place the shared one."""
        dims = self._viewer.dims
        dims.point = (*dims.point[:-3], *point)

    def _on_mouse(self, layers: AnnotationLayers, _model: Viewer, _event: Any) -> None:
        self._taken(layers.viewer)

    def _on_press(
        self, layers: AnnotationLayers, model: Viewer, event: Any
    ) -> Generator[None]:
        free = layers.clicks.no_tool_active and model.dims.ndisplay == 2
        if event.button != LEFT or event.modifiers or not free:
            return
        if (yield from until_release(event)):
            self._move(event.position[-3:])

    def _on_inserted(self, _event: Any) -> None:
        for side in self.sides:
            side.mirror_roles()

    def _on_theme(self, _event: Any = None) -> None:
        for side in self.sides:
            side.model.theme = self._viewer.theme

    def _on_active(self, _event: Any) -> None:
        for side in self.sides:
            side.follow_active()


def _copied(layer: Layer) -> Any:
    """Return a layer that shows the same data the same way."""
    return Layer.create(*layer.as_layer_data_tuple())
