"""Tell what is said in passing from what is asked for: courtesy, remarks, wishes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam.language.fragments import OBJECTS, STOPS, mask
from napari_spinalsam.language.lexicon import load_lexicon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.language.fragments import Fragment
    from napari_spinalsam.language.tokens import Token

_COURTESIES = frozenset(
    [
        "ok",
        "okay",
        "um",
        "uh",
        "er",
        "hm",
        "hmm",
        "oh",
        "well",
        "hi",
        "hello",
        "hey",
        "sorry",
        "yes",
        "yeah",
        "please",
        "and",
        "so",
        "but",
        "嗯",
        "呃",
        "那",
        "哦",
        "啊",
        "其实",
        "不好意思",
        "好",
        "好的",
        "请问",
    ]
)
_SPEAKERS = frozenset(("i", "we", "我", "我们", "咱们"))
_WISHES = (
    *("我想", "我要", "我还想"),
    *("i want", "i would like", "i need", "i have to", "i am going"),
)
_STRONG_VERBS = (
    "generate segment select clear accept reject propagate save hide undo redo reset"
)


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
    doubts = any(
        token.concepts & mask("ask if") and not token.concepts & mask("filler")
        for token in fragment.tokens
    )
    if doubts or fragment.has("howto quoting forget request_word"):
        return False
    serious = (t for t in fragment.tokens if t.text not in _COURTESIES)
    first = next(serious, fragment.tokens[0])
    if first.text.split()[0] in _SPEAKERS:
        return True
    if any(_commands(token) for token in fragment.tokens):
        return False
    if first.concepts & mask("judge") or _starts_as_aside(first.text):
        return True
    if first.concepts & mask("outside reported not"):
        return False
    strange = not all(token.known for token in fragment.tokens) or fragment.has(
        "outside"
    )
    return strange and (leads or not first.text.isascii())


def says_nothing(part: Fragment) -> bool:
    """Whether a fragment is only courtesy, or a remark on a result."""
    fillers = mask("filler judge correction")
    if all(token.concepts & fillers for token in part.tokens):
        return not part.has("help keep_alone drop_alone generate_alone")
    if not part.has("judge"):
        return False
    allowed = fillers | mask(
        f"{OBJECTS} it labels segmentation last structure ask_first"
    )
    return all(token.concepts & allowed for token in part.tokens)


def without_wishes(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Drop "I want to see the image" beside a request that says please."""
    asked = [
        part.has("request_word")
        and not all(t.concepts & mask("filler") for t in part.tokens)
        for part in fragments
    ]
    kept = []
    for at, part in enumerate(fragments):
        follows = fragments[at + 1].joiner if at + 1 < len(fragments) else None
        alone = all(j is None or j.text in STOPS for j in (part.joiner, follows))
        others = any(asked[:at] + asked[at + 1 :])
        wishes = part.tokens[0].text.startswith(_WISHES)
        if not (others and alone and wishes and not part.has("request_word")):
            kept.append(part)
    return kept


def _commands(token: Token) -> bool:
    """Whether a word is a verb that only a request to this tool would hold."""
    return bool(token.concepts & mask(_STRONG_VERBS)) and not token.concepts & mask(
        "filler past point box mask preview labels image slice judge make_word"
    )


def _starts_as_aside(text: str) -> bool:
    asides = load_lexicon().asides
    return text.split()[0] in asides or (not text.isascii() and text.startswith(asides))
