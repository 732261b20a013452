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
            mended = _mend(result, tokens[at + 1 : end], token.text)
            if mended is None and token.text in _BEHIND:
                mended = _mend_from_behind(result)
            if mended is not None:
                result, at = mended, end
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


def _mend_from_behind(said: Sequence[Token]) -> list[Token] | None:
    """Mend "the next one, the next patient I mean": the last words are meant."""
    stops = [at for at, token in enumerate(said) if token.text in _STOPS]
    if not stops or stops[-1] == len(said) - 1:
        return None
    return _mend(said[: stops[-1]], said[stops[-1] + 1 :], "i mean")


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


def _last_of(tokens: Sequence[Token], wanted: int) -> int | None:
    places = [at for at, token in enumerate(tokens) if token.concepts & wanted]
    return places[-1] if places else None
