"""Bring turns of phrase to a plain one: arrows, spelled names, "the points I just put".

Works on text as `normalise` has folded it, before its words are looked up. What is
here can be said with too many words to be listed in the lexicon.
"""

from __future__ import annotations

import re

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
    rf"{_LAYERS}) back(?: up| on| in)?(?: again| on screen| into view)?"
    r"(?= *(?:[.,;?!]|$))",
    r"show \1",
)
# What somebody does meanwhile is no part of the request.
_MEANWHILE = (
    r"\b(?:while|whilst) (?:i|we|he|she|they|my \w+|the \w+)\b"
    r"(?! (?:am|are|is) at it)[^,.;?!]*(?:, ?(?=[a-z]))?",
    "",
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
# "The next mask goes to L3" says what is selected.
_NEXT_GOES = (
    (
        r"\b(?:the |my )?next (?:mask|label|prediction|result|segmentation|one)"
        r"(?: should| must| is to| has to| needs to| will| shall| ought to)?(?: be)? "
        r"(?:written|goes?|saved|stored|put|assigned|labell?ed|filed|belongs?|counts?)"
        r" (?:in|on|to|into|under|as|for)(?: the)? ?(?:label (?:of |for )?)?",
        "select ",
    ),
    (
        r"\b(?:write|put|store|assign|file|label|save) (?:the |my )?next "
        r"(?:mask|label|prediction|result|segmentation|one) "
        r"(?:to|into|under|as|for|in)\b",
        "select",
    ),
    (
        r"(?:下一?[个张次]|接下来的?|下面的?|之后的?|后面的?)(?:掩[膜码]|结果|标注|预测|分割)"
        r"(?:要|应该|都|请|就)*(?:写|存|归|放|记|标|算|落)(?:到|进|入|给|成|为|在|作)*",
        "选",
    ),
)
_ALL_FIGURES = (
    r"\b(calculate|compute|measure|evaluate|work out) "
    r"(?:everything|all|whatever|anything) (?:that )?(?:you|it|we) can\b",
    r"\1 all the metrics",
)
_AS_WELL_AS = (
    r"(?<=[a-z\d系数离积比]) ?同 ?"
    r"(?=dice|iou|hd|msd|体积|交并|豪斯|平均|[ctl]\d|[腰胸颈骶框点])",
    "和",
)
_DONE_THEN = (
    r"((?:画|打|点|标|加|放|摆|弄|选|圈|框)(?:好|完)了)"
    r"(?=[^,.!?;吧吗的没就再后以之啦啊呀 ])",
    r"\1,",
)
_UNDONE = (r"\bundone (?=(?:steps?|actions?|things?|changes?|edits?|moves?)\b)", "")
_MARKED = (
    r"\b(?:all |everything |all of )?(?:what|that|whatever) (?:i|we)(?: have)?"
    r"(?: already| just| so far)* (marked|clicked|drawn|placed|put|set|given|entered)\b"
    r"(?: (?:down|in|there|so far|already|up to now))*",
    r"what i have \1",
)
_COMES_TO = (
    r"\bwhat (?:does|do|did) ([\w -]{2,24}?) (?:come (?:to|out (?:at|as)|in at)"
    r"|amount to|add up to|work out (?:at|as|to))\b(?: in| for)?",
    r"what is \1",
)
# "Slice 66 in the bone window" asks for two things.
_BESIDE = (
    r"((?:骨|软组织|肺|椎间盘|全)窗)(?:位|口)?(?:条件)?(?:下面|底下|下|里|来)?"
    r"(?=看第|看一?下?第|看[一二两三四五六七八九十百\d]|[翻跳转滚]到?第|显示第|查看第)",
    r"\1,",
)
# Words that only lend weight: "what can I actually say", "is it really using the GPU".
_WEIGHT = (
    r"\b(can|could|do|did|does|should|may|is|are|it|this|i|you|we)"
    r" (?:actually|really|even|possibly|currently|honestly) (?=[a-z])",
    r"\1 ",
)
_BUT_NOT = (r"(?<=[a-z]),? (?:but|and) not (?=the |my |any |all )", ", not ")
# What leaves the view is hidden, and what goes back to something is no undo.
_OUT_OF_VIEW = (
    rf"\b(?:drop|take|remove|get|move|lose|clear|kick|pull)"
    rf" ((?:the |my |all )*{_LAYERS})"
    r" (?:from|out of|off(?: of)?) (?:the |my )?(?:view|sight|display|screen|way)\b",
    r"hide \1",
)
_BACK_TO = (r"\btake (?:it|this|me|us|that) back to\b", "back to")
# "Give me twelve points, put in L2" is one request.
_PUT_IN = (
    r"([个颗](?:正|负)?(?:样本)?点),(?=(?:都|全|请)?(?:放|打|点|落|标|加|摆|搁)(?:在|到|进))",
    r"\1",
)
_RANKS = (
    r"第?([一二三四五六七八九十\d]+)(?:到|至|-)第?([一二三四五六七八九十\d]+)[节个块]?([颈胸腰])椎",
    r"\3\1到\3\2",
)
_TOGETHER = (
    r"(?<=[骨椎盘管髓\d])(?:连带着?|连同|连着|连)(?=[尾骶胸腰颈脊椎ctls])",
    "和",
)
_SO_MANY_DISCS = (r"(?<=[\d一二三四五六七])[两三四五几2345]个(?:椎)?间盘", "椎间盘")
_WHAT_TO_SAY = (
    r"我?都?(?:能|可以)(?:对|跟|和|给)你(?:说|讲|提)(?:些|点)?(?:啥|什么)(?:话|要求)?",
    "能说什么",
)
# A blank stands for a comma where the next thing to do begins.
_BLANK = (
    r"(?<=[\u4e00-\u9fff\da-z]) (?=(?:再|然后|接着|并且|最后|之后)[\u4e00-\u9fff])",
    ",",
)
_TYPED_BY_SOUND = (
    (r"(?<=[ctl]\d)(?:dao|zhi) ?(?=[ctl]\d)", "到"),
    (r"\bkan(?=[\u4e00-\u9fff])", "看"),
    (r"\bshang(?=[\u4e00-\u9fff])", "上"),
    (r"\bxia(?=[\u4e00-\u9fff])", "下"),
    (r"\bsuan(?=[\u4e00-\u9fff])", "算"),
    (r"(?<=dice|.iou|.msd|hd95) he (?=dice|iou|msd|hd)", "和"),
)
# "L3 four points L4 two points" are two requests.
_NEXT_LEVEL = (r"(个(?:正|负)?点)(?=(?:[ctl]|[腰胸颈])[\d一二三四五六七])", r"\1,")
_SEEN_BETTER = (
    r",[^,.!?;]{0,6}看(?:得|的)?(?:更|比较)?(?:清楚|清|明显|明白)(?:一?些|一?点|多了)?(?=[.!]?$)",
    "",
)
_NOT_COUNTED = (
    r"(?:刚才|刚刚|上面|上)?(?:那|这)?一?(?:步|下|次)?不(?:算|作数|要了),?(?:撤掉|撤了|撤销|去掉)",
    "撤销上一步",
)
# An order only where nobody is said to lose something: "will I lose the points".
_LOSE = (
    r"(?:^|(?<=[,.;:] )|(?<=\bplease )|(?<=\band )|(?<=\bthen )|(?<=\bnow )"
    r"|(?<=\bjust )|(?<=\byou ))(?<!\b(?:do|if) you )lose "
    r"(?=(?:the |my |all |these |those |every )+"
    r"(?:points?|box|boxes|prompts?|dots|clicks)\b)",
    "clear ",
)
_AGAIN = (
    r"\bwhat is (dice|iou|msd|hd ?95|the dice|the iou) (?:score |coefficient )?again\b",
    r"what does \1 mean",
)
_NOT_THIS = (
    r"((?:掩[膜码]|蒙版|结果|预览|预测|分割)(?:我|咱)?(?:就|可)?)不(?:要|行|用|想要)(?=[吧啊,.!;]|$)",
    r"\1不要了",
)
# "Back ten slices to look at the pedicles" says what for.
_LOOK_AT = (
    r"(?<=[层张帧片面窗位]),?(?:来|去|再)?(?:看看|看一下|看一看|看下|瞧瞧|瞅瞅)(?:那个|一下)?"
    r"[^,.!?;\da-z层标参图点框掩预]{2,8}(?=[.!]?$)",
    "",
)
_TABLE = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        *_SAID,
        *_SPELT,
        *_VAGUE,
        (_RELATIVE, r"\1"),
        (_RELATIVE_ZH, ""),
        *_WENT,
        _BACK_UP,
        _ON_BY,
        *_NEXT_GOES,
        _ALL_FIGURES,
        _AS_WELL_AS,
        _DONE_THEN,
        _UNDONE,
        _MARKED,
        _COMES_TO,
        _MEANWHILE,
        _BESIDE,
        _WEIGHT,
        _BUT_NOT,
        _OUT_OF_VIEW,
        _BACK_TO,
        _PUT_IN,
        _RANKS,
        _TOGETHER,
        _SO_MANY_DISCS,
        _WHAT_TO_SAY,
        _BLANK,
        *_TYPED_BY_SOUND,
        _NEXT_LEVEL,
        _SEEN_BETTER,
        _NOT_COUNTED,
        _LOSE,
        _AGAIN,
        _NOT_THIS,
        _LOOK_AT,
    )
)


def in_plain_words(text: str) -> str:
    """Return a folded sentence with turns of phrase brought to plain ones."""
    for pattern, plain in _TABLE:
        text = pattern.sub(plain, text)
    return text
