"""Find the frame that a clause fits, and with it the action."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from napari_spinalsam.language.parser.lexicon import load_lexicon

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_spinalsam.language.parser.lexicon import Frame
    from napari_spinalsam.language.parser.tokenizer import Token


@dataclass(frozen=True, slots=True)
class Fit:
    """A frame that a clause fits, and the tokens that satisfy its needs."""

    frame: Frame
    tokens: tuple[Token, ...]
    used: tuple[Token, ...]

    @property
    def exact(self) -> bool:
        """Whether no misspelling was corrected in what the frame needs."""
        return all(token.exact for token in self.used)


def find_fits(tokens: Sequence[Token]) -> Iterator[Fit]:
    """Yield the frames that account for every word of a clause, best first.

    Parameters
    ----------
    tokens : sequence of Token
        The clause; an unknown word fits nothing.
    """
    if not all(token.concepts for token in tokens):
        return
    present = 0
    for token in tokens:
        present |= token.concepts
    for frame in load_lexicon().frames:
        for need in frame.needs:
            if not need & present:
                break
        else:
            used = _assign(frame, tokens)
            if used is not None:
                yield Fit(frame, tuple(tokens), used)


def _assign(frame: Frame, tokens: Sequence[Token]) -> tuple[Token, ...] | None:
    """Give each need a token of its own so that the rest is allowed, or None."""
    asks = load_lexicon().bits["ask"] if frame.asks else 0
    bound = [t for t in tokens if not t.concepts & (frame.may | asks)]
    if len(bound) > len(frame.needs):
        return None
    return _serve(frame.needs, tokens, tuple(bound))


def _serve(
    needs: tuple[int, ...], tokens: Sequence[Token], bound: tuple[Token, ...]
) -> tuple[Token, ...] | None:
    if not needs:
        return () if not bound else None
    if len(bound) > len(needs):
        return None
    ordered = sorted(tokens, key=lambda token: token not in bound)
    for token in ordered:
        if not token.concepts & needs[0]:
            continue
        rest = [other for other in tokens if other is not token]
        left = tuple(other for other in bound if other is not token)
        served = _serve(needs[1:], rest, left)
        if served is not None:
            return (token, *served)
    return None


STOPS = frozenset(",.;?&+!")
OBJECTS = "prompt point box mask preview"
VERBS = (
    "add draw generate segment select clear accept reject undo redo propagate measure"
    " save show hide go open verify predict box_verb reset carry calculate"
)
MORE_VERBS = "drop_alone keep_alone generate_alone drop_it adopt turn change"
_EITHER = frozenset(("or", "or else", "或", "或者", "或是", "还是", "要么"))
_CHOICES = (
    "structure region number ordinal plane preset format metric point box mask preview"
    f" labels reference image slice next previous direction polarity {VERBS}"
)


@dataclass(frozen=True, slots=True)
class Fragment:
    """The words between two connectives.

    Parameters
    ----------
    tokens : tuple of Token
        Its words.
    joiner : Token or None
        The connective before it.
    negated : bool
        Whether it says what is not to be done.
    turned : bool
        Whether it is to be done before the fragment that it follows.
    part : int
        Fragments of one part have no connective between.
    """

    tokens: tuple[Token, ...] = field(default=())
    joiner: Token | None = None
    negated: bool = False
    turned: bool = False
    part: int = 0

    def has(self, names: str) -> bool:
        """Return whether a word has one of these concepts."""
        wanted = mask(names)
        return any(token.concepts & wanted for token in self.tokens)


@cache
def mask(names: str) -> int:
    """Return the bits of concepts named with blanks between."""
    return load_lexicon().mask(names)


def is_either(fragment: Fragment) -> bool:
    """Whether "or" joins a thing or a request to another, so that it is open which.

    Parameters
    ----------
    fragment : Fragment
        One that is not negated.
    """
    if fragment.joiner is None or fragment.joiner.text not in _EITHER:
        return False
    silent, chosen = mask("filler"), mask(_CHOICES)
    return any(
        token.concepts & chosen and not token.concepts & silent
        for token in fragment.tokens
    )
