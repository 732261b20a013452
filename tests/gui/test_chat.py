"""The Chat dock: sentences in, actions and answers out, nothing rendered as markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_spinalsam.actions import models as a
from napari_spinalsam.core.prompts import BoxPrompt
from napari_spinalsam.io.layer_data import image_layer
from napari_spinalsam.widgets.chat.transcript import (
    LONGEST_TRANSCRIPT,
    Tone,
    Transcript,
)
from napari_spinalsam.widgets.handle import attach
from tests.gui.chatting import last, type_and_enter
from tests.gui.conftest import make_volume

if TYPE_CHECKING:
    from napari import Viewer

    from napari_spinalsam.widgets.chat.widget import ChatWidget
    from napari_spinalsam.widgets.handle import SegmentHandle

pytestmark = pytest.mark.gui


def test_a_sentence_acts_and_the_transcript_tells_user_plan_and_outcome(
    chat: ChatWidget, handle: SegmentHandle
) -> None:
    type_and_enter(chat, "Show the sagittal plane and select L3")

    assert handle.annotation.state.selected == "L3"
    assert handle.widget.controller.view.current_slice()[0] == 2
    said, told = chat.transcript.bubbles[-2:]
    assert (said.tone, said.text.text()) == (
        Tone.USER,
        "Show the sagittal plane and select L3",
    )
    assert told.tone is Tone.ANSWER
    assert "Select L3" in told.text.text()
    assert told.detail.text().startswith("offline · ")
    assert chat.sentence.value == ""


def test_a_chinese_sentence_is_answered_in_chinese(
    chat: ChatWidget, handle: SegmentHandle
) -> None:
    type_and_enter(chat, "选择腰三")

    assert handle.annotation.state.selected == "L3"
    assert "选择 L3" in last(chat)[1]
    assert "已选择 L3。" in last(chat)[1]
    assert chat.transcript.bubbles[-1].detail.text().startswith("离线")
    type_and_enter(chat, "转到第4000层")
    assert last(chat) == (
        Tone.ERROR,
        "轴 0 没有第 4000 层：请使用 0 到 11 之间的数字。",
    )


def test_a_destructive_plan_waits_for_run(
    chat: ChatWidget, handle: SegmentHandle
) -> None:
    handle.run("select L3")
    handle.annotation.set_box(0, 6, BoxPrompt(12, 14, 27, 33))
    type_and_enter(chat, "clear the boxes")

    bubble = chat.transcript.bubbles[-1]
    assert bubble.tone is Tone.PLAN
    assert handle.annotation.prompts_at(0, 6).box is not None
    run, _ = bubble.buttons
    run.click()
    assert handle.annotation.prompts_at(0, 6).box is None
    assert not run.isEnabled()


def test_cancel_leaves_everything(chat: ChatWidget, handle: SegmentHandle) -> None:
    handle.run("select L3")
    handle.annotation.set_box(0, 6, BoxPrompt(12, 14, 27, 33))
    type_and_enter(chat, "clear the boxes")
    chat.transcript.bubbles[-1].buttons[1].click()

    assert handle.annotation.prompts_at(0, 6).box is not None
    assert last(chat)[0] is Tone.REFUSAL


def test_a_question_offers_buttons_that_act(
    chat: ChatWidget, handle: SegmentHandle
) -> None:
    handle.run("select L3")
    handle.annotation.set_box(0, 6, BoxPrompt(12, 14, 27, 33))
    type_and_enter(chat, "clear")
    bubble = chat.transcript.bubbles[-1]

    assert bubble.tone is Tone.QUESTION
    texts = [button.text() for button in bubble.buttons]
    bubble.buttons[texts.index("Clear the boxes")].click()
    assert handle.annotation.prompts_at(0, 6).box is None


@pytest.mark.parametrize(
    "text", ["do not clear the points", "不要清除所有点", "<b>rm -rf ~</b>", "🙂"]
)
def test_what_must_not_act_changes_nothing(
    chat: ChatWidget, handle: SegmentHandle, text: str
) -> None:
    handle.run("select L3")
    handle.annotation.set_box(0, 6, BoxPrompt(12, 14, 27, 33))
    before = handle.annotation.state
    type_and_enter(chat, text)

    assert handle.annotation.state is before
    assert last(chat)[0] in (Tone.REFUSAL, Tone.QUESTION)


def test_markup_is_shown_as_it_was_typed(chat: ChatWidget) -> None:
    type_and_enter(chat, "<img src=x> <b>bold</b>")
    said = chat.transcript.bubbles[-2].text

    assert said.text() == "<img src=x> <b>bold</b>"
    assert said.textFormat() is Qt.TextFormat.PlainText


def test_blank_input_says_nothing(chat: ChatWidget) -> None:
    before = len(chat.transcript.bubbles)
    type_and_enter(chat, "   ")
    assert len(chat.transcript.bubbles) == before


def test_arrow_keys_bring_back_what_was_said(chat: ChatWidget) -> None:
    for text in ("go to slice 3", "go to slice 5"):
        type_and_enter(chat, text)
    line = chat.sentence.native
    QTest.keyClick(line, Qt.Key.Key_Up)
    QTest.keyClick(line, Qt.Key.Key_Up)
    assert line.text() == "go to slice 3"
    QTest.keyClick(line, Qt.Key.Key_Down)
    QTest.keyClick(line, Qt.Key.Key_Down)
    assert line.text() == ""


def test_enter_and_escape_in_the_chat_leave_a_waiting_mask_alone(
    chat: ChatWidget, handle: SegmentHandle
) -> None:
    handle.run("select L3 and go to slice 6")
    handle.annotation.set_box(0, 6, BoxPrompt(12, 14, 27, 33))
    handle.wait_for_mask()
    type_and_enter(chat, "go to slice 6")
    QTest.keyClick(chat.sentence.native, Qt.Key.Key_Escape)
    assert handle.annotation.state.preview is not None
    assert not handle.annotation.labels.any()


def test_examples_can_be_clicked_more_than_once(
    chat: ChatWidget, handle: SegmentHandle
) -> None:
    welcome = chat.transcript.bubbles[0]
    example = next(b for b in welcome.buttons if "sagittal" in b.text())
    for _ in range(2):
        handle.run("show the axial plane")
        example.click()
        assert handle.widget.controller.view.current_slice()[0] == 2


def test_what_fails_is_told_in_one_sentence(
    chat: ChatWidget, handle: SegmentHandle
) -> None:
    type_and_enter(chat, "go to slice 4000")
    tone, text = last(chat)
    assert tone is Tone.ERROR
    assert "4000" in text


def test_the_chat_alone_opens_the_segment_dock(viewer: Viewer) -> None:
    data, attributes, _ = image_layer(make_volume())
    viewer.add_image(data, **attributes)
    _, widget = viewer.window.add_plugin_dock_widget("napari-spinalsam", "Chat")
    widget.say("select L3")
    assert attach(viewer).annotation.state.selected == "L3"


def test_old_bubbles_go(qtbot: object) -> None:
    transcript = Transcript()
    qtbot.addWidget(transcript)  # type: ignore[attr-defined]
    for number in range(LONGEST_TRANSCRIPT + 5):
        transcript.add(str(number), Tone.USER)
    assert len(transcript.bubbles) == LONGEST_TRANSCRIPT
    assert transcript.bubbles[0].text.text() == "5"


def test_the_chat_ends_with_its_dock_however_that_goes(
    chat: ChatWidget, handle: SegmentHandle
) -> None:
    type_and_enter(chat, "clear all points")  # a question that waits
    plans = handle.widget.controller.plans
    handle.viewer.window.remove_dock_widget(chat)  # the cross of the dock
    assert chat.conversation._cancel.is_set()
    assert not plans
    chat.close()  # a second end is none


def test_a_mask_that_waits_can_be_accepted_while_the_chat_covers_the_dock(
    chat: ChatWidget, handle: SegmentHandle
) -> None:
    work, annotation = chat.work, handle.annotation
    work.follow(handle.widget)  # as when its tab comes to the front
    assert work.preview.isHidden()
    handle.run(a.SelectStructure(structure="L3"), a.GoToSlice(index=6))
    annotation.set_box(0, 6, BoxPrompt(11, 13, 28, 34))
    handle.wait_for_mask()
    assert not work.preview.isHidden()
    assert work.text.text() == handle.widget.preview.text.text()
    work.reject.click()
    assert annotation.state.preview is None
    assert work.preview.isHidden()
    handle.run(a.GenerateMask())
    handle.wait_for_mask()
    work.accept.click()
    assert annotation.labels.any()
    assert work.preview.isHidden()
    handle.run(a.GenerateMask())
    handle.wait_for_mask()
    assert not work.preview.isHidden()
    handle.widget.close()  # nobody is left to accept it
    assert work.preview.isHidden()
