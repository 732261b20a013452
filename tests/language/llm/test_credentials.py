"""Keys come from the environment or the keyring, belong to a host and stay hidden."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import keyring
import pytest
from keyring.backends.fail import Keyring as NoKeyring
from pydantic import SecretStr

from napari_spinalsam.core.errors import InputError
from napari_spinalsam.language.llm.credentials import (
    DUMMY,
    delete_key,
    key_for,
    store_key,
)
from napari_spinalsam.language.llm.settings import LanguageSettings
from tests.language.memory_keyring import MemoryKeyring

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-0123456789abcdef"
HOST = "api.deepseek.com"
HOSTED = LanguageSettings(profile="deepseek")
OTHER = LanguageSettings(profile="custom", base_url="https://other.example.org/v1")


@pytest.fixture(autouse=True)
def ring() -> Iterator[MemoryKeyring]:
    before = keyring.get_keyring()
    memory = MemoryKeyring()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


@pytest.fixture
def no_ring(ring: MemoryKeyring) -> None:
    keyring.set_keyring(NoKeyring())


def test_the_variable_of_the_host_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    store_key(HOST, SecretStr("from-ring"))
    assert key_for(HOSTED).get_secret_value() == "from-ring"
    monkeypatch.setenv("NAPARI_SPINALSAM_API_KEY", "general")
    assert key_for(HOSTED).get_secret_value() == "general"
    monkeypatch.setenv("DEEPSEEK_API_KEY", f" {KEY}\n")
    assert key_for(HOSTED).get_secret_value() == KEY


def test_the_key_of_one_service_is_not_sent_to_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", KEY)
    store_key(HOST, SecretStr(KEY))
    moved = LanguageSettings(profile="deepseek", base_url="https://evil.example.org")
    assert key_for(OTHER) == DUMMY
    with pytest.raises(InputError, match=r"no key for evil\.example\.org"):
        key_for(moved)


@pytest.mark.parametrize("profile", ["ollama", "vllm", "llama.cpp", "lm-studio"])
def test_local_profiles_get_a_dummy(
    profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_SPINALSAM_API_KEY", KEY)
    assert key_for(LanguageSettings(profile=profile)) == DUMMY


def test_a_missing_key_is_told_with_where_to_put_it() -> None:
    with pytest.raises(InputError) as caught:
        key_for(HOSTED)
    assert str(caught.value) == (
        "There is no key for api.deepseek.com: store one in the language settings, or "
        "set DEEPSEEK_API_KEY or NAPARI_SPINALSAM_API_KEY."
    )


def test_a_stored_key_can_be_deleted_and_deleted_again() -> None:
    store_key(HOST, SecretStr(KEY))
    delete_key(HOST)
    delete_key(HOST)
    with pytest.raises(InputError, match="no key"):
        key_for(HOSTED)


@pytest.mark.usefixtures("no_ring")
def test_a_computer_without_a_keyring_is_told_in_one_sentence() -> None:
    for attempt in (
        lambda: store_key(HOST, SecretStr(KEY)),
        lambda: delete_key(HOST),
        lambda: key_for(HOSTED),
    ):
        with pytest.raises(InputError, match="no keyring that is open: set the key"):
            attempt()
    assert key_for(OTHER) == DUMMY


@pytest.mark.usefixtures("no_ring")
def test_no_key_shows_in_errors_and_their_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NAPARI_SPINALSAM_API_KEY", f"{KEY} {KEY}")
    for attempt in (
        lambda: store_key(HOST, SecretStr(KEY)),
        lambda: store_key(HOST, SecretStr(f"{KEY}\n{KEY}")),
        lambda: key_for(HOSTED),
    ):
        with pytest.raises(InputError) as caught:
            attempt()
        assert caught.value.__context__ is None
        shown = traceback.TracebackException.from_exception(
            caught.value, capture_locals=True
        )
        frames = [f for f in shown.stack if "language/llm/credentials.py" in f.filename]
        assert frames
        assert KEY not in str([frame.locals for frame in frames])
        assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", ["", "  ", "two words", "schlüssel", "a\nb"])
def test_what_cannot_be_sent_is_no_key(key: str) -> None:
    with pytest.raises(InputError, match="This is no key"):
        store_key(HOST, SecretStr(key))


def test_a_key_does_not_travel_unencrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SPINALSAM_API_KEY", KEY)
    open_air = LanguageSettings(profile="custom", base_url="http://192.168.1.4:8000")
    with pytest.raises(InputError, match="use an address with https"):
        key_for(open_air)
    here = LanguageSettings(profile="custom", base_url="http://127.0.0.1:8000")
    assert key_for(here).get_secret_value() == KEY


def test_a_key_shows_itself_masked() -> None:
    store_key(HOST, SecretStr(KEY))
    assert KEY not in f"{key_for(HOSTED)!r} {key_for(HOSTED)}"
