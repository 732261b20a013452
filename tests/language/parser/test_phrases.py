"""Turns of phrase, exceptions and what stands beside a request."""

from __future__ import annotations

import pytest

from napari_spinalsam.actions.replies import Clarify, Refuse, parse_reply
from napari_spinalsam.language.parser.offline import parse_offline


def segment(*names):
    return [{"action": "segment_structures", "structures": list(names)}]


def hide(layer):
    return [{"action": "set_visibility", "layer": layer, "visible": False}]


ACTS = [
    ("segment L1 to L5 except L3", segment("L1", "L2", "L4", "L5")),
    ("segment L1 to L5, skip L3 and L4", segment("L1", "L2", "L5")),
    ("segment L1-L5 but not L3", segment("L1", "L2", "L4", "L5")),
    ("segment the lumbar spine apart from L1", segment("L2", "L3", "L4", "L5")),
    ("分割L1到L5，除了L3", segment("L1", "L2", "L4", "L5")),
    ("除了L3，分割所有腰椎", segment("L1", "L2", "L4", "L5")),
    ("分割除L5以外的腰椎", segment("L1", "L2", "L3", "L4")),
    ("segment L3 but not L4", segment("L3")),
    ("keep the points but clear the boxes", [{"action": "clear_boxes"}]),
    ("别清除点，只清除框", [{"action": "clear_boxes"}]),
    ("drop the labels from the view", hide("labels")),
    ("take the points out of view", hide("points")),
    ("segment T12 L1 and L2", segment("T12", "L1", "L2")),
    ("segment the disc between L3 and L4", segment("L3-L4")),
    ("fenge L3", segment("L3")),
    ("xianshi shizhuangmian", [{"action": "set_plane", "plane": "sagittal"}]),
    ("selectL4", [{"action": "select_structure", "structure": "L4"}]),
    ("will you clear the points", [{"action": "clear_points"}]),
    ("move back one slice", [{"action": "move_slice", "offset": -1}]),
    ("undo that and go back to where we were", [{"action": "undo", "steps": 1}]),
    ("I'm done with the mask, accept it", [{"action": "accept_mask"}]),
    (
        "下一层，同时用骨窗",
        [
            {"action": "move_slice", "offset": 1},
            {"action": "set_window", "preset": "bone"},
        ],
    ),
]


@pytest.mark.parametrize(("text", "steps"), ACTS)
def test_it_is_read_as_a_plan(text: str, steps: list[dict[str, object]]) -> None:
    assert parse_offline(text) == parse_reply({"kind": "plan", "steps": steps})


@pytest.mark.parametrize(
    "text",
    [
        "segment everything but the sacrum",
        "segment all vertebrae except T12 and L1",
        "hide everything except the labels",
        "measure the volume of all except L3",
        "clear the points or the boxes",
        "add two points to L3 or L4",
        "either the bone window or the soft tissue window",
    ],
)
def test_what_is_left_open_is_asked_back(text: str) -> None:
    assert isinstance(parse_offline(text), Clarify)


@pytest.mark.parametrize(
    "text",
    ["we still need the points", "不用清除点", "先别保存", "don't clear them yet"],
)
def test_what_is_kept_stays(text: str) -> None:
    assert isinstance(parse_offline(text), Refuse)
