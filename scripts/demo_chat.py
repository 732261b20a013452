"""A conversation with the Chat dock on the sample CT, from "open the sample" to "save".

Every sentence is typed into the dock as a user would; where a plan asks first, Run is
pressed. Prints the transcript and writes screenshots and the labels to a folder
(default: demo-output). With a display of its own the window stays open.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import napari
import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from napari_spinalsam import api
from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.prompts import BoxPrompt
from napari_spinalsam.widgets.chat.transcript import Tone

if TYPE_CHECKING:
    from napari_spinalsam.widgets.chat.transcript import Bubble
    from napari_spinalsam.widgets.chat.widget import ChatWidget

SAGITTAL_AXIS = 2
BEFORE_THE_BOX = (
    "Open the sample",
    "Bone window, show the sagittal plane and select L3",
    "go to slice {index}",
    "please add a box and generate the mask",
)
AFTER_THE_BOX = (
    "do not clear the points",
    "clear",
    "接受这个掩码",
    "what is the volume of L3?",
    "隐藏参考标签",
    "take that back",
    "redo",
    "is there a GPU?",
    "save the labels as NIfTI",
)


def main() -> int:
    """Run the conversation and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("demo-output"))
    parser.add_argument(
        "--close", action="store_true", help="close the window at the end"
    )
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    labels = options.output / "chat-labels.nii.gz"
    # The one dialog of the conversation is answered here.
    QFileDialog.getSaveFileName = lambda *_, **__: (str(labels), "")

    viewer = napari.Viewer()
    viewer.window.resize(1500, 1000)
    _, chat = viewer.window.add_plugin_dock_widget("napari-spinalsam", "Chat")
    say(chat, BEFORE_THE_BOX[0])
    handle = api.attach(viewer)
    handle.wait_for_model()
    index, box = tight_box(handle.annotation.reference)
    for sentence in BEFORE_THE_BOX[1:]:
        say(chat, sentence.format(index=index))
    # The sentence has put the box tool in the user's hand; the user draws.
    handle.annotation.set_box(SAGITTAL_AXIS, index, box)
    handle.wait_for_mask()
    take_picture(viewer, options.output / "chat-mask.png")
    for sentence in AFTER_THE_BOX:
        say(chat, sentence)
        if chat.transcript.bubbles[-1].tone is Tone.PLAN:
            take_picture(viewer, options.output / "chat-plan.png")
            chat.transcript.bubbles[-1].buttons[0].click()
    take_picture(viewer, options.output / "chat.png")
    for bubble in chat.transcript.bubbles:
        print_bubble(bubble)
    if not labels.exists():
        print(f"The labels were not written to {labels}.", file=sys.stderr)
        return 1
    print(f"labels: {labels}")
    if options.close or os.environ.get("NAPARI_SPINALSAM_VIRTUAL_DISPLAY") == "1":
        viewer.close()
    else:
        napari.run()
    return 0


def say(chat: ChatWidget, sentence: str) -> None:
    """Type a sentence and press Enter."""
    line = chat.sentence.native
    line.setText(sentence)
    QTest.keyClick(line, Qt.Key.Key_Return)


def tight_box(reference: np.ndarray) -> tuple[int, BoxPrompt]:
    """Return the sagittal slice that shows most of L3, and its box there."""
    truth = reference == structure("L3").label
    index = int(truth.sum(axis=(0, 1)).argmax())
    rows, cols = (np.flatnonzero(truth[:, :, index].any(axis)) for axis in (1, 0))
    return index, BoxPrompt(rows[0], cols[0], rows[-1], cols[-1])


def take_picture(viewer: napari.Viewer, path: Path) -> None:
    """Write a screenshot of the whole window."""
    napari.qt.get_qapp().processEvents()
    viewer.screenshot(str(path), canvas_only=False, flash=False)


def print_bubble(bubble: Bubble) -> None:
    """Print what was said, by whom, and where an answer came from."""
    who = "you " if bubble.tone is Tone.USER else "tool"
    text = bubble.text.text().replace("\n", "\n      ")
    detail = f"   [{bubble.detail.text()}]" if bubble.detail.text() else ""
    print(f"{who}  {text}{detail}")


if __name__ == "__main__":
    sys.exit(main())
