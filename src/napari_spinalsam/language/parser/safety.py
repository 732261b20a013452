"""Input filter and output guardrail: no request, and what a plan must not do."""

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

LONGEST_SENTENCE = 500  # characters

_EXTENSIONS = (
    "nii|gz|nrrd|mha|mhd|dcm|ima|png|jpe?g|tiff?|bmp|gif|py|pyc|ipynb|txt|csv|tsv|json"
    "|ya?ml|toml|xml|html?|pdf|docx?|xlsx?|pptx?|zip|tar|rar|7z|exe|bat|sh|ps1|dll|so"
    "|js|sql|stl|obj|ply|vtk|pth?|ckpt|safetensors|onnx|npy|npz|h5|log|ini|cfg|md"
)
_PATHS = (
    re.compile(r"(?:^|[^a-z])[a-z]:[\\/]", re.I),
    re.compile(r"\\\\|\\\w|\w\\"),
    re.compile(r"(?:^|[^\w~./\\])(?:~|\.{1,2})?/[\w.~-]"),
    re.compile(r"[\w.-]*[a-z_]{3,}/[\w.-]+/[\w.-]*\.?[a-z]{2,}", re.I),
    re.compile(rf"[\w)-]\.(?:{_EXTENSIONS})(?![a-z])", re.I),
    re.compile(r"\$(?:home|path|env|\{|\()|%\w+%", re.I),
)
# Names of formats that look like names of files.
_FORMATS = re.compile(
    r"(?<![a-z0-9_./\\-])\.?(?:nii\.gz|seg\.nrrd|(?<=\.)(?:nii|nrrd|dcm))(?![a-z0-9])",
    re.I,
)
# Signs of code that people write in sentences: "plane -> coronal", "W = 400, L = 40".
_SHORTHAND = re.compile(
    r"(?<=\s)(?:->|=>|-->)(?=\s)"
    r"|(?<![a-z])(?:ww?|w?l|width|level|window|slice|cent(?:er|re))\s*=(?=\s*-?\d)",
    re.I,
)
_ADDRESSES = (
    re.compile(r"[a-z][a-z0-9+]{1,9}://|(?<![a-z])www\.|file:|\w@\w", re.I),
    re.compile(
        r"[a-z0-9-]{2,}\.(?:com|org|net|edu|gov|io|cn|de|uk|ai|dev)(?![a-z])", re.I
    ),
    re.compile(r"(?<!\d)\d{1,3}(?:\.\d{1,3}){3}(?!\d)"),
)
_CODE = (
    re.compile(r"</?[a-z!][^>]*>?|&(?:lt|gt|amp);|&#", re.I),
    re.compile(
        r"```|`|\$\(|&&|\|\||;\s*--|==|!=|=>|->|::|\+=|:=|\{.*\}|\[\s*[\"']", re.S
    ),
    re.compile(
        r"[a-z_]\w*\s*\([^)]*\)\s*(?:$|[;.\n])|\w+\(\)|\w\([\"'\w]*[\"'=]", re.I
    ),
    re.compile(r"[a-z_]\w*\.[a-z_]\w*[(=.\[]|__\w+__|[a-z]\w*\s*=\s*[\w\"'\[{(]", re.I),
    re.compile(
        r"\b(?:def|class|lambda)\s+\w+\s*[(:]|\bfrom\s+\w+\s+import\b"
        r"|\b(?:print|exec|eval)\s*\("
        r"|\bimport\s+(?:os|sys|subprocess|shutil|napari|numpy|torch|re)\b",
        re.I,
    ),
    re.compile(
        r"\b(?:rm|sudo|chmod|mkdir|rmdir|wget|curl|del)\s+-|\brm\s+-?r|\bsudo\b", re.I
    ),
    re.compile(
        r"\b(?:drop|truncate|alter)\s+table\b|\bselect\s+\*|\bdelete\s+from\b", re.I
    ),
    re.compile(
        r"\bos\.|\bsys\.|\bviewer\.\w|\blayers?\[|\bself\.|\bnp\.|\bshutil\b", re.I
    ),
)
_TRICKS = (
    re.compile(
        r"\b(?:ignore|disregard|forget|override|bypass|overwrite|skip)\b.{0,30}"
        r"\b(?:rules?|instructions?|prompts? above|guidelines?|restrictions?|safety"
        r"|guards?|system|previous|prior|above|earlier|confirmations?|checks)\b",
        re.I | re.S,
    ),
    re.compile(
        r"system prompt|jailbreak|developer mode|\bDAN\b|you are now|pretend (?:to|you)"
        r"|\bact as (?!a box)|new instructions|prompt injection|as an ai|language model"
        r"|\brole ?play|\b(?:system|assistant|user)\s*:|admin mode|root access",
        re.I,
    ),
    re.compile(
        r"(?:忽略|无视|忘记|忘掉|绕过|跳过|不管|抛开|忽視).{0,12}(?:规则|指令|指示|限制|要求|提示词|设定|安全|規則|确认|检查)"
    ),
    re.compile(
        r"你现在是|假装你|扮演|系统提示|越狱|开发者模式|管理员权限|角色扮演|系统指令|最高权限"
    ),
    re.compile(r"\"?(?:action|steps|kind)\"?\s*[:=]\s*[\"'\[{]", re.I),
)


def screen(text: str) -> str | None:
    """Return the key of a refusal for a text that is no plain sentence, else None.

    Parameters
    ----------
    text : str
        The text as it was typed.
    """
    if len(text) > LONGEST_SENTENCE:
        return "too_long"
    text = _SHORTHAND.sub(" ", _FORMATS.sub(" ", text))
    for key, patterns in (
        ("trick", _TRICKS),
        ("address", _ADDRESSES),
        ("code", _CODE),
        ("path", _PATHS),
    ):
        if any(pattern.search(text) for pattern in patterns):
            return key
    return None


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
