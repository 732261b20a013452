"""Tell what is said in passing from what is asked for: courtesy, remarks, wishes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_spinalsam.language.parser.frames import (
    MORE_VERBS,
    OBJECTS,
    STOPS,
    VERBS,
    mask,
)
from napari_spinalsam.language.parser.lexicon import load_lexicon
from napari_spinalsam.language.parser.negation import TIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_spinalsam.language.parser.frames import Fragment
    from napari_spinalsam.language.parser.tokenizer import Token

COURTESIES = frozenset(
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
_DETERMINERS = frozenset(
    ("the", "a", "an", "my", "it", "them", "this", "that", "these", "those", "all")
)
ANCHORS = (
    "structure region point box mask preview plane preset metric labels reference slice"
)
_ASKING = (
    "request request_word add draw generate segment select go open turn change measure"
    " show hide propagate carry predict box_verb verify run_model arrive make_word"
)
_OWNERS = frozenset(("our", "your", "its"))
_OF = frozenset(("of", "in", "on", "at", "between", "near", "above", "below", "的"))
_PREPOSITIONS = frozenset(
    ("to", "on", "onto", "in", "into", "of", "at", "from", "around", "inside", "behind")
) | frozenset(("with", "using", "via"))
_INTENDS = frozenset(("要", "想", "想要", "准备", "打算"))
_ADVERBS = ("ly", "ish", "wise")
_TELLING = (
    "done_word settled quoting because forget subject reported judge need_word howto if"
)
_SPEAKERS = frozenset(("i", "we", "我", "我们", "咱们"))
_WISHES = (
    *("我想", "我要", "我还想"),
    *("i want", "i would like", "i need", "i have to", "i am going"),
)
_LOOKERS = frozenset(("我", "容我", "让我", "我再", "我先", "咱", "我们"))
_OTHERS = frozenset(("他", "她", "他们", "她们"))
_NAMED = (
    "structure region point box mask preview plane preset metric labels reference slice"
    " number ordinal polarity format"
)
_TOLD = f"{_NAMED} image sample gpu parameters help undo redo save it"
# What is plain enough to be asked for where a strange purpose follows.
_PLAIN = (
    "structure region plane preset metric labels format reference slice gpu parameters"
    " undo redo sample number"
)
_STRONG_VERBS = (
    "generate segment select clear accept reject propagate save hide undo redo reset"
)


def is_off_task(fragment: Fragment, *, leads: bool) -> bool:
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
    if doubts or fragment.has("howto quoting request_word"):
        return False
    if fragment.has("forget"):
        return leads
    if _adds_thing(fragment):
        return False
    serious = (t for t in fragment.tokens if t.text not in COURTESIES)
    first = next(serious, fragment.tokens[0])
    if first.text.split()[0] in _SPEAKERS:
        return True
    if any(_commands(token) for token in fragment.tokens):
        return False
    if first.concepts & mask("judge") or _starts_off_task(first.text):
        return True
    if first.concepts & mask("outside reported not"):
        return False
    strange = not all(token.known for token in fragment.tokens) or fragment.has(
        "outside"
    )
    return strange and (leads or not first.text.isascii())


def _adds_thing(fragment: Fragment) -> bool:
    """Whether it names one more thing: "segment L3 and the kidney", "and HU"."""
    joiner = "" if fragment.joiner is None else fragment.joiner.text
    article = fragment.tokens[0].text in ("the", "a", "an")
    if joiner not in TIES and not (joiner == "," and article):
        return False
    said = [
        token
        for token in fragment.tokens
        if token.text not in COURTESIES | _DETERMINERS
        and not token.concepts & mask("filler")
    ]
    first = fragment.tokens[0].text
    starts = first not in _DETERMINERS and _starts_off_task(first)
    speaks = first.split()[0] in _SPEAKERS
    manner = len(said) == 1 and said[0].text.endswith(_ADVERBS)
    others = starts or speaks or manner or any(map(_tells_or_asks, said))
    return bool(said) and not others


def _tells_or_asks(token: Token) -> bool:
    """Whether a word makes a sentence of a fragment, rather than names something."""
    if not token.known or _is_foreign(token):
        return False
    return bool(token.concepts & mask(f"{VERBS} {MORE_VERBS} {_TELLING}"))


def orders(fragment: Fragment, follows: Token | None = None) -> bool:
    """Whether a fragment that fits no frame asks for something all the same.

    "Register the MR to the CT and then segment L3" is not done by half.

    Parameters
    ----------
    fragment : Fragment
        One that fits no frame.
    follows : Token or None
        The connective behind it.
    """
    serious = [t for t in fragment.tokens if t.text not in COURTESIES]
    said = [t for t in serious if not t.concepts & mask("filler")]
    if not said or fragment.has(_TELLING):
        return False
    lead = serious[0].text
    if lead.split()[0] in _SPEAKERS or lead in _INTENDS or _starts_off_task(lead):
        return False
    if any(token.text.endswith(("把", "将")) for token in fragment.tokens):
        return True
    first = said[0]
    verb = not first.known or bool(
        first.concepts & mask(f"{VERBS} {MORE_VERBS} outside")
    )
    behind = fragment.tokens[fragment.tokens.index(first) + 1 :][:1]
    takes = any(t.text in _DETERMINERS or t.concepts & mask(_NAMED) for t in behind)
    strange = any(not t.known or _is_foreign(t) for t in said)
    tied = strange and (is_tied(fragment.joiner) or is_tied(follows))
    manner = len(said) == 1 and first.text.endswith(_ADVERBS)
    return verb and (takes or (tied and not manner))


def _is_foreign(token: Token) -> bool:
    return bool(token.concepts & mask("outside")) and not token.concepts & mask("tell")


def is_tied(joiner: Token | None) -> bool:
    """Whether a connective ties two requests, as "and then" does and a comma not."""
    return (
        joiner is not None
        and joiner.text not in STOPS
        and bool(joiner.concepts & mask("then"))
    )


def tells(fragment: Fragment) -> bool:
    """Whether a fragment is about somebody or something, and commands nothing.

    Parameters
    ----------
    fragment : Fragment
        One that fits no frame.
    """
    if _adds_thing(fragment):
        return False
    serious = [t for t in fragment.tokens if t.text not in COURTESIES]
    first = serious[0] if serious else fragment.tokens[0]
    if any(token.text in ("把", "将") for token in serious):
        return False
    if first.text.split()[0] in _SPEAKERS or _starts_off_task(first.text):
        return True
    if fragment.has("reported subject judge done_word settled"):
        return True
    if fragment.has(_NAMED):
        return False
    return not any(_commands(token) for token in fragment.tokens)


def asks(part: Fragment) -> bool:
    """Whether a verb or a wish asks for it, not a statement about it."""
    if part.has("request request_word"):
        return True
    first = next((t for t in part.tokens if t.text not in COURTESIES), part.tokens[0])
    if first.concepts & mask("subject ask ask_first reported"):
        return False
    things = mask(f"{ANCHORS} plane_word window")
    return any(
        token.concepts & mask(_ASKING) and not token.concepts & things
        for token in part.tokens
    )


def names_another(tokens: Sequence[Token], at: int) -> bool:
    """Whether a strange word is a thing or place: "the kitchen", "to my argument".

    Parameters
    ----------
    tokens : sequence of Token
        Some words.
    at : int
        Which of them.
    """
    before = at - 1
    while before >= 0 and tokens[before].text in _DETERMINERS | _OWNERS:
        before -= 1
    follows = tokens[at + 1].text if at + 1 < len(tokens) else "."
    ends = before < at - 1 and not follows[0].isalnum()
    placed = before >= 0 and tokens[before].text in _PREPOSITIONS
    return not tokens[at].known and (ends or placed)


def narrows(tokens: Sequence[Token], at: int) -> bool:
    """Whether a strange word names a part or a kind: "L3 pedicle", "pedicle of L3".

    Parameters
    ----------
    tokens : sequence of Token
        Some words.
    at : int
        Which of them.
    """
    if at and tokens[at - 1].concepts & mask(ANCHORS):
        return not tokens[at].text.endswith("ly")
    follows = tokens[at + 1].text if at + 1 < len(tokens) else ""
    return follows.split()[:1] != [] and follows.split()[0] in _OF


def says_nothing(part: Fragment) -> bool:
    """Whether a fragment is only courtesy, or a remark on a result."""
    fillers = mask("filler judge correction")
    if all(token.concepts & fillers for token in part.tokens):
        return not part.has("help keep_alone drop_alone generate_alone undo")
    if _is_of_others(part) or _tells_of_need(part):
        return True
    if part.has("settled") and not any(_commands(t) for t in part.tokens):
        return True
    if not part.has("judge"):
        return False
    allowed = fillers | mask(
        f"{OBJECTS} it labels segmentation last structure ask_first"
    )
    return all(token.concepts & allowed for token in part.tokens)


def _is_of_others(part: Fragment) -> bool:
    """Whether it tells what somebody else did: 他在L3上加了三个点."""
    texts = [token.text for token in part.tokens]
    others = texts[0] in _OTHERS and texts[1:2] != ["的"]
    return others and not part.has("request_word")


def _tells_of_need(part: Fragment) -> bool:
    """Whether it only says who needs it: "PACS那边要用", "the surgeon is waiting"."""
    if not part.has("need_word") or part.has(f"{_TOLD} not request_word"):
        return False
    return not any(_commands(token) for token in part.tokens)


def looks_on(part: Fragment) -> bool:
    """Whether it says what the speaker does then: "..., 我对照一下"."""
    if part.tokens[0].text not in _LOOKERS or part.has("request_word plane preset"):
        return False
    return part.has("show compare verify") and not part.has(
        "structure metric slice select labels point box"
    )


def without_purpose(tokens: Sequence[Token]) -> list[Token]:
    """Drop a strange purpose at the end of a clause: "for the navigation system"."""
    ends = [at for at, t in enumerate(tokens) if t.text in STOPS] + [len(tokens)]
    kept: list[Token] = []
    start = 0
    for end in ends:
        clause = tokens[start:end]
        kept += clause[: _purpose_of(clause)]
        kept += tokens[end : end + 1]
        start = end + 1
    return kept


def _purpose_of(clause: Sequence[Token]) -> int:
    """Return where the purpose of a clause begins, its length where it has none."""
    silent = mask("filler outside context reported tool image judge gpu_state")
    at = next((at for at, t in enumerate(clause) if t.text == "for"), len(clause))
    asked, rest = clause[:at], clause[at + 1 :]
    plain = any(t.concepts & mask(_PLAIN) for t in asked)
    strange = any(not t.known or t.concepts & mask("outside reported") for t in rest)
    if plain and strange and all(not t.known or t.concepts & silent for t in rest):
        return at
    return len(clause)


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
        others = any(
            asks and other.has(_TOLD)
            for asks, other in zip(asked, fragments, strict=True)
            if other is not part
        )
        wishes = part.tokens[0].text.startswith(_WISHES)
        if not (others and alone and wishes and not part.has("request_word")):
            kept.append(part)
    return kept


def _commands(token: Token) -> bool:
    """Whether a word is a verb that only a request to this tool would hold."""
    return bool(token.concepts & mask(_STRONG_VERBS)) and not token.concepts & mask(
        "filler past point box mask preview labels image slice judge make_word"
    )


def _starts_off_task(text: str) -> bool:
    off_task = load_lexicon().off_task
    return text.split()[0] in off_task or (
        not text.isascii() and text.startswith(off_task)
    )
