"""Services of language models, settings, and what a model may see of the viewer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from napari_spinalsam.actions.replies import reply_schema
from napari_spinalsam.core.anatomy import action_name
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.core.messages import msg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_spinalsam.core.anatomy import Plane

ANSWER_TOKENS = 1024
REASONING_TOKENS = 8192
R1_TEMPERATURE = 0.6


class AnswerFormat(StrEnum):
    """What a server can be made to keep to; every answer is validated anyway."""

    FREE = "free"
    JSON_OBJECT = "json_object"
    JSON_SCHEMA = "json_schema"


@dataclass(frozen=True, slots=True)
class Profile:
    """A service of language models and the habits of what it serves.

    Parameters
    ----------
    name : str
        As in the settings.
    title : str
        As it is shown.
    base_url, model : str
        The usual address and model; empty where there is none.
    is_local : bool
        Whether it is made to run on the user's own computer, where no key is needed.
    needs_key : bool
        Whether it answers nobody without a key.
    takes_system_prompt : bool
        Whether the instructions go into a system message; DeepSeek-R1 wants none.
    format_plain, format_reasoning : AnswerFormat
        What to demand without and with reasoning. Many servers apply a schema to the
        whole output, which leaves a reasoning model no room to think.
    options_plain, options_reasoning : mapping
        Fields of the request that switch reasoning off and on.
    """

    name: str
    title: str
    base_url: str
    model: str
    is_local: bool = True
    needs_key: bool = False
    takes_system_prompt: bool = False
    format_plain: AnswerFormat = AnswerFormat.JSON_SCHEMA
    format_reasoning: AnswerFormat = AnswerFormat.FREE
    options_plain: Mapping[str, Any] = field(default_factory=dict)
    options_reasoning: Mapping[str, Any] = field(default_factory=dict)

    def messages(self, instructions: str, request: str) -> list[dict[str, str]]:
        """Return one question, its constant part first so that servers can cache it."""
        if self.takes_system_prompt:
            return [
                {"role": "system", "content": instructions},
                {"role": "user", "content": request},
            ]
        return [{"role": "user", "content": f"{instructions}\n\n{request}"}]

    def request_options(self, reasoning: bool) -> dict[str, Any]:
        """Return the fields of a request besides model and messages.

        Parameters
        ----------
        reasoning : bool
            Whether the model is to think first.
        """
        options: dict[str, Any] = {
            "max_tokens": REASONING_TOKENS if reasoning else ANSWER_TOKENS,
            # Thinking at temperature 0 runs in circles; a plain answer should repeat.
            "temperature": R1_TEMPERATURE if reasoning else 0.0,
            "extra_body": dict(
                self.options_reasoning if reasoning else self.options_plain
            ),
        }
        demanded = self.format_reasoning if reasoning else self.format_plain
        if demanded is AnswerFormat.JSON_OBJECT:
            options["response_format"] = {"type": "json_object"}
        elif demanded is AnswerFormat.JSON_SCHEMA:
            options["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "schema": reply_schema()},
            }
        return options


_ALL = (
    Profile(
        "ollama",
        "Ollama (DeepSeek-R1)",
        "http://localhost:11434/v1",
        "deepseek-r1",
        options_plain={"reasoning_effort": "none"},
    ),
    Profile(
        "vllm",
        "vLLM (DeepSeek-R1)",
        "http://localhost:8000/v1",
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
    ),
    Profile(
        "llama.cpp",
        "llama.cpp (DeepSeek-R1)",
        "http://localhost:8080/v1",
        "deepseek-r1",
    ),
    Profile(
        "lm-studio",
        "LM Studio (DeepSeek-R1)",
        "http://localhost:1234/v1",
        "deepseek-r1-distill-qwen-7b",
    ),
    Profile(
        "deepseek",
        "DeepSeek (hosted)",
        "https://api.deepseek.com",
        "deepseek-flash",
        is_local=False,
        needs_key=True,
        takes_system_prompt=True,
        format_plain=AnswerFormat.JSON_OBJECT,
        format_reasoning=AnswerFormat.JSON_OBJECT,
        options_plain={"thinking": {"type": "disabled"}},
        options_reasoning={"thinking": {"type": "enabled"}},
    ),
    Profile(
        "custom",
        "Another OpenAI-compatible server",
        "",
        "",
        is_local=False,
        takes_system_prompt=True,
        format_plain=AnswerFormat.FREE,
    ),
)
PROFILES: Mapping[str, Profile] = MappingProxyType({p.name: p for p in _ALL})

LONGEST_DEADLINE = 600.0
LONGEST_ADDRESS = 250
# So strict that nobody who reads an address can take another host from it.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_PORT = r"(?:[1-5]?\d{1,4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
_ADDRESS = re.compile(
    rf"https?://(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::{_PORT})?"
    r"(?:/[a-z0-9._~/-]*)?",
    re.IGNORECASE | re.ASCII,
)


class LanguageSettings(BaseModel):
    """The settings of the language model; a key is never among them.

    Parameters
    ----------
    enabled : bool
        Whether a model is asked at all.
    profile : str
        Name of a profile.
    base_url, model : str
        Address and model id; empty means the usual one of the profile.
    allow_remote : bool
        Whether sentences may leave this computer.
    order : str
        Who understands first: the offline parser or the model.
    reasoning : bool
        Whether the model is to think before it answers.
    deadline_s : float
        Longest wait in seconds, over everything that one sentence needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    enabled: bool = False
    profile: str = "ollama"
    base_url: str = ""
    model: str = ""
    allow_remote: bool = False
    order: Literal["offline_first", "model_first"] = "offline_first"
    reasoning: bool = False
    deadline_s: Annotated[float, Field(gt=0, le=LONGEST_DEADLINE)] = 20.0

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Read settings from a mapping.

        Raises
        ------
        InputError
            If a value cannot be used; the sentence names it.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            detail = error.errors(include_url=False, include_input=False)[0]
            place = ", ".join(str(part) for part in detail["loc"])
            message = detail["msg"].removeprefix("Value error, ").rstrip(".")
            raise InputError(
                msg(
                    "The language model cannot be used, {place}: {message}.",
                    place=place,
                    message=message,
                )
            ) from None

    @model_validator(mode="before")
    @classmethod
    def _usual_values(cls, values: Any) -> Any:
        """Fill in what the profile knows, so that every reader sees what is used."""
        if not isinstance(values, dict):
            return values
        name = values.get("profile", cls.model_fields["profile"].default)
        profile = PROFILES.get(name) if isinstance(name, str) else None
        usual = (profile.base_url, profile.model) if profile else ("", "")
        filled = dict(values)
        for key, value in zip(("base_url", "model"), usual, strict=True):
            given = filled.get(key, "")
            given = given.strip() if isinstance(given, str) else given
            filled[key] = given or value
        return filled

    @field_validator("profile")
    @classmethod
    def _known_profile(cls, name: str) -> str:
        if name not in PROFILES:
            raise ValueError(
                f"there is no profile {name!r}, only {', '.join(PROFILES)}"
            )
        return name

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, url: str) -> str:
        if not url:
            return url
        if set(url) & set("@?#"):
            raise ValueError(
                "the address must hold no user, password, key or question mark; "
                "a key belongs in the environment or the keyring"
            )
        if not _ADDRESS.fullmatch(url) or len(url) > LONGEST_ADDRESS:
            raise ValueError(
                "the address must look like http://localhost:11434/v1 or "
                "https://api.deepseek.com"
            )
        return url.rstrip("/")

    @field_validator("model")
    @classmethod
    def _plain_id(cls, model: str) -> str:
        if model.startswith("sk-"):
            raise ValueError(
                "this looks like a key, not like the id of a model; a key belongs in "
                "the environment or the keyring"
            )
        if not model.isprintable():
            raise ValueError("the id of a model is one line of visible signs")
        return model

    @property
    def service(self) -> Profile:
        """What is known of the service."""
        return PROFILES[self.profile]

    @property
    def host(self) -> str:
        """Host of the address, such as api.deepseek.com."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def is_encrypted(self) -> bool:
        """Whether nobody on the way can read along."""
        return urlsplit(self.base_url).scheme == "https"

    @property
    def is_on_this_computer(self) -> bool:
        """Whether the address is a loopback one."""
        return _is_loopback(self.host)

    @property
    def is_remote(self) -> bool:
        """Whether a sentence would leave this computer.

        Ollama passes the models whose ids end in "cloud" on to its own service.
        """
        is_passed_on = self.model.lower().endswith("cloud")
        return is_passed_on or not self.is_on_this_computer

    def check_can_ask(self) -> None:
        """Make sure that there is somebody to ask and that asking is allowed.

        Raises
        ------
        InputError
            If address or model is missing, or sentences would leave this computer
            without consent.
        """
        if not self.model:
            raise InputError(
                msg(
                    "The profile {profile} has no usual model: enter the id of one "
                    "in the language settings.",
                    profile=self.profile,
                )
            )
        self.check_can_connect()

    def check_can_connect(self) -> None:
        """Make sure that there is an address, and that it is allowed.

        Raises
        ------
        InputError
            If there is none, or it is of another computer without consent.
        """
        if not self.base_url:
            raise InputError(
                msg(
                    "The profile {profile} has no usual address: enter one in the "
                    "language settings, such as http://localhost:8000/v1.",
                    profile=self.profile,
                )
            )
        if self.is_remote and not self.allow_remote:
            where = "Ollama's cloud" if self.is_on_this_computer else self.host
            raise InputError(
                msg(
                    "Sentences would be sent to {host}, another computer: allow "
                    "that in the language settings, or choose a model on this one.",
                    host=where,
                )
            )


@dataclass(frozen=True, slots=True)
class ViewerContext:
    """The few facts about the viewer that a language model may see.

    Never pixels, names of files, layers or patients, or headers.

    Parameters
    ----------
    plane : Plane or None
        The plane in view; None without an image.
    slice_index, slice_count : int or None
        The slice in view, and how many the plane has.
    points, boxes : int
        Prompts on this slice.
    has_preview, has_reference : bool
        Whether a mask waits to be accepted, and whether there is a reference layer.
    selected : str or None
        The selected structure.
    """

    plane: Plane | None = None
    slice_index: int | None = None
    slice_count: int | None = None
    points: int = 0
    boxes: int = 0
    has_preview: bool = False
    has_reference: bool = False
    selected: str | None = None

    def as_dict(self) -> dict[str, str | int | bool | None]:
        """Return what is sent: numbers, and names from closed lists."""
        return {
            "has_image": self.plane is not None,
            "plane": None if self.plane is None else str(self.plane),
            "slice": self.slice_index,
            "slices": self.slice_count,
            "points": self.points,
            "boxes": self.boxes,
            "has_preview": self.has_preview,
            "has_reference": self.has_reference,
            "selected_structure": self.selected and action_name(self.selected),
        }


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
