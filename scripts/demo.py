"""The main job in one minute: box L3 in the sample CT, accept, save, measure.

Opens napari, drives the Segment dock by actions, writes labels and a screenshot to a
folder (default: demo-output) and prints what came out. With a display of its own the
window stays open.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_spinalsam import api
from napari_spinalsam.actions import models as a
from napari_spinalsam.core.anatomy import structure
from napari_spinalsam.core.metrics import compare_masks
from napari_spinalsam.core.prompts import BoxPrompt
from napari_spinalsam.model.weights.checkpoint import read_checkpoint
from napari_spinalsam.model.weights.registry import weights_path

MODEL = "spinalsam-tiny"
# The scan that the sample is cut from, by its name in the card of the model.
SAMPLE_SCAN = "verse014"
STRUCTURE = "L3"
SAGITTAL_AXIS = 2


def main() -> int:
    """Run the demo and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("demo-output"))
    parser.add_argument(
        "--close", action="store_true", help="close the window at the end"
    )
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    viewer = napari.Viewer()
    viewer.window.resize(1500, 950)
    handle = api.attach(viewer)
    handle.run(a.OpenSample())
    handle.run(a.SetPlane(plane="sagittal"), a.SelectStructure(structure=STRUCTURE))
    print("Loading the model …", flush=True)
    handle.wait_for_model()

    index, box, truth = tight_box(handle.annotation.reference)
    handle.run(a.GoToSlice(index=index), a.AddBox())
    began = time.perf_counter()
    handle.annotation.set_box(SAGITTAL_AXIS, index, box)
    handle.wait_for_mask()
    waited = 1e3 * (time.perf_counter() - began)
    preview = handle.annotation.state.preview
    viewer.screenshot(
        str(options.output / "preview.png"), canvas_only=False, flash=False
    )
    handle.run(a.AcceptMask())
    while not handle.widget.objects.live.is_done:
        QApplication.processEvents()
    screenshot = options.output / "demo.png"
    viewer.screenshot(str(screenshot), canvas_only=False, flash=False)
    labels = options.output / "labels.nii.gz"
    handle.save(labels)

    spacing = handle.annotation.geometry.plane(SAGITTAL_AXIS, index).spacing
    metrics = compare_masks(preview.mask, truth, spacing)
    prediction = preview.prediction
    encoded = prediction.encode_ms
    print(f"{STRUCTURE}, one box in sagittal slice {index}, {model_name(handle)}:")
    print(
        f"  Dice {metrics.dice:.3f}  IoU {metrics.iou:.3f}  "
        f"MSD {metrics.msd_mm:.2f} mm  HD95 {metrics.hd95_mm:.2f} mm (slice, "
        "against the human reference)"
    )
    print(f"  {training_note()}")
    print(
        f"  encode {'at hand' if encoded is None else f'{encoded:.0f} ms'}, "
        f"decode {prediction.decode_ms:.0f} ms, box to visible mask {waited:.0f} ms"
    )
    print(f"  labels: {labels}\n  screenshot: {screenshot}")
    if options.close or virtual_display():
        viewer.close()
    else:
        napari.run()
    return 0


def tight_box(reference: np.ndarray) -> tuple[int, BoxPrompt, np.ndarray]:
    """Return the slice that shows most of the structure, its box and its pixels."""
    truth = reference == structure(STRUCTURE).label
    index = int(truth.sum(axis=(0, 1)).argmax())
    here = truth[:, :, index]
    rows, cols = np.flatnonzero(here.any(1)), np.flatnonzero(here.any(0))
    return index, BoxPrompt(rows[0], cols[0], rows[-1], cols[-1]), here


def model_name(handle: api.SegmentHandle) -> str:
    """Return name and device of the loaded model."""
    session = handle.widget.controller.session
    return f"{session.identity.name} on {session.device.upper()}"


def training_note() -> str:
    """Say what the figure is worth, from the card inside of the weights.

    Figures are left to the documentation, which is newer than the weights.
    """
    metadata = read_checkpoint(weights_path(MODEL)).metadata
    card = json.loads(metadata["card"])
    if SAMPLE_SCAN not in card["trained_on"]:
        return f"{MODEL} was not trained on the scan of the sample ({SAMPLE_SCAN})."
    return (
        f"{MODEL} was trained on the scan of the sample ({SAMPLE_SCAN}), so this says "
        "little: docs/reference/model-card.md has the figures without it."
    )


def virtual_display() -> bool:
    """Whether nobody looks: the display was made for this run."""
    return os.environ.get("NAPARI_SPINALSAM_VIRTUAL_DISPLAY") == "1"


if __name__ == "__main__":
    sys.exit(main())
