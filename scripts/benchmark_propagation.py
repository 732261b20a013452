"""How quick propagation is in the window: first slice, whole, and the answer to Cancel.

L3 of the sample gets a box in its largest sagittal slice, which is propagated through
all 40 slices, several times; in other runs Cancel is pressed after a part of it. The
first slice counts as visible once the frame after it was swapped. Prints one JSON
object.
"""

from __future__ import annotations

import json
import sys
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import napari
from benchmark_window import canvas, pause, wait_for

from napari_spinalsam import api
from napari_spinalsam.actions import models as a

if TYPE_CHECKING:
    from napari_spinalsam.widgets.handle import SegmentHandle

L3 = 22
AXIS, INDEX = 2, 17
BOX = api.BoxPrompt(75, 15, 111, 100)
RUNS = 3
CANCEL_AFTER_MS = (150, 500, 1000)


def prepare(handle: SegmentHandle) -> None:
    """Forget all but the reference, box L3 again and accept the mask."""
    handle.annotation.undo(len(handle.annotation.history.undo_names))
    handle.run(
        a.SetPlane(plane="sagittal"),
        a.SelectStructure(structure="L3"),
        a.GoToSlice(index=INDEX),
    )
    handle.annotation.set_box(AXIS, INDEX, BOX)
    handle.wait_for_mask()
    handle.run(a.AcceptMask())
    pause(300)


def propagate(handle: SegmentHandle) -> tuple[float, float]:
    """Return seconds to the first slice on the screen, and to the end."""
    predictions, shown = handle.widget.controller.predictions, canvas()
    began = perf_counter()
    handle.run(a.Propagate())
    wait_for(predictions.slice_propagated)
    wait_for(shown.frameSwapped)
    first = perf_counter() - began
    handle.wait_for_objects()
    return first, perf_counter() - began


def cancel(handle: SegmentHandle, after_ms: int) -> float:
    """Return seconds from Cancel, pressed after a while, to the end of the work."""
    handle.run(a.Propagate())
    pause(after_ms)
    began = perf_counter()
    handle.widget.controller.cancel()
    handle.wait_for_objects()
    return perf_counter() - began


def main() -> int:
    """Measure and print."""
    viewer = napari.Viewer()
    viewer.window.resize(1400, 900)
    handle = api.attach(viewer)
    handle.run(a.OpenSample())
    handle.wait_for_model()
    firsts, wholes, cancels = [], [], []
    for after_ms in CANCEL_AFTER_MS:
        prepare(handle)
        cancels.append(cancel(handle, after_ms))
    for _ in range(RUNS):
        prepare(handle)
        first, whole = propagate(handle)
        firsts.append(first)
        wholes.append(whole)
    told = {
        "first_slice_visible_s": firsts,
        "whole_vertebra_s": wholes,
        "cancel_answers_s": cancels,
    }
    told = {
        name: {"median": round(median(times), 2), "max": round(max(times), 2)}
        for name, times in told.items()
    }
    voxels = int((handle.annotation.labels == L3).sum())
    print(json.dumps({"slices": 40, "voxels": voxels, **told}, indent=2))
    viewer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
