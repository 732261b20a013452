"""Let what a speaker corrects replace what was said: "to L3, no, to L4"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam.language.lexicon import load_lexicon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.language.tokens import Token

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
        if token.concepts & bits.bits["correction"] and result:
            end = _end_of_correction(tokens, at + 1)
            mended = _mend(result, tokens[at + 1 : end], token.text)
            if mended is not None:
                result, at = mended, end
                continue
        result.append(token)
        at += 1
    return result


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


def _mend(
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


def _was_said(word: Token, present: int) -> bool:
    return word.concepts != 0 and not word.concepts & ~present


def _last_of(tokens: Sequence[Token], wanted: int) -> int | None:
    places = [at for at, token in enumerate(tokens) if token.concepts & wanted]
    return places[-1] if places else None
