"""A server, settings that point to it, and no keys but those of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openai  # noqa: F401  its import takes longer than the deadlines of the tests
import pytest

from napari_spinalsam.language.llm.settings import LanguageSettings
from tests.language.api_server import ApiServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


@pytest.fixture
def settings(api: ApiServer) -> Callable[..., LanguageSettings]:
    def of(**values: object) -> LanguageSettings:
        usual = {
            "enabled": True,
            "profile": "custom",
            "base_url": api.url,
            "model": "r1",
            "deadline_s": 10,
        }
        return LanguageSettings.of({**usual, **values})

    return of


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEEPSEEK_API_KEY", "NAPARI_SPINALSAM_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
