"""Every question back and every reason of the offline parser, in both languages."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from napari_spinalsam.actions.replies import Clarify, Refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

Language = Literal["en", "zh"]


class Question(NamedTuple):
    """A question back in English and Chinese, with the answers offered."""

    en: str
    zh: str
    options: tuple[str, ...] = ()
    options_zh: tuple[str, ...] = ()


class Reason(NamedTuple):
    """Why nothing is done, in English and Chinese."""

    en: str
    zh: str


QUESTIONS: Mapping[str, Question] = MappingProxyType(
    {
        "clear_what": Question(
            "Clear the points, the boxes, or everything?",
            "清除点、框, 还是全部?",
            ("clear_points", "clear_boxes", "clear_all"),
        ),
        "misspelt": Question(
            "A word may be misspelt: what exactly should be done?",
            "可能有错别字: 具体要做什么?",
        ),
        "which_slice": Question(
            "Which slice, by its number?",
            "第几层?",
            ("next slice", "previous slice"),
            ("下一层", "上一层"),
        ),
        "which_way": Question(
            "To the next slices or back?",
            "往后还是往回?",
            ("next slice", "previous slice"),
            ("下一层", "上一层"),
        ),
        "image_or_slice": Question(
            "The next or previous image, or slice?",
            "是切换图像, 还是切换层?",
            ("next_image", "previous_image", "next slice", "previous slice"),
            ("next_image", "previous_image", "下一层", "上一层"),
        ),
        "which_plane": Question(
            "Which plane: axial, sagittal or coronal?",
            "哪个平面: 轴位、矢状位还是冠状位?",
            ("axial view", "sagittal view", "coronal view"),
            ("轴位", "矢状位", "冠状位"),
        ),
        "which_window": Question(
            "Which window: bone, soft tissue, disc, lung or full?",
            "哪种窗: 骨窗、软组织窗、椎间盘窗、肺窗还是全窗?",
            ("bone window", "soft tissue window", "disc window"),
            ("骨窗", "软组织窗", "椎间盘窗"),
        ),
        "level_and_width": Question(
            "A window needs a level and a width: what are both?",
            "窗位和窗宽都需要: 各是多少?",
            ("bone window", "soft tissue window"),
            ("骨窗", "软组织窗"),
        ),
        "one_structure": Question(
            "Which one structure, for example L3?",
            "哪一个结构, 例如 L3?",
        ),
        "one_thing": Question(
            "This carries the current mask on: which structure comes first?",
            "传播的是当前掩码: 先选哪个结构?",
            ("propagate",),
        ),
        "how_many_points": Question(
            "How many points, from 1 to 50?",
            "要几个点 (1 到 50)?",
            ("add one point", "add three points"),
            ("加一个点", "加三个点"),
        ),
        "segment_what": Question(
            "Segment which structures, for example L3 or the lumbar spine?",
            "分割哪些结构, 例如 L3 或腰椎?",
            ("generate_mask", "segment the lumbar spine"),
            ("generate_mask", "分割腰椎"),
        ),
        "how_many_steps": Question(
            "How many steps should be taken back?",
            "要撤销几步?",
            ("undo", "undo 3 steps"),
            ("undo", "撤销3步"),
        ),
        "what_to_do": Question(
            "What should be done with that?",
            "要对它做什么?",
            ("show_help",),
        ),
        "too_many_steps": Question(
            "That is more than fits into one plan of eight steps: what comes first?",
            "一次最多八步: 先做哪些?",
        ),
        "rename_what": Question(
            "Which structure gets which name, as in 'rename L3 to L2'?",
            "把哪个结构改成什么名称, 例如“把 L3 改名为 L2”?",
        ),
        "merge_what": Question(
            "Which structure goes into which, as in 'merge L3 into L2'?",
            "把哪个结构合并到哪个, 例如“把 L3 合并到 L2”?",
        ),
        "delete_structure": Question(
            "Clear the points or the boxes? To remove a structure with its labels, say "
            "'delete L3'.",
            "清除点还是框? 要删除结构及其标签, 请说“删除 L3”。",
            ("clear_points", "clear_boxes"),
        ),
        "shift_names": Question(
            "Shift the names by how many levels, up or down?",
            "名称要往上还是往下移几节?",
            ("shift the names down one level", "shift the names up one level"),
            ("名称下移一节", "名称上移一节"),
        ),
        "which_candidate": Question(
            "The next or the previous candidate?",
            "下一个候选还是上一个候选?",
            ("next_candidate", "previous_candidate"),
        ),
        "pixel_size": Question(
            "How many millimetres is one pixel, for example 0.35 mm?",
            "一个像素是多少毫米, 例如 0.35 毫米?",
        ),
        "how_far": Question(
            "Through how many slices, and which way?",
            "往哪个方向, 传播多少层?",
            ("propagate five slices forward", "propagate five slices backward"),
            ("向后传播五层", "向前传播五层"),
        ),
        "which_number": Question(
            "Numbers are taken as they are written: which whole number is meant?",
            "数字按字面理解: 指的是哪个整数?",
        ),
        "sure": Question(
            "Is this a question or a request: what should be done?",
            "这是提问还是要求: 要做什么?",
            ("show_help",),
        ),
    }
)

REASONS: Mapping[str, Reason] = MappingProxyType(
    {
        "empty": Reason("There is nothing to read.", "没有内容。"),
        "too_long": Reason(
            "This is too long for a request: say it in at most 500 characters.",
            "句子太长: 请控制在 500 个字符以内。",
        ),
        "path": Reason(
            "A request cannot carry a file path: files are chosen in a dialog.",
            "请求里不能带文件路径: 文件在对话框中选择。",
        ),
        "address": Reason(
            "A request cannot carry an address.", "请求里不能带网址或地址。"
        ),
        "code": Reason("Code is never run.", "不会执行代码。"),
        "trick": Reason(
            "This is not a request to the segmentation tool.",
            "这不是对分割工具的要求。",
        ),
        "outside": Reason(
            "This is not a request to the segmentation tool.",
            "这不是对分割工具的要求。",
        ),
        "not": Reason("As you say, nothing is done.", "好的, 什么都不做。"),
        "if": Reason(
            "This describes what might be, so nothing is done.",
            "这是假设, 所以什么都不做。",
        ),
        "reported": Reason(
            "This tells of something, so nothing is done.",
            "这是陈述, 所以什么都不做。",
        ),
        "ask": Reason(
            "This is a question that no action answers.",
            "这个问题没有对应的操作。",
        ),
        "meaning": Reason(
            "This asks for an explanation; the documentation has it.",
            "这是在问含义, 请看文档。",
        ),
        "greeting": Reason(
            "Hello! Say what you want, such as 'add a box and generate the mask'; "
            "'what can I say?' shows everything.",
            "你好! 请说想做什么, 例如“加一个框，然后生成掩码”; "
            "说“能说什么”会列出全部。",
        ),
        "thanks": Reason("You are welcome!", "不客气!"),
        "only_labels": Reason("Only the labels can be saved.", "只能保存标签。"),
        "not_removed": Reason(
            "Only prompts and the preview can be cleared, and single structures "
            "deleted, as in 'delete L3'; images and files stay.",
            "只能清除提示和预览, 或删除单个结构 (例如“删除 L3”); "
            "图像和文件不会被删除。",
        ),
        "not_a_setting": Reason(
            "The device is chosen in the settings; it can be checked here.",
            "设备在设置中选择, 这里只能检查。",
        ),
    }
)


def language_of(text: str) -> Language:
    """Return the language in which a sentence is answered.

    Parameters
    ----------
    text : str
        The sentence; one with any Chinese character is answered in Chinese.
    """
    return "zh" if any("\u4e00" <= sign <= "\u9fff" for sign in text[:500]) else "en"


def ask_back(key: str, language: Language) -> Clarify:
    """Return a question back."""
    question = QUESTIONS[key]
    if language == "zh":
        options = question.options_zh or question.options
        return Clarify(question=question.zh, options=options)
    return Clarify(question=question.en, options=question.options)


def refuse(key: str, language: Language) -> Refuse:
    """Return a refusal."""
    reason = REASONS[key]
    return Refuse(reason=reason.zh if language == "zh" else reason.en)
