"""Take the pictures of the documentation: a box, a click, and accepted vertebrae.

Opens the sample CT in napari, prompts it by actions as a user would, and writes
pictures of the window to a folder (default: docs/images). The reference only tells
where to prompt; it stays hidden.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import napari
import numpy as np
from qtpy.QtWidgets import QApplication
from scipy import ndimage as ndi

from napari_spinalsam import api
from napari_spinalsam.actions import models as a
from napari_spinalsam.core.anatomy import Plane, structure
from napari_spinalsam.core.prompts import BoxPrompt, PointPrompt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_spinalsam.widgets.handle import SegmentHandle

LUMBAR = ("L1", "L2", "L3", "L4", "L5")
WINDOW_PX = (1400, 900)
# Layouts settle in a few turns of the event loop.
EVENT_TURNS = 10
SENTENCES = (
    "coronal view, slice 90 and the soft tissue window",
    "what is the volume of L3?",
    "please do not clear the points",
    "clear",
    "clear the boxes",
)


def main() -> int:
    """Take all pictures and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    viewer, handle = open_sample()
    show(handle, Plane.SAGITTAL, "L3")
    prompt_with_box(handle, "L3")
    take(viewer, options.output / "segment-box.png")

    handle.run(a.ClearAll())
    show(handle, Plane.AXIAL, "L4")
    prompt_with_click(handle, "L4")
    take(viewer, options.output / "segment-click-axial.png")

    handle.run(a.ClearAll())
    show(handle, Plane.SAGITTAL, "L3")
    for name in LUMBAR:
        handle.run(a.SelectStructure(structure=name))
        prompt_with_box(handle, name)
        handle.run(a.AcceptMask(), a.Propagate())
        handle.wait_for_objects()
    take(viewer, options.output / "segment-accepted.png")

    talk(viewer)
    take(viewer, options.output / "chat.png")
    viewer.close()
    return 0


def open_sample() -> tuple[napari.Viewer, SegmentHandle]:
    """Open a window with the sample and the Segment dock, its model loaded."""
    viewer = napari.Viewer()
    viewer.window.resize(*WINDOW_PX)
    handle = api.attach(viewer)
    handle.run(a.OpenSample())
    print("Loading the model …", flush=True)
    handle.wait_for_model()
    return viewer, handle


def talk(viewer: napari.Viewer) -> None:
    """Open the Chat dock and say a few things."""
    _, chat = viewer.window.add_plugin_dock_widget(
        "napari-spinalsam", "Chat", tabify=True
    )
    for sentence in SENTENCES:
        chat.say(sentence)


def show(handle: SegmentHandle, plane: Plane, name: str) -> None:
    """Turn to the slice that shows most of a structure, and select it."""
    truth = handle.annotation.reference == structure(name).label
    others = tuple(axis for axis in range(3) if axis != plane.axis)
    index = int(truth.sum(axis=others).argmax())
    handle.run(
        a.SetPlane(plane=plane),
        a.GoToSlice(index=index),
        a.SelectStructure(structure=name),
    )
    handle.widget.viewer.reset_view()


def prompt_with_box(handle: SegmentHandle, name: str) -> None:
    """Draw the box around a structure in the slice, and await its mask."""
    axis, index = current_slice(handle)
    truth = true_mask(handle, name)
    rows, cols = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    handle.annotation.set_box(
        axis, index, BoxPrompt(rows[0], cols[0], rows[-1], cols[-1])
    )
    handle.wait_for_mask()


def prompt_with_click(handle: SegmentHandle, name: str) -> None:
    """Click where the structure is thickest in the slice, and await its mask."""
    axis, index = current_slice(handle)
    depth = ndi.distance_transform_edt(true_mask(handle, name))
    row, col = np.unravel_index(depth.argmax(), depth.shape)
    handle.annotation.add_point(axis, index, PointPrompt(float(row), float(col)))
    handle.wait_for_mask()


def current_slice(handle: SegmentHandle) -> tuple[int, int]:
    """Return axis and index of the slice that is shown."""
    return handle.widget.controller.view.current_slice()


def true_mask(handle: SegmentHandle, name: str) -> NDArray[np.bool_]:
    """Return where the reference shows a structure in the slice that is shown."""
    annotation = handle.annotation
    here = annotation.geometry.plane(*current_slice(handle)).take(annotation.reference)
    mask: NDArray[np.bool_] = here == structure(name).label
    return mask


def settle() -> None:
    """Let the layouts of the window come to rest."""
    for _ in range(EVENT_TURNS):
        QApplication.processEvents()


def take(viewer: napari.Viewer, path: Path) -> None:
    """Write a picture of the window."""
    settle()
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    print(path)


if __name__ == "__main__":
    sys.exit(main())
