"""Find the frame that a clause fits, and with it the action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_spinalsam.language.lexicon import load_lexicon

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_spinalsam.language.lexicon import Frame
    from napari_spinalsam.language.tokens import Token


@dataclass(frozen=True, slots=True)
class Fit:
    """A frame that a clause fits, and the tokens that satisfy its needs."""

    frame: Frame
    tokens: tuple[Token, ...]
    used: tuple[Token, ...]

    @property
    def exact(self) -> bool:
        """Whether no misspelling was mended in what the frame needs."""
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
