"""The fallback for what no frame fits: what a small model takes a sentence for.

The model only names the action; structures, numbers and the rest are read from the
words as always. It never clears or writes anything, and words that stop a request, or
that the action has no use for, stop it too.
"""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_spinalsam.actions.models import ACTION_CLASS, ActionClass
from napari_spinalsam.actions.replies import parse_action
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.language.parser.clause_reading import Outcome, read_clause
from napari_spinalsam.language.parser.frames import Fit, Fragment, mask
from napari_spinalsam.language.parser.lexicon import Frame, load_lexicon
from napari_spinalsam.language.parser.off_task import asks, names_another, orders
from napari_spinalsam.language.parser.planner import plan
from napari_spinalsam.language.parser.slots import (
    LAYERS,
    UnclearError,
    build_steps,
    has,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.language.parser.intent import GuessIntent
    from napari_spinalsam.language.parser.slots import Step
    from napari_spinalsam.language.parser.tokenizer import Token

WHOLE, CLAUSE = 0.5, 0.7  # the least probability, of a sentence and of one clause
_FEWEST_WORDS = 2
_COST = 3.0
_SLOTS = (
    "structure region plane metric format polarity number ordinal hide_strictly unit"
    " lock_word unlock_word rename_word merge_word"
)
_STOPS = (
    "outside howto if quoting forget misclear not device_change meaning stop_word minus"
    " mm_word cancel drop_it"
)
_TELLING = frozenset(
    ("he", "she", "they", "someone", "somebody", "everyone", "nobody", "people")
) | frozenset(("他", "她", "他们", "她们", "有人", "别人", "大家", '"'))
_CONDITIONS = frozenset(("if", "whether", "unless"))
# What must be said besides for an action that many words hint at.
_EVIDENCE = MappingProxyType(
    {"set_visibility": "show hide", "set_plane": "plane_word turn go select"}
)
_ASKED = frozenset(
    ("measure", "check_gpu", "verify_parameters", "show_help", "open_sample")
)


def read_by_guess(
    fragments: Sequence[Fragment], said: Sequence[Token], guess: GuessIntent
) -> Outcome:
    """Return what the model takes a sentence for, nothing where it is unsure.

    Parameters
    ----------
    fragments : sequence of Fragment
        What is said, with what is negated.
    said : sequence of Token
        The whole sentence.
    guess : callable
        The model.
    """
    if any(part.negated for part in fragments) or _is_stopped(said):
        return Outcome()
    if sum(not has(token, "filler") for token in said) < _FEWEST_WORDS:
        return Outcome()
    behind = [*(part.joiner for part in fragments[1:]), None]
    read = [read_clause(part.tokens, (part,)).steps for part in fragments]
    strange = zip(fragments, behind, read, strict=True)
    if any(read) and any(
        orders(part, follows) for part, follows, steps in strange if not steps
    ):
        return Outcome()
    words = [token for part in fragments for token in part.tokens]
    whole = _understood(words, said, *guess(words), WHOLE)
    if len(fragments) < 2 or (whole.steps and _actions(*read) <= _actions(whole.steps)):
        return whole
    clauses = plan(
        fragments, said, lambda part: _understood(part, said, *guess(part), CLAUSE)
    )
    return clauses if _is_gentle(clauses.steps) else Outcome()


def _actions(*clauses: Sequence[Step]) -> set[str]:
    return {step["action"] for steps in clauses for step in steps}


def _understood(
    words: Sequence[Token],
    said: Sequence[Token],
    intent: str,
    probability: float,
    least: float,
) -> Outcome:
    """Return what some words ask for where the model is sure enough of their intent."""
    action = intent.rstrip("+-")
    if probability < least or action not in ACTION_CLASS or not _asks_plainly(words):
        return Outcome()
    if _is_question(said) and action not in _ASKED:
        return Outcome()
    frame = Frame(action, (), 0, MappingProxyType({}))
    fit = Fit(frame, tuple(words), tuple(words))
    lacks = action in _EVIDENCE and not any(has(t, _EVIDENCE[action]) for t in words)
    if lacks or any(_is_left_over(token, action) for token in words):
        return Outcome()
    try:
        steps = _shown(fit, intent) if action == "set_visibility" else build_steps(fit)
        for step in steps:
            parse_action(step)
    except (UnclearError, InputError):
        return Outcome()
    if not _is_gentle(steps):
        return Outcome()
    its = any(has(token, "its") for token in words)
    return Outcome(steps, answers=action in _ASKED, its=its, cost=_COST)


def _shown(fit: Fit, intent: str) -> list[Step]:
    layers = {
        layer for t in fit.tokens for name, layer in LAYERS.items() if has(t, name)
    }
    if len(layers) != 1:
        return []
    visible = intent.endswith("+")
    return [
        {"action": "set_visibility", "layer": layer, "visible": visible}
        for layer in layers
    ]


def _is_stopped(tokens: Sequence[Token]) -> bool:
    """Whether a word stops a request, speaks of others, quotes or makes a condition."""
    stops = mask(_STOPS)
    return any(
        (token.concepts & stops and not token.concepts & ~stops)
        or token.text.split()[0] in _TELLING
        or (has(token, "vague") and not has(token, "filler"))
        or (token.text.split()[0] in _CONDITIONS and not has(token, "filler"))
        for token in tokens
    )


def _asks_plainly(words: Sequence[Token]) -> bool:
    """Whether it is put as a request, and no strange word says of what."""
    return asks(Fragment(tuple(words))) and not any(
        names_another(words, at) for at in range(len(words))
    )


def _is_question(tokens: Sequence[Token]) -> bool:
    if any(token.concepts & mask("request") for token in tokens):
        return False
    return any(
        token.text in ("?", "吗", "么") or token.concepts == mask("ask")
        for token in tokens
    )


def _is_left_over(token: Token, action: str) -> bool:
    """Whether a word names something that the action has no use for."""
    return bool(token.concepts & mask(_SLOTS)) and not token.concepts & _used(action)


@cache
def _used(action: str) -> int:
    """Return the concepts that the frames of an action take, and courtesy."""
    used = mask("filler")
    for frame in load_lexicon().frames:
        if frame.action == action:
            used |= frame.may
            for need in frame.needs:
                used |= need
    return used


def _is_gentle(steps: Sequence[Step]) -> bool:
    gentle = (ActionClass.READ, ActionClass.EDIT)
    return bool(steps) and all(ACTION_CLASS[s["action"]] in gentle for s in steps)
