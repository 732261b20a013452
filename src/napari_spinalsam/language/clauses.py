"""Split a sentence into fragments and see what each is not: negated, kept, in passing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from napari_spinalsam.language.lexicon import load_lexicon

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_spinalsam.language.tokens import Token

_STOPS = frozenset(",.;?&+!")
_OBJECTS = "prompt point box mask preview"
_VERBS = (
    "add draw generate segment select clear accept reject undo redo propagate measure"
    " save show hide go open verify predict box_verb reset carry calculate"
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
    """

    tokens: tuple[Token, ...] = field(default=())
    joiner: Token | None = None
    negated: bool = False
    turned: bool = False

    def has(self, names: str) -> bool:
        """Return whether a word has one of these concepts."""
        wanted = mask(names)
        return any(token.concepts & wanted for token in self.tokens)


@cache
def mask(names: str) -> int:
    """Return the bits of concepts named with blanks between."""
    return load_lexicon().mask(names)


def split(tokens: Sequence[Token]) -> list[Fragment]:
    """Return the fragments that say what is to be done, negated ones marked.

    Parameters
    ----------
    tokens : sequence of Token
        The tokens of the sentence.
    """
    fragments = [_without_manner(part) for part in _cut(_passive_as_active(tokens))]
    fragments = _mark_negated(fragments)
    return [part for part in fragments if not _says_nothing(part)]


def _cut(tokens: Sequence[Token]) -> list[Fragment]:
    fragments: list[Fragment] = []
    words: list[Token] = []
    joiner: Token | None = None
    turned = False
    for token in tokens:
        comes_before = bool(words) and not token.text.isascii()
        if token.concepts & mask("before") and (comes_before or token.text.isascii()):
            fragments.append(Fragment(tuple(words), joiner, turned=turned))
            turned = comes_before or not any(part.tokens for part in fragments)
            words, joiner = [], token
        elif token.text in _STOPS or token.concepts & mask("then but or after"):
            fragments.append(Fragment(tuple(words), joiner, turned=turned))
            turned = bool(token.concepts & mask("after")) and any(
                part.tokens for part in fragments
            )
            words, joiner = [], token
        else:
            words.append(token)
    fragments.append(Fragment(tuple(words), joiner, turned=turned))
    return [part for part in fragments if part.tokens]


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


def _without_manner(part: Fragment) -> Fragment:
    """Drop "without prompts", which only says in what way."""
    at = next(
        (n for n, t in enumerate(part.tokens) if t.concepts & mask("without")), None
    )
    if at is None:
        return part
    end = at + 1
    while end < len(part.tokens) and part.tokens[end].concepts & mask(
        f"filler all {_OBJECTS} or add draw vague"
    ):
        end += 1
        if part.tokens[end - 1].concepts & mask(_OBJECTS):
            break
    scope = part.tokens[at + 1 : end]
    rest = (*part.tokens[:at], *part.tokens[end:])
    names = any(token.concepts & mask(_OBJECTS) for token in scope)
    other = any(token.concepts & mask(_VERBS) for token in rest)
    only_manner = not part.tokens[at].concepts & mask("not")
    if names and (other or only_manner):
        return replace(part, tokens=rest)
    return part


def _mark_negated(fragments: Iterable[Fragment]) -> list[Fragment]:
    """Mark what is negated; "and", "or" and verbless words carry it on."""
    marked: list[Fragment] = []
    negated = False
    for part in fragments:
        if part.has("not") and not _is_other_word(part):
            negated = True
        elif negated:
            tied = part.joiner is not None and part.joiner.text in (
                "and", "or", "和", "与", "或", "或者", "及", "以及", "并", "跟", "还是",
            )  # fmt: skip
            negated = tied or not part.has(_VERBS)
        marked.append(replace(part, negated=negated))
    return marked


def _is_other_word(part: Fragment) -> bool:
    """Whether each "not" of the fragment is part of another meaning."""
    both = mask("hide reject without")
    return all(
        token.concepts & both for token in part.tokens if token.concepts & mask("not")
    )


def _says_nothing(part: Fragment) -> bool:
    """Whether a fragment is only courtesy, or a remark on a result."""
    fillers = mask("filler judge")
    if all(token.concepts & fillers for token in part.tokens):
        return not part.has("help")
    if not part.has("judge"):
        return False
    allowed = fillers | mask(
        f"{_OBJECTS} it labels segmentation last structure ask_first"
    )
    return all(token.concepts & allowed for token in part.tokens)
