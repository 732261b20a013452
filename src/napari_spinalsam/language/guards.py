"""What a model's plan may not do unless the user's own words ask for it."""

from __future__ import annotations

import re
import unicodedata
from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_spinalsam.actions.describe import description
from napari_spinalsam.actions.models import ACTION_CLASS, ActionClass
from napari_spinalsam.actions.replies import Clarify, Plan, parse_action
from napari_spinalsam.core.messages import msg, render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_spinalsam.actions.replies import Reply
    from napari_spinalsam.core.messages import Language

_ASKED_FOR: Mapping[ActionClass, re.Pattern[str]] = MappingProxyType(
    {
        ActionClass.DESTRUCTIVE: re.compile(
            r"\b(?:clear(?:s|ed|ing)?|delet(?:e|es|ed|ing)|remov(?:e|es|ed|ing)|"
            r"eras(?:e|es|ed|ing)|wip(?:e|es|ed|ing)|discard(?:s|ed|ing)?|"
            r"get(?:ting)? rid of|throw(?:ing)? away|start(?:ing)? over)\b"
            r"|清[除空掉理]|清了|删|移除|擦|去掉|去除|抹|丢掉|扔掉"
        ),
        ActionClass.WRITE: re.compile(
            r"\b(?:sav(?:e|es|ed|ing)|export(?:s|ed|ing)?|stor(?:e|es|ed|ing)|"
            r"writ(?:e|es|ing)|keep a copy)\b"
            r"|保存|导出|另存|存[为成到下盘]|存一|输出|储存|存储"
        ),
    }
)
# Negations, hypotheticals and questions: none of them is a wish.
_NOT_A_WISH = re.compile(
    r"\b(?:not|never|no|without|don'?t|do\s?n'?t|won'?t|can'?t|cannot|"
    r"shouldn'?t|didn'?t|isn'?t|nothing|none|neither|nor|avoid|stop|refrain|"
    r"keep|if|would|happens?|suppose|imagine|pretend|ignore)\b"
    r"|^\W*(?:what|why|how|when|who|where|which)\b"
    r"|不|别|勿|没|未|无需|莫|禁止|避免|保留|如果|要是|假如|假设|万一|如何|怎|什么|为何|吗|忽略"
    r"|\?\s*$"
)

# What clears, or will, is spoken of: "could this wipe all", "the points get deleted".
_SPOKEN_OF = re.compile(
    r"^(?:can|could|might|may|will|would|do|does|did) (?:that|this|it)\b"
    r"|^(?:i|it|this|that|she|he) (?:will|might|may)\b"
    r"|\b(?:points?|box|boxes|prompts?|everything|all|they|it) (?:get|gets|got)\b"
)
# What was meant once, or is only weighed: "I was going to clear it", "maybe delete L3".
_WEIGHED = re.compile(
    r"\b(?:i|we) (?:was|were|had been) (?:just )?(?:going|about|planning|tempted) to\b"
    r"|\b(?:maybe|perhaps|possibly|almost|nearly)\b"
    r"|本来|原本|原来想|差点|差一点|也许|可能|或许|大概"
)


def weighs(text: str) -> bool:
    """Tell whether a sentence weighs or remembers something, rather than orders it."""
    said = _folded(text)
    return any(_WEIGHED.search(each) for each in (said, "".join(said.split())))


def speaks_of(text: str) -> bool:
    """Tell whether a sentence asks or tells what happens, rather than orders it."""
    return _SPOKEN_OF.search(_folded(text)) is not None


def forbids(text: str) -> bool:
    """Tell whether a sentence speaks of removing or saving without wishing it."""
    said = _folded(text)
    names_it = any(pattern.search(said) for pattern in _ASKED_FOR.values())
    return names_it and _NOT_A_WISH.search(said) is not None


def guarded(reply: Reply, text: str, language: Language) -> Reply:
    """Turn a model's plan that removes or saves what nobody named into a question.

    Parameters
    ----------
    reply : Reply
        What the model made of the text.
    text : str
        What the user said.
    language : str
        In which language to ask.

    Returns
    -------
    Reply
        The same reply, or a question with the doubtful actions as its options.
    """
    if not isinstance(reply, Plan):
        return reply
    said = _folded(text)
    is_wish = _NOT_A_WISH.search(said) is None
    doubtful = [
        step
        for step in reply.steps
        if (named := _ASKED_FOR.get(ACTION_CLASS[step.action]))
        and not (is_wish and named.search(said))
    ]
    if not doubtful:
        return reply
    question = msg("Do you want this: {action}?", action=description(doubtful[0]))
    # An option is an action with its defaults, which may not be what was meant.
    options = dict.fromkeys(
        step.action
        for step in doubtful
        if is_wish and step == parse_action({"action": step.action})
    )
    return Clarify(question=render(question, language), options=tuple(options))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
