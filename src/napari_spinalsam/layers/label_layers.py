"""Labels layers of preview and accepted structures, and the edits made in them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from scipy.ndimage import binary_erosion

from napari_spinalsam.actions import pointer
from napari_spinalsam.annotation.events import changed_box, slice_box
from napari_spinalsam.annotation.provenance import EDITED, PAINTED
from napari_spinalsam.core.anatomy import STRUCTURES, label_colormap, structure
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.masks import LABEL_DTYPE, LabelDelta, box_around
from napari_spinalsam.core.messages import msg
from napari_spinalsam.layers.dims import current_slice
from napari_spinalsam.layers.grids import set_transform, transform_of
from napari_spinalsam.layers.roles import entry_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from napari import Viewer
    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.annotation.events import Change
    from napari_spinalsam.annotation.executor import Act
    from napari_spinalsam.annotation.state import Preview, StructureObject
    from napari_spinalsam.core.anatomy import Rgba
    from napari_spinalsam.core.geometry import Geometry
    from napari_spinalsam.core.masks import Box
    from napari_spinalsam.core.results import SliceKey

FILL, OUTLINE = 1, 2
FILL_ALPHA = 0.3
CLEAR = (0.0, 0.0, 0.0, 0.0)
# Where the metadata of the layer say which change of the labels it shows.
SHOWN = "shown"
# Where they keep what goes on showing the annotation while nobody follows the layer.
LEFT = "left"
LARGEST = int(np.iinfo(LABEL_DTYPE).max)


def new_preview_layer(shape: tuple[int, ...], **attributes: Any) -> Labels:
    """Return an empty layer for the mask that waits for accept or reject."""
    return Labels(np.zeros(shape, np.uint8), opacity=1.0, **attributes)


def new_labels_layer(
    labels: NDArray[np.uint8], objects: Iterable[StructureObject], **attributes: Any
) -> Labels:
    """Return a layer with a copy of the labels, in the colours of anatomy."""
    return Labels(
        labels.copy(),
        colormap=DirectLabelColormap(color_dict=_colors(objects)),
        features=_names(),
        opacity=0.5,
        **attributes,
    )


def _names() -> pd.DataFrame:
    """Return the name of each label value, which napari shows under the mouse."""
    names = {entry.label: entry.display_name for entry in reversed(STRUCTURES)}
    return pd.DataFrame({"index": list(names), "structure": list(names.values())})


class PreviewView:
    """Draws the preview as an outline with a light fill.

    Parameters
    ----------
    layer : napari.layers.Labels
        From `new_preview_layer`.
    geometry : Geometry
        The grid of the image.
    """

    def __init__(self, layer: Labels, geometry: Geometry) -> None:
        self.layer = layer
        self._geometry = geometry
        self._drawn: list[SliceKey] = []
        self._structure: str | None = None

    def show(self, preview: Preview | None) -> None:
        """Draw a preview, or none, in place of all that was drawn before."""
        volume = np.asarray(self.layer.data).reshape(self._geometry.shape)
        for key in self._drawn:
            self._geometry.plane(*key).take(volume)[...] = 0
        self._drawn = []
        if preview is not None:
            self._draw(preview.structure, preview.key, preview.mask)
        self.layer.refresh(extent=False, thumbnail=False)

    def add_slice(self, name: str, key: SliceKey, mask: NDArray[np.bool_]) -> None:
        """Draw a slice that was reached, beside those before it.

        Parameters
        ----------
        name : str
            The structure.
        key : tuple of int
            Axis and index.
        mask : ndarray of bool, shape (rows, cols)
            Where it is.
        """
        self._draw(name, key, mask)
        self.layer.refresh(extent=False, thumbnail=False)

    def _draw(self, name: str, key: SliceKey, mask: NDArray[np.bool_]) -> None:
        self._colour(name)
        volume = np.asarray(self.layer.data).reshape(self._geometry.shape)
        edge = mask & ~binary_erosion(mask)
        self._geometry.plane(*key).take(volume)[...] = np.where(
            edge, OUTLINE, mask * FILL
        )
        self._drawn.append(key)

    def _colour(self, name: str) -> None:
        if name == self._structure:
            return
        red, green, blue, _ = structure(name).color
        self.layer.colormap = DirectLabelColormap(
            color_dict={
                None: CLEAR,
                FILL: (red, green, blue, FILL_ALPHA),
                OUTLINE: (red, green, blue, 1.0),
            }
        )
        self._structure = name


def hide_labels(layer: Labels, objects: Iterable[StructureObject]) -> None:
    """Draw the structures in a labels layer, but not the hidden ones."""
    wanted = _colors(objects)
    drawn = layer.colormap.color_dict
    if any(drawn[label][3] != color[3] for label, color in wanted.items()):
        layer.colormap = DirectLabelColormap(color_dict=wanted)


def _colors(objects: Iterable[StructureObject]) -> dict[int | None, Rgba]:
    """Return the colour of each label, clear for hidden structures."""
    hidden = {entry.label: CLEAR for entry in objects if not entry.visible}
    return label_colormap() | hidden


class LabelEdits:
    """Follows one labels layer and keeps it equal to the annotation.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the layer is shown.
    image : napari.layers.Image
        The image that is annotated.
    layer : napari.layers.Labels
        The layer that shows the labels of the annotation.
    annotation : Annotation
        The document.
    act : callable
        Runs actions on the document, such as `Executor.run_plan`.
    edit : callable
        A context in which whatever goes wrong is told to the user.
    report : callable
        Told that something locked was spared.
    after_drawing : callable
        Calls what it is given once the window has drawn.
    """

    def __init__(
        self,
        viewer: Viewer,
        image: Image,
        layer: Labels,
        annotation: Annotation,
        act: Act,
        edit: Callable[[], AbstractContextManager[None]],
        report: Callable[[str], None],
        after_drawing: Callable[[Callable[[], None]], object],
    ) -> None:
        self.layer = layer
        self._viewer, self._image, self._annotation = viewer, image, annotation
        self._act = act
        self._edit, self._report, self._after_drawing = edit, report, after_drawing
        self._quiet = 0
        left = entry_of(layer).pop(LEFT, None)
        if isinstance(left, LeftLabels):
            left.close()
        # Whether napari is drawing a stroke that it has not told of yet; the box of a
        # stroke that it told of before it wrote it.
        self._stroke_is_open = False
        self._expected: Box | None = None
        self._check_is_due = self._closed = False
        self._place = self._place_shown()
        # The array of the layer; any other one was put there by somebody else.
        self._array = layer.data if self._owns(layer.data) else self._copied()
        self._events: tuple[tuple[Any, Callable[..., None]], ...] = (
            (layer.events.paint, self._on_paint),
            (layer.events.labels_update, self._on_drawn),
            (layer.events.set_data, self._on_refreshed),
            (layer.events.data, self._on_data_set),
        )
        # What was edited while no dock was open is an edit, unless the annotation was
        # changed meanwhile too and the layer shows something of the past.
        was_equal = SHOWN in entry_of(layer) and self._is_current()
        if not was_equal:
            self._adopt()
        for event, handler in self._events:
            event.connect(handler)
        if was_equal:
            self._on_data_set()

    def close(self) -> None:
        """Stop following."""
        self._closed = True
        for event, handler in self._events:
            event.disconnect(handler)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Ignore layer events that come from showing the annotation."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    def show(self, deltas: Sequence[LabelDelta]) -> None:
        """Show what changed in the annotation.

        Voxels that somebody has edited, and whose edit is not taken yet, stay.
        """
        _draw(deltas, self._labels, self._array)
        self._note_current()
        if not deltas:
            return
        self._redraw()
        # What others wrote without telling is seen now.
        if not self._check_is_due:
            self._check_is_due = True
            self._after_drawing(self._check_what_is_seen)

    def take(self, *, in_stroke: bool = True) -> None:
        """Enter all that the layer holds and the annotation does not.

        Parameters
        ----------
        in_stroke : bool
            Whether to do so in the middle of a stroke too, which becomes two steps.
        """
        if self._stroke_is_open and not in_stroke:
            return
        self._take_expected()
        self._on_data_set()

    def _on_paint(self, event: Any) -> None:
        """Take a stroke; one that is only written after this event comes then."""
        if self._quiet:
            return
        self._stroke_is_open = False
        box = self._box_of(event.value)
        self._expected = box_around(self._expected or box, box)
        self._take_expected()
        if self._expected is not None:
            self._after_drawing(self._take_expected)

    def _on_drawn(self, _event: Any) -> None:
        """Take what was told of before it was written; a stroke first has to end."""
        self._stroke_is_open = self._expected is None
        if not self._quiet:
            self._take_expected()

    def _take_expected(self) -> None:
        if self._closed or self._expected is None:
            return
        if self._take(PAINTED, self._expected):
            self._expected = None

    def _on_refreshed(self, _event: Any = None) -> None:
        """Take what a refresh has shown: all, or the slice that was moved to."""
        place = self._place_shown()
        moved, self._place = place != self._place, place
        if self._quiet or self.layer.data is not self._array:
            return  # in the latter case the data event comes next
        # A stroke with outlines shown, or beside the slice in view, refreshes the layer
        # before it ends. There is no public sign of that; its paint event comes next.
        if self.layer._block_history:  # noqa: SLF001
            return
        self._take_expected()
        self._take(EDITED, self._box_seen() if moved else self._whole)

    def _check_what_is_seen(self) -> None:
        self._check_is_due = False
        if not (self._closed or self._stroke_is_open):
            self._take_expected()
            self._take(EDITED, self._box_seen())

    def _on_data_set(self, _event: Any = None) -> None:
        """Take data that were put into the layer, into the layer's own array."""
        if self._quiet:
            return
        given = self.layer.data
        if given is self._array:
            self._take(EDITED, self._whole)
            return
        with self._edit():
            self._paint(LabelDelta.between(self._labels, self._read(given)), EDITED)
        self._adopt()
        if given.ndim != self._image.ndim:
            # napari let go of the place with data of another number of axes.
            set_transform(self.layer, transform_of(self._image))

    def _read(self, given: Any) -> NDArray[np.uint8]:
        """Return data that somebody put into the layer as labels (z, y, x).

        Raises
        ------
        InputError
            If they are of another shape, or a value cannot be a label.
        """
        data = np.asarray(given)
        if data.shape != self._image.data.shape:
            raise InputError(
                msg(
                    "Labels of shape {shape} do not fit the image of shape "
                    "{image_shape}: the labels stay as they were.",
                    shape=data.shape,
                    image_shape=self._image.data.shape,
                )
            )
        for value in (int(data.min()), int(data.max())):
            if not 0 <= value <= LARGEST:
                raise InputError(
                    msg(
                        "The label value {value} names no structure: the labels stay "
                        "as they were.",
                        value=value,
                    )
                )
        return data.reshape(self._labels.shape).astype(LABEL_DTYPE)

    def _take(self, step: str, box: Box) -> bool:
        """Enter what differs as one step, or put it back; return whether any did."""
        if self.layer.data is not self._array or not self._is_current():
            return False
        labels = self._labels
        drawn = self._array.reshape(labels.shape)
        found = LabelDelta.between(labels, drawn[box], box)
        if found.is_empty:
            return False
        all_taken = False
        with self._edit():
            all_taken = self._paint(found, step)
            self._note_current()
        if all_taken:
            return True
        put_back = changed_box((found,))
        if put_back is not None:
            drawn[put_back] = self._labels[put_back]
        self._redraw()
        return True

    def _paint(self, found: LabelDelta, step: str) -> bool:
        """Offer an edit to the annotation; return whether it took all of it."""
        if found.is_empty:
            return True
        (outcome,) = self._act([pointer.Paint(stroke=found, step=step)])
        if not outcome.ok:
            self._report(outcome.text)
        return outcome.ok

    def _adopt(self) -> None:
        """Give the layer an array of its own that shows the annotation."""
        self._array[...] = self._labels.reshape(self._array.shape)
        if self.layer.data is not self._array:
            with self.quiet():
                self.layer.data = self._array
        self._expected, self._stroke_is_open = None, False
        self._note_current()
        self._redraw()

    def _owns(self, array: Any) -> bool:
        """Whether an array can be the layer's own: of bytes, and nobody else's."""
        return (
            isinstance(array, np.ndarray)
            and array.dtype == LABEL_DTYPE
            and array.shape == self._image.data.shape
            and bool(array.flags.c_contiguous and array.flags.writeable)
            and bool(array.flags.owndata)
        )

    def _copied(self) -> NDArray[np.uint8]:
        return self._labels.reshape(self._image.data.shape).copy()

    def _redraw(self) -> None:
        with self.quiet():
            self.layer.refresh(extent=False, thumbnail=False)

    @property
    def _labels(self) -> NDArray[np.uint8]:
        return self._annotation.labels

    def _is_current(self) -> bool:
        """Whether the layer was made equal to the labels as they are now."""
        return entry_of(self.layer).get(SHOWN) is self._annotation.state.record

    def _note_current(self) -> None:
        entry_of(self.layer)[SHOWN] = self._annotation.state.record

    def _place_shown(self) -> tuple[object, ...]:
        dims = self._viewer.dims
        return dims.ndisplay, tuple(dims.order), tuple(dims.point)

    @property
    def _whole(self) -> Box:
        z, y, x = (slice(0, n) for n in self._labels.shape)
        return z, y, x

    def _box_seen(self) -> Box:
        """Return the box of the slice that is shown, or the whole, as in 3-D."""
        dims = self._viewer.dims
        if dims.ndisplay != 2 or dims.ndim < self._image.ndim:
            return self._whole
        return slice_box(*current_slice(self._viewer, self._image))

    def _box_of(self, atoms: Sequence[Any]) -> Box:
        """Return the box that napari's account of an edit lies in.

        Each part of it has a box as `slice_key`, or is a tuple that begins with the
        indices.
        """
        boxes = [_box_of_atom(atom) or self._whole for atom in atoms]
        return box_around(*(boxes or [self._whole]))


