"""Split a sentence into fragments and see what each is not: negated, kept, in passing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from napari_spinalsam.language.frames import find_fits
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
_COURTESIES = frozenset(
    "ok okay um uh er hm hmm oh well hi hello hey sorry yes yeah please and so but 嗯 呃 那"
    " 哦 啊 其实 不好意思 好 好的 请问".split()
)
_WISHES = (
    "我想", "我要", "我还想", "i want", "i would like", "i need", "i have to", "i am going"
)  # fmt: skip
_STRONG_VERBS = (
    "generate segment select clear accept reject propagate save hide undo redo reset"
)
_MORE_VERBS = "drop_alone keep_alone generate_alone drop_it adopt turn change"


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


def split(tokens: Sequence[Token]) -> list[Fragment]:
    """Return the fragments that say what is to be done, negated ones marked.

    Parameters
    ----------
    tokens : sequence of Token
        The tokens of the sentence.
    """
    fragments = _cut(_without_manner(_passive_as_active(tokens)))
    fragments = _mark_negated(_without_wishes(fragments))
    fragments = _put_in_order(fragments)
    telling = [part for part in fragments if not _says_nothing(part)]
    if not telling:
        telling = [part for part in fragments if part.has("reset judge")]
    return telling


def split_finely(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Cut fragments before their verbs too, for dictation without any stops."""
    fine: list[Fragment] = []
    for number, fragment in enumerate(fragments):
        words: list[Token] = []
        joiner, turned = fragment.joiner, fragment.turned
        for token in fragment.tokens:
            starts = token.concepts & mask(f"{_VERBS} plane preset") and not (
                token.concepts & mask("filler")
            )
            if starts and any(not w.concepts & mask("filler") for w in words):
                fine.append(
                    replace(
                        fragment,
                        tokens=tuple(words),
                        joiner=joiner,
                        turned=turned,
                        part=number,
                    )
                )
                words, joiner, turned = [], None, False
            words.append(token)
        fine.append(
            replace(
                fragment, tokens=tuple(words), joiner=joiner, turned=turned, part=number
            )
        )
    return fine


def is_aside(fragment: Fragment, *, leads: bool) -> bool:
    """Whether a fragment may be a remark: about somebody or something, no request.

    Parameters
    ----------
    fragment : Fragment
        One that fits no frame.
    leads : bool
        Whether it comes before the request; then it need not be a sentence.
    """
    if fragment.joiner is not None and fragment.joiner.concepts & mask("because"):
        return True
    if fragment.has("done_word"):
        return True
    if any(_commands(token) for token in fragment.tokens):
        return False
    asks = any(
        token.concepts & mask("ask") and not token.concepts & mask("filler")
        for token in fragment.tokens
    )
    if (
        asks
        or fragment.has("howto quoting forget request_word")
        or any(
            token.concepts & mask("if") and not token.concepts & mask("filler")
            for token in fragment.tokens
        )
    ):
        return False
    first = next(
        (t for t in fragment.tokens if not _is_courtesy(t)), fragment.tokens[0]
    )
    if first.concepts & mask("judge") or _starts_as_aside(first.text):
        return True
    if first.concepts & mask("outside reported not"):
        return False
    strange = not all(token.known for token in fragment.tokens) or fragment.has(
        "outside"
    )
    return strange and (leads or not first.text.isascii())


def _commands(token: Token) -> bool:
    """Whether a word is a verb that only a request to this tool would hold."""
    return bool(token.concepts & mask(_STRONG_VERBS)) and not token.concepts & mask(
        "filler past point box mask preview labels image slice judge"
    )


def _is_courtesy(token: Token) -> bool:
    return token.text in _COURTESIES


def _starts_as_aside(text: str) -> bool:
    asides = load_lexicon().asides
    return text.split()[0] in asides or (not text.isascii() and text.startswith(asides))


