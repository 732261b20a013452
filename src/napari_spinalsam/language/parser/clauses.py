"""Split a sentence into fragments in the order of doing, once it is corrected.

What the speaker said and then took back ("L3, no, L4") is replaced first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_spinalsam.language.parser.frames import STOPS, VERBS, Fragment, mask
from napari_spinalsam.language.parser.lexicon import load_lexicon
from napari_spinalsam.language.parser.negation import mark_negated, without_manner
from napari_spinalsam.language.parser.off_task import (
    looks_on,
    says_nothing,
    without_purpose,
    without_wishes,
)
from napari_spinalsam.language.parser.tokenizer import Token

if TYPE_CHECKING:
    from collections.abc import Sequence


# Where something is done.
_AT = frozenset(("in", "on", "at", "within", "在", "于"))
_BESIDE_PLACE = frozenset(("the", "a", "my", "this", "of", "#", "的", "张", *_AT))
_BEHIND_PLACE = frozenset(("上", "里", "中", "上面", "里面", "面", "那里"))
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
    tokens = _places_first(_without_next(_passive_as_active(tokens)))
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
            if told and _starts_clause(token) and not _is_owned(token, rest.tokens):
                fine.append(rest)
                rest = Fragment(part=number)
            rest = replace(rest, tokens=(*rest.tokens, token))
        fine.append(rest)
    return fine


def _places_first(tokens: Sequence[Token]) -> list[Token]:
    """Put the slice or plane at which something is done before it, as a clause.

    "The mask for L3 in axial slice 200" and "在第20层给L3加一个点" go there first.
    """
    ends = [at for at, t in enumerate(tokens) if _ends_clause(t)] + [len(tokens)]
    result: list[Token] = []
    start = 0
    for end in ends:
        clause = list(tokens[start:end])
        for at in range(len(clause)):
            behind = _end_of_place(clause, at)
            rest = [*clause[:at], *clause[behind:]]
            if behind > at and _is_done_there(rest):
                comma = Token(",", clause[at].start, clause[at].start, mask("filler"))
                clause = [*clause[at + 1 : behind], comma, *rest]
                break
        result += [*clause, *tokens[end : end + 1]]
        start = end + 1
    return result


def _ends_clause(token: Token) -> bool:
    joins = mask("then but or after before because")
    return token.text in STOPS or bool(token.concepts & joins)


def _end_of_place(clause: Sequence[Token], at: int) -> int:
    """Return where "in axial slice 200" or "in the sagittal view" ends, else `at`."""
    if clause[at].text not in _AT:
        return at
    end, has_plane, has_slice, numbered = at, False, False, False
    for place, token in enumerate(clause[at + 1 :], at + 1):
        number = "number" in token.values or "ordinal" in token.values
        if "plane" in token.values and not has_plane:
            has_plane = True
        elif token.concepts & mask("slice") and not has_slice and not number:
            has_slice = True
        elif number and not numbered:
            numbered = True
        elif token.text in _BESIDE_PLACE:
            continue
        elif not (
            token.concepts & mask("name_slice plane_word")
            or (numbered and has_slice and token.text in _BEHIND_PLACE)
        ):
            break
        end = place + 1
    if numbered == has_slice and (has_slice or has_plane):
        return end
    return at


def _is_done_there(rest: Sequence[Token]) -> bool:
    """Whether something is prompted or segmented, and nothing cleared or measured."""
    present = 0
    for token in rest:
        present |= token.concepts
    things = mask("structure region point box mask preview generate segment predict")
    others = mask(
        "clear reset save measure metric judge not ask if propagate carry how_big"
    )
    done = mask("generate segment predict add draw box_verb")
    return bool(present & things and present & done and not present & others)


def _starts_clause(token: Token) -> bool:
    starts = token.concepts & mask(f"{VERBS} plane preset")
    return bool(starts) and not token.concepts & mask("filler")


def _is_owned(token: Token, before: Sequence[Token]) -> bool:
    """Whether it is a thing that a verb before it is about: "hide the L3 box"."""
    if not token.concepts & mask("box point"):
        return False
    owner = before[-1].concepts & mask("structure") or before[-1].text == "the"
    about = mask("hide show lock_word unlock_word")
    return bool(owner) and any(token.concepts & about for token in before)


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


# What is replaced by its like. Objects only after more than a bare "no".
_KINDS = (
    "structure region",
    "plane",
    "preset soft_preset",
    "format",
    "metric",
    "polarity",
    "next previous forward back direction",
    "number ordinal",
)
_OBJECTS = ("point box labels reference image_layer",)
_STOPS = frozenset(",.;?!")
_BARE = frozenset(
    ("no", "不", "不是", "还是", "等等", "等一下", "wait", "rather", "make it")
)
# Said behind what is meant, too.
_BEHIND = frozenset(("i mean", "i meant", "rather", "我是说", "我的意思是", "应该是"))


def correct_oneself(tokens: Sequence[Token]) -> list[Token]:
    """Return the tokens with what was corrected in place of what was said first.

    Parameters
    ----------
    tokens : sequence of Token
        The tokens of the sentence.
    """
    bits = load_lexicon()
    result: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.concepts & bits.bits["correction"] and not _is_choice(tokens, at):
            end = _end_of_correction(tokens, at + 1)
            corrected = _correct(result, tokens[at + 1 : end], token.text)
            if corrected is None and token.text in _BEHIND:
                corrected = _correct_from_behind(result)
            if corrected is not None:
                result, at = corrected, end
                continue
        result.append(token)
        at += 1
    return result


def _is_choice(tokens: Sequence[Token], at: int) -> bool:
    """Whether nothing is corrected: at the start, or "L3 还是 L4" without a pause.

    Nor is it in "把L3改成L2", which gives a structure another name.
    """
    paused = at > 0 and tokens[at - 1].text in _STOPS
    renames = load_lexicon().mask("rename_word") & tokens[at].concepts
    return at == 0 or (not paused and (tokens[at].text == "还是" or bool(renames)))


def _correct_from_behind(said: Sequence[Token]) -> list[Token] | None:
    """Correct "the next one, the next patient I mean": the last words are meant."""
    stops = [at for at, token in enumerate(said) if token.text in _STOPS]
    if not stops or stops[-1] == len(said) - 1:
        return None
    return _correct(said[: stops[-1]], said[stops[-1] + 1 :], "i mean")


def _end_of_correction(tokens: Sequence[Token], start: int) -> int:
    """Return where the words of a correction end; a stop right at its start is none."""
    then = load_lexicon().mask("then but because")
    correction = load_lexicon().bits["correction"]
    end = start
    while end < len(tokens) and tokens[end].text in _STOPS:
        end += 1
    while end < len(tokens):
        token = tokens[end]
        if token.text in _STOPS or token.concepts & then:
            break
        if token.concepts & correction and end > start + 1:
            break
        end += 1
    return end


def _correct(
    said: Sequence[Token], words: Sequence[Token], marker: str
) -> list[Token] | None:
    """Replace in what was said its like, append the rest; None where nothing fits."""
    lexicon = load_lexicon()
    silent = lexicon.mask("filler correction it")
    kinds = _KINDS if marker in _BARE else (*_KINDS, *_OBJECTS)
    result, replaced = list(said), False
    present = 0
    for token in said:
        present |= token.concepts
    for word in words:
        kind = next((k for k in kinds if word.concepts & lexicon.mask(k)), None)
        place = _last_of(said, lexicon.mask(kind)) if kind else None
        if place is not None and kind is not None:
            result[place] = word
            replaced = True
        elif not word.concepts & silent and word.concepts & ~present | (
            not word.concepts
        ):
            result.append(word)
    return result if replaced else None


def _last_of(tokens: Sequence[Token], wanted: int) -> int | None:
    places = [at for at, token in enumerate(tokens) if token.concepts & wanted]
    return places[-1] if places else None
