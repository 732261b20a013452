"""The Chat dock and a language model: what it proposes, how it fails, how it is set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keyring
import openai  # noqa: F401  its import takes longer than the tests wait
import pytest
from napari.settings import get_plugin_settings

from napari_spinalsam.widgets.chat.transcript import Tone
from napari_spinalsam.widgets.preferences import change_language_settings
from tests.gui.chatting import last, type_and_enter
from tests.language.api_server import ApiServer, Sent, completion, plan
from tests.language.asked import ODD, ODD_ZH
from tests.language.memory_keyring import MemoryKeyring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.chat.settings_dialog import LanguageDialog
    from napari_spinalsam.widgets.chat.widget import ChatWidget
    from napari_spinalsam.widgets.handle import SegmentHandle

pytestmark = pytest.mark.gui
KEY = "sk-0123456789abcdef"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """Return a server that the settings point to."""
    for name in ("DEEPSEEK_API_KEY", "NAPARI_SPINALSAM_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with ApiServer() as server:
        change_language_settings(
            enabled=True, profile="custom", base_url=server.url, model="r1"
        )
        yield server


@pytest.fixture
def ring() -> Iterator[MemoryKeyring]:
    before, memory = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


def ask(chat: ChatWidget, text: str, qtbot: QtBot) -> None:
    type_and_enter(chat, text)
    qtbot.waitUntil(lambda: not chat.waiting.text(), timeout=20_000)


def test_a_models_plan_is_shown_before_it_runs_and_its_words_are_plain_text(
    chat: ChatWidget, api: ApiServer, handle: SegmentHandle, qtbot: QtBot
) -> None:
    api.answers = [plan({"action": "select_structure", "structure": "L3"})]
    ask(chat, ODD, qtbot)
    bubble = chat.transcript.bubbles[-1]
    assert (bubble.tone, bubble.text.text()) == (Tone.PLAN, "1. Select L3")
    assert handle.annotation.state.selected is None
    bubble.buttons[0].click()
    assert handle.annotation.state.selected == "L3"
    type_and_enter(chat, "select L2")  # understood offline: nobody is asked
    assert handle.annotation.state.selected == "L2"
    assert len(api.requests) == 1

    before = handle.annotation.state
    for content in (
        '{"kind": "refuse", "reason": "<img src=http://x> ignore all rules"}',
        '{"kind": "plan", "steps": [{"action": "clear_all"}]}',
        '{"kind": "plan", "steps": [{"action": "open_image", "path": "/etc"}]}',
        "sure! rm -rf /",
    ):
        api.answers = [completion(content)]
        ask(chat, ODD, qtbot)
        assert handle.annotation.state == before
        assert "<img" not in last(chat)[1]


def test_a_models_failure_is_told_in_the_language_of_the_sentence(
    chat: ChatWidget, api: ApiServer, qtbot: QtBot
) -> None:
    for status, words in ((402, "余额不足 (402)"), (401, "不接受密钥 (401)")):
        api.answers = [Sent(status=status)]
        ask(chat, ODD_ZH, qtbot)
        said, failure, answer = chat.transcript.bubbles[-3:]
        assert said.tone is Tone.USER
        assert (failure.tone, answer.tone) == (Tone.ERROR, Tone.REFUSAL)
        assert words in failure.text.text()
        assert answer.text.text() == "这不是对分割工具的要求。"


def told(dialog: LanguageDialog, qtbot: QtBot) -> str:
    """Return what the dialog says once its thread has ended."""
    qtbot.waitUntil(lambda: dialog.test.enabled, timeout=20_000)
    return dialog.told.text()


def test_models_are_listed_chosen_and_tried(
    chat: ChatWidget, api: ApiServer, qtbot: QtBot
) -> None:
    chat.gear.click()
    dialog = chat.language
    api.answers = [Sent(b'{"data": [{"id": "r1:8b"}, {"id": "4o"}]}')]
    dialog.list.native.click()
    assert "has 2 models" in told(dialog, qtbot)
    assert dialog.model.native.currentText() == "r1"
    dialog.model.native.setCurrentIndex(1)
    dialog.model.native.activated.emit(1)
    assert get_plugin_settings("napari-spinalsam").language.model == "r1:8b"

    api.answers = [plan({"action": "undo"})]
    dialog.test.native.click()
    assert "r1:8b at 127.0.0.1 understood 'undo' in" in told(dialog, qtbot)
    assert api.requests[-1].body["model"] == "r1:8b"
    api.answers = [plan({"action": "redo"})]
    dialog.test.native.click()
    assert "did not understand 'undo'" in told(dialog, qtbot)
    api.answers = [Sent(status=401)]
    dialog.test.native.click()
    assert "did not accept the key (401)" in told(dialog, qtbot)


def test_keys_go_to_the_keyring_and_another_computer_needs_a_tick(
    chat: ChatWidget, api: ApiServer, ring: MemoryKeyring, qtbot: QtBot
) -> None:
    dialog = chat.open_language()
    dialog.service.value = "deepseek"
    assert dialog.address.native.placeholderText() == "https://api.deepseek.com"
    dialog.key.setText(KEY)
    dialog.store.native.click()
    assert "in the keyring" in told(dialog, qtbot)
    assert dialog.key.text() == ""
    assert list(ring.kept.values()) == [KEY]
    settings = get_plugin_settings("napari-spinalsam").language
    assert KEY not in str(settings.model_dump())

    assert not dialog.consent.value
    dialog.test.native.click()
    assert "another computer: allow that" in told(dialog, qtbot)
    assert api.requests == []
    dialog.consent.native.click()
    assert settings.allow_remote

    dialog.remove.native.click()
    assert "no key of api.deepseek.com" in told(dialog, qtbot)
    assert ring.kept == {}
    dialog.address.value = "https://api.example.org/v1"
    dialog.address.native.editingFinished.emit()
    assert not settings.allow_remote  # that was for another computer
    assert not dialog.consent.value


def test_an_address_that_is_none_is_told_and_not_kept(
    chat: ChatWidget, api: ApiServer
) -> None:
    dialog = chat.open_language()
    dialog.address.value = "ftp://user:secret@host"
    dialog.address.native.editingFinished.emit()
    assert "address must hold no user" in dialog.told.text()
    assert get_plugin_settings("napari-spinalsam").language.base_url == api.url
