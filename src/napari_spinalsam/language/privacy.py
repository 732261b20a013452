"""Sentences that look as if they hold patient data, which must not leave the computer.

A false alarm costs a question back; a miss cannot be taken back. So the patterns are
wide, and lists of allowed words keep ordinary requests out of them.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_spinalsam.actions.replies import Clarify
from napari_spinalsam.core.messages import msg, render

if TYPE_CHECKING:
    from napari_spinalsam.core.messages import Language, Message

_ZH_DIGIT = "〇零一二三四五六七八九"
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程"
    "苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万"
    "钱严覃武戴莫孔向汤"
)
_NO_SURNAME = "方框|方向|高亮|高分|白色|向[前后上下]|任意|任何|余下|金属|全部"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_SUFFIX = (
    r"nii(?:\.gz)?|dcm|dicom|nrrd|mh[ad]|png|jpe?g|tiff?|zip|txt|csv|pdf|docx?|xlsx?|"
    r"json|py|sh|exe"
)
# Words that stand with a capital in requests, or follow "patient", without being names.
_KNOWN = """
a about add adjust after all an and annotate around axial back backward backwards bone
both box boxes brain button can canal case cervical change check clear coccyx computed
confirm cord coronal could ct cuda current data delete dice dicom disc discard discs
disk display dose down erase export fifth file files first forward fourth from full
generate get give go gpu ground gt has hausdorff help her hide his hounsfield hu image
images in into iou is it its jump keep label labels last layer left let level load
locate lumbar lung make mark mask masks me measure medical model mr mri msd my name
names napari negative new next nifti no not now nrrd of off on open or orientation
parameters patient patients place plane please point points position positive predict
predictions preview previous prompt prompts propagate put ready record records redo
reference region reject remove right sacral sacrum sagittal sam sample save scan scans
scroll second see seg segment segmentation select set show slice slices so soft spinal
spinalsam spine step steps structure study subject surface switch take tell that the
then there third this thoracic through tissue to today tomography truth turn undo unit
units up use verify vertebra vertebrae view visibility volume was we what when where
whole will window with would you your
"""
_NO_NAMES = frozenset(_KNOWN.split())


@dataclass(frozen=True, slots=True)
class _Sign:
    """What patient data look like: a pattern, and what it is called."""

    pattern: re.Pattern[str]
    name: Message


def _sign(name: Message, *patterns: str) -> _Sign:
    return _Sign(re.compile("|".join(patterns), re.IGNORECASE), name)


_SIGNS = (
    _sign(msg("an e-mail address"), r"[\w.+-]+\s?@\s?[\w-]+\.\w+"),
    _sign(
        msg("a path or file name"),
        r"\b[a-z]:[\\/]",
        r"\\\\\w",
        r"\w\\\w",
        r"\w+://",
        r"\bwww\.",
        r"(?<!\w)(?:~|\.{1,2})?/\w[\w.-]*/",
        r"(?<!\w)(?:~|\.{1,2})/\w",
        rf"\w\.(?:{_SUFFIX})\b",
    ),
    _sign(
        msg("a date"),
        r"(?<![\d.])\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?![\d.]*\d)",
        rf"\b\d{{1,2}}(?:st|nd|rd|th)?(?:\s+of)?[\s-]*{_MONTH}\b",
        rf"\b{_MONTH}\.?[\s-]*\d{{1,4}}(?:st|nd|rd|th)?\b",
        r"\d+\s*年\s*\d*",
        r"\d+\s*月\s*\d+",
        rf"[{_ZH_DIGIT}]{{2,4}}年",
        rf"[{_ZH_DIGIT}十]+月[{_ZH_DIGIT}十]+[日号]",
        r"\b(?:dob|date of birth|birth\s?da(?:y|te)|born)\b",
        r"出生|生日",
    ),
    _sign(
        msg("a telephone number"),
        r"\+\d[\d\s().-]{5,}",
        r"\(\d{2,5}\)[\s-]?\d{3,}",
        r"\b\d{2,5}(?:[-.]\d{2,}){2,}",
        r"\b(?:phone|telephone|mobile|tel)\b\.?:?\s*(?:number|no)?\W*\d",
        r"电话|手机",
    ),
    _sign(
        msg("a number of a patient"),
        r"\bmrn\b",
        r"\bssn\b",
        r"\bnhs\b",
        r"\b(?:accession|insurance|passport|social security|medical record|chart)\s+"
        r"(?:number|no|nr|id)\b",
        r"\b(?:patient|subject|case|study|record|hospital)(?:'?s)?[\s_-]*"
        r"(?:id|identifier|no\.?|nr\.?|number)\b",
        r"住院号|病历号|病案号|门诊号|身份证|检查号|影像号|医保|社保|护照|编号|病人号|患者号|工号|床号",
        r"\d{6,}",
        r"(?:\d[\s-]?){10,}",
        r"\b(?:\d\s){5,}\d\b",
        rf"[{_ZH_DIGIT}幺]{{6,}}",
        r"\bsub-\w+",
        # W1500 and WL300 are windows.
        r"\b(?!w[wl]?\d|l\d|hu\d)[a-z]{1,5}[_-]?\d{4,}\b",
        r"\d+(?:\.\d+){3,}",
    ),
    _sign(
        msg("the name of a person"),
        # MR is also what scanners make.
        r"\b(?-i:Mr|mr|Mrs|mrs|Ms|Miss|Dr|dr|Prof|Herr|Frau)\b\.?\s+"
        r"(?!(?:image|scan|volume|window|spine|case|data|series|slice|model)s?\b)\w",
        r"\b(?:mrs?|ms|dr|prof)\.\s+\w",
        r"\b(?:named|called)\s+(?![clts]\d)",
        r"\b(?:surname|first name|last name|full name|patient name)\b",
        r"\bname\s+(?:is|was|of the patient)\b",
        r"姓名|名叫|名字",
        rf"[{_SURNAMES}]\w{{0,2}}(?:先生|女士|小姐|太太|同志|大爷|大妈|阿姨|医生|大夫|主任)",
        rf"(?:患者|病人|病患)[是为叫:：，,\s]*[{_SURNAMES}][\u4e00-\u9fff]{{1,2}}",
        rf"叫[{_SURNAMES}][\u4e00-\u9fff]{{1,2}}",
        rf"(?<![下上前后这那一第两三几每])(?!{_NO_SURNAME})[{_SURNAMES}][\u4e00-\u9fff]{{1,2}}的"
        r"(?:ct|mr|片|影像|图|扫描|检查|x光|腰椎|颈椎|胸椎|脊柱|病例|数据|报告)",
    ),
)
# Each may be a name where the words in it are unknown.
_NAMES = (
    re.compile(r"(?=\b([A-Z][A-Za-z'-]+),?\s+(?:[A-Z]\.\s*)?([A-Z][A-Za-z'-]+))"),
    re.compile(r"(?<=[a-z,0-9] )([A-Z][a-z]+)\b"),
    re.compile(r"\b([A-Z][a-z]+)'s\b"),
    re.compile(
        r"\b([a-z]+)'s\s+(?:ct|mri?|scan|spine|image|x-?ray|case|study|data)s?\b",
        re.IGNORECASE,
    ),
    re.compile(r"\bpatients?\W+([a-z]{2,})", re.IGNORECASE),
)


def patient_data_in(text: str, language: Language = "en") -> str | None:
    """Say what in a sentence looks like patient data.

    Parameters
    ----------
    text : str
        What the user said.
    language : str
        In which language to answer.

    Returns
    -------
    str or None
        What it looks like, such as "a date"; None where nothing does.
    """
    plain = _folded(text)
    for sign in _SIGNS:
        if sign.pattern.search(plain):
            return render(sign.name, language)
    if _holds_name(plain):
        return render(msg("the name of a person"), language)
    return None


def held_back(found: str, host: str, language: Language) -> Clarify:
    """Return the question back for a sentence that is not sent."""
    question = msg(
        "This seems to hold patient data ({found}), so it was not sent to {host}. Can "
        "you say it without?",
        found=found,
        host=host,
    )
    return Clarify(question=render(question, language))


def _folded(text: str) -> str:
    """Return the text as it reads: one form of every sign, invisible ones dropped."""
    folded = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    return "".join(
        "-" if unicodedata.category(sign) == "Pd" else sign
        for sign in folded
        if unicodedata.category(sign) != "Cf"
    )


def _holds_name(text: str) -> bool:
    return any(
        not _NO_NAMES.intersection(word.lower() for word in match.groups())
        for pattern in _NAMES
        for match in pattern.finditer(text)
    )
