"""What is excepted: "L1 to L5 except L3", "除L5以外的腰椎", "keep the points"."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_spinalsam.language.anatomy_words import vertebra_range
from napari_spinalsam.language.clause_reading import is_verb
from napari_spinalsam.language.fragments import mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.language.fragments import Fragment
    from napari_spinalsam.language.tokens import Token

_REGIONS = {
    "cervical": vertebra_range("C1", "C7"),
    "thoracic": vertebra_range("T1", "T12"),
    "lumbar": vertebra_range("L1", "L5"),
}
_LEADS = (
    ("but", "not"),
    ("leave", "out"),
    ("not",),
    ("without",),
    ("skip",),
    ("skipping",),
    ("minus",),
    ("不要",),
    ("不含",),
    ("不包括",),
    ("跳过",),
)
_AFTER = frozenset(("以外", "之外", "除外", "外"))
_JOINS = frozenset((",", "and", "和", "与", "跟", "及", "、", "the", "or"))


def without_exceptions(tokens: Sequence[Token]) -> list[Token]:
    """Return the tokens with excepted structures taken out of those they belong to.

    What is excepted from something unknown, as in "everything but the sacrum", stays
    as it is; see `excepts`.

    Parameters
    ----------
    tokens : sequence of Token
        Words with their levels joined.
    """
    for at in range(len(tokens)):
        found = _exception_at(tokens, at)
        if found is None:
            continue
        start, end, names = found
        places = [*range(start - 1, -1, -1), *range(end, len(tokens))]
        for place in places:
            whole = _structures(tokens[place])
            if names < set(whole):
                left = tuple(name for name in whole if name not in names)
                kept = list(tokens)
                values = {"structure": left}
                kept[place] = replace(
                    tokens[place], values=values, concepts=mask("structure")
                )
                del kept[start:end]
                return without_exceptions(kept)
    return list(tokens)


def excepts(tokens: Sequence[Token], steps: Sequence[dict[str, Any]]) -> bool:
    """Whether steps miss that something is excepted, from what is not known.

    Steps that clear heed what is to be kept by themselves.

    Parameters
    ----------
    tokens : sequence of Token
        Words, after `without_exceptions`.
    steps : sequence of dict
        What they amount to otherwise.
    """
    return any(token.concepts & mask("except") for token in tokens) and any(
        not step["action"].startswith("clear") for step in steps
    )


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


def _exception_at(tokens: Sequence[Token], at: int) -> tuple[int, int, set[str]] | None:
    """Return where an exception starts and ends, and what it names."""
    start = _before(tokens, at)
    if tokens[at].text in _AFTER:
        names, first = _names_before(tokens, at)
        return (first, at + 1, names) if names else None
    if tokens[at].concepts & mask("except"):
        end = at + 1
    else:
        texts = tuple(token.text for token in tokens[at : at + 2])
        lead = next((one for one in _LEADS if texts[: len(one)] == one), None)
        if lead is None:
            return None
        end = at + len(lead)
    names = set[str]()
    place = end
    while place < len(tokens):
        if found := tokens[place].values.get("structure"):
            names.update(found)
            end = place + 1
        elif tokens[place].text not in _JOINS:
            break
        place += 1
    while names and end < len(tokens) and tokens[end].text in _AFTER:
        end += 1
    return (start, end, names) if names else None


def _names_before(tokens: Sequence[Token], at: int) -> tuple[set[str], int]:
    """Return what is named just before a place, and where that begins."""
    names = set[str]()
    first = at
    while first and (found := tokens[first - 1].values.get("structure")):
        names.update(found)
        first -= 1
    return names, first


def _before(tokens: Sequence[Token], at: int) -> int:
    """Return the place of the comma or "but" that leads to an exception, or its own."""
    while at and tokens[at - 1].text in (",", "but", "and"):
        at -= 1
    return at


def _structures(token: Token) -> tuple[str, ...]:
    region = token.values.get("region", ("",))[0]
    return _REGIONS.get(region) or tuple(token.values.get("structure", ()))


def _does_something(part: Fragment) -> bool:
    """Whether a verb asks for something else than to keep."""
    return any(is_verb(token) for token in part.tokens)


def _clears(part: Fragment) -> bool:
    return part.has("clear not_wanted") or (part.has("take_word") and part.has("away"))