class LeftLabels:
    """Shows in a labels layer what is written into an annotation that was put down.

    Work on whole objects may end after another image was chosen. The layer keeps it
    alive, until a `LabelEdits` follows the layer again.

    Parameters
    ----------
    layer : napari.layers.Labels
        The layer that shows the labels of the annotation.
    annotation : Annotation
        The document.
    """

    def __init__(self, layer: Labels, annotation: Annotation) -> None:
        self._layer, self._annotation = layer, annotation
        annotation.changed.connect(self._on_changed)
        entry_of(layer)[LEFT] = self

    def close(self) -> None:
        """Leave the layer to somebody else."""
        self._annotation.changed.disconnect(self._on_changed)

    def _on_changed(self, change: Change) -> None:
        """Show what changed, beside edits of the layer that are not taken yet."""
        if not change.deltas:
            return
        labels, drawn = self._annotation.labels, np.array(self._layer.data)
        if drawn.size == labels.size:
            _draw(change.deltas, labels, drawn)
            self._layer.data = drawn
        entry_of(self._layer)[SHOWN] = self._annotation.state.record


def _draw(
    deltas: Sequence[LabelDelta], labels: NDArray[np.uint8], drawn: NDArray[Any]
) -> None:
    """Draw what changed into an array, except where somebody has edited it."""
    flat = drawn.reshape(-1)
    for delta in deltas:
        where = delta.indices[flat[delta.indices] == delta.old]
        flat[where] = labels[np.unravel_index(where, labels.shape)]


def _box_of_atom(atom: Any) -> Box | None:
    """Return the box of a part of an edit; None if it is not plain to see."""
    sides = getattr(atom, "slice_key", None)
    if sides is None:
        indices = [np.asarray(each) for each in atom[0]]
        if any(each.size == 0 or each.min() < 0 for each in indices):
            return None
        sides = [slice(int(each.min()), int(each.max()) + 1) for each in indices]
    x, y, z = [*reversed(sides), slice(0, 1)][:3]
    return z, y, x
