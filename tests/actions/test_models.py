"""TODO."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import ValidationError

from napari_spinalsam.actions import models as actions
from napari_spinalsam.actions.describe import describe
from napari_spinalsam.actions.models import ACTION_CLASS, ACTION_TYPES
from napari_spinalsam.actions.replies import (
    Clarify,
    Plan,
    Refuse,
    parse_action,
    parse_reply,
    reply_schema,
    reply_to_dict,
)
from napari_spinalsam.core.anatomy import REGIONS, STRUCTURE_NAMES
from napari_spinalsam.core.errors import InputError

ALL_FIVE = ["dice", "iou", "msd", "hd95", "volume"]
READ, EDIT, DESTRUCTIVE, WRITE = "read", "edit", "destructive", "write"

# Each row of the contract: name, smallest arguments, all arguments, class, words.
ROWS = [
    ("open_image", {}, {}, READ, "Open an image"),
    ("open_sample", {}, {}, READ, "Open the sample CT"),
    ("previous_image", {}, {}, READ, "Go to the previous image"),
    ("next_image", {}, {}, READ, "Go to the next image"),
    ("go_to_slice", {"index": 0}, {"index": 0}, READ, "Go to slice 0"),
    ("move_slice", {"offset": -2}, {"offset": -2}, READ, "Move back by 2 slices"),
    ("set_plane", {"plane": "axial"}, {"plane": "axial"}, READ, "Show the axial plane"),
    (
        "set_window",
        {"preset": "soft_tissue"},
        {"preset": "soft_tissue"},
        EDIT,
        "Set the soft tissue window",
    ),
    (
        "set_window",
        {"level": 300, "width": 1500},
        {"level": 300, "width": 1500},
        EDIT,
        "Set the window to level 300, width 1500",
    ),
    (
        "select_structure",
        {"structure": "L3"},
        {"structure": "L3"},
        EDIT,
        "Select L3",
    ),
    (
        "add_points",
        {},
        {"count": 1, "polarity": "positive", "structure": None},
        EDIT,
        "Add 1 positive point",
    ),
    (
        "add_points",
        {"count": 3, "structure": "L3"},
        {"count": 3, "polarity": "positive", "structure": "L3"},
        EDIT,
        "Add 3 positive points in L3",
    ),
    (
        "add_points",
        {"polarity": "negative", "structure": "lumbar"},
        {"count": 1, "polarity": "negative", "structure": "lumbar"},
        EDIT,
        "Add 1 negative point in the lumbar spine",
    ),
    ("add_box", {}, {"structure": None}, EDIT, "Add a box"),
    (
        "add_box",
        {"structure": "S1"},
        {"structure": "S1"},
        EDIT,
        "Add a box around S1",
    ),
    ("generate_point_mask", {}, {}, EDIT, "Generate a mask from the points"),
    ("generate_box_mask", {}, {}, EDIT, "Generate a mask from the box"),
    ("generate_mask", {}, {}, EDIT, "Generate a mask"),
    (
        "segment_structures",
        {"structures": ["L3", "L4-L5"]},
        {"structures": ["L3", "L4-L5"]},
        EDIT,
        "Segment L3, L4-L5",
    ),
    (
        "segment_structures",
        {"structures": ["discs"]},
        {"structures": ["discs"]},
        EDIT,
        "Segment the discs",
    ),
    (
        "propagate",
        {},
        {"direction": "both", "slices": None},
        EDIT,
        "Propagate the mask in both directions",
    ),
    (
        "propagate",
        {"direction": "forward", "slices": 4},
        {"direction": "forward", "slices": 4},
        EDIT,
        "Propagate the mask forward by 4 slices",
    ),
    ("accept_mask", {}, {}, EDIT, "Accept the mask"),
    ("reject_mask", {}, {}, EDIT, "Reject the mask"),
    ("clear_points", {}, {}, DESTRUCTIVE, "Clear the points"),
    ("clear_boxes", {}, {}, DESTRUCTIVE, "Clear the boxes"),
    ("clear_all", {}, {}, DESTRUCTIVE, "Clear all prompts and the preview"),
    ("undo", {}, {"steps": 1}, EDIT, "Undo 1 step"),
    ("redo", {"steps": 2}, {"steps": 2}, EDIT, "Redo 2 steps"),
    (
        "measure",
        {},
        {"metrics": ALL_FIVE, "structure": None},
        READ,
        "Measure all structures",
    ),
    (
        "measure",
        {"metrics": ["dice", "iou", "volume"], "structure": "spinal_cord"},
        {"metrics": ["dice", "iou", "volume"], "structure": "spinal_cord"},
        READ,
        "Measure Dice, IoU and volume of spinal cord",
    ),
    ("save_labels", {}, {"format": "nifti"}, WRITE, "Save the labels as NIfTI"),
    (
        "set_visibility",
        {"layer": "points", "visible": False},
        {"layer": "points", "visible": False},
        READ,
        "Hide the points",
    ),
    ("cancel", {}, {}, EDIT, "Stop the running job"),
    (
        "set_lock",
        {"structure": "l2"},
        {"structure": "L2", "locked": True},
        EDIT,
        "Lock L2",
    ),
    (
        "set_lock",
        {"structure": "L4-L5", "locked": False},
        {"structure": "L4-L5", "locked": False},
        EDIT,
        "Unlock L4-L5",
    ),
    (
        "set_structure_visibility",
        {"structure": "L2", "visible": False},
        {"structure": "L2", "visible": False},
        READ,
        "Hide L2",
    ),
    (
        "rename_structure",
        {"structure": "L3", "to": "L2"},
        {"structure": "L3", "to": "L2"},
        EDIT,
        "Rename L3 to L2",
    ),
    (
        "merge_structures",
        {"structure": "L3", "into": "L2"},
        {"structure": "L3", "into": "L2"},
        EDIT,
        "Merge L3 into L2",
    ),
    (
        "delete_structure",
        {"structure": "sacrum"},
        {"structure": "sacrum"},
        DESTRUCTIVE,
        "Delete sacrum, its labels and prompts",
    ),
    ("shift_names", {"levels": 1}, {"levels": 1}, EDIT, "Shift all names down 1 level"),
    (
        "shift_names",
        {"levels": -2},
        {"levels": -2},
        EDIT,
        "Shift all names up 2 levels",
    ),
    ("set_views", {"views": "three"}, {"views": "three"}, READ, "Show three views"),
    ("set_views", {"views": "one"}, {"views": "one"}, READ, "Show one view"),
    ("next_candidate", {}, {}, EDIT, "Show the next candidate mask"),
    ("previous_candidate", {}, {}, EDIT, "Show the previous candidate mask"),
    (
        "set_pixel_size",
        {"mm": 0.35},
        {"mm": 0.35},
        EDIT,
        "Set the pixel size to 0.35 mm",
    ),
    ("check_gpu", {}, {}, READ, "Check the GPU"),
    ("verify_parameters", {}, {}, READ, "Verify the parameters of the model"),
    ("show_help", {}, {}, READ, "Show help"),
]


@pytest.mark.parametrize(("name", "given", "full", "kind", "words"), ROWS)
def test_action_is_filled_classed_and_described(name, given, full, kind, words) -> None:
    action = parse_action({"action": name, **given})
    assert action.model_dump(mode="json") == {"action": name, **full}
    assert parse_action(json.dumps({"action": name, **given})) == action
    assert parse_action(action.model_dump_json()) == action
    assert ACTION_CLASS[name] == action.action_class == kind
    assert describe(action) == words


def test_table_covers_every_action() -> None:
    assert {row[0] for row in ROWS} == set(ACTION_TYPES) == set(ACTION_CLASS)


def test_actions_are_frozen_and_hashable() -> None:
    action = actions.SegmentStructures(structures=("L3",))
    with pytest.raises(ValidationError):
        action.structures = ()
    assert len({action, actions.SegmentStructures(structures=("L3",))}) == 1


@pytest.mark.parametrize(
    ("said", "name"),
    [("l3", "L3"), ("L4/5", "L4-L5"), ("Sacrum", "sacrum"), ("s1", "S1")],
)
def test_names_are_spelt_the_one_way(said: str, name: str) -> None:
    assert actions.SelectStructure(structure=said).structure == name
    assert actions.SegmentStructures(structures=(said,)).structures == (name,)


@pytest.mark.parametrize("name", [*STRUCTURE_NAMES, *REGIONS])
def test_every_structure_and_region_can_be_segmented(name: str) -> None:
    action = actions.SegmentStructures(structures=(name,))
    assert action.structures == (name,)
    assert describe(action).startswith("Segment ")


WRONG = [
    ("go_to_slice", {}, "index"),
    ("go_to_slice", {"index": -1}, "index"),
    ("go_to_slice", {"index": 1.5}, "index"),
    ("go_to_slice", {"index": "3"}, "index"),
    ("go_to_slice", {"index": True}, "index"),
    ("move_slice", {"offset": 0}, "offset"),
    ("set_plane", {"plane": "oblique"}, "plane"),
    ("set_window", {}, "preset"),
    ("set_window", {"preset": "brain"}, "preset"),
    ("set_window", {"level": 300}, "width"),
    ("set_window", {"width": 300}, "level"),
    ("set_window", {"preset": "bone", "level": 300, "width": 1500}, "either"),
    ("set_window", {"level": 300, "width": 0}, "width"),
    ("set_window", {"level": float("nan"), "width": 10}, "level"),
    ("set_window", {"level": "300", "width": 10}, "level"),
    ("set_window", {"level": 300, "width": True}, "width"),
    ("select_structure", {}, "structure"),
    ("select_structure", {"structure": "L9"}, "L9"),
    ("select_structure", {"structure": "lumbar"}, "lumbar"),
    ("select_structure", {"structure": None}, "structure"),
    ("add_points", {"count": 0}, "count"),
    ("add_points", {"count": 51}, "count"),
    ("add_points", {"polarity": "neutral"}, "polarity"),
    ("add_points", {"structure": ["L3"]}, "structure"),
    ("segment_structures", {}, "structures"),
    ("segment_structures", {"structures": []}, "at least 1"),
    ("segment_structures", {"structures": "L3"}, "structures"),
    ("segment_structures", {"structures": ["lumbar", "L3"]}, "alone"),
    ("segment_structures", {"structures": ["/etc/passwd"]}, "no structure"),
    ("propagate", {"direction": "up"}, "direction"),
    ("propagate", {"slices": 0}, "slices"),
    ("undo", {"steps": 0}, "undo, steps"),
    ("measure", {"metrics": []}, "metrics"),
    ("measure", {"metrics": ["hd"]}, "metrics"),
    ("measure", {"structure": "lumbar"}, "structure"),
    ("save_labels", {"format": "png"}, "format"),
    ("save_labels", {"path": "/tmp/x"}, "no such argument"),  # noqa: S108
    ("set_visibility", {"layer": "labels", "visible": "no"}, "visible"),
    ("set_visibility", {"layer": "Layer 1", "visible": True}, "layer"),
    ("show_help", {"topic": "points"}, "no such argument"),
    ("clear", {}, "no action 'clear', but there is clear_all"),
    ("exec", {"code": "1"}, "no action 'exec'"),
]


@pytest.mark.parametrize(("name", "arguments", "words"), WRONG)
def test_wrong_argument_is_named_in_one_line(name, arguments, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        parse_action({"action": name, **arguments})
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 250


def test_plan_keeps_its_order_and_fills_defaults() -> None:
    steps = [{"action": "add_points", "count": 3}, {"action": "generate_mask"}]
    reply = parse_reply(json.dumps({"kind": "plan", "steps": steps}))
    assert isinstance(reply, Plan)
    assert [describe(step) for step in reply.steps] == [
        "Add 3 positive points",
        "Generate a mask",
    ]
    filled = {"action": "add_points", "count": 3, "polarity": "positive"}
    assert reply_to_dict(reply) == {
        "kind": "plan",
        "steps": [{**filled, "structure": None}, {"action": "generate_mask"}],
    }


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"kind": "clarify", "question": "Which?", "options": ["a", "b"]}, Clarify),
        ({"kind": "refuse", "reason": "It is no request."}, Refuse),
    ],
)
def test_other_replies_go_round(data, kind) -> None:
    reply = parse_reply(data)
    assert isinstance(reply, kind)
    assert reply_to_dict(reply) == data


UNDO = {"action": "undo"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("Sure! Here is the plan", "not JSON"),
        ("", "not JSON"),
        ("[]", "valid"),
        ({}, "'kind' is missing"),
        ({"kind": "code"}, "no kind 'code'"),
        ({"kind": "plan"}, "steps: this is missing"),
        ({"kind": "plan", "steps": []}, "at least 1"),
        ({"kind": "plan", "steps": [UNDO] * 9}, "at most 8"),
        ({"kind": "plan", "steps": [UNDO, {"action": "fly"}]}, "step 2: there is no"),
        ({"kind": "plan", "steps": [UNDO, {}]}, "step 2: the key 'action'"),
        ({"kind": "plan", "steps": [UNDO], "note": "x"}, "note: there is no such"),
        ({"kind": "plan", "steps": [{**UNDO, "steps": True}]}, "step 1, undo, steps"),
        ({"kind": "clarify", "question": ""}, "question"),
        ({"kind": "refuse"}, "reason: this is missing"),
    ],
)
def test_wrong_reply_is_refused_in_one_line(data, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        parse_reply(data)
    assert "\n" not in str(caught.value)


def test_schema_suits_strict_services() -> None:
    text = json.dumps(reply_schema())
    assert "oneOf" not in text
    assert "discriminator" not in text
    definitions = reply_schema()["$defs"]
    for model in ACTION_TYPES.values():
        written = definitions[model.__name__]
        assert "action" in written["required"]
        assert written["additionalProperties"] is False
        assert written["description"]
    assert definitions["Plan"]["properties"]["steps"]["maxItems"] == 8
    names = definitions["SelectStructure"]["properties"]["structure"]["enum"]
    assert names == list(STRUCTURE_NAMES)
