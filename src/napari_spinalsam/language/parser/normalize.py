"""Bring a sentence to one spelling: width, case, script, signs, short forms.

Everything after this module sees small letters, simplified characters, plain quotes and
dashes, and no control characters. The few paraphrases here are those that also helped
on sentences of writers whom they were not written for, or without which a part of a
sentence would be acted on.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from napari_spinalsam.language.parser.lexicon import load_lexicon

_NUMBER = r"(?:one|two|three|four|five|six|seven|\d)"
_COUNTED_WORDS = r"(?:slices|points|clicks|dots|steps|layers|frames|boxes|times)"
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
_ASR_CORRECTIONS = (
    (rf"{_NO_SIGHT}\b(?:see|sea) (?={_NUMBER}\b(?! ?{_COUNTED_WORDS}))", "c "),
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
    (rf"\b(?:for|fore) (?={_COUNTED_WORDS}\b)", "4 "),
    (rf"\b({_BEFORE}) (?:to|too) (?={_KIND}?{_COUNTED_WORDS}\b)", r"\1 2 "),
    (rf"^(?:to|too) (?={_KIND}?{_COUNTED_WORDS}\b)", "2 "),
    (rf"\b(?:for|fore) (?=(?:negative|positive) {_COUNTED_WORDS}\b)", "4 "),
    (
        r"\b(go|jump|move|skip|scroll|switch|back|forward|on) 2 (?=slice|the\b)",
        r"\1 to ",
    ),
)
_TABLE = tuple(
    (re.compile(pattern), meant) for pattern, meant in (*_SPOKEN, *_ASR_CORRECTIONS)
)


def as_meant(text: str) -> str:
    """Return a folded sentence with what dictation did to it undone."""
    for pattern, meant in _TABLE:
        text = pattern.sub(meant, text)
    return text


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


# Letters spelled one by one: "n r r d", "g.p.u.".
_SPELT = re.compile(r"\b[a-z](?:(?: |\. ?)[a-z]){2,5}\b\.?")
_ENGLISH_NUMBER = (
    r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|fifteen|twenty|thirty)"
)
_COUNTED = (
    r"(?:more |positive |negative |foreground |background |pos |neg |\w*ground )*"
)
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
    (r"(?<=\d)(?<![ctl腰胸颈]\d)[来多](?=[个颗])", "几"),
)
# "The three points that I have just put there": which ones there are is known.
_ACTED = (
    "画|打|标|加|放|点|摆|落|添|补|框|圈|做|弄|搞|选|生成|预测|勾|算|操作|标记|标注|分割"
    "|撤销|撤回|撤|设|输入|添加"
)
_RELATIVE_ZH = (
    rf"(?:我们?|咱们?|俺)?(?:自己)?(?:刚刚|刚才|方才|刚|已经|之前|先前|最近)+"
    rf"(?:自己|手动|已经)?(?:{_ACTED})(?:好|完|出来|出|上去|上|下去|下|过|错|掉|进去){{0,2}}的"
    r"(?=那|这|些|几|[一二两三四五六七八九十\d]|所有|全部|点|框|掩|提示|结果|预览|标签)"
)
# What went wrong, and what turned out well, is why something is asked for.
_WENT = (
    (
        r"(?:画|打|标|点|加|放|选|框|圈|分|弄|做|搞|勾|摆|传|撤|退|清|删|翻|调|切|按|描|搁|撤销|撤回|重做|传播)"
        r"(?:得|的)?(?:有点儿?|有些|太|都|全|好像)?(?:乱|歪|偏|错|多|少|坏|反|漏|重复|重|早"
        r"|过头|过|糊|岔|废|砸|丑|脏|花|飞|跑偏|不好|不准|不对|不太对|不太好|不够好)"
        r"(?:了|啦|咯|喽)(?:点|些|一点|不少)?(?=[,.!;]|$)",
        "弄错了",
    ),
    (
        r"(掩[膜码]|结果|预览|分割|预测|效果|边界|轮廓)(?:看着|看起来|看上去|我看|倒|还|挺|也|都)*"
        r"(?:可以|行|不错|挺好|ok|没毛病|过关|达标)(?:了|的|啊|哈|吧|呀)?,",
        r"\1挺好,",
    ),
)
_ON_BY = (
    r"\b(scroll|move|go|step|carry|page|flip|skip|jump|push) on (?:by )?(?:another )?"
    rf"(?={_ENGLISH_NUMBER} (?:more )?(?:slices?|layers?|frames?|cuts?|sections?)\b)",
    r"\1 forward ",
)
# A blank stands for a comma where the next thing to do begins.
_BLANK = (
    r"(?<=[\u4e00-\u9fff\da-z]) (?=(?:再|然后|接着|并且|最后|之后)[\u4e00-\u9fff])",
    ",",
)
_PARAPHRASES = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (*_VAGUE, (_RELATIVE_ZH, ""), *_WENT, _ON_BY, _BLANK)
)


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
    folded = _SPELT.sub(_as_word, as_meant(_HYPHEN.sub(" ", folded)))
    for pattern, plain in _PARAPHRASES:
        folded = pattern.sub(plain, folded)
    return " ".join(_THOUSANDS.sub(r"\1\2", folded).split())


def _as_word(letters: re.Match[str]) -> str:
    """Join spelled letters where they make a known word."""
    word = re.sub("[ .]", "", letters.group())
    return word if word in load_lexicon().vocabulary else letters.group()


@cache
def _plain(sign: str) -> str:
    """Turn line ends into full stops, drop what cannot be seen, keep the rest."""
    category = unicodedata.category(sign)
    if sign in "\r\n\u2028\u2029":
        return ". "
    if category in ("Cf", "Mn", "Me", "Co", "Cs", "Cn"):
        return ""
    return " " if category[0] in "CZ" else sign
