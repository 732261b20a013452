"""Bring turns of phrase to a plain one: arrows, spelled names, "the points I just put".

Works on text as `normalise` has folded it, before its words are looked up. What is
here can be said with too many words to be listed in the lexicon.
"""

from __future__ import annotations

import re

_ENGLISH_NUMBER = (
    r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|fifteen|twenty|thirty)"
)
_COUNTED = r"(?:more |positive |negative |foreground |background |pos |neg |\w*ground )*"
_COUNTED += r"(?:points?|pts|dots|clicks|slices|layers|frames|steps|boxes|seeds|images)"
_DIGIT = "[一二两三四五六七八九]"
_UNIT = "(?=(?:[个颗下处层张步次枚片帧例])|(?:[正负]?(?:点|样本)))"
# Numbers that are only about right are a question back.
_VAGUE = (
    (
        rf"(?<!\b[ctls] )(?<![a-z\d-])\b{_ENGLISH_NUMBER}(?: or | to |-)"
        rf"{_ENGLISH_NUMBER}(?= {_COUNTED}\b)",
        "a few",
    ),
    (rf"{_DIGIT}?十(?:[几来多]|好几){_UNIT}", "几"),
    (rf"(?:好几十|几十|上百|几百|{_DIGIT}百多|百来){_UNIT}", "几"),
    (rf"(?:一两|两三|三两|三四|三五|四五|五六|六七|七八|八九){_UNIT}", "几"),
    (r"(?<=\d)[来多](?=[个颗])", "几"),
)
_SPELT = (
    (r"\bn[ .-]{0,2}r[ .-]{0,2}r[ .-]{0,2}d\b", "nrrd"),
    (r"\bd[ .]i[ .]c[ .]o[ .]m\b", "dicom"),
    (r"\bg[ .]p[ .]u(s?)\b", r"gpu\1"),
    (r"\bi[ .]o[ .]u\b", "iou"),
    (r"\bm[ .]s[ .]d\b", "msd"),
    (r"\bh[ .]d(?= ?95)", "hd"),
    (r"\bc\.t\b\.?", "ct"),
)
_SAID = (
    (r" ?(?:->|=>|→|⇒|➔|➜|➡|-->) ?", " to "),
    (r"\b(w|l|ww|wl|width|level|window|slice|center|centre) ?= ?(?=[\d-])", r"\1 "),
)
# "The three points that I have just put there": which ones there are is known.
_THINGS = (
    r"points?|dots?|clicks?|seeds?|box|boxes|rectangles?|prompts?|mask|masks|preview"
    r"|steps?|things?|ones?|changes?|actions?|moves?|edits?|labels|undos?"
)
_DONE = (
    r"placed|put|drew|drawn|added|clicked|set|made|marked|dropped|did|done|got|laid"
    r"|entered|created|had|generated|predicted|planted|stuck|popped|typed|undid|undone"
)
_RELATIVE = (
    rf"\b({_THINGS}) (?:that |which )?(?:i|we|you)(?: have| had)?(?: all)?"
    rf"(?: just| already| only| previously| ever)*(?: now)? (?:{_DONE})\b"
    r"(?: (?:there|here|earlier|before|just now|so far|down|in|a moment ago"
    r"|a minute ago|a second ago))*"
)
_ACTED = (
    "画|打|标|加|放|点|摆|落|添|补|框|圈|做|弄|搞|选|生成|预测|勾|算|操作|标记|标注|分割"
    "|撤销|撤回|撤|设|输入|添加"
)
_RELATIVE_ZH = (
    rf"(?:我们?|咱们?|俺)?(?:自己)?(?:刚刚|刚才|方才|刚|已经|之前|先前|最近)+"
    rf"(?:自己|手动|已经)?(?:{_ACTED})(?:好|完|出来|出|上去|上|下去|下|过|错|掉|进去){{0,2}}的"
    r"(?=那|这|些|几|[一二两三四五六七八九十\d]|所有|全部|点|框|掩|提示|结果|预览|标签)"
)
_LAYERS = (
    r"(?:labels?|reference|points?|dots|box|boxes|image|overlay|annotations?|scan|ct|gt"
    r"|ground truth|masks?|segmentations?|picture)(?: layer| overlay)?"
)
_BACK_UP = (
    rf"\b(?:bring|put|pull|get|pop|throw|call|have) ((?:the |my |those |these |all )*"
    rf"{_LAYERS}) back(?: up| on| in)?(?: again| on screen| into view)?(?= *(?:[.,;?!]|$))",
    r"show \1",
)
# What somebody does meanwhile is no part of the request.
_MEANWHILE = (
    r"\b(?:while|whilst) (?:i|we|he|she|they|my \w+|the \w+)\b"
    r"(?! (?:am|are|is) at it)[^,.;?!]*(?:, ?(?=[a-z]))?",
    "",
)
# "Slice 66 in the bone window" asks for two things.
_BESIDE = (
    r"((?:骨|软组织|肺|椎间盘|全)窗)(?:位|口)?(?:条件)?(?:下面|底下|下|里|来)?"
    r"(?=看第|看一?下?第|看[一二两三四五六七八九十百\d]|[翻跳转滚]到?第|显示第|查看第)",
    r"\1,",
)
_TABLE = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        *_SAID,
        *_SPELT,
        *_VAGUE,
        (_RELATIVE, r"\1"),
        (_RELATIVE_ZH, ""),
        _BACK_UP,
        _MEANWHILE,
        _BESIDE,
    )
)


def in_plain_words(text: str) -> str:
    """Return a folded sentence with turns of phrase brought to plain ones."""
    for pattern, plain in _TABLE:
        text = pattern.sub(plain, text)
    return text