def _cut(tokens: Sequence[Token]) -> list[Fragment]:
    fragments: list[Fragment] = []
    words: list[Token] = []
    joiner: Token | None = None
    turned = False
    for at, token in enumerate(tokens):
        started = bool(words) or any(fragment.tokens for fragment in fragments)
        if not _joins(tokens, at, bool(words)):
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


def _joins(tokens: Sequence[Token], at: int, started: bool) -> bool:
    """Whether a token is a connective; a Chinese "before" is one only behind words."""
    token = tokens[at]
    if token.concepts & mask("before") and not token.text.isascii():
        return started
    if token.text == "把":
        return started and any(t.concepts & mask("keep") for t in tokens[:at])
    return token.text in _STOPS or bool(
        token.concepts & mask("then but or after before because")
    )


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


def _without_manner(tokens: Sequence[Token]) -> list[Token]:
    """Drop "without prompts" and "不用点", which only say in what way."""
    kept = list(tokens)
    at = 0
    while at < len(kept):
        end = _end_of_manner(kept, at) if kept[at].concepts & mask("without") else None
        if end is not None:
            del kept[at:end]
        else:
            at += 1
    return kept


def _end_of_manner(tokens: Sequence[Token], at: int) -> int | None:
    """Return where the scope of a "without" ends, None where it is a negation."""
    end, named = at + 1, None
    while end < len(tokens):
        token = tokens[end]
        if token.concepts & mask(_OBJECTS):
            named = end + 1
        elif (
            named
            and not token.concepts & mask("or")
            and token.text not in ("and", "和")
        ):
            break
        elif not token.concepts & mask("filler all or add draw vague then"):
            break
        end += 1
    if named is None:
        return None
    rest = (*tokens[:at], *tokens[named:])
    other = any(token.concepts & mask(_VERBS) for token in rest)
    return named if other or not tokens[at].concepts & mask("not") else None


def _without_wishes(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Drop "I want to see the image" beside a request that says please."""
    asked = [
        part.has("request_word")
        and not all(t.concepts & mask("filler") for t in part.tokens)
        for part in fragments
    ]
    kept = []
    for at, part in enumerate(fragments):
        follows = fragments[at + 1].joiner if at + 1 < len(fragments) else None
        alone = all(j is None or j.text in _STOPS for j in (part.joiner, follows))
        others = any(asked[:at] + asked[at + 1 :])
        wishes = part.tokens[0].text.startswith(_WISHES)
        if not (others and alone and wishes and not part.has("request_word")):
            kept.append(part)
    return kept


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
            paused = part.joiner is not None and part.joiner.text in _STOPS
            follows = not paused and _only_negates(marked[-1])
            negated = tied or _is_bare(part) or follows
        marked.append(replace(part, negated=negated))
    return marked


def _is_bare(part: Fragment) -> bool:
    """Whether a fragment says nothing by itself, like the "boxes" of "or boxes"."""
    if part.has(f"{_VERBS} {_MORE_VERBS}"):
        return False
    return all(fit.frame.beside for fit in find_fits(part.tokens))


def _only_negates(part: Fragment) -> bool:
    """Whether a fragment is but a "not", as before the 再 of 不想再看."""
    return part.negated and all(
        token.concepts & mask("not filler") for token in part.tokens
    )


def _is_other_word(part: Fragment) -> bool:
    """Whether each "not" of the fragment is part of another meaning."""
    both = mask("hide reject")
    return all(
        token.concepts & both for token in part.tokens if token.concepts & mask("not")
    )


def _says_nothing(part: Fragment) -> bool:
    """Whether a fragment is only courtesy, or a remark on a result."""
    fillers = mask("filler judge")
    if all(token.concepts & fillers for token in part.tokens):
        return not part.has("help keep_alone drop_alone generate_alone")
    if not part.has("judge"):
        return False
    allowed = fillers | mask(
        f"{_OBJECTS} it labels segmentation last structure ask_first"
    )
    return all(token.concepts & allowed for token in part.tokens)
