"""A second reading that lets strange words pass, for what destroys and writes nothing.

"Warp me to slice 42" holds a word that the lexicon does not know and is still plain.
Where the first reading finds nothing, the words that no frame knows are passed over in
clauses that ask for something and name a thing of this tool; and a remark that names
the thing is read together with the clause that points at it ("the attending wants slice
110, take me there").
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_spinalsam.actions.models import ACTION_CLASS, ActionClass
from napari_spinalsam.language.asides import COURTESIES, is_tied, orders, tells
from napari_spinalsam.language.clause_reading import Outcome, read_clause
from napari_spinalsam.language.fragments import Fragment, is_either, mask
from napari_spinalsam.language.planning import plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.language.tokens import Token

_ANCHORS = (
    "structure region point box mask preview plane preset metric labels reference slice"
)
_ASKING = (
    "request request_word add draw generate segment select go open turn change measure"
    " show hide propagate carry predict box_verb verify run_model arrive make_word"
)
_STRICT = (
    "outside howto if quoting forget meaning misclear clear save reset not"
    " device_change stop_word minus mm_word cancel drop_it"
)
# What cannot be passed over where a remark and a clause are read together.
_SERIOUS = (
    f"{_ANCHORS} number ordinal polarity image_layer image sample gpu parameters format"
    " segment propagate accept reject undo redo measure"
    " width_word level_word window how_big quality source done_word vague cancel"
    " hide_strictly lock_word unlock_word rename_word merge_word candidate"
    f" {_STRICT}"
)
_PLACED = frozenset(("add_points", "add_box"))
_UNSAID = "howto if quoting forget meaning misclear request_word"
_OF = frozenset(("of", "in", "on", "at", "between", "near", "above", "below", "的"))
_DETERMINERS = frozenset(
    ("the", "a", "an", "my", "our", "your", "this", "that", "these", "those", "its")
)
_PREPOSITIONS = frozenset(
    ("to", "on", "onto", "in", "into", "of", "at", "from", "around", "inside", "behind")
) | frozenset(("with", "using", "via"))
_STRANGE_AT_MOST = 6  # words


def read_loosely(fragments: Sequence[Fragment], said: Sequence[Token]) -> Outcome:
    """Return what is asked for with strange words passed over, where that is safe.

    Parameters
    ----------
    fragments : sequence of Fragment
        What is said, with what is negated.
    said : sequence of Token
        The whole sentence.
    """
    if any(part.negated or is_either(part) for part in fragments) or _stops(said):
        return Outcome()
    if sum(not token.known for token in said) > _STRANGE_AT_MOST:
        return Outcome()
    behind = [*(part.joiner for part in fragments[1:]), None]
    kept = [
        part
        for part, follows in zip(fragments, behind, strict=True)
        if orders(part, follows) or not _is_remark(part)
    ]
    outcome = plan([_loosened(part) for part in kept], said)
    asked = any(
        is_tied(follows) and orders(part, follows)
        for part, follows in zip(fragments, behind, strict=True)
    )
    if not _is_safe(outcome, kept, said) and not asked:
        outcome = _together(fragments)
    return outcome if _is_safe(outcome, kept, said) else Outcome()


def _is_remark(part: Fragment) -> bool:
    """Whether a fragment tells of something and asks for nothing."""
    plain = read_clause(part.tokens, (part,))
    if part.has(_UNSAID) or plain.steps or plain.question == "image_or_slice":
        return False
    loose = _loosened(part)
    if loose is not part and read_clause(loose.tokens, (loose,)).steps:
        return False
    return tells(part)


def _stops(tokens: Sequence[Token]) -> bool:
    """Whether a word forbids that anything strange is passed over."""
    strict, silent = mask(_STRICT), mask("filler")
    polite = any(token.concepts & mask("request") for token in tokens)
    return any(
        (token.text in ("?", "吗", "么") and not polite)
        or (
            token.concepts & strict
            and not token.concepts & ~strict & ~silent
            and not token.concepts & silent
        )
        for token in tokens
    )


def _loosened(part: Fragment) -> Fragment:
    """Return a fragment with its strange words as courtesy, where it asks plainly."""
    if not part.has(_ANCHORS) or not asks(part):
        return part
    if part.has("clear reset save reported done_word past"):
        return part
    tokens = list(part.tokens)
    serious = mask(_SERIOUS)
    for at, token in enumerate(tokens):
        if not token.known and (_narrows(tokens, at) or names_another(tokens, at)):
            return part
        if not token.concepts & serious:
            tokens[at] = replace(token, concepts=token.concepts | mask("filler"))
    return replace(part, tokens=tuple(tokens))


def asks(part: Fragment) -> bool:
    """Whether a verb or a wish asks for it, not a statement about it."""
    if part.has("request request_word"):
        return True
    first = next((t for t in part.tokens if t.text not in COURTESIES), part.tokens[0])
    if first.concepts & mask("subject ask ask_first reported"):
        return False
    things = mask(f"{_ANCHORS} plane_word window")
    return any(
        token.concepts & mask(_ASKING) and not token.concepts & things
        for token in part.tokens
    )


def names_another(tokens: Sequence[Token], at: int) -> bool:
    """Whether a strange word is a thing or place: "the kitchen", "to my argument".

    Parameters
    ----------
    tokens : sequence of Token
        Some words.
    at : int
        Which of them.
    """
    before = at - 1
    while before >= 0 and tokens[before].text in _DETERMINERS:
        before -= 1
    follows = tokens[at + 1].text if at + 1 < len(tokens) else "."
    ends = before < at - 1 and not follows[0].isalnum()
    placed = before >= 0 and tokens[before].text in _PREPOSITIONS
    return not tokens[at].known and (ends or placed)


def _narrows(tokens: Sequence[Token], at: int) -> bool:
    """Whether a strange word names a part or a kind: "L3 pedicle", "pedicle of L3"."""
    if at and tokens[at - 1].concepts & mask(_ANCHORS):
        return not tokens[at].text.endswith("ly")
    follows = tokens[at + 1].text if at + 1 < len(tokens) else ""
    return follows.split()[:1] != [] and follows.split()[0] in _OF


def _together(fragments: Sequence[Fragment]) -> Outcome:
    """Read a remark and the clause that points at what it names as one clause."""
    pointing = fragments[-1]
    if len(fragments) < 2 or pointing.has(_ANCHORS) or not asks(pointing):
        return Outcome()
    if any(part.has("clear reset save undo redo done_word") for part in fragments):
        return Outcome()
    tokens = [token for part in fragments for token in part.tokens]
    serious = mask(_SERIOUS)
    for at, token in enumerate(tokens):
        if not token.known and (_narrows(tokens, at) or names_another(tokens, at)):
            return Outcome()
        if not token.concepts & serious:
            tokens[at] = replace(token, concepts=token.concepts | mask("filler"))
    return read_clause(tokens, (replace(pointing, tokens=tuple(tokens)),))


def _is_safe(outcome: Outcome, kept: Sequence[Fragment], said: Sequence[Token]) -> bool:
    """Whether what destroys or writes was said plainly, and prompts have a place."""
    words = [token for part in kept for token in part.tokens]
    plain = all(token.known for token in words)
    told = any(token.concepts & mask("reported") for token in said)
    gentle = (ActionClass.READ, ActionClass.EDIT)
    return bool(outcome.steps) and all(
        (ACTION_CLASS[step["action"]] in gentle or (plain and not told))
        and (plain or step["action"] not in _PLACED or bool(step.get("structure")))
        for step in outcome.steps
    )
