"""The parts of a sentence that the parser works with, and the words to sort them by."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from napari_spinalsam.language.lexicon import load_lexicon

if TYPE_CHECKING:
    from napari_spinalsam.language.tokens import Token

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
