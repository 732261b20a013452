"""Prompts for what nobody has labelled, by a sentence: a search, then the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_spinalsam.widgets.chat.transcript import Tone
from tests.gui.chatting import last, type_and_enter
from tests.gui.finding import FindingSession, released, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.chat.widget import ChatWidget
    from napari_spinalsam.widgets.handle import SegmentHandle

pytestmark = pytest.mark.gui


@pytest.fixture(autouse=True)
def _small_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from serve(monkeypatch, FindingSession)


def test_a_plan_runs_once_its_structure_is_found_and_is_one_step(
    chat: ChatWidget, handle: SegmentHandle, qtbot: QtBot
) -> None:
    handle.run({"action": "go_to_slice", "index": 6})
    before = handle.annotation.state
    type_and_enter(chat, "在腰四上加两个点并生成掩码")

    assert chat.waiting.text() == "正在寻找 L4 …"
    assert chat.cancel.isVisibleTo(chat)
    assert handle.annotation.state == before
    type_and_enter(chat, "select L2")
    assert "Wait for the answer" in last(chat)[1]
    with qtbot.waitSignal(chat.conversation.answered, timeout=30_000):
        released.set()

    tone, text = last(chat)
    assert tone is Tone.ANSWER
    assert "第 6 层按模型预测的 L4 位置放置 2 个正点" in text
    points = handle.annotation.prompts_at(0, 6).points
    assert len(points) == 2
    assert all(12 < point.row < 27 and 14 < point.col < 33 for point in points)
    assert chat.waiting.text() == ""
    assert len(handle.annotation.history.undo_names) == 1
    type_and_enter(chat, "undo")
    assert handle.annotation.state == before


def test_cancel_ends_the_search_and_nothing_is_done(
    chat: ChatWidget, handle: SegmentHandle
) -> None:
    before = handle.annotation.state
    type_and_enter(chat, "add a box to L4")
    chat.cancel.click()

    assert last(chat) == (Tone.REFUSAL, "Cancelled; nothing was done.")
    assert handle.annotation.state == before
    assert chat.waiting.text() == ""
    type_and_enter(chat, "select L3")
    assert handle.annotation.state.selected == "L3"


def test_another_image_ends_the_search_too(
    chat: ChatWidget, handle: SegmentHandle
) -> None:
    type_and_enter(chat, "add a box to L4")
    handle.widget.choose_image(None)
    assert last(chat) == (Tone.REFUSAL, "Cancelled; nothing was done.")


def test_in_a_notebook_the_call_returns_when_it_is_done(handle: SegmentHandle) -> None:
    released.set()
    handle.run({"action": "go_to_slice", "index": 6})
    told = handle.run("add a box to L4")[0].text
    assert "1 box placed at the predicted place of L4 on slice 6" in told
    box = handle.annotation.prompts_at(0, 6).box
    assert (box.row_min, box.row_max, box.col_min, box.col_max) == (12, 27, 14, 33)


def test_a_plan_is_submitted_whole_and_its_handle_tells_all(
    handle: SegmentHandle,
) -> None:
    handle.run({"action": "go_to_slice", "index": 6})
    before = handle.annotation.state
    steps = len(handle.annotation.history.undo_names)
    given_up = handle.submit("add a box to L4")
    given_up.cancel()
    assert given_up.cancelled
    assert handle.annotation.state == before

    plan = handle.submit("add a box to L4", "segment L3 and lock L3")
    assert (plan.done, plan.outcomes) == (False, ())
    released.set()
    box, begun, lock = plan.result(30)
    assert "1 box placed" in box.text
    assert begun.job is not None
    assert lock.text == "L3 is locked: nothing overwrites it."
    assert (handle.annotation.labels == 22).any()
    # The box and the end of the job are a step each, and so is what waited for it.
    assert len(handle.annotation.history.undo_names) == steps + 3
