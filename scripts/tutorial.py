"""The session of the tutorial (docs/tutorials), on the sample CT, step by step.

Five vertebrae are named, propagated, corrected, measured, saved and reopened, as a user
would do it in the window. The reference tells where to prompt and what to measure
against; it stays hidden. Pictures go to docs/images, files to demo-output.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from scipy import ndimage as ndi
from screenshots import (
    LUMBAR,
    current_slice,
    open_sample,
    prompt_with_box,
    settle,
    show,
    take,
    true_mask,
)

from napari_spinalsam import api
from napari_spinalsam.actions import models as a
from napari_spinalsam.core.anatomy import Plane, structure
from napari_spinalsam.core.prompts import PointPrompt, Polarity

CORRECTED = "L5"


def main() -> int:
    """Go through the session and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, default=Path("docs/images"))
    parser.add_argument("--output", type=Path, default=Path("demo-output"))
    options = parser.parse_args()
    for folder in (options.pictures, options.output):
        folder.mkdir(parents=True, exist_ok=True)

    viewer, handle = open_sample()
    show(handle, Plane.SAGITTAL, "L3")
    _, index = current_slice(handle)
    take(viewer, options.pictures / "tutorial-1-open.png")

    for name in LUMBAR:
        handle.run(a.SelectStructure(structure=name))
        prompt_with_box(handle, name)
        handle.run(a.AcceptMask())
    take(viewer, options.pictures / "tutorial-2-named.png")

    for name in LUMBAR:
        handle.run(a.SelectStructure(structure=name), a.Propagate())
        handle.wait_for_objects()
    take(viewer, options.pictures / "tutorial-3-propagated.png")

    correct(handle)
    take(viewer, options.pictures / "tutorial-4-corrected.png")

    for outcome in handle.run("measure the volume, Dice and HD95"):
        print(outcome.text)
    measures = handle.widget.objects.open_measures()
    while not measures.export.isEnabled():  # the distances come after the rest
        settle()
    measures.grab().save(str(options.pictures / "tutorial-5-measured.png"))

    saved = options.output / "tutorial.spinalsam"
    labels = np.array(handle.annotation.labels)
    api.save_annotation(handle.annotation, saved)
    print(handle.save(options.output / "tutorial-labels.nii.gz"))
    viewer.close()

    reopened, handle = open_sample()
    opened = api.open_annotation(saved, handle.annotation.volume)
    handle.widget.controller.take_up(opened)
    if not np.array_equal(handle.annotation.labels, labels):
        print("The reopened labels are not those that were saved.", file=sys.stderr)
        return 1
    handle.run(a.SetPlane(plane=Plane.SAGITTAL), a.GoToSlice(index=index))
    take(reopened, options.pictures / "tutorial-6-reopened.png")
    reopened.close()
    return 0


def correct(handle: api.SegmentHandle) -> None:
    """Click the middle of the largest error of a vertebra, and accept."""
    show(handle, Plane.SAGITTAL, CORRECTED)
    axis, index = current_slice(handle)
    here = handle.annotation.geometry.plane(axis, index).take(handle.annotation.labels)
    mine, truth = here == structure(CORRECTED).label, true_mask(handle, CORRECTED)
    depth = ndi.distance_transform_edt(mine != truth)
    row, col = np.unravel_index(depth.argmax(), depth.shape)
    polarity = Polarity.POSITIVE if truth[row, col] else Polarity.NEGATIVE
    handle.annotation.add_point(
        axis, index, PointPrompt(float(row), float(col), polarity)
    )
    handle.wait_for_mask()
    handle.run(a.AcceptMask())


if __name__ == "__main__":
    sys.exit(main())
