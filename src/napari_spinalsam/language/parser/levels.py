"""Put levels together: discs, ranges, lists that go on with numbers, exceptions.

See `anatomy` for which spelling means what.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_spinalsam.language.parser.anatomy import (
    disc_between,
    discs_within,
    vertebra,
    vertebra_range,
)
from napari_spinalsam.language.parser.lexicon import load_lexicon
from napari_spinalsam.language.parser.tokenizer import Token

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIGNS = frozenset(("-", "/", "~", "slash", "dash", "hyphen"))
_TO = frozenset(
    ("to", "through", "thru", "until", "till", "to the", "至", "到", "down to", "up to")
)
_AND = frozenset((",", "and", "和", "与", "跟", "及", "以及", "&"))
# "Rename L3 to L2" has no range in it.
_NAMING = "rename_word merge_word"
_STEPS_BETWEEN = frozenset(
    ("all the way", "down", "up", "the", "and", "vertebra", "一直")
)
_COUNTED = (
    "point slice times box click image unit polarity number image_unit width_word"
)
_PREPOSITIONS = frozenset(("on", "in", "at", "to", "into", "onto", "for", "inside"))
# "L1 to L5 except L3" has its sign before the exception, 除L5以外的腰椎 behind it too.
_EXCEPT = frozenset(
    ("not", "without", "skip", "skipping", "minus", "不要", "不含", "不包括", "跳过")
)
_EXCEPT_BEHIND = frozenset(("以外", "之外", "除外", "外"))
_EXCEPT_JOINS = frozenset((*_AND, "the", "but"))
_LEVELS = {
    "cervical": vertebra_range("C1", "C7"),
    "thoracic": vertebra_range("T1", "T12"),
    "lumbar": vertebra_range("L1", "L5"),
}
_REGION_ENDS = {
    "cervical": ("C2", "T1"),
    "thoracic": ("T1", "L1"),
    "lumbar": ("L1", "S1"),
    "spine": ("C2", "S1"),
}


def join_levels(tokens: Sequence[Token]) -> list[Token]:
    """Return the tokens with discs, ranges and lists of levels joined to one each.

    What is excepted from a range or region is taken out of it: "L1 to L5 except L3".
    What is excepted from something else, as in "everything but the sacrum", stays.

    Parameters
    ----------
    tokens : sequence of Token
        The tokens of the sentence.
    """
    joined: list[Token] = []
    at = 0
    names = any(t.concepts & load_lexicon().mask(_NAMING) for t in tokens)
    while at < len(tokens):
        found = _join_at(tokens, at, ranges=not names)
        if found is None:
            joined.append(tokens[at])
            at += 1
        else:
            token, at = found
            joined.append(token)
    return _without_exceptions(_without_disc_words(joined))


def _without_exceptions(tokens: list[Token]) -> list[Token]:
    """Take "except L3" out of the range or region that L3 belongs to."""
    bits = load_lexicon().bits
    for at, token in enumerate(tokens):
        if token.text not in _EXCEPT and not token.concepts & bits["except"]:
            continue
        names, end = _names_from(tokens, at + 1)
        start = at
        while start and tokens[start - 1].text in _EXCEPT_JOINS:
            start -= 1
        if end < len(tokens) and tokens[end].text in _EXCEPT_BEHIND:
            end += 1
        for place in (*range(start - 1, -1, -1), *range(end, len(tokens))):
            whole = _all_levels(tokens[place])
            if names and names < set(whole):
                left = tuple(name for name in whole if name not in names)
                meant = replace(
                    tokens[place],
                    values={"structure": left},
                    concepts=bits["structure"],
                )
                kept = [*tokens[:place], meant, *tokens[place + 1 :]]
                return _without_exceptions([*kept[:start], *kept[end:]])
    return tokens


def _names_from(tokens: Sequence[Token], at: int) -> tuple[set[str], int]:
    """Return the structures listed from a place on, and where the list ends."""
    names: set[str] = set()
    end = at
    while at < len(tokens):
        found = tokens[at].values.get("structure")
        if not found and tokens[at].text not in _EXCEPT_JOINS:
            break
        at += 1
        if found:
            names.update(found)
            end = at
    return names, end


def _all_levels(token: Token) -> tuple[str, ...]:
    region = token.values.get("region", ("",))[0]
    return _LEVELS.get(region) or tuple(token.values.get("structure", ()))


def _join_at(
    tokens: Sequence[Token], at: int, *, ranges: bool
) -> tuple[Token, int] | None:
    ranked = _ranked_list(tokens, at)
    if ranked is not None:
        return ranked
    first = _vertebra_of(tokens[at])
    if first is None:
        return _discs_of_region(tokens, at)
    listed = _numbers_after(tokens, at, first)
    if listed is not None:
        return listed
    sign, next_at = _separator(tokens, at + 1)
    if next_at == at + 1 and tokens[at].text.isascii():
        follows = tokens[next_at].text if next_at < len(tokens) else ""
        sign = "glued" if follows[:1] in "clst" and not follows[1:2].isalpha() else ""
    if next_at >= len(tokens):
        return None
    last = _vertebra_of(tokens[next_at]) or _number_as_vertebra(tokens, next_at, first)
    if sign == "to" and not ranges:
        return None
    if last is None or (sign == "and" and not _between(tokens, at, next_at)):
        return None
    end = next_at + 1
    if sign in ("", "glued") and (
        _says(tokens, at, end, "both") or _goes_on(tokens, end)
    ):
        return None
    names = _meant(
        first,
        last,
        sign,
        discs=_says(tokens, at, end, "disc_word discs"),
        bodies=_says(tokens, at, end, "vertebra"),
    )
    if not names:
        return None
    return _merged(tokens[at:end], names), end


def _goes_on(tokens: Sequence[Token], end: int) -> bool:
    """Whether "T12 L1" is the beginning of a list, as in "T12 L1 and L2"."""
    sign, next_at = _separator(tokens, end)
    if sign not in ("", "and") or next_at >= len(tokens):
        return False
    return _vertebra_of(tokens[next_at]) is not None and not _says(
        tokens, end, next_at + 1, "disc_word"
    )


def _ranked_list(tokens: Sequence[Token], at: int) -> tuple[Token, int] | None:
    """Read "third and fourth lumbar vertebrae" as L3 and L4."""
    ranks: list[float] = []
    end = at
    while end + 1 < len(tokens) and "ordinal" in tokens[end].values:
        if _vertebra_of(tokens[end]) is not None:
            break
        ranks.append(tokens[end].values["ordinal"])
        end += 1
        while end < len(tokens) and tokens[end].text in (*_AND, "the"):
            end += 1
    if not ranks or end >= len(tokens):
        return None
    last = _vertebra_of(tokens[end])
    if last is None or not last[1:].isdecimal():
        return None
    names = [vertebra(last[0], rank) for rank in ranks]
    found = (*(name for name in names if name), last)
    if _says(tokens, at, end + 1, "disc_word") and _between(tokens, at, end):
        found = discs_within(found) or found
    return _merged(tokens[at : end + 1], found), end + 1


def _numbers_after(
    tokens: Sequence[Token], at: int, first: str
) -> tuple[Token, int] | None:
    """Read "L3, 4 and 5" as L3, L4 and L5, "L4, 5 disc" as the disc between."""
    names, end = [first], at + 1
    while True:
        sign, next_at = _separator(tokens, end)
        if sign != "and" or next_at >= len(tokens):
            break
        name = _number_as_vertebra(tokens, next_at, names[-1])
        if name is None:
            break
        names.append(name)
        end = next_at + 1
    if len(names) == 1:
        return None
    if _says(tokens, at, end, "disc_word"):
        return _merged(tokens[at:end], discs_within(names)), end
    return _merged(tokens[at:end], tuple(names)), end


def _meant(
    first: str, last: str, sign: str, *, discs: bool, bodies: bool
) -> tuple[str, ...]:
    """Return the structures that two levels with a sign between stand for."""
    if first == last:
        return ()
    disc = disc_between(first, last) or disc_between(last, first)
    if discs:
        return (disc,) if disc else discs_within(vertebra_range(first, last))
    if sign in ("and", "glued"):
        return (disc,) if disc else ()
    if sign == "":
        return ()
    if sign == "-" and disc and not bodies:
        return (disc,)
    return vertebra_range(first, last)


def _separator(tokens: Sequence[Token], at: int) -> tuple[str, int]:
    """Return the kind of sign at a place ('-', 'to', 'and', '') and where it ends."""
    kind = ""
    while at < len(tokens):
        text = tokens[at].text
        if text in _SIGNS:
            kind = "-"
        elif text in _TO:
            kind = "to"
        elif text in _AND and kind == "":
            kind = "and"
        elif not (
            text in _STEPS_BETWEEN
            or (text.endswith(" to") and text[:2] in "all up down")
        ):
            break
        at += 1
    return kind, at


def _vertebra_of(token: Token) -> str | None:
    names = token.values.get("structure", ())
    if len(names) != 1 or "-" in names[0] or names[0].startswith("spinal"):
        return None
    return None if names[0] == "coccyx" else str(names[0])


def _number_as_vertebra(tokens: Sequence[Token], at: int, first: str) -> str | None:
    """Read the 5 of "L4/5", "腰3-5" and "L3, 4" as a level below the first."""
    token = tokens[at]
    number = token.values.get("number")
    if number is None or first[1:] == "" or not first[1:].isdecimal():
        return None
    bits = load_lexicon()
    follows = tokens[at + 1] if at + 1 < len(tokens) else None
    if follows is not None and (
        follows.concepts & bits.mask(_COUNTED) or follows.text in _PREPOSITIONS
    ):
        return None
    if first == "L5" and number == 1:
        return "S1"
    if first == "T12" and number == 1:
        return "L1"
    if first == "C7" and number == 1:
        return "T1"
    if number <= int(first[1:]):
        return None
    return vertebra(first[0], number)


def _between(tokens: Sequence[Token], at: int, next_at: int) -> bool:
    """Whether "A and B" is a pair: between A and B, the disc of A and B."""
    before = [token.text for token in tokens[max(0, at - 3) : at]]
    after = [token.text for token in tokens[next_at + 1 : next_at + 4]]
    return "between" in before or any("之间" in text or text == "间" for text in after)


def _says(tokens: Sequence[Token], start: int, end: int, names: str) -> bool:
    """Whether a word of these concepts stands beside the place."""
    lexicon = load_lexicon()
    wanted = lexicon.mask(names.replace(" discs", ""))
    filler = lexicon.mask("filler context number between_word")
    for steps in (range(end, len(tokens)), range(start - 1, -1, -1)):
        for at in steps:
            token = tokens[at]
            if token.concepts & wanted:
                return True
            if not token.concepts & filler or token.text in ",.;":
                break
    return False


def _discs_of_region(tokens: Sequence[Token], at: int) -> tuple[Token, int] | None:
    """Read "lumbar discs" as the discs of that region."""
    region = tokens[at].values.get("region", ("",))[0]
    ends = _REGION_ENDS.get(region)
    disc_bit = load_lexicon().bits["disc_word"]
    next_at = at + 1
    while next_at < len(tokens) and tokens[next_at].text in ("的", "spine", "all"):
        next_at += 1
    if ends is None or next_at == len(tokens):
        return None
    if not tokens[next_at].concepts & disc_bit:
        return None
    if region == "spine":
        return _merged(tokens[at : next_at + 1], ("discs",), "region"), next_at + 1
    names = discs_within(vertebra_range(*ends))
    return _merged(tokens[at : next_at + 1], names), next_at + 1


def _merged(
    parts: Sequence[Token], names: tuple[str, ...], concept: str = "structure"
) -> Token:
    text = " ".join(part.text for part in parts)
    bits = load_lexicon().bits
    exact = all(part.exact for part in parts)
    values = {concept: names}
    return Token(text, parts[0].start, parts[-1].end, bits[concept], values, exact)


def _without_disc_words(tokens: list[Token]) -> list[Token]:
    """Drop "disc" beside a disc that was named by its levels."""
    disc_bit = load_lexicon().bits["disc_word"]
    kept = []
    for at, token in enumerate(tokens):
        if token.concepts & disc_bit and _beside_disc(tokens, at):
            continue
        kept.append(token)
    return kept


def _beside_disc(tokens: Sequence[Token], at: int) -> bool:
    filler = load_lexicon().mask("filler context number then between_word")
    for steps in (range(at - 1, -1, -1), range(at + 1, len(tokens))):
        for other in steps:
            names = tokens[other].values.get("structure", ())
            if names and "-" in names[0]:
                return True
            if names or not tokens[other].concepts & filler:
                break
    return False
