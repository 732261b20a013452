"""From fragments to steps: which fragments make a clause, and what each clause asks.

Neighbouring fragments are read as one clause where a frame fits them together ("segment
L3 and L4"), else each by itself ("add a point and generate the mask"), else with the
verb of the clause before. The reading with the fewest clauses wins, if it leaves
nothing over. Where that finds nothing, remarks are passed over in a second reading.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_spinalsam.actions.models import ACTION_CLASS, ActionClass
from napari_spinalsam.core.anatomy import REGIONS
from napari_spinalsam.language.parser.clause_reading import (
    BORROWED,
    CLAUSE_VERBS,
    NOTHING,
    OFF_TASK,
    STEP,
    UNCLEAR,
    Outcome,
    is_verb,
    read_clause,
)
from napari_spinalsam.language.parser.clauses import split_finely
from napari_spinalsam.language.parser.frames import STOPS, is_either, mask
from napari_spinalsam.language.parser.negation import TIES
from napari_spinalsam.language.parser.off_task import (
    ANCHORS,
    asks,
    is_off_task,
    is_tied,
    names_another,
    narrows,
    orders,
    tells,
)
from napari_spinalsam.language.parser.slots import has

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_spinalsam.language.parser.frames import Fragment
    from napari_spinalsam.language.parser.tokenizer import Token

    Guess = Callable[[Sequence[Token]], Outcome]

# Steps that may be asked for twice in a row.
_REPEATED = frozenset(
    [
        "undo",
        "redo",
        "move_slice",
        "next_image",
        "previous_image",
        "add_points",
        "add_box",
    ]
)

# "Lock it" means the structure of the step before.
_POINTING = frozenset(["set_lock", "set_structure_visibility"])


def in_a_row(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return the steps, "its volume" with the structure named before, none twice.

    Parameters
    ----------
    outcomes : sequence of Outcome
        What each clause asks for, in order.
    """
    steps: list[dict[str, Any]] = []
    for outcome in outcomes:
        for step in outcome.steps:
            if outcome.its and step.get("structure", "") is None:
                step = {**step, "structure": _last_structure(steps)}
            if step["action"] in _POINTING and step["structure"] is None:
                step = {**step, "structure": _structure_before(steps)}
            if steps and _announces(steps[-1], step):
                steps.pop()
            again = steps and (
                step == steps[-1]
                or _is_result(steps[-1], step)
                or _sums_up(steps[-1], step)
            )
            if not again or step["action"] in _REPEATED:
                steps.append(step)
    steps = [step for at, step in enumerate(steps) if not _is_broken_down(steps, at)]
    return _planes_at_once(steps)


