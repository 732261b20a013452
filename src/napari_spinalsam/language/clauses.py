"""Split a sentence into fragments, in the order in which they are to be done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_spinalsam.language.asides import (
    looks_on,
    says_nothing,
    without_purpose,
    without_wishes,
)
from napari_spinalsam.language.fragments import STOPS, VERBS, Fragment, mask
from napari_spinalsam.language.lexicon import load_lexicon
from napari_spinalsam.language.negation import mark_negated, without_manner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.language.tokens import Token


# What is done next, where "next" is no image or slice.
_DOING = (
    "add generate segment select clear accept reject undo redo propagate measure save"
    " hide verify predict"
)
# "Then" behind a request, "so" behind a thing: 掩膜就采纳了.
_SOFT = frozenset(("就", "便"))


def split(tokens: Sequence[Token]) -> list[Fragment]:
    """Return the fragments that say what is to be done, negated ones marked.

    Parameters
    ----------
    tokens : sequence of Token
        The tokens of the sentence.
    """
    tokens = _without_next(_passive_as_active(tokens))
    fragments = _cut(without_purpose(without_manner(tokens)))
    fragments = mark_negated(without_wishes(fragments))
    fragments = _put_in_order(fragments)
    telling = [
        part
        for at, part in enumerate(fragments)
        if not says_nothing(part) and not (at and looks_on(part))
    ]
    if not telling:
        telling = [
            part
            for part in fragments
            if part.has("reset judge") and not part.has("point box mask preview")
        ]
    return telling


def split_finely(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Cut fragments before their verbs too, for dictation without any stops.

    Parameters
    ----------
    fragments : sequence of Fragment
        As `split` returns them.
    """
    fine: list[Fragment] = []
    for number, fragment in enumerate(fragments):
        rest = replace(fragment, tokens=(), part=number)
        for token in fragment.tokens:
            told = any(not word.concepts & mask("filler") for word in rest.tokens)
            if told and _starts_clause(token):
                fine.append(rest)
                rest = Fragment(part=number)
            rest = replace(rest, tokens=(*rest.tokens, token))
        fine.append(rest)
    return fine


def _starts_clause(token: Token) -> bool:
    starts = token.concepts & mask(f"{VERBS} plane preset")
    return bool(starts) and not token.concepts & mask("filler")


def _cut(tokens: Sequence[Token]) -> list[Fragment]:
    fragments: list[Fragment] = []
    words: list[Token] = []
    joiner: Token | None = None
    turned = False
    for at, token in enumerate(tokens):
        started = bool(words) or any(fragment.tokens for fragment in fragments)
        if not _joins(tokens, at, words):
            words.append(token)
            continue
        fragments.append(Fragment(tuple(words), joiner, turned=turned))
        turned = started and _turns(tokens, at)
        if words or joiner is None or not joiner.concepts & mask("because"):
            joiner = token
        words = []
    fragments.append(Fragment(tuple(words), joiner, turned=turned))
    filled = [fragment for fragment in fragments if fragment.tokens]
    return [replace(fragment, part=n) for n, fragment in enumerate(filled)]


def _joins(tokens: Sequence[Token], at: int, words: Sequence[Token]) -> bool:
    """Whether a token is a connective; a Chinese "before" is one only behind words."""
    token = tokens[at]
    if token.concepts & mask("before") and not token.text.isascii():
        return bool(words)
    if token.text in ("and", "和", "与") and _stands_between(words):
        return False
    if token.text in _SOFT:
        return not words or any(
            t.concepts & mask(f"{VERBS} turn change judge") for t in words
        )
    if token.text == "把":
        return bool(words) and any(t.concepts & mask("keep") for t in tokens[:at])
    if token.text == "," and _is_last_please(tokens, at):
        return False
    return token.text in STOPS or bool(
        token.concepts & mask("then but or after before because")
    )


def _stands_between(words: Sequence[Token]) -> bool:
    """Whether an "and" ties what something strange is between: "the angle between"."""
    between = [at for at, t in enumerate(words) if t.concepts & mask("between_word")]
    return bool(between) and any(
        t.concepts & mask("outside") for t in words[: between[-1]]
    )


def _is_last_please(tokens: Sequence[Token], at: int) -> bool:
    """Whether a comma stands before a "please" that ends the clause."""
    follows = [token.text for token in tokens[at + 1 : at + 3]]
    return follows[:1] == ["please"] and follows[1:2] in ([], ["."], ["!"], ["?"])


def _turns(tokens: Sequence[Token], at: int) -> bool:
    """Whether what follows is to be done first: "generate it after adding a point"."""
    token = tokens[at]
    if token.concepts & mask("before"):
        return not token.text.isascii()
    if not token.concepts & mask("after") or token.concepts & mask("then"):
        return False
    follows = tokens[at + 1].text if at + 1 < len(tokens) else ""
    return follows.endswith("ing")


def _put_in_order(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Put "before saving, generate the mask" in the order of doing."""
    if len(fragments) < 2:
        return list(fragments)
    first = fragments[0]
    leads = first.joiner is not None and first.joiner.concepts & mask("before")
    if leads and first.joiner is not None and first.joiner.text.isascii():
        stop = fragments[1].joiner
        if stop is not None and stop.text == ",":
            turned = replace(fragments[1], turned=True)
            return [replace(first, joiner=None), turned, *fragments[2:]]
    return list(fragments)


def _without_next(tokens: Sequence[Token]) -> list[Token]:
    """Drop the "next" of "next, segment L3" and "then next add a point"."""
    result: list[Token] = []
    verbs, then = mask(_DOING), mask("then")
    for at, token in enumerate(tokens):
        starts = not result or result[-1].text in STOPS or result[-1].concepts & then
        follows = [t for t in tokens[at + 1 : at + 3] if t.text != ","]
        if not (
            token.text == "next" and starts and follows and follows[0].concepts & verbs
        ):
            result.append(token)
    return result


def _passive_as_active(tokens: Sequence[Token]) -> list[Token]:
    """Read "I want the points cleared" as a request, "the drawn box" as a box."""
    lexicon = load_lexicon()
    wished = any(token.concepts & mask("passive_request") for token in tokens)
    told = any(token.concepts & mask("subject") for token in tokens)
    result: list[Token] = []
    for at, token in enumerate(tokens):
        follows = tokens[at + 1 : at + 2]
        describes = token.concepts & mask("participle") and any(
            other.concepts
            & mask("mask preview labels point box structure region image")
            for other in follows
        )
        verb = lexicon.passive.get(token.text, 0)
        if describes and (wished or not told):
            token = replace(token, concepts=mask("filler"))
        elif verb and wished:
            token = replace(token, concepts=token.concepts | verb)
        result.append(token)
    return result
