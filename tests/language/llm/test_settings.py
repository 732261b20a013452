"""Services and settings: what each is sent, and what can be set."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from napari_spinalsam.core.anatomy import Plane
from napari_spinalsam.core.errors import InputError
from napari_spinalsam.language.llm.settings import (
    PROFILES,
    LanguageSettings,
    Profile,
    ViewerContext,
)

R1 = ("ollama", "vllm", "llama.cpp", "lm-studio")


def test_the_services_have_their_usual_addresses() -> None:
    assert {name: p.base_url for name, p in PROFILES.items()} == {
        "ollama": "http://localhost:11434/v1",
        "vllm": "http://localhost:8000/v1",
        "llama.cpp": "http://localhost:8080/v1",
        "lm-studio": "http://localhost:1234/v1",
        "deepseek": "https://api.deepseek.com",
        "custom": "",
    }


@pytest.mark.parametrize("name", R1)
def test_r1_gets_no_system_message(name: str) -> None:
    [message] = PROFILES[name].messages("rules", "question")
    assert message == {"role": "user", "content": "rules\n\nquestion"}


@pytest.mark.parametrize("name", ["deepseek", "custom"])
def test_the_constant_part_comes_first_as_a_system_message(name: str) -> None:
    assert [m["role"] for m in PROFILES[name].messages("rules", "question")] == [
        "system",
        "user",
    ]


@pytest.mark.parametrize("name", R1)
def test_a_schema_leaves_no_room_to_think_so_it_is_for_plain_answers(name: str) -> None:
    plain = PROFILES[name].request_options(reasoning=False)
    thinking = PROFILES[name].request_options(reasoning=True)
    schema = plain["response_format"]["json_schema"]["schema"]
    assert "anyOf" in schema
    assert "response_format" not in thinking
    assert 0.5 <= thinking["temperature"] <= 0.7
    assert thinking["max_tokens"] > plain["max_tokens"]


def test_the_hosted_service_has_json_mode_and_a_switch_for_thinking() -> None:
    hosted = PROFILES["deepseek"]
    for reasoning, switch in ((False, "disabled"), (True, "enabled")):
        options = hosted.request_options(reasoning)
        assert options["response_format"] == {"type": "json_object"}
        assert options["extra_body"] == {"thinking": {"type": switch}}


def test_ollama_is_told_not_to_think() -> None:
    options = PROFILES["ollama"].request_options(reasoning=False)
    assert options["extra_body"] == {"reasoning_effort": "none"}


def test_an_unknown_server_gets_nothing_that_it_might_not_know() -> None:
    options = PROFILES["custom"].request_options(reasoning=False)
    assert options == {"max_tokens": 1024, "temperature": 0.0, "extra_body": {}}


def test_the_model_is_off_private_and_second_by_default() -> None:
    settings = LanguageSettings()
    assert not settings.enabled
    assert not settings.allow_remote
    assert not settings.is_remote
    assert settings.order == "offline_first"
    assert settings.deadline_s == 20


def test_what_is_left_empty_is_the_usual_of_the_profile() -> None:
    settings = LanguageSettings.of({"profile": "deepseek", "base_url": " "})
    assert settings.base_url == "https://api.deepseek.com"
    assert settings.model == "deepseek-flash"
    assert settings.is_remote
    assert settings.service is PROFILES["deepseek"]


def test_the_id_of_a_model_is_free_text() -> None:
    assert LanguageSettings(model=" 4o:研究 ").model == "4o:研究"


@pytest.mark.parametrize(
    ("url", "is_remote"),
    [
        ("http://localhost:11434/v1", False),
        ("http://127.0.0.1:8000", False),
        ("http://127.8.9.1", False),
        ("http://[::1]:8000/v1", False),
        ("http://LOCALHOST/v1", False),
        ("http://localhost.example.org", True),
        ("http://127.0.0.1.example.org", True),
        ("http://0.0.0.0:8000", True),
        ("http://192.168.1.4", True),
        ("http://2130706433", True),
        ("http://[fe80::1]", True),
        ("http://[::ffff:127.0.0.1]", True),
        ("https://api.deepseek.com", True),
    ],
)
def test_only_loopback_addresses_are_this_computer(url: str, is_remote: bool) -> None:
    assert LanguageSettings(profile="custom", base_url=url).is_remote is is_remote


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"profile": "chatgpt"}, "profile: there is no profile 'chatgpt', only ollama"),
        ({"base_url": "localhost:11434"}, "base_url: the address must look like"),
        ({"base_url": "file:///etc/passwd"}, "base_url: the address must look like"),
        ({"base_url": "http://x:65536"}, "base_url: the address must look like"),
        ({"base_url": "http://["}, "base_url: the address must look like"),
        ({"base_url": "http://a..b"}, "base_url: the address must look like"),
        ({"base_url": "http://[::1]x"}, "base_url: the address must look like"),
        ({"base_url": "http://localhost\t:1"}, "base_url: the address must look like"),
        ({"base_url": "http://localhost\\x"}, "base_url: the address must look like"),
        ({"base_url": "http://local host"}, "base_url: the address must look like"),
        ({"base_url": "https://me:sk-1@api.deepseek.com"}, "must hold no user"),
        ({"base_url": "https://api.deepseek.com?key=sk-1"}, "must hold no user"),
        ({"model": "sk-123456"}, "looks like a key"),
        ({"model": "r1\n8b"}, "model: the id of a model is one line"),
        ({"deadline_s": 0}, "deadline_s: "),
        ({"deadline_s": 1e9}, "deadline_s: "),
        ({"order": "both"}, "order: "),
        ({"api_key": "sk-1"}, "api_key: "),
        ({"profile": 3}, "profile: "),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_without_its_secret(
    values: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        LanguageSettings.of(values)
    assert words in str(caught.value)
    assert "sk-1" not in str(caught.value)
    with pytest.raises(ValidationError) as raw:
        LanguageSettings.model_validate(values)
    assert "sk-1" not in str(raw.value)


def test_settings_read_what_the_environment_says() -> None:
    settings = LanguageSettings.of({"allow_remote": "true", "deadline_s": "5"})
    assert settings.allow_remote
    assert settings.deadline_s == 5


def test_a_service_is_a_value() -> None:
    assert Profile("a", "A", "", "") == Profile("a", "A", "", "")


def test_the_viewer_is_told_in_numbers_and_known_names_only() -> None:
    context = ViewerContext(Plane.AXIAL, 3, 40, points=2, selected="l3")
    assert context.as_dict() == {
        "has_image": True,
        "plane": "axial",
        "slice": 3,
        "slices": 40,
        "points": 2,
        "boxes": 0,
        "has_preview": False,
        "has_reference": False,
        "selected_structure": "L3",
    }
    assert ViewerContext().as_dict()["selected_structure"] is None


def test_a_name_that_is_no_structure_never_leaves() -> None:
    with pytest.raises(InputError):
        ViewerContext(selected="Anna Schmidt").as_dict()
