"""From what a server sends to a reply: thinking, fences and blanks, then validation."""

from __future__ import annotations

import json
import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from napari_spinalsam.actions.models import ACTION_TYPES
from napari_spinalsam.actions.replies import (
    Clarify,
    Plan,
    Refuse,
    parse_action,
    parse_reply,
)
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import msg
from napari_spinalsam.language.llm.errors import BlankAnswerError, LanguageModelError

if TYPE_CHECKING:
    from napari_spinalsam.actions.replies import Reply
    from napari_spinalsam.language.llm.settings import LanguageSettings

LONGEST_SENTENCE = 300
LONGEST_OPTION = 80
MOST_OPTIONS = 6
_THINKING_ENDS = "</think>"
_THINKING_BEGINS = "<think>"
# Texts in quotes, comments, brackets and commas; everything else in one piece.
_PIECES = re.compile(
    r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/|[{}\[\],]|[^"{}\[\],/]+|.', re.DOTALL
)
_BYTE_ORDER_MARK = "\ufeff"
_UNFIT_WORDS = re.compile(
    r"https?:|www\.|\b[\w-]+\.(?:com|org|net|io|cn)\b|[<>`\\{}]|\]\(|~/|(?:^|\s)/\w+/",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered, as it came.

    Parameters
    ----------
    content, reasoning : str
        The answer and the thinking beside it; empty where there is none.
    finish_reason : str
        Why the model stopped: "stop" when it was done.
    """

    content: str
    reasoning: str = ""
    finish_reason: str = "stop"


class _Message(BaseModel):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Completion(BaseModel):
    choices: tuple[_Choice, ...]


class _ModelEntry(BaseModel):
    id: str


class _ModelList(BaseModel):
    data: tuple[_ModelEntry, ...]


_Model = TypeVar("_Model", bound=BaseModel)


def read_answer(body: bytes, settings: LanguageSettings) -> Answer:
    """Read the body of a chat completion.

    Raises
    ------
    LanguageModelError
        If it is something else, such as a web page.
    """
    completion = _validated(_Completion, body, settings)
    if not completion.choices:
        raise _not_a_service(body, settings)
    choice = completion.choices[0]
    message = choice.message
    return Answer(
        message.content or "",
        message.reasoning_content or message.reasoning or "",
        choice.finish_reason or "",
    )


def read_model_ids(body: bytes, settings: LanguageSettings) -> tuple[str, ...]:
    """Read the body of a list of models, sorted by id.

    Raises
    ------
    LanguageModelError
        If it is something else.
    """
    listed = _validated(_ModelList, body, settings)
    return tuple(sorted(entry.id for entry in listed.data))


def read_reply(answer: Answer) -> Reply:
    """Read the reply in an answer.

    Thinking, fences, prose around the object, comments and commas before a closing
    bracket are put aside; nothing is repaired. Two objects are refused, and so is an
    answer that was cut off, since what is left of a plan may be another plan.

    Raises
    ------
    BlankAnswerError
        If there is no content; asking once more often helps.
    LanguageModelError
        If the model did not come to its end.
    InputError
        If the content is no valid reply; the sentence says what is wrong with it.
    """
    if answer.finish_reason == "length":
        raise LanguageModelError(
            msg(
                "The answer of the language model was cut off: switch "
                "reasoning off, or ask for less at once."
            )
        )
    if answer.finish_reason != "stop":
        raise LanguageModelError(
            msg(
                "The language model stopped before its answer was complete: "
                "say it again or in other words."
            )
        )
    content = _without_thinking(answer.content.strip(_BYTE_ORDER_MARK))
    if content:
        return _fit(parse_reply(_one_object(content)))
    return _reply_among_thinking(answer.reasoning)


def _reply_among_thinking(reasoning: str) -> Reply:
    """Read the reply where a server took it for thinking, if it is all there is."""
    try:
        return _fit(parse_reply(reasoning.strip()))
    except InputError:
        pass
    raise BlankAnswerError


def _without_thinking(content: str) -> str:
    """Drop the thinking; its opening tag may be missing, as templates send it."""
    _, _, after = content.rpartition(_THINKING_ENDS)
    # Thinking that never ended holds no answer.
    return after.partition(_THINKING_BEGINS)[0].strip()


def _one_object(content: str) -> str:
    """Return the one JSON object of an answer, as plain JSON; all of it without one.

    Raises
    ------
    InputError
        If there are several, one without its end, or a key that is there twice.
    """
    found, depth = [""], 0
    for piece in _PIECES.findall(content):
        if depth and piece.startswith(("//", "/*")):
            continue
        depth += piece in ("{", "[")
        if depth:
            found[-1] += piece
        depth -= piece in ("}", "]")
        if not depth and found[-1]:
            found.append("")
        depth = max(depth, 0)
    if found[-1]:
        raise InputError("This is no valid reply: a bracket is not closed.")
    # Brackets around plain words, as in "[note]", are prose.
    objects = [each for each in found if '"' in each]
    if len(objects) > 1:
        raise InputError(
            f"This is no valid reply: it holds {len(objects)} JSON objects, and one "
            "is asked for."
        )
    if not objects:
        return content
    plain = _without_last_commas(objects[0])
    _check_keys(plain)
    return plain


def _without_last_commas(text: str) -> str:
    """Drop commas that only a closing bracket follows."""
    kept: list[str] = []
    comma: int | None = None
    for piece in _PIECES.findall(text):
        if piece in ("}", "]") and comma is not None:
            kept[comma] = ""
        if piece.strip():
            comma = len(kept) if piece == "," else None
        kept.append(piece)
    return "".join(kept)


def _check_keys(text: str) -> None:
    """Refuse an object with a key that is there twice; other faults are found later."""

    def check(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"This is no valid reply: {twice!r} is there twice.")
        return dict(pairs)

    with suppress(json.JSONDecodeError):
        json.loads(text, object_pairs_hook=check)


def _fit(reply: Reply) -> Reply:
    """Return a reply whose words are short plain text.

    Raises
    ------
    InputError
        If they hold links, paths or markup.
    """
    match reply:
        case Plan():
            return reply
        case Refuse(reason=reason):
            return Refuse(reason=_plain(reason, LONGEST_SENTENCE))
        case Clarify(question=question, options=options):
            offered = dict.fromkeys(_plain(o, LONGEST_OPTION) for o in options)
            return Clarify(
                question=_plain(question, LONGEST_SENTENCE),
                options=tuple(filter(_can_be_offered, offered))[:MOST_OPTIONS],
            )


def _can_be_offered(option: str) -> bool:
    """Tell whether an option is a sentence, or an action that needs no arguments."""
    if option not in ACTION_TYPES:
        return True
    try:
        parse_action({"action": option})
    except InputError:
        return False
    return True


def _plain(text: str, longest: int) -> str:
    visible = "".join(
        " " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign
        for sign in text
        if unicodedata.category(sign) not in ("Cf", "Cs", "Co", "Cn")
    )
    line = " ".join(visible.split())
    if not line:
        raise InputError("This is no valid reply: a sentence is empty.")
    if _UNFIT_WORDS.search(line):
        raise InputError(
            "This is no valid reply: its sentences must hold no links, paths or markup."
        )
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _validated(model: type[_Model], body: bytes, settings: LanguageSettings) -> _Model:
    try:
        return model.model_validate_json(body)
    except ValidationError:
        pass
    raise _not_a_service(body, settings)


def _not_a_service(body: bytes, settings: LanguageSettings) -> LanguageModelError:
    if body.lstrip()[:1] == b"<":
        return LanguageModelError(
            msg(
                "{base_url} answered with a web page: check the address, which "
                "often ends in /v1, and whether a proxy or a login is in "
                "between.",
                base_url=settings.base_url,
            )
        )
    return LanguageModelError(
        msg(
            "{base_url} did not answer as a language model does: check "
            "that it is the address of an OpenAI-compatible server.",
            base_url=settings.base_url,
        )
    )
