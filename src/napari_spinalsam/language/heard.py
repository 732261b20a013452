"""Undo what dictation does to a sentence: signs in words, letters spelled, mishearings.

Works on text as `normalise` has folded it. A mishearing is mended only where the words
beside it leave no other sense: "see five period" is C5, "see five slices" is not.
"""

from __future__ import annotations

import re

_NUMBER = r"(?:one|two|three|four|five|six|seven|\d)"
_COUNTED = r"(?:slices|points|clicks|dots|steps|layers|frames|boxes|times)"
_BEFORE = "back|forward|ahead|down|up|undo|redo|add|place"
_NO_SIGHT = (
    r"(?:(?<!to )(?<!me )(?<!us )|(?<=points to )|(?<=point to )|(?<=box to )"
    r"|(?<=boxes to )|(?<=prompt to )|(?<=clicks to )|(?<=click to )|(?<=switch to )"
    r"|(?<=on to ))"
)
_KIND = "(?:more |new |extra |negative |positive |foreground |background )"
_ENDS = r"(?=\s*(?:$|[.,;?!]|(?:and|then|please|vertebra\w*|dis[ck]|body|now|l)\b))"
_BEHIND = "$|[,.]|[上里中加分打点画框标选放椎那体和到与的处]"  # behind a level
_SPOKEN = (
    (r"\b(?:comma|semicolon)\b|逗号|顿号|分号", ","),
    (r"\b(?:period|full stop|new ?line|new paragraph|next line)\b", "."),
    (r"\bexclamation (?:mark|point)\b|句号|换行|另起一行|另起一段|感叹号", "."),
    (r"\bquestion mark\b|问号", "?"),
    (r"\b([a-z]) (?:hyphen|dash) ?(?=[a-z]?\d)", r"\1-"),
)
_MISHEARD = (
    (rf"{_NO_SIGHT}\b(?:see|sea) (?={_NUMBER}\b(?! ?{_COUNTED}))", "c "),
    (rf"\b(?:elle|hell) (?={_NUMBER}\b)", "l "),
    (rf"\b(c|t|l|el|ell) (?:for|fore){_ENDS}", r"\1 4"),
    (rf"\b(c|t|l|el|ell) (?:to|too){_ENDS}", r"\1 2"),
    (r"\b(c|t|l|el|ell|s|ess) won\b", r"\1 1"),
    (r"\b(c|t|el|ell|l) ate\b", r"\1 8"),
    (r"(?<=[一二两三四五六七八九十\d])不(?=$|[,.;吧])", "步"),
    (r"(?<=[腰胸颈])[是似](?=分割|一下|加|画|打|标)", "四"),
    *(
        (rf"(?<=[腰胸颈])[{alike}](?={_BEHIND})", number)
        for number, alike in (
            ("一", "衣医伊"),
            ("二", "耳而尔"),
            ("三", "伞散山"),
            ("四", "寺死思"),
            ("五", "舞午吴屋武"),
            ("六", "流留溜陆"),
            ("七", "期起妻气"),
            ("八", "巴爸吧"),
            ("九", "酒久"),
            ("十", "石时实"),
        )
    ),
    (r"[咬药摇耀](?=[一二三四五六\d])", "腰"),
    (rf"\b(?:for|fore) (?={_COUNTED}\b)", "4 "),
    (rf"\b({_BEFORE}) (?:to|too) (?={_KIND}?{_COUNTED}\b)", r"\1 2 "),
    (rf"^(?:to|too) (?={_KIND}?{_COUNTED}\b)", "2 "),
    (rf"\b(?:for|fore) (?=(?:negative|positive) {_COUNTED}\b)", "4 "),
    (
        r"\b(go|jump|move|skip|scroll|switch|back|forward|on) 2 (?=slice|the\b)",
        r"\1 to ",
    ),
)
_TABLE = tuple(
    (re.compile(pattern), meant) for pattern, meant in (*_SPOKEN, *_MISHEARD)
)


def as_meant(text: str) -> str:
    """Return a folded sentence with what dictation did to it undone."""
    for pattern, meant in _TABLE:
        text = pattern.sub(meant, text)
    return text
