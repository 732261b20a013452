"""Thousands of steps in the window, in any order: nothing raises, layers say the same.

Steps of the user, of the model in its thread, of napari and of other plugins follow
each other by chance. After each of them the layers hold what the document holds.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image, Labels
from napari.layers._layer_actions import _duplicate_layer
from qtpy.QtCore import QCoreApplication, QPoint, Qt
from qtpy.QtTest import QTest

from napari_spinalsam.actions import models as a
from napari_spinalsam.core.prompts import SlicePrompts
from napari_spinalsam.core.protocols import ModelIdentity
from napari_spinalsam.core.results import (
    FoundStructure,
    Progress,
    SliceMask,
    VolumeMask,
)
from napari_spinalsam.io.layer_data import image_layer
from napari_spinalsam.layers.prompt_layers import read_drawings, read_prompts
from napari_spinalsam.layers.roles import entry_of
from napari_spinalsam.model.backends.base import ModelRecord
from napari_spinalsam.widgets.handle import attach
from napari_spinalsam.widgets.segment import model_row
from tests.annotation.conftest import DiscPredictor
from tests.gui.conftest import make_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_spinalsam.annotation.document import Annotation
    from napari_spinalsam.layers.annotation_layers import AnnotationLayers
    from napari_spinalsam.widgets.handle import SegmentHandle

pytestmark = pytest.mark.gui
SHORT, LONG = 150, 5_000
NAMES = ("L1", "L2", "L3", "L4", "L3-L4", "sacrum")
KEYS = "PNBSLGCMEZ"
PIECE_S = 0.002
# Sentences that tell of a fault in the program rather than of a refusal.
FAULTS = ("Unexpected error", "could not be taken")


class FastSession(DiscPredictor):
    """Discs and blocks, as quick as a model can be that still takes its time."""

    record = ModelRecord(ModelIdentity("1" * 64, "fast"), "fast", "none", 1)
    identity = record.identity
    device = "cpu"
    pixel_mm = None

    def set_volume(self, volume: Any) -> None:
        self.shape = volume.data.shape

    def encode(self, *_: Any) -> float:
        return 1.0

    def predict(self, *given: Any, **asked: Any) -> Any:
        self.calls.clear()
        self.starts.clear()
        Event().wait(PIECE_S)
        return super().predict(*given, **asked)

    def propagate(self, seeds: Any, **_: Any) -> Iterator[Any]:
        (axis, index), mask = next(iter(seeds.items()))
        for at in range(max(index - 2, 0), min(index + 3, self.shape[axis])):
            Event().wait(PIECE_S)
            yield SliceMask(axis, at, np.asarray(mask), 1.0)

    def find_structures(self, names: Any, **_: Any) -> Iterator[Any]:
        for place, name in enumerate(names):
            Event().wait(PIECE_S)
            yield Progress("looking for the spine", place / len(names))
            low = 2 * place % (self.shape[1] - 4)
            box = (slice(1, 4), slice(low, low + 3), slice(3, 9))
            yield FoundStructure(
                name, VolumeMask(np.ones((3, 3, 6), bool), box, 1), 0.4
            )


class RandomSteps:
    """A user, a model, napari and other plugins at work on two images.

    Parameters
    ----------
    viewer : napari.Viewer
        On the screen.
    rng : numpy.random.Generator
        Decides.
    """

    def __init__(self, viewer: Viewer, rng: np.random.Generator) -> None:
        self.viewer, self.rng = viewer, rng
        self.made: deque[str] = deque(maxlen=12)
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []
        self.open_image(make_volume())
        self.open_image(make_volume((9, 30, 34)))
        self.open_image(make_volume((9, 30, 34)))
        self.dock = self.attached()

    def attached(self) -> SegmentHandle:
        dock = attach(self.viewer)
        dock.widget.controller.message.connect(self.hear)
        dock.wait_for_model()
        return dock

    def hear(self, sentence: str, is_error: bool) -> None:
        if is_error and any(fault in sentence for fault in FAULTS):
            self.faults.append(sentence)

    def open_image(self, volume: Any) -> None:
        data, attributes, _ = image_layer(volume)
        self.viewer.add_image(data, **attributes)

    @property
    def layers(self) -> AnnotationLayers:
        layers = self.dock.widget.controller.layers
        assert layers is not None
        return layers

    @property
    def document(self) -> Annotation:
        return self.dock.annotation

    def step(self) -> None:
        controller = self.dock.widget.controller
        if controller.layers is None:
            images = [each for each in self.viewer.layers if isinstance(each, Image)]
            if not images:
                self.open_image(make_volume())
            self.dock.widget.choose_image(self.one_of(images))
            QCoreApplication.processEvents()
            return
        name = str(self.rng.choice(list(STEPS), p=PROBABILITIES))
        self.made.append(name)
        getattr(self, name)()
        self.done[name] += 1

    def one_of(self, things: Any) -> Any:
        return things[int(self.rng.integers(len(things)))] if len(things) else None

    def perform(self, *actions: Any) -> None:
        self.dock.widget.controller.perform(*actions)

    # The user

    def select(self) -> None:
        self.perform(a.SelectStructure(structure=self.one_of(NAMES)))

    def place_points(self) -> None:
        self.perform(a.AddPoints(count=int(self.rng.integers(1, 3))))

    def place_box(self) -> None:
        self.perform(a.AddBox(structure=self.one_of(NAMES[:4])))

    def accept(self) -> None:
        self.perform(a.AcceptMask())

    def reject(self) -> None:
        self.perform(a.RejectMask())

    def clear(self) -> None:
        self.perform(self.one_of((a.ClearPoints(), a.ClearBoxes(), a.ClearAll())))

    def undo(self) -> None:
        self.perform(a.Undo(steps=int(self.rng.integers(1, 4))))

    def redo(self) -> None:
        self.perform(a.Redo(steps=int(self.rng.integers(1, 4))))

    def predict(self) -> None:
        self.perform(a.GenerateMask())

    def propagate(self) -> None:
        self.perform(a.Propagate())

    def find(self) -> None:
        self.perform(a.SegmentStructures(structures=(self.one_of(("lumbar", "L3")),)))

    def cancel(self) -> None:
        self.dock.widget.controller.cancel()

    def window(self) -> None:
        self.perform(a.SetWindow(preset=self.one_of(("bone", "soft_tissue"))))

    def plane(self) -> None:
        self.perform(a.SetPlane(plane=self.one_of(("axial", "coronal", "sagittal"))))

    def scroll(self) -> None:
        axis = self.viewer.dims.order[0]
        self.viewer.dims.set_current_step(axis, int(self.rng.integers(30)))

    def turn_to_3d_and_back(self) -> None:
        self.viewer.dims.ndisplay = 3
        self.perform(a.Undo())
        self.viewer.dims.ndisplay = 2

    def lock(self) -> None:
        locked = bool(self.rng.random() < 0.3)
        names = [entry.name for entry in self.document.state.objects]
        if names:
            self.document.set_locked(self.one_of(names), locked)

    def hide(self) -> None:
        names = [entry.name for entry in self.document.state.objects]
        if names:
            self.document.set_visible(self.one_of(names), bool(self.rng.random() < 0.7))

    def change_objects(self) -> None:
        names = [entry.name for entry in self.document.state.objects]
        if len(names) > 1:
            one, other = self.rng.choice(names, 2, replace=False)
            attempt, document = self.dock.widget.controller.attempt, self.document
            operation = self.one_of(
                (
                    lambda: document.rename_object(one, self.one_of(NAMES)),
                    lambda: document.merge_objects(one, other),
                    lambda: document.delete_object(one),
                    lambda: document.shift_names(1),
                )
            )
            attempt(operation)

    def toggle_live(self) -> None:
        self.dock.widget.prompts.live.setChecked(bool(self.rng.random() < 0.8))

    def press_key(self) -> None:
        key = getattr(Qt.Key, f"Key_{self.one_of(KEYS)}")
        modifier = Qt.KeyboardModifier.NoModifier
        if key == Qt.Key.Key_E:
            key = Qt.Key.Key_Escape
        elif key == Qt.Key.Key_Z:
            modifier = Qt.KeyboardModifier.ControlModifier
        QTest.keyClick(self.canvas, key, modifier)

    def click(self) -> None:
        QTest.mouseClick(self.canvas, Qt.MouseButton.LeftButton, pos=self.somewhere())

    def drag(self) -> None:
        start, end = self.somewhere(), self.somewhere()
        left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        QTest.mouseMove(self.canvas, start)
        QTest.mousePress(self.canvas, left, none, start)
        for share in (0.3, 0.6, 1.0):
            QTest.mouseMove(self.canvas, start + (end - start) * share)
            QCoreApplication.processEvents()
        QTest.mouseRelease(self.canvas, left, none, end)

    @property
    def canvas(self) -> Any:
        return self.viewer.window._qt_viewer.canvas.native

    def somewhere(self) -> QPoint:
        width, height = self.canvas.width(), self.canvas.height()
        at = self.rng.uniform(0.3, 0.7, 2)
        return QPoint(round(width * at[0]), round(height * at[1]))

    def pause(self) -> None:
        for _ in range(int(self.rng.integers(1, 4))):
            Event().wait(PIECE_S)
            QCoreApplication.processEvents()

    # napari

    def layer_mode(self) -> None:
        layer = self.one_of((self.layers.labels, self.layers.points))
        self.viewer.layers.selection.active = layer
        modes = ("pan_zoom", "paint", "fill", "erase")
        layer.mode = self.one_of(
            modes if isinstance(layer, Labels) else ("pan_zoom", "add", "select")
        )

    def show_layer(self) -> None:
        layer = self.one_of(self.viewer.layers)
        layer.visible = bool(self.rng.random() < 0.7)

    def remove_layer(self) -> None:
        others = [x for x in self.viewer.layers if not isinstance(x, Image)]
        if others:
            self.viewer.layers.remove(self.one_of(others))

    def remove_image(self) -> None:
        images = [x for x in self.viewer.layers if isinstance(x, Image)]
        self.viewer.layers.remove(self.one_of(images))
        self.open_image(make_volume((9, 30, 34)))

    def clear_layers(self) -> None:
        self.viewer.layers.select_all()
        self.viewer.layers.remove_selected()
        self.open_image(make_volume())
        self.open_image(make_volume((9, 30, 34)))

    def duplicate_layer(self) -> None:
        ours = [x for x in self.viewer.layers if entry_of(x).get("role")]
        if ours and len(self.viewer.layers) < 16:
            self.viewer.layers.selection = {self.one_of(ours)}
            _duplicate_layer(self.viewer.layers)

    def move_layer(self) -> None:
        last = len(self.viewer.layers)
        self.viewer.layers.move(
            int(self.rng.integers(last)), int(self.rng.integers(last))
        )

    def rename_layer(self) -> None:
        self.one_of(self.viewer.layers).name = f"name {self.rng.integers(9)}"

    # Other plugins

    def voxel(self) -> tuple[int, ...]:
        return tuple(int(self.rng.integers(n)) for n in self.layers.labels.data.shape)

    def value(self) -> int:
        return int(self.one_of((0, 20, 21, 22, 23, 199)))

    def visible_labels(self) -> Labels:
        """Return the labels layer; napari fails to paint one that it does not draw."""
        layer = self.layers.labels
        layer.visible = True
        self.viewer.dims.point = layer.data_to_world(self.voxel())
        return layer

    def paint(self) -> None:
        self.visible_labels()
        self.layers.labels.brush_size = int(self.rng.integers(1, 8))
        self.layers.labels.paint(self.voxel(), self.value())

    def fill(self) -> None:
        self.visible_labels().fill(self.voxel(), self.value())

    def set_items(self) -> None:
        indices = tuple(np.array([each]) for each in self.voxel())
        self.visible_labels().data_setitem(indices, self.value())

    def set_labels(self) -> None:
        layer = self.layers.labels
        kinds = (np.uint8, np.int64, np.uint16)
        data = np.roll(np.asarray(layer.data), 1, axis=2).astype(self.one_of(kinds))
        shape = data.shape
        layer.data = self.one_of((data, data * 200, data[:-1], data[0], data[None]))
        assert layer.data.shape == shape

    def write_in_place(self) -> None:
        layer = self.visible_labels()
        layer.data[self.voxel()] = self.value()
        layer.refresh()

    def undo_by_napari(self) -> None:
        layer = self.visible_labels()
        self.one_of((layer.undo, layer.redo))()

    def edit_points(self) -> None:
        points = self.layers.points
        place = self.voxel()
        if self.rng.random() < 0.5 or not len(points.data):
            points.add(place)
        elif self.rng.random() < 0.5:
            points.data = [place]
        else:
            points.selected_data = {0}
            points.remove_selected()

    def edit_features(self) -> None:
        features = self.layers.points.features.copy()
        if len(features):
            features["polarity"] = self.one_of(("positive", "negative"))
            self.layers.points.features = features

    def edit_boxes(self) -> None:
        boxes = self.layers.boxes
        row, col = self.rng.integers(2, 15, 2)
        index = int(self.rng.integers(8))
        corners = [(0, 0), (0, 8), (9, 8), (9, 0)]
        box = np.array([[index, row + r, col + c] for r, c in corners], float)
        boxes.data = [box] if self.rng.random() < 0.7 else []

    # Around it

    def choose_image(self) -> None:
        images = [x for x in self.viewer.layers if isinstance(x, Image)]
        self.dock.widget.choose_image(self.one_of(images))

    def replace_image(self) -> None:
        image = self.layers.image
        image.data = np.array(image.data) + 1

    def load_model(self) -> None:
        self.dock.widget.controller.load_model(FastSession)

    def toggle_three_views(self) -> None:
        self.dock.widget.three_views.toggle()

    def reopen_dock(self) -> None:
        for dock in list(self.viewer.window._wrapped_dock_widgets.values()):
            if dock.inner_widget() is self.dock.widget:
                self.viewer.window.remove_dock_widget(dock)
                self.dock.widget.close()
        QCoreApplication.processEvents()
        self.dock = self.attached()

    # What holds at any time

    def check(self) -> None:
        QCoreApplication.processEvents()
        layers = self.dock.widget.controller.layers
        assert not self.faults, self.told()
        if layers is None:
            return
        views = self.dock.widget.three_views.views
        for each in (layers, *(views.layers if views is not None else ())):
            self.check_layers(each)

    def check_layers(self, layers: AnnotationLayers) -> None:
        document = layers.annotation
        if layers.label_edits is not None:
            drawn = np.asarray(layers.label_edits.layer.data)
            same = np.array_equal(drawn.reshape(document.labels.shape), document.labels)
            assert same, self.told()
        state = document.state
        known = None if state.selected is None else state.find(state.selected)
        if layers._prompts_due or layers._half_drawn:
            return
        present = [layers._present(role) for role in ("points", "boxes", "drawings")]
        found = read_prompts(*present[:2], document.geometry)
        found = read_drawings(present[2], document.geometry, found)
        keys = {e.key for e in known.prompts} if known is not None else set()
        keys |= {e.prompts.key for e in known.accepted} if known is not None else set()
        for key in keys | set(found):
            held = known.prompts_at(key) if known is not None else SlicePrompts(*key)
            if all(layer is not None for layer in present):
                assert found.get(key, SlicePrompts(*key)) == held, self.told()

    def told(self) -> str:
        return f"after {', '.join(self.made)}: {'; '.join(self.faults)}"


STEPS = {
    "select": 5,
    "place_points": 6,
    "place_box": 3,
    "accept": 12,
    "reject": 2,
    "clear": 2,
    "undo": 6,
    "redo": 6,
    "predict": 2,
    "propagate": 5,
    "find": 3,
    "cancel": 2,
    "window": 1,
    "plane": 2,
    "scroll": 3,
    "turn_to_3d_and_back": 0.5,
    "lock": 2,
    "hide": 1,
    "change_objects": 2,
    "toggle_live": 1,
    "press_key": 6,
    "click": 8,
    "drag": 5,
    "pause": 10,
    "layer_mode": 1,
    "show_layer": 2,
    "remove_layer": 1,
    "remove_image": 0.3,
    "clear_layers": 0.2,
    "duplicate_layer": 0.7,
    "move_layer": 1,
    "rename_layer": 1,
    "paint": 4,
    "fill": 2,
    "set_items": 2,
    "set_labels": 2,
    "write_in_place": 2,
    "undo_by_napari": 2,
    "edit_points": 3,
    "edit_features": 1,
    "edit_boxes": 2,
    "choose_image": 2,
    "replace_image": 0.2,
    "load_model": 0.5,
    "toggle_three_views": 0.3,
    "reopen_dock": 0.2,
}
PROBABILITIES = np.array(list(STEPS.values())) / sum(STEPS.values())


def run(
    make_viewer: Callable[..., Viewer], qtbot: QtBot, seed: int, count: int
) -> RandomSteps:
    viewer = make_viewer(show=True)
    qtbot.waitUntil(viewer.window._qt_viewer.canvas.native.isVisible)
    steps = RandomSteps(viewer, np.random.default_rng(seed))
    for _ in range(count):
        with qtbot.captureExceptions() as raised:
            steps.step()
            steps.check()
        assert not raised, f"{steps.told()} {raised}"
    return steps


@pytest.fixture(autouse=True)
def _fast_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_row, "build_session", lambda *_: FastSession())


def test_a_short_random_work_keeps_layers_and_document_equal(
    make_napari_viewer: Callable[..., Viewer], qtbot: QtBot
) -> None:
    steps = run(make_napari_viewer, qtbot, 0, SHORT)
    assert len(steps.done) > len(STEPS) / 2


@pytest.mark.heavy
@pytest.mark.parametrize("seed", [1])
def test_five_thousand_random_steps_keep_layers_and_document_equal(
    make_napari_viewer: Callable[..., Viewer],
    qtbot: QtBot,
    seed: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR, "napari_spinalsam"):
        steps = run(make_napari_viewer, qtbot, seed, LONG)
    assert set(steps.done) == set(STEPS)
    assert not caplog.records
