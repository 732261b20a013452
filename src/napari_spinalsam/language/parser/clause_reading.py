"""Read one clause: the frame that it fits and the steps that it asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_spinalsam.actions.models import ACTION_CLASS, ActionClass
from napari_spinalsam.language.parser.frames import find_fits, mask
from napari_spinalsam.language.parser.slots import UnclearError, build_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.language.parser.frames import Fit, Fragment
    from napari_spinalsam.language.parser.tokenizer import Token

# How far a reading is from a perfect one.
STEP, BORROWED, OFF_TASK, UNCLEAR, NOTHING = 1.0, 1.5, 10.0, 50.0, 1000.0
CLAUSE_VERBS = "add draw generate segment select measure show hide go open calculate"
_ALL_VERBS = (
    f"{CLAUSE_VERBS} clear save accept reject undo redo propagate verify adopt turn"
)
_THINGS = (
    "point box mask preview structure region metric labels reference image slice plane"
    " preset window gpu parameters sample help prompt point_mask box_mask segmentation"
    " next previous forward back number ordinal polarity quality filler"
)


_STATING = ("is ", "are ", "was ", "were ", "looks ", "look ", "seems ")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was understood.

    Parameters
    ----------
    steps : list of dict
        The steps, where all of it was understood.
    question : str
        Else the key of a question back, or empty.
    refusal : str
        The key of a refusal, or empty.
    answers : bool
        Whether the steps answer a question.
    off_task : bool
        Whether it is a remark that asks for nothing.
    beside : bool
        Whether the steps are meant only beside others.
    its : bool
        Whether "its" was said, of the structure named before.
    cost : float
        How far the reading is from a perfect one.
    """

    steps: list[dict[str, Any]] = field(default_factory=list)
    question: str = ""
    refusal: str = ""
    answers: bool = False
    off_task: bool = False
    beside: bool = False
    its: bool = False
    cost: float = NOTHING


def read_clause(tokens: Sequence[Token], fragments: Sequence[Fragment]) -> Outcome:
    """Return what a clause asks for.

    Parameters
    ----------
    tokens : sequence of Token
        Its words.
    fragments : sequence of Fragment
        The fragments that it is made of.
    """
    doubt = Outcome()
    for fit in find_fits(tokens):
        frame = fit.frame
        if _leaves_verb(fit.used, fragments) or _states(fit):
            continue
        if frame.action == "refuse":
            return Outcome(refusal=frame.key, cost=UNCLEAR)
        if frame.action == "clarify":
            asked = Outcome(question=frame.key, cost=UNCLEAR)
            return doubt if doubt.question else asked
        try:
            steps = build_steps(fit)
        except UnclearError as unclear:
            if not doubt.question:
                doubt = Outcome(question=str(unclear), cost=UNCLEAR)
            continue
        if not fit.exact and any(_is_guarded(step) for step in steps):
            key = "clear_what" if fit.used[0].concepts & mask("clear") else "misspelt"
            return Outcome(question=key, cost=UNCLEAR)
        return _understood(fit, steps)
    return doubt


def _understood(fit: Fit, steps: list[dict[str, Any]]) -> Outcome:
    said = fit.tokens
    return Outcome(
        steps,
        answers=fit.frame.asks,
        beside=fit.frame.beside,
        its=any(token.concepts & mask("its") for token in said),
        cost=STEP,
    )


def _states(fit: Fit) -> bool:
    """Whether it says how a thing is: "the sagittal view is nice"."""
    judged = any(
        token.concepts & mask("judge") and token.text.startswith(_STATING)
        for token in fit.tokens
    )
    wishes = mask("request request_word point_mask box_mask it")
    return judged and not any(
        not token.concepts & mask("judge plane_word")
        and (is_verb(token) or token.concepts & wishes)
        for token in fit.tokens
    )


def is_verb(token: Token) -> bool:
    """Whether a word is a verb and cannot be a thing."""
    return bool(token.concepts & mask(_ALL_VERBS)) and not token.concepts & mask(
        _THINGS
    )


def _leaves_verb(used: Sequence[Token], fragments: Sequence[Fragment]) -> bool:
    """Whether a part with a verb of its own would be read as belonging to another."""
    if len({fragment.part for fragment in fragments}) < 2:
        return False
    words = {token.text for token in used}
    verbs = [
        (fragment.part, token)
        for fragment in fragments
        for token in fragment.tokens
        if is_verb(token)
    ]
    if not verbs:
        return False
    home = next(((p, t) for p, t in verbs if t.text in words), verbs[0])
    return any(
        part != home[0]
        and token.text not in words
        and not token.concepts & home[1].concepts & mask(_ALL_VERBS)
        for part, token in verbs
    )


def _is_guarded(step: dict[str, Any]) -> bool:
    return ACTION_CLASS[step["action"]] is ActionClass.DESTRUCTIVE
