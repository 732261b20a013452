"""Bring a sentence to one spelling: width, case, script, signs, short forms.

Everything after this module sees small letters, simplified characters, plain quotes and
dashes, and no control characters.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from napari_spinalsam.language.heard import as_meant
from napari_spinalsam.language.lexicon import load_lexicon
from napari_spinalsam.language.turns import in_plain_words

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("‘’ʼ´`", "'"),  # noqa: RUF001, the quotes of keyboards
        **dict.fromkeys("“”„«»「」『』", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),  # noqa: RUF001, all kinds of dashes
        **dict.fromkeys("〜～∼", "~"),  # noqa: RUF001
        "。": ".",
        "、": ",",
        "…": ".",
        "【": "(",
        "】": ")",
        "《": '"',
        "》": '"',
    }
)
_SHORT_FORMS = (
    (re.compile(r"\b(wo|ca|sha)n't\b"), "can not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\b(what|who|where|that|it|there|here|how|he|she)'s\b"), r"\1 is"),
    (re.compile(r"\blet's\b"), "let us"),
    (re.compile(r"\bi'm\b"), "i am"),
    (re.compile(r"'re\b"), " are"),
    (re.compile(r"'ve\b"), " have"),
    (re.compile(r"'ll\b"), " will"),
    (re.compile(r"'d\b"), " would"),
    (re.compile(r"'s\b|(?<=s)'(?=\s)"), ""),
)
_KEYS = re.compile(r"\b(ctrl|control)\s*[+-]\s*(?=[zy]\b)")
_HYPHEN = re.compile(r"(?<=[a-z])-(?=[a-z])")
# ".35" is no full stop before 35, and a raised 2 behind a 2 makes no 22.
_LEADING_POINT = re.compile(r"(?:(?<=[\s(+-])|^)\.(?=\d)")
_RAISED = re.compile(
    r"(?<=\d)(?=[\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u2089\u2150-\u215f])"
)
_THOUSANDS = re.compile(r"(?<![\d,])(\d{1,2}),(\d{3})(?![\d,])")


def normalise(text: str) -> str:
    """Return the sentence in the one spelling that the lexicon is written in.

    Parameters
    ----------
    text : str
        What was typed or dictated; bound its length before.
    """
    apart = _RAISED.sub(" ^ ", text)
    folded = unicodedata.normalize("NFKC", apart).casefold().translate(_SIGNS)
    folded = "".join(map(_plain, folded)).translate(load_lexicon().simplified)
    folded = _LEADING_POINT.sub("0.", folded)
    for pattern, long_form in _SHORT_FORMS:
        folded = pattern.sub(long_form, folded)
    folded = _KEYS.sub(r"\1 ", folded)
    folded = in_plain_words(as_meant(_HYPHEN.sub(" ", folded)))
    return " ".join(_THOUSANDS.sub(r"\1\2", folded).split())


@cache
def _plain(sign: str) -> str:
    """Turn line ends into full stops, drop what cannot be seen, keep the rest."""
    category = unicodedata.category(sign)
    if sign in "\r\n\u2028\u2029":
        return ". "
    if category in ("Cf", "Mn", "Me", "Co", "Cs", "Cn"):
        return ""
    return " " if category[0] in "CZ" else sign
