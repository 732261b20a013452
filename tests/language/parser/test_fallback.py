"""What the small model may make of what no frame fits, and what it may not."""

from __future__ import annotations

import pytest

from napari_spinalsam.actions.models import ACTION_CLASS, ActionClass
from napari_spinalsam.actions.replies import parse_reply
from napari_spinalsam.language.parser.intent import load_intent_model
from napari_spinalsam.language.parser.offline import parse_offline

CERTAIN = 1.0


def always(intent):
    """Return a model that takes everything for one intent."""
    return lambda _: (intent, CERTAIN)


GENTLE = [
    name
    for name, kind in ACTION_CLASS.items()
    if kind in (ActionClass.READ, ActionClass.EDIT)
]
RISKY = [name for name in ACTION_CLASS if name not in GENTLE]


@pytest.mark.parametrize("action", RISKY)
@pytest.mark.parametrize("text", ["zorp my lovely gadget", "给我咕噜咕噜一下"])
def test_a_guess_never_clears_and_never_writes(text, action):
    assert parse_offline(text, always(action)).kind != "plan"


def test_structures_of_a_guess_are_read_from_the_words():
    reply = parse_offline("zorp L3 please", always("segment_structures"))
    step = {"action": "segment_structures", "structures": ["L3"]}
    assert reply == parse_reply({"kind": "plan", "steps": [step]})


@pytest.mark.parametrize(
    "text",
    [
        "he zorps L3 please",
        "zorp L3 if you must, please",
        "never zorp L3 please",
        "is L3 zorped?",
        "zorp the kidney of L3 please",
        'zorp "L3" please',
    ],
)
def test_no_guess_where_others_conditions_or_other_things_are_named(text):
    assert parse_offline(text, always("segment_structures")).kind != "plan"


def test_a_guess_that_lacks_its_arguments_does_nothing():
    for action in ("segment_structures", "go_to_slice", "set_plane", "set_window"):
        assert parse_offline("zorp it for me please", always(action)).kind != "plan"


@pytest.mark.parametrize("action", GENTLE)
def test_no_guess_is_an_error(action):
    for text in (
        "zorp",
        "zorp L3, T4 and 5 points",
        "zorp 3 -4 window 2",
        "咕噜 L3 三",
    ):
        assert parse_offline(text, always(action)).kind in ("plan", "clarify", "refuse")


def test_probabilities_of_the_model_add_up_to_one():
    assert load_intent_model().probabilities([]).sum() == pytest.approx(1)
