"""Replies to a sentence: a plan of actions, a question back, or a refusal."""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from napari_spinalsam.actions.models import Action
from napari_spinalsam.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import ErrorDetails, core_schema

LONGEST_PLAN = 8
_T = TypeVar("_T")
_ACTION: TypeAdapter[Action] = TypeAdapter(Action)


class _ReplyModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Plan(_ReplyModel):
    """One to eight actions in the order asked for; it runs whole or not at all."""

    kind: Literal["plan"] = "plan"
    steps: Annotated[tuple[Action, ...], Field(min_length=1, max_length=LONGEST_PLAN)]


class Clarify(_ReplyModel):
    """A question back, where there is too little to act on."""

    kind: Literal["clarify"] = "clarify"
    question: Annotated[str, Field(min_length=1)]
    options: tuple[str, ...] = ()


class Refuse(_ReplyModel):
    """Nothing is done, and why."""

    kind: Literal["refuse"] = "refuse"
    reason: Annotated[str, Field(min_length=1)]


Reply = Annotated[Plan | Clarify | Refuse, Field(discriminator="kind")]

_REPLY: TypeAdapter[Reply] = TypeAdapter(Reply)


def parse_action(data: Mapping[str, Any] | str) -> Action:
    """Read one action that words can ask for.

    Parameters
    ----------
    data : mapping or str
        The action as a mapping with the key ``action``, or as JSON text.

    Raises
    ------
    InputError
        If it is no valid action; the sentence names the argument at fault.
    """
    return validated(_ACTION, data, "action")


def parse_reply(data: Mapping[str, Any] | str) -> Reply:
    """Read one reply.

    Parameters
    ----------
    data : mapping or str
        The reply as a mapping with the key ``kind``, or as JSON text.

    Raises
    ------
    InputError
        If it is no valid reply; the sentence names the step and argument at fault.
    """
    return validated(_REPLY, data, "reply")


def validated(kind: TypeAdapter[_T], data: Mapping[str, Any] | str, name: str) -> _T:
    """Read data or JSON text of a kind that has a name; an InputError if it is none."""
    try:
        if isinstance(data, str):
            return kind.validate_json(data)
        return kind.validate_python(data)
    except ValidationError as error:
        raise InputError(f"This is no valid {name}: {_in_words(error)}.") from None


def reply_to_dict(reply: Reply) -> dict[str, Any]:
    """Return a reply as plain JSON data, arguments filled with their defaults."""
    return reply.model_dump(mode="json")


def reply_schema() -> dict[str, Any]:
    """Return the JSON schema of a reply, for a language model.

    Alternatives are ``anyOf`` with the tags required: the ``oneOf`` and
    ``discriminator`` of pydantic are refused by services with strict schemas.
    """
    return _REPLY.json_schema(schema_generator=_PlainUnions)


class _PlainUnions(GenerateJsonSchema):
    """Write unions as ``anyOf`` and require the tag of each alternative."""

    def tagged_union_schema(
        self, schema: core_schema.TaggedUnionSchema
    ) -> JsonSchemaValue:
        written = super().tagged_union_schema(schema)
        written.pop("discriminator", None)
        return {"anyOf": written.pop("oneOf"), **written}

    def field_is_required(
        self,
        field: core_schema.ModelField
        | core_schema.DataclassField
        | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        inner = field["schema"]
        is_tag = inner["type"] == "default" and inner["schema"]["type"] == "literal"
        if is_tag and len(inner["schema"]["expected"]) == 1:
            return True
        return super().field_is_required(field, total)


def _in_words(error: ValidationError) -> str:
    """Say in one line where which value is wrong, for the first thing that is."""
    detail = error.errors(include_url=False)[0]
    if detail["type"] == "json_invalid":
        return "the text is not JSON"
    place = [str(part) for part in detail["loc"]]
    if place[:2] == ["plan", "steps"]:
        number = [f"step {int(place[2]) + 1}"] if len(place) > 2 else ["steps"]
        place = number + place[3:]
    elif place[:1] in (["plan"], ["clarify"], ["refuse"]):
        place = place[1:]
    message = " ".join(_message(detail).split())
    return f"{', '.join(place)}: {message}" if place else message


def _message(detail: ErrorDetails) -> str:
    match detail["type"]:
        case "union_tag_invalid":
            tag = str(detail.get("ctx", {}).get("tag"))
            if detail.get("ctx", {}).get("discriminator") == "'kind'":
                return f"there is no kind {tag!r}, only plan, clarify and refuse"
            known = re.findall(r"'(\w+)'", detail.get("ctx", {})["expected_tags"])
            near = difflib.get_close_matches(tag, known, n=1)
            return f"there is no action {tag!r}" + "".join(
                f", but there is {name}" for name in near
            )
        case "union_tag_not_found":
            return f"the key {detail.get('ctx', {}).get('discriminator')} is missing"
        case "missing":
            return "this is missing"
        case "extra_forbidden":
            return "there is no such argument"
        case "too_short" | "too_long":
            bounds = detail.get("ctx", {})
            least, most = bounds.get("min_length"), bounds.get("max_length")
            return f"needs at least {least}" if least else f"takes at most {most}"
        case _:
            message = detail["msg"].removeprefix("Value error, ").rstrip(".")
            given = json.dumps(detail["input"], default=str, ensure_ascii=False)
            shown = given if len(given) <= 40 else f"{given[:37]}..."
            return f"{message[:1].lower()}{message[1:]} (given: {shown})"
