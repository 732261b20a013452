"""From fragments to steps: which fragments make a clause, and what each clause asks.

Neighbouring fragments are read as one clause where a frame fits them together ("segment
L3 and L4"), else each by itself ("add a point and generate the mask"), else with the verb
of the clause before. The reading with the fewest clauses wins, if it leaves nothing over.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_spinalsam.core.action_fields import ActionClass
from napari_spinalsam.core.actions import ACTION_CLASS
from napari_spinalsam.language.arguments import UnclearError, build_steps
from napari_spinalsam.language.clauses import mask
from napari_spinalsam.language.frames import find_fits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.language.clauses import Fragment
    from napari_spinalsam.language.tokens import Token

_LONGEST_CLAUSE = 8  # fragments
_MOST_FRAGMENTS = 24
_VERBS = "add draw generate segment select measure show hide go open calculate"
_GUARDED = (ActionClass.DESTRUCTIVE, ActionClass.WRITE)
_STEP, _BORROWED, _UNCLEAR, _NOTHING = 1.0, 1.5, 50.0, 1000.0


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
    """

    steps: list[dict[str, Any]] = field(default_factory=list)
    question: str = ""
    refusal: str = ""
    answers: bool = False
    cost: float = _NOTHING


def plan(fragments: Sequence[Fragment]) -> Outcome:
    """Return what the fragments that are not negated ask for.

    Parameters
    ----------
    fragments : sequence of Fragment
        In the order said.
    """
    if not fragments or len(fragments) > _MOST_FRAGMENTS:
        return Outcome()
    best: list[tuple[float, tuple[Outcome, ...]]] = [(0.0, ())]
    starts: list[tuple[int, ...]] = [()]
    for end in range(1, len(fragments) + 1):
        options = []
        for start in range(max(0, end - _LONGEST_CLAUSE), end):
            outcome = _read(fragments, start, end)
            cost = best[start][0] + outcome.cost
            options.append((cost, start, (*best[start][1], outcome)))
        cost, start, outcomes = min(options, key=lambda option: option[:2])
        best.append((cost, outcomes))
        starts.append((*starts[start], start))
    return _together(fragments, best[-1][1], starts[-1])


def _together(
    fragments: Sequence[Fragment], outcomes: Sequence[Outcome], starts: Sequence[int]
) -> Outcome:
    question = next((o.question for o in outcomes if o.question), "")
    refusal = next((o.refusal for o in outcomes if o.refusal), "")
    if not all(outcome.steps for outcome in outcomes):
        return Outcome(question=question, refusal=refusal)
    ordered: list[Outcome] = []
    for outcome, start in zip(outcomes, starts, strict=True):
        if ordered and fragments[start].turned:
            ordered.insert(-1, outcome)
        else:
            ordered.append(outcome)
    steps = _resolve([outcome.steps for outcome in ordered])
    return Outcome(steps, answers=all(outcome.answers for outcome in outcomes))


def _read(fragments: Sequence[Fragment], start: int, end: int) -> Outcome:
    """Read some fragments as one clause."""
    tokens: list[Token] = []
    for at in range(start, end):
        part = fragments[at]
        if at > start and part.joiner is not None:
            if part.turned:
                return Outcome(cost=_NOTHING * (end - start))
            filler = part.joiner.concepts | mask("filler")
            tokens.append(replace(part.joiner, concepts=filler))
        tokens += part.tokens
    outcome = _clause(tokens)
    if outcome.steps or end - start > 1 or start == 0:
        return outcome
    borrowed = _with_objects(tokens, fragments[:start])
    if borrowed is not None:
        found = _clause(borrowed)
        if found.steps:
            return replace(found, cost=_BORROWED)
    return outcome


def _with_objects(
    tokens: Sequence[Token], before: Sequence[Fragment]
) -> list[Token] | None:
    """Add what a clause leaves out: its verb, or the thing that "them" stands for."""
    earlier = [token for part in before for token in part.tokens]
    if any(t.concepts & mask("it") for t in tokens) and any(
        t.concepts & mask("show hide clear") for t in tokens
    ):
        things = mask("point box labels reference")
        thing = next((t for t in reversed(earlier) if t.concepts & things), None)
        return None if thing is None else [*tokens, thing]
    verb = next((t for t in reversed(earlier) if t.concepts & mask(_VERBS)), None)
    if verb is None or any(t.concepts & mask("clear save") for t in (verb, *tokens)):
        return None
    return [verb, *tokens]


def _clause(tokens: Sequence[Token]) -> Outcome:
    doubt = Outcome()
    for fit in find_fits(tokens):
        frame = fit.frame
        if frame.action == "refuse":
            return Outcome(refusal=frame.key, cost=_UNCLEAR)
        if frame.action == "clarify":
            return (
                doubt if doubt.question else Outcome(question=frame.key, cost=_UNCLEAR)
            )
        try:
            steps = build_steps(fit)
        except UnclearError as unclear:
            if not doubt.question:
                doubt = Outcome(question=str(unclear), cost=_UNCLEAR)
            continue
        if not fit.exact and any(_is_guarded(step) for step in steps):
            key = "clear_what" if fit.used[0].concepts & mask("clear") else "misspelt"
            return Outcome(question=key, cost=_UNCLEAR)
        return Outcome(steps, answers=frame.asks, cost=_STEP)
    return doubt


def _is_guarded(step: dict[str, Any]) -> bool:
    return ACTION_CLASS[step["action"]] in _GUARDED


def _resolve(groups: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Put the steps in a row; a mask after prompts is predicted from all of them."""
    return [step for group in groups for step in group]