def _planes_at_once(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Read "axial, sagittal and coronal" as three views, of which one would be seen."""
    for at in range(len(steps) - 2):
        planes = {step.get("plane") for step in steps[at : at + 3]}
        if all(s["action"] == "set_plane" for s in steps[at : at + 3]) and (
            len(planes) == 3
        ):
            three = {"action": "set_views", "views": "three"}
            return [*steps[:at], three, *steps[at + 3 :]]
    return steps


def _is_broken_down(steps: Sequence[dict[str, Any]], at: int) -> bool:
    """Whether "two points, one positive and one negative" counts points twice."""
    parts = steps[at + 1 : at + 3]
    if steps[at]["action"] != "add_points" or len(parts) < 2:
        return False
    signs = [part.get("polarity") for part in parts]
    total = sum(part.get("count", 0) for part in parts)
    return sorted(map(str, signs)) == ["negative", "positive"] and (
        total == steps[at]["count"] > 1
    )


def _announces(step: dict[str, Any], following: dict[str, Any]) -> bool:
    """Whether "L3 is to be annotated, select it" only announced what is selected.

    So does "abdominal window, level 60, width 360" announce its numbers.
    """
    if following["action"] == "set_window" == step["action"]:
        return "preset" in step and "level" in following
    if following["action"] != "select_structure":
        return False
    return bool(step.get("structures") == [following["structure"]])


def _is_result(step: dict[str, Any], following: dict[str, Any]) -> bool:
    """Whether "predict from the points, the mask please" names what comes of it."""
    narrower = ("generate_point_mask", "generate_box_mask")
    return step["action"] in narrower and following["action"] == "generate_mask"


def _sums_up(step: dict[str, Any], following: dict[str, Any]) -> bool:
    """Whether "compare L4 with the reference, evaluate it" asks for one thing."""
    if not step["action"] == following["action"] == "measure":
        return False
    return following.get("structure") is None and (
        step.get("metrics") == following.get("metrics")
    )


def _last_structure(steps: Sequence[dict[str, Any]]) -> str | None:
    """Return the structure of the last step, None where it is selected or many."""
    last = steps[-1] if steps else {}
    names = last.get("structures", [])
    if last.get("action") == "measure":
        return last.get("structure")
    return names[0] if len(names) == 1 and names[0] not in REGIONS else None


def _structure_before(steps: Sequence[dict[str, Any]]) -> str | None:
    """Return the one structure that the step before is about; None if there is none."""
    last = steps[-1] if steps else {}
    name = last.get("structure")
    return name if name not in REGIONS else None


_ALSO = frozenset(("too", "also", "as well", "也"))
_MANY = frozenset(("them", "those", "these", "em"))
_LONGEST_CLAUSE = 8  # fragments
_MOST_FRAGMENTS = 24
_REMARKING = "howto if quoting forget meaning misclear request_word"
_STRICT = (
    "outside howto if quoting forget meaning misclear clear save reset not"
    " device_change stop_word minus mm_word cancel drop_it"
)
_OBJECTS = "point box mask preview structure region metric labels reference"


def plan(
    fragments: Sequence[Fragment],
    said: Sequence[Token] = (),
    guess: Guess | None = None,
) -> Outcome:
    """Return what the fragments that are not negated ask for.

    Parameters
    ----------
    fragments : sequence of Fragment
        In the order said.
    said : sequence of Token
        The whole sentence, for what "them" stands for.
    guess : callable, optional
        What reads a clause that no frame fits.
    """
    outcome = _plan(fragments, said, guess)
    if outcome.steps:
        return outcome
    finer = split_finely(fragments)
    if len(finer) > len(fragments):
        found = _plan(finer, said, guess)
        if found.steps and not _cuts_cancel(finer):
            return found
    return outcome


def without_remarks(fragments: Sequence[Fragment], said: Sequence[Token]) -> Outcome:
    """Return what is asked for beside remarks that fit no frame.

    A remark may name what the request points at: "the attending wants slice 110, take
    me there".

    Parameters
    ----------
    fragments : sequence of Fragment
        What is said, with what is negated.
    said : sequence of Token
        The whole sentence.
    """
    if any(part.negated or is_either(part) for part in fragments) or _forbids(said):
        return Outcome()
    behind = [*(part.joiner for part in fragments[1:]), None]
    ordered = [
        orders(part, follows) for part, follows in zip(fragments, behind, strict=True)
    ]
    kept = [
        part
        for part, orders_it in zip(fragments, ordered, strict=True)
        if orders_it or not _is_remark(part)
    ]
    outcome = plan(kept, said)
    if _is_safe(outcome, kept, said):
        return outcome
    tied = any(
        is_tied(follows) and orders_it
        for orders_it, follows in zip(ordered, behind, strict=True)
    )
    outcome = Outcome() if tied else _point_back(fragments)
    return outcome if _is_safe(outcome, fragments, said) else Outcome()


def _is_remark(part: Fragment) -> bool:
    """Whether a fragment tells of something and asks for nothing."""
    read = read_clause(part.tokens, (part,))
    if part.has(_REMARKING) or read.steps or read.question == "image_or_slice":
        return False
    return tells(part)


def _forbids(said: Sequence[Token]) -> bool:
    """Whether a word forbids that anything is passed over."""
    strict, silent = mask(_STRICT), mask("filler")
    polite = any(token.concepts & mask("request") for token in said)
    return any(
        (token.text in ("?", "吗", "么") and not polite)
        or (token.concepts & strict and not token.concepts & (~strict | silent))
        for token in said
    )


def _point_back(fragments: Sequence[Fragment]) -> Outcome:
    """Read a clause with what the remarks before it name."""
    *remarks, pointing = fragments
    if not remarks or pointing.has(ANCHORS) or not asks(pointing):
        return Outcome()
    if not all(map(_is_remark, remarks)):
        return Outcome()
    told = [token for part in remarks for token in part.tokens]
    if any(
        not token.known and (narrows(told, at) or names_another(told, at))
        for at, token in enumerate(told)
    ):
        return Outcome()
    named = [t for t in told if t.concepts & mask(f"{ANCHORS} number ordinal image")]
    tokens = (*named, *pointing.tokens)
    return read_clause(tokens, (replace(pointing, tokens=tokens),))


def _is_safe(outcome: Outcome, kept: Sequence[Fragment], said: Sequence[Token]) -> bool:
    """Whether nothing is destroyed or written beside strange or reported words."""
    plain = all(token.known for part in kept for token in part.tokens)
    told = any(token.concepts & mask("reported") for token in said)
    gentle = (ActionClass.READ, ActionClass.EDIT)
    return bool(outcome.steps) and all(
        ACTION_CLASS[step["action"]] in gentle or (plain and not told)
        for step in outcome.steps
    )


def _cuts_cancel(fragments: Sequence[Fragment]) -> bool:
    """Whether "cancel the box" was cut into a cancel, and a box to draw."""
    return any(
        one.has("cancel") and one.part == other.part
        for one, other in itertools.pairwise(fragments)
    )


def _plan(
    fragments: Sequence[Fragment], said: Sequence[Token], guess: Guess | None
) -> Outcome:
    if not fragments or len(fragments) > _MOST_FRAGMENTS:
        return Outcome()
    best: list[tuple[float, tuple[Outcome, ...]]] = [(0.0, ())]
    starts: list[tuple[int, ...]] = [()]
    for end in range(1, len(fragments) + 1):
        options = []
        for start in range(max(0, end - _LONGEST_CLAUSE), end):
            outcome = _read(fragments, start, end, said)
            if (
                guess
                and not outcome.steps
                and not outcome.off_task
                and end == start + 1
            ):
                outcome = guess(fragments[start].tokens)
            cost = best[start][0] + outcome.cost
            options.append((cost, start, (*best[start][1], outcome)))
        cost, start, outcomes = min(options, key=lambda option: (option[0], -option[1]))
        best.append((cost, outcomes))
        starts.append((*starts[start], start))
    return _together(fragments, best[-1][1], starts[-1])


def _together(
    fragments: Sequence[Fragment], outcomes: Sequence[Outcome], starts: Sequence[int]
) -> Outcome:
    question = next((o.question for o in outcomes if o.question), "")
    refusal = next((o.refusal for o in outcomes if o.refusal), "")
    kept = [
        (outcome, fragments[start])
        for outcome, start in zip(outcomes, starts, strict=True)
        if not outcome.off_task
    ]
    acts = [outcome for outcome, _ in kept if not outcome.beside]
    if not acts or not all(outcome.steps for outcome, _ in kept):
        return Outcome(question=question, refusal=refusal)
    ordered: list[Outcome] = []
    for outcome, fragment in kept:
        if outcome.beside and ordered and _deletes(ordered[-1]):
            return Outcome(question="delete_structure", cost=UNCLEAR)
        if ordered and _says_again(outcome, ordered[-1], fragment):
            continue
        if ordered and _gives_polarity(outcome, ordered[-1], fragment):
            sign = outcome.steps[0]["polarity"]
            steps = [{**step, "polarity": sign} for step in ordered[-1].steps]
            ordered[-1] = replace(ordered[-1], steps=steps)
            continue
        if ordered and fragment.turned:
            ordered.insert(-1, outcome)
        else:
            ordered.append(outcome)
    steps = in_a_row(ordered)
    return Outcome(steps, answers=all(outcome.answers for outcome in ordered))


def _deletes(outcome: Outcome) -> bool:
    """Whether a structure goes, after which "and the box" asks for no new one."""
    return any(step["action"] == "delete_structure" for step in outcome.steps)


def _says_again(outcome: Outcome, before: Outcome, fragment: Fragment) -> bool:
    """Whether "..., redo it" says in other words what was asked for just before."""
    history = outcome.steps[0]["action"] in ("undo", "redo")
    return history and _stops(fragment) and outcome.steps == before.steps


def _gives_polarity(outcome: Outcome, before: Outcome, fragment: Fragment) -> bool:
    """Whether "..., negative ones" only says of which kind the points are."""
    words = mask("polarity point ones filler judge")
    return (
        _stops(fragment)
        and all(token.concepts & words for token in fragment.tokens)
        and [step["action"] for step in outcome.steps] == ["add_points"]
        and all(step["action"] == "add_points" for step in before.steps)
    )


def _stops(fragment: Fragment) -> bool:
    return fragment.joiner is not None and fragment.joiner.text in STOPS


def _read(
    fragments: Sequence[Fragment], start: int, end: int, said: Sequence[Token]
) -> Outcome:
    """Read some fragments as one clause."""
    part = fragments[start:end]
    joiner = part[0].joiner
    if joiner is not None and joiner.concepts & mask("because"):
        return Outcome(off_task=True, cost=OFF_TASK * len(part))
    if any(fragment.turned for fragment in part[1:]):
        return Outcome(cost=NOTHING * len(part))
    if start and is_either(part[0]):
        return Outcome(question="what_to_do", cost=UNCLEAR)
    outcome = read_clause(_tokens(part), part)
    if outcome.steps and any(is_either(fragment) for fragment in part[1:]):
        return Outcome(question="what_to_do", cost=UNCLEAR)
    if outcome.steps and len(part) > 1 and _are_apart(part):
        return replace(outcome, cost=STEP * len(part) + BORROWED)
    if _adds_one(part[0].tokens):
        outcome = replace(outcome, steps=[])
    vague = (
        (outcome.steps == [{"action": "clear_all"}] and part[0].has("all_of_them"))
        or _rejects_many(outcome, part[0])
        or (outcome.beside and part[0].has("ones"))
    )
    if (outcome.steps and not vague) or len(part) > 1:
        return outcome
    first = part[0].tokens[0].start
    earlier = [token for token in said if token.end <= first]
    if earlier:
        borrowed = _with_objects(part[0].tokens, earlier)
        found = Outcome() if borrowed is None else read_clause(borrowed, part)
        if found.steps:
            return replace(found, cost=BORROWED)
    if vague:
        return outcome
    whole = sum(fragment.part == part[0].part for fragment in fragments) == 1
    leads = end < len(fragments)
    after = fragments[end].joiner if leads else None
    if (
        whole
        and not outcome.refusal
        and not orders(part[0], after)
        and is_off_task(part[0], leads=leads)
    ):
        return Outcome(off_task=True, cost=OFF_TASK)
    return outcome


def _rejects_many(outcome: Outcome, part: Fragment) -> bool:
    """Whether "bin them" would drop the one preview there is."""
    rejects = outcome.steps == [{"action": "reject_mask"}]
    return rejects and part.has("clear") and part.tokens[-1].text in _MANY


def _are_apart(fragments: Sequence[Fragment]) -> bool:
    """Whether fragments ask for different things, each complete in itself."""
    if all(_is_and(fragment) for fragment in fragments[1:]):
        return False
    alone = [read_clause(fragment.tokens, (fragment,)) for fragment in fragments]
    steps = [
        outcome.steps[0]
        for outcome, fragment in zip(alone, fragments, strict=True)
        if outcome.steps and (not outcome.beside or _is_paused(fragment))
    ]
    if len({(step["action"], step.get("visible")) for step in steps}) > 1:
        return True
    named = [
        step
        for step in steps
        if step.get("structure")
        and (step["action"] == "add_points" or "metrics" in step)
    ]
    return len(named) > 1


def _is_and(fragment: Fragment) -> bool:
    """Whether a Chinese "and" joins it, which joins things, never requests."""
    return fragment.joiner is not None and fragment.joiner.text in ("和", "与", "跟")


def _is_paused(fragment: Fragment) -> bool:
    return fragment.joiner is not None and fragment.joiner.text not in TIES


def _tokens(fragments: Sequence[Fragment]) -> list[Token]:
    """Return the words of neighbouring fragments, connectives as courtesy."""
    tokens: list[Token] = []
    for at, fragment in enumerate(fragments):
        if at and fragment.joiner is not None:
            courtesy = fragment.joiner.concepts | mask("filler")
            tokens.append(replace(fragment.joiner, concepts=courtesy))
        tokens += fragment.tokens
    return tokens


def _adds_one(tokens: Sequence[Token]) -> bool:
    """Whether "the boxes too" adds an object to what was said before."""
    return any(token.text in _ALSO for token in tokens) and all(
        token.concepts & mask("point box filler") for token in tokens
    )


def _with_objects(
    tokens: Sequence[Token], earlier: Sequence[Token]
) -> list[Token] | None:
    """Add what a clause leaves out: its verb, or the thing that "them" stands for."""
    present = 0
    for token in tokens:
        present |= token.concepts
    if present & mask("show hide clear") and not present & mask(_OBJECTS):
        things = mask("point box labels reference")
        thing = next((t for t in reversed(earlier) if t.concepts & things), None)
        wanted = "it all_of_them" if present & mask("clear") else "it show hide"
        meant = present & mask(wanted) or any(
            t.concepts & mask("not_wanted judge") for t in earlier
        )
        return [*tokens, thing] if thing is not None and meant else None
    if present & mask("ones") and not present & mask("point polarity"):
        placed = (t for t in reversed(earlier) if t.concepts & mask("point box"))
        thing = next(placed, None)
        return None if thing is None or has(thing, "point") else [*tokens, thing]
    names = mask("structure region")
    if present & mask("select segment") and not present & (names | mask(_OBJECTS)):
        named = (t for t in reversed(earlier) if t.concepts & mask("structure"))
        name = next(named, None)
        return None if name is None else [*tokens, name]
    if any(
        t.concepts & mask(CLAUSE_VERBS) and not t.concepts & mask(_OBJECTS)
        for t in tokens
    ):
        return None
    if not present & mask(f"{_OBJECTS} number"):
        return None
    verb = next((t for t in reversed(earlier) if is_verb(t)), None)
    if verb is None or any(t.concepts & mask("clear save") for t in tokens):
        return None
    if verb.concepts & mask("clear save") and not _adds_one(tokens):
        return None
    return [verb, *tokens]
