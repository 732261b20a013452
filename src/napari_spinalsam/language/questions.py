"""Every question back and every reason of the offline parser."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from napari_spinalsam.actions.replies import Clarify, Refuse
from napari_spinalsam.core.messages import msg, msgc, render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_spinalsam.core.messages import Language, Message


class Question(NamedTuple):
    """A question back, with the answers offered: names of actions, and sentences."""

    text: Message
    options: tuple[str, ...] = ()


QUESTIONS: Mapping[str, Question] = MappingProxyType(
    {
        "clear_what": Question(
            msg("Clear the points, the boxes, or everything?"),
            (
                "clear_points",
                "clear_boxes",
                "clear_all",
            ),
        ),
        "misspelt": Question(
            msg("A word may be misspelt: what exactly should be done?")
        ),
        "which_slice": Question(
            msg("Which slice, by its number?"),
            (
                msgc("answer", "next slice"),
                msgc("answer", "previous slice"),
            ),
        ),
        "which_way": Question(
            msg("To the next slices or back?"),
            (
                msgc("answer", "next slice"),
                msgc("answer", "previous slice"),
            ),
        ),
        "image_or_slice": Question(
            msg("The next or previous image, or slice?"),
            (
                "next_image",
                "previous_image",
                msgc("answer", "next slice"),
                msgc("answer", "previous slice"),
            ),
        ),
        "which_plane": Question(
            msg("Which plane: axial, sagittal or coronal?"),
            (
                msgc("answer", "axial view"),
                msgc("answer", "sagittal view"),
                msgc("answer", "coronal view"),
            ),
        ),
        "which_window": Question(
            msg("Which window: bone, soft tissue, disc, lung or full?"),
            (
                msgc("answer", "bone window"),
                msgc("answer", "soft tissue window"),
                msgc("answer", "disc window"),
            ),
        ),
        "level_and_width": Question(
            msg("A window needs a level and a width: what are both?"),
            (
                msgc("answer", "bone window"),
                msgc("answer", "soft tissue window"),
            ),
        ),
        "one_structure": Question(msg("Which one structure, for example L3?")),
        "one_thing": Question(
            msg("This propagates the current mask: which structure comes first?"),
            ("propagate",),
        ),
        "how_many_points": Question(
            msg("How many points, from 1 to 50?"),
            (
                msgc("answer", "add one point"),
                msgc("answer", "add three points"),
            ),
        ),
        "segment_what": Question(
            msg("Segment which structures, for example L3 or the lumbar spine?"),
            (
                "generate_mask",
                msgc("answer", "segment the lumbar spine"),
            ),
        ),
        "how_many_steps": Question(
            msg("How many steps should be taken back?"),
            (
                "undo",
                msgc("answer", "undo 3 steps"),
            ),
        ),
        "what_to_do": Question(msg("What should be done with that?"), ("show_help",)),
        "too_many_steps": Question(
            msg(
                "That is more than fits into one plan of eight steps: what comes first?"
            )
        ),
        "rename_what": Question(
            msg("Which structure gets which name, as in 'rename L3 to L2'?")
        ),
        "merge_what": Question(
            msg("Which structure goes into which, as in 'merge L3 into L2'?")
        ),
        "delete_structure": Question(
            msg(
                "Clear the points or the boxes? To remove a structure with its labels, "
                "say 'delete L3'."
            ),
            (
                "clear_points",
                "clear_boxes",
            ),
        ),
        "shift_names": Question(
            msg("Shift the names by how many levels, up or down?"),
            (
                msgc("answer", "shift the names down one level"),
                msgc("answer", "shift the names up one level"),
            ),
        ),
        "which_candidate": Question(
            msg("The next or the previous candidate?"),
            (
                "next_candidate",
                "previous_candidate",
            ),
        ),
        "pixel_size": Question(
            msg("How many millimetres is one pixel, for example 0.35 mm?")
        ),
        "how_far": Question(
            msg("Through how many slices, and which way?"),
            (
                msgc("answer", "propagate five slices forward"),
                msgc("answer", "propagate five slices backward"),
            ),
        ),
        "which_number": Question(
            msg("Numbers are taken as they are written: which whole number is meant?")
        ),
        "sure": Question(
            msg("Is this a question or a request: what should be done?"), ("show_help",)
        ),
    }
)

REASONS: Mapping[str, Message] = MappingProxyType(
    {
        "empty": msg("There is nothing to read."),
        "too_long": msg(
            "This is too long for a request: say it in at most 500 characters."
        ),
        "path": msg(
            "A request cannot carry a file path: files are chosen in a dialog."
        ),
        "address": msg("A request cannot carry an address."),
        "code": msg("Code is never run."),
        "trick": msg("This is not a request to the segmentation tool."),
        "outside": msg("This is not a request to the segmentation tool."),
        "not": msg("As you say, nothing is done."),
        "if": msg("This describes what might be, so nothing is done."),
        "reported": msg("This tells of something, so nothing is done."),
        "ask": msg("This is a question that no action answers."),
        "meaning": msg("This asks for an explanation; the documentation has it."),
        "greeting": msg(
            "Hello! Say what you want, such as 'add a box and generate the mask'; "
            "'what can I say?' shows everything."
        ),
        "thanks": msg("You are welcome!"),
        "only_labels": msg("Only the labels can be saved."),
        "not_removed": msg(
            "Only prompts and the preview can be cleared, and single structures "
            "deleted, as in 'delete L3'; images and files stay."
        ),
        "not_a_setting": msg(
            "The device is chosen in the settings; it can be checked here."
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
    return Clarify(
        question=render(question.text, language),
        options=tuple(render(option, language) for option in question.options),
    )


def refuse(key: str, language: Language) -> Refuse:
    """Return a refusal."""
    return Refuse(reason=render(REASONS[key], language))
