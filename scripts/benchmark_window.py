"""How quick the window is: click to mask, sentence to slice, and while encoding.

Visible means that a frame drawn afterwards was swapped to the screen. A 10 ms timer
runs in the Qt thread; its longest gap while slices are encoded is the longest stall
that a user could feel. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_spinalsam import api
from napari_spinalsam.actions import models as a

if TYPE_CHECKING:
    from napari_spinalsam.annotation.events import Change
    from napari_spinalsam.widgets.handle import SegmentHandle

AXIS = 2
SLICES = range(12, 24)
TICK_MS = 10
LEFT = Qt.MouseButton.LeftButton


class Ticker:
    """Notes the gaps between the ticks of a timer in the Qt thread."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self._last = perf_counter()
        self._timer = QTimer()
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        """Begin afresh."""
        self.gaps, self._last = [], perf_counter()
        self._timer.start()

    def _tick(self) -> None:
        now = perf_counter()
        self.gaps.append(1e3 * (now - self._last))
        self._last = now


class FirstFrameWithMask:
    """Waits until the window has shown a frame that was drawn with a new preview."""

    def __init__(self, annotation: api.Annotation) -> None:
        self._annotation = annotation
        self._loop, self._at = QEventLoop(), float("nan")
        self._canvas = canvas()
        annotation.changed.connect(self._on_changed)

    def click(self, handle: api.SegmentHandle, voxel: tuple[float, ...]) -> float:
        """Click on a voxel; return the time when the button is let go."""
        pixel = self._pixel(handle, voxel)
        QTest.mouseMove(self._canvas, pixel)
        pause(50)
        QTest.mousePress(self._canvas, LEFT, pos=pixel)
        pause(50)
        began = perf_counter()
        QTest.mouseRelease(self._canvas, LEFT, pos=pixel)
        return began

    def _pixel(self, handle: api.SegmentHandle, voxel: tuple[float, ...]) -> QPoint:
        """Return where the canvas shows a voxel."""
        viewer, image = handle.viewer, handle.widget.controller.layers.image
        camera = viewer.scene.camera
        world = np.asarray(image.data_to_world(voxel))[list(viewer.dims.displayed)]
        row, col = (world - np.asarray(camera.center)[-2:]) * camera.zoom
        middle = self._canvas.rect().center()
        return QPoint(round(middle.x() + col), round(middle.y() + row))

    def wait(self) -> float:
        """Return the time of that frame, in seconds of `perf_counter`."""
        QTimer.singleShot(10_000, self._loop.quit)
        self._loop.exec()
        self._annotation.changed.disconnect(self._on_changed)
        self._canvas.frameSwapped.disconnect(self._on_frame)
        return self._at

    def _on_changed(self, change: Change) -> None:
        if change.preview and self._annotation.state.preview is not None:
            self._canvas.frameSwapped.connect(self._on_frame)

    def _on_frame(self) -> None:
        self._at = perf_counter()
        self._loop.quit()


def canvas() -> QOpenGLWidget:
    """Return the canvas of the window."""
    found = (w for w in QApplication.allWidgets() if isinstance(w, QOpenGLWidget))
    return next(each for each in found if each.isVisible())


def gaps_while_encoding(handle: SegmentHandle) -> list[float]:
    """Return the longest gap, in milliseconds, while each slice is encoded."""
    thread, ticker = handle.widget.controller.predictions.thread_, Ticker()
    gaps = []
    for index in SLICES:
        handle.run(a.GoToSlice(index=index))
        pause(50)
        ticker.start()
        window = handle.annotation.state.window
        thread.encode(handle.annotation.volume, AXIS, index, window)
        wait_for(thread.encoded)
        gaps.append(max(ticker.gaps, default=0.0))
    return gaps


def click_to_mask(handle: SegmentHandle) -> list[float]:
    """Return milliseconds from a click, on slices at hand, to the frame with a mask."""
    times = []
    for index in SLICES:
        handle.run(a.GoToSlice(index=index))
        pause(50)
        handle.widget.prompts.tools["positive"].click()
        pause(50)
        frame = FirstFrameWithMask(handle.annotation)
        began = frame.click(handle, (75.0, 40.0, float(index)))
        times.append(1e3 * (frame.wait() - began))
        pause(200)
        handle.widget.prompts.tools["positive"].click()
        handle.run(a.ClearAll())
    return times


def sentence_to_slice(handle: SegmentHandle) -> list[float]:
    """Return milliseconds from Enter in the Chat dock to the frame with the slice."""
    _, chat = handle.viewer.window.add_plugin_dock_widget("napari-spinalsam", "Chat")
    line, shown = chat.sentence.native, canvas()
    chat.say("go to slice 11")  # reads the words, once in a session
    times = []
    for index in SLICES:
        pause(100)
        line.setText(f"go to slice {index}")
        began = perf_counter()
        QTest.keyClick(line, Qt.Key.Key_Return)
        wait_for(shown.frameSwapped)
        times.append(1e3 * (perf_counter() - began))
    return times


def main() -> int:
    """Measure and print."""
    viewer = napari.Viewer()
    viewer.window.resize(1400, 900)
    handle = api.attach(viewer)
    handle.run(a.OpenSample())
    handle.run(a.SetPlane(plane="sagittal"), a.SelectStructure(structure="L3"))
    handle.wait_for_model()
    measured = {
        # Slices that were never seen come first: the others need them at hand.
        "longest_event_loop_gap_while_encoding_ms": gaps_while_encoding(handle),
        "click_to_visible_mask_ms": click_to_mask(handle),
        "sentence_to_visible_slice_ms": sentence_to_slice(handle),
    }
    told = {
        name: {
            "min": round(min(times), 1),
            "median": round(median(times), 1),
            "max": round(max(times), 1),
        }
        for name, times in measured.items()
    }
    print(json.dumps({"slices": len(SLICES), **told}, indent=2))
    viewer.close()
    return 0


def wait_for(signal: object) -> None:
    """Let the window go on until a signal comes, ten seconds at most."""
    loop = QEventLoop()
    signal.connect(loop.quit)
    QTimer.singleShot(10_000, loop.quit)
    loop.exec()
    signal.disconnect(loop.quit)


def pause(milliseconds: int) -> None:
    """Let the window draw what it has to."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


if __name__ == "__main__":
    sys.exit(main())
