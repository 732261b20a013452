"""Find what is not to be done: "not", "without" as a manner, and what is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_spinalsam.language.parser.clause_reading import is_verb
from napari_spinalsam.language.parser.frames import (
    MORE_VERBS,
    OBJECTS,
    STOPS,
    VERBS,
    find_fits,
    mask,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_spinalsam.language.parser.frames import Fragment
    from napari_spinalsam.language.parser.tokenizer import Token

TIES = frozenset(
    ["and", "or", "和", "与", "或", "或者", "及", "以及", "并", "跟", "还是"]
)


def without_manner(tokens: Sequence[Token]) -> list[Token]:
    """Drop "without prompts" and "不用点", which only say in what way."""
    kept = list(tokens)
    at = 0
    while at < len(kept):
        end = _end_of_manner(kept, at) if kept[at].concepts & mask("without") else None
        if end is not None:
            del kept[at:end]
        else:
            at += 1
    return kept


def _end_of_manner(tokens: Sequence[Token], at: int) -> int | None:
    """Return where the scope of a "without" ends, None where it is a negation."""
    end, named = at + 1, None
    while end < len(tokens):
        token = tokens[end]
        if token.concepts & mask(OBJECTS):
            named = end + 1
        elif (
            named
            and not token.concepts & mask("or")
            and token.text not in ("and", "和")
        ) or not token.concepts & mask("filler all or add draw vague then"):
            break
        end += 1
    if named is None:
        return None
    rest = (*tokens[:at], *tokens[named:])
    other = any(token.concepts & mask(VERBS) for token in rest)
    return named if other or not tokens[at].concepts & mask("not") else None


def mark_negated(fragments: Iterable[Fragment]) -> list[Fragment]:
    """Mark what is negated; "and", "or" and verbless words carry it on."""
    said = list(fragments)
    marked: list[Fragment] = []
    negated = False
    for part in said:
        stops = part.has("not") and not (_is_other_word(part) or _is_unwanted(part))
        if stops and not _stops_work(part, alone=len(said) == 1):
            negated = True
        elif negated:
            joiner = "" if part.joiner is None else part.joiner.text
            follows = joiner not in STOPS and _only_negates(marked[-1])
            negated = joiner in TIES or _is_bare(part) or follows
        marked.append(replace(part, negated=negated))
    return marked


def without_kept(
    fragments: Sequence[Fragment], said: Sequence[Fragment]
) -> list[Fragment]:
    """Drop what is to be kept where something else is to be cleared, or is not.

    Parameters
    ----------
    fragments, said : sequence of Fragment
        What is wanted, and all that was said.
    """
    if any(part.negated for part in said):
        return [part for part in fragments if not part.has("keep keep_alone")]
    if not any(_clears(part) and not part.has("keep") for part in fragments):
        return list(fragments)
    kept, keeping = [], False
    for part in fragments:
        ends = _clears(part) or _does_something(part)
        keeping = part.has("keep") or (keeping and not ends)
        if not keeping:
            kept.append(part)
    return kept


def _is_bare(part: Fragment) -> bool:
    """Whether a fragment says nothing by itself, like the "boxes" of "or boxes"."""
    if part.has(f"{VERBS} {MORE_VERBS}"):
        return False
    return all(fit.frame.beside for fit in find_fits(part.tokens))


def _only_negates(part: Fragment) -> bool:
    """Whether a fragment is but a "not", as before the 再 of 不想再看."""
    return part.negated and all(
        token.concepts & mask("not filler") for token in part.tokens
    )


def _stops_work(part: Fragment, *, alone: bool) -> bool:
    """Whether a "stop" is the request itself: "stop the propagation", "stop"."""
    fits = (fit for fit in find_fits(part.tokens) if fit.frame.action == "cancel")
    return any(alone or len(fit.frame.needs) > 1 for fit in fits)


def _is_unwanted(part: Fragment) -> bool:
    """Whether a thing is not wanted, 这个掩膜不要, rather than a request negated."""
    *said, last = part.tokens
    return last.text == "不要" and any(
        token.concepts & mask("mask preview") for token in said
    )


def _is_other_word(part: Fragment) -> bool:
    """Whether each "not" of the fragment is part of another meaning."""
    both = mask("hide reject")
    return all(
        token.concepts & both for token in part.tokens if token.concepts & mask("not")
    )


def _does_something(part: Fragment) -> bool:
    """Whether a verb asks for something else than to keep."""
    return any(is_verb(token) for token in part.tokens)


def _clears(part: Fragment) -> bool:
    return part.has("clear not_wanted") or (part.has("take_word") and part.has("away"))
