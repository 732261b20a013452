"""What is known of each service of language models: address, model and habits."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from napari_spinalsam.actions.replies import reply_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

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
