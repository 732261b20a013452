"""What an action is called in words is understood as that very action."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_spinalsam.actions import models as a
from napari_spinalsam.actions.describe import describe
from napari_spinalsam.actions.replies import Plan
from napari_spinalsam.language.parser.offline import parse_offline

PLACES = (None, "C1", "T13", "L3", "S1", "sacrum", "coccyx", "spinal_canal", "lumbar")
NAMES = ("C1", "L3", "T13", "L4-L5", "sacrum", "spinal_canal")
ACTIONS = [
    *(
        a.ACTION_TYPES[name]()
        for name in (
            *("open_image", "open_sample", "previous_image", "next_image"),
            *("generate_point_mask", "generate_box_mask", "generate_mask"),
            *("accept_mask", "reject_mask", "clear_points", "clear_boxes"),
            *("clear_all", "check_gpu", "verify_parameters", "show_help"),
            *("cancel", "next_candidate", "previous_candidate"),
        )
    ),
    *(a.GoToSlice(index=index) for index in (0, 1, 42, 110)),
    *(a.MoveSlice(offset=offset) for offset in (1, -1, 2, -5, 10)),
    *(a.SetPlane(plane=plane) for plane in ("axial", "sagittal", "coronal")),
    *(
        a.SetWindow(preset=preset)
        for preset in ("bone", "soft_tissue", "disc", "lung", "full")
    ),
    a.SetWindow(level=40, width=400),
    a.SetWindow(level=-600, width=1500),
    *(a.SelectStructure(structure=name) for name in ("C1", "L3", "L4-L5", "sacrum")),
    *(
        a.AddPoints(count=count, polarity=polarity, structure=place)
        for count, polarity in ((1, "positive"), (3, "negative"))
        for place in (*PLACES, "L4-L5", "spine", "discs")
    ),
    *(a.AddBox(structure=place) for place in (*PLACES, "L5-S1", "cervical")),
    *(
        a.SegmentStructures(structures=names)
        for names in (
            *(["L3"], ["L3", "L4", "L5"], ["L4-L5"], ["L4-L5", "L5-S1"], ["lumbar"]),
            *(["spine"], ["discs"], ["spinal_cord", "spinal_canal"], ["T11", "L1"]),
        )
    ),
    *(
        a.Propagate(direction=direction, slices=slices)
        for direction in ("both", "forward", "backward")
        for slices in (None, 1, 8)
    ),
    *(kind(steps=steps) for kind in (a.Undo, a.Redo) for steps in (1, 2, 4)),
    a.Measure(),
    a.Measure(structure="L3"),
    a.Measure(metrics=["dice"], structure="L4"),
    a.Measure(metrics=["dice", "hd95"], structure="L4-L5"),
    a.Measure(metrics=["volume"]),
    *(a.SaveLabels(format=kind) for kind in ("nifti", "nrrd", "dicom_seg")),
    *(
        a.SetVisibility(layer=layer, visible=visible)
        for layer in ("image", "labels", "points", "boxes", "reference")
        for visible in (True, False)
    ),
    *(
        kind(structure=name, **{argument: value})
        for kind, argument in (
            (a.SetLock, "locked"),
            (a.SetStructureVisibility, "visible"),
        )
        for name in (*NAMES, "spinal_cord")
        for value in (True, False)
    ),
    *(a.DeleteStructure(structure=name) for name in NAMES),
    *(
        kind(structure=old, **{argument: new})
        for kind, argument in ((a.RenameStructure, "to"), (a.MergeStructures, "into"))
        for old, new in (("L3", "L2"), ("T12", "L1"), ("L4-L5", "L5-S1"), ("S1", "L5"))
    ),
    *(a.ShiftNames(levels=levels) for levels in (1, -1, 2, -3)),
    *(a.SetPixelSize(mm=mm) for mm in (0.35, 1.0)),
    *(a.SetViews(views=views) for views in ("one", "three")),
]


def test_each_kind_of_action_is_among_them():
    assert {action.action for action in ACTIONS} == set(a.ACTION_TYPES)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("action", ACTIONS, ids=describe)
def test_the_words_for_an_action_give_it_back(action, language):
    reply = parse_offline(describe(action, language))
    assert reply == Plan(steps=(action,))


def test_reading_sentences_needs_no_numpy():
    code = (
        "import sys; "
        "from napari_spinalsam.language.parser.offline import parse_offline; "
        "parse_offline('add a point'); print('numpy' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"
