"""Refuse what is no sentence before it is read: paths, addresses, code, tricks."""

from __future__ import annotations

import re

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
