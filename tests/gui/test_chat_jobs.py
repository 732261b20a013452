"""What a sentence began is told in the chat; an old confirmation does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from napari_spinalsam.actions import models as a
from napari_spinalsam.core.prompts import BoxPrompt, PointPrompt
from napari_spinalsam.widgets.chat.transcript import Tone
from napari_spinalsam.widgets.inference import CANCELLED, STALE
from tests.gui.chatting import last, type_and_enter
from tests.gui.finding import BLOCK, FindingSession, released, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.chat.widget import ChatWidget
    from napari_spinalsam.widgets.handle import SegmentHandle

pytestmark = pytest.mark.gui
BOX = BoxPrompt(12, 14, 27, 33)


@pytest.fixture(autouse=True)
def _small_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from serve(monkeypatch, FindingSession)


def told(chat: ChatWidget) -> list[str]:
    return [bubble.text.text() for bubble in chat.transcript.bubbles]


def test_work_that_a_sentence_began_is_told_from_queue_to_result(
    chat: ChatWidget, handle: SegmentHandle, qtbot: QtBot
) -> None:
    before = handle.annotation.history.undo_names
    type_and_enter(chat, "segment L3")
    assert "Segment L3 has begun" in last(chat)[1]
    assert handle.annotation.history.undo_names == before  # it only began
    type_and_enter(chat, "分割C1")
    assert "分割 C1将在此任务结束后开始：分割 L3" in last(chat)[1]
    qtbot.waitUntil(lambda: chat.waiting.text() == "Segment L3: locating the spine")
    assert chat.cancel.isVisibleTo(chat)

    released.set()
    qtbot.waitUntil(lambda: not chat.waiting.text(), timeout=30_000)
    first, second = chat.transcript.bubbles[-2:]
    assert first.tone is Tone.ANSWER
    assert first.text.text().startswith("› Segment L3\nFound L3")
    assert second.tone is Tone.ERROR
    assert second.text.text() == "› 分割 C1\nThe model has failed: load it again."
    assert handle.annotation.history.undo_names[0] == "Segment L3"


def test_cancel_stops_the_work_and_what_should_have_followed(
    chat: ChatWidget, handle: SegmentHandle, qtbot: QtBot
) -> None:
    type_and_enter(chat, "segment L3 and lock L3, then hide L3")
    assert "Afterwards: Lock L3; Hide L3." in last(chat)[1]
    type_and_enter(chat, "stop")
    left = "Not done after that: Lock L3; Hide L3."
    qtbot.waitUntil(lambda: left in last(chat)[1], timeout=30_000)
    assert "Stopped; what is done by now stays." in "\n".join(told(chat))
    assert chat.waiting.text() == ""
    assert not handle.annotation.state.object_of("L3").locked
    type_and_enter(chat, "停")
    assert "没有正在进行的任务可以停止" in last(chat)[1]


def test_what_needs_the_result_waits_for_it(
    chat: ChatWidget,
    handle: SegmentHandle,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "labels.nii.gz"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    type_and_enter(chat, "segment L3 and save the labels")
    chat.transcript.bubbles[-1].buttons[0].click()
    assert not path.exists()
    with qtbot.waitSignals([chat.conversation.answered] * 2, timeout=30_000):
        released.set()
    assert path.exists()
    assert "Saved labels.nii.gz." in last(chat)[1]


def test_the_mask_that_a_sentence_asked_for_is_told(
    chat: ChatWidget, handle: SegmentHandle, qtbot: QtBot
) -> None:
    handle.widget.controller.predictions.live = False
    handle.run("select L3 and go to slice 6")
    handle.annotation.set_box(0, 6, BOX)
    type_and_enter(chat, "generate the mask")
    qtbot.waitUntil(lambda: "Mask of L3: predicted IoU" in last(chat)[1])


def test_a_mask_that_is_not_shown_is_told_once_and_never_as_another_one(
    chat: ChatWidget, handle: SegmentHandle, qtbot: QtBot
) -> None:
    predictions, annotation = handle.widget.controller.predictions, handle.annotation
    predictions.live = False
    handle.run("select L3 and go to slice 6")
    annotation.set_box(0, 6, BOX)
    ends: list[tuple[object, str]] = []
    predictions.request_ended.connect(
        lambda each: ends.append((each.request, each.sentence))
    )
    asked = [annotation.prediction_request(0, 6) for _ in range(2)]

    chat.conversation.run([a.GenerateMask()])  # and before its answer comes:
    predictions.request(asked[0])
    assert last(chat) == (Tone.ERROR, STALE)
    annotation.add_point(0, 6, PointPrompt(20, 20))
    qtbot.waitUntil(lambda: len(ends) == 2, timeout=30_000)
    assert ends[1] == (asked[0], STALE)
    assert annotation.state.preview is None

    annotation.undo()
    predictions.request(asked[1])
    predictions.cancel()
    assert ends[2] == (asked[1], CANCELLED)
    chat.conversation.run([a.GenerateMask()])
    qtbot.waitUntil(lambda: "Mask of L3: predicted IoU" in last(chat)[1])
    assert len(ends) == 4
    assert ends[3][1] == ""


def test_a_confirmation_is_void_once_something_changed(
    chat: ChatWidget, handle: SegmentHandle
) -> None:
    handle.widget.controller.predictions.live = False
    handle.run("select L3")
    handle.annotation.add_point(0, 6, PointPrompt(20, 20))
    type_and_enter(chat, "clear the points")
    old = chat.transcript.bubbles[-1]
    type_and_enter(chat, "don't clear the points")
    assert not old.buttons[0].isEnabled()
    handle.annotation.add_point(0, 6, PointPrompt(24, 24))
    old.buttons[0].setEnabled(True)
    old.buttons[0].click()  # pressed all the same
    assert len(handle.annotation.prompts_at(0, 6).points) == 2
    assert last(chat)[1].startswith("Something has changed since this was asked")

    for text, name in (("clear the points", "Run"), ("clear", "Clear the points")):
        type_and_enter(chat, text)
        bubble = chat.transcript.bubbles[-1]
        button = next(each for each in bubble.buttons if each.text() == name)
        assert button.isEnabled()
        handle.annotation.add_point(0, 7, PointPrompt(24, 24))
        assert not button.isEnabled()
        handle.annotation.undo()
    type_and_enter(chat, "clear the points")
    type_and_enter(chat, "cancel")
    assert last(chat) == (Tone.REFUSAL, "Cancelled; nothing was done.")
    type_and_enter(chat, "clear the points")
    chat.transcript.bubbles[-1].buttons[0].click()
    assert not handle.annotation.prompts_at(0, 6).points


def test_a_structure_is_deleted_after_a_yes_and_never_by_a_misspelling(
    chat: ChatWidget, handle: SegmentHandle
) -> None:
    labels = np.zeros(handle.annotation.geometry.shape, np.uint8)
    labels[BLOCK] = 22
    handle.annotation.replace_labels(labels)
    type_and_enter(chat, "delte L3")
    assert last(chat)[0] is Tone.QUESTION
    type_and_enter(chat, "删除L3")
    assert last(chat) == (Tone.PLAN, "1. 删除 L3 及其标签和提示")
    assert handle.annotation.labels.any()
    chat.transcript.bubbles[-1].buttons[0].click()
    assert not handle.annotation.labels.any()
    type_and_enter(chat, "undo")
    assert handle.annotation.labels.any()
    for text, answer in (
        ("把L3锁定", "L3 已锁定"),
        ("unlock L3", "L3 is unlocked."),
        ("rename L3 to L2", "L3 is now named L2."),
        ("名称下移一节", "所有名称已下移 1 个节段"),
        ("show three views", "Axial, sagittal and coronal are shown at once."),
        ("单视图", "现在只显示一个视图"),
        ("hello", "Hello!"),
    ):
        type_and_enter(chat, text)
        assert answer in last(chat)[1], text
    assert [entry.name for entry in handle.annotation.state.objects] == ["L3"]


def test_work_begun_elsewhere_is_in_view_with_cancel_while_the_chat_covers_the_dock(
    chat: ChatWidget, handle: SegmentHandle, qtbot: QtBot
) -> None:
    work = chat.work
    handle.run(a.SegmentStructures(structures=("L3",)))
    qtbot.waitUntil(lambda: "locating" in handle.widget.progress_row.sentence)
    work.follow(handle.widget)  # as when its tab comes to the front, in mid work
    qtbot.waitUntil(lambda: not work.progress_row.isHidden())
    assert work.progress_row.bar.format() == handle.widget.progress_row.sentence
    with qtbot.waitSignal(handle.widget.controller.cancelled):
        work.progress_row.cancel.click()
    released.set()
    qtbot.waitUntil(work.progress_row.isHidden, timeout=30_000)


def test_work_that_a_sentence_began_is_told_once(
    chat: ChatWidget, handle: SegmentHandle, qtbot: QtBot
) -> None:
    chat.work.follow(handle.widget)
    type_and_enter(chat, "segment L3")
    qtbot.waitUntil(lambda: chat.waiting.text() == "Segment L3: locating the spine")
    qtbot.waitUntil(lambda: not handle.widget.progress_row.isHidden())
    assert chat.work.progress_row.isHidden()
    released.set()
    qtbot.waitUntil(lambda: handle.annotation.labels.any(), timeout=30_000)
