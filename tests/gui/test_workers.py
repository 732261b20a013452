"""Work beside the window: its end is told, and nothing outlives its owner."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import QThreadPool

import napari_spinalsam
from napari_spinalsam.core.errors import CancelledError, InputError
from napari_spinalsam.widgets.segment import model_row
from napari_spinalsam.widgets.workers import Worker

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from napari_spinalsam.widgets.handle import SegmentHandle

pytestmark = pytest.mark.gui
SOURCE = Path(napari_spinalsam.__file__).parent


def test_a_result_and_an_error_are_told_in_the_thread_of_the_window(
    qtbot: QtBot,
) -> None:
    def fail() -> None:
        raise InputError("The server is not there.")

    told: list[tuple[object, bool]] = []

    def tell(what: object) -> None:
        told.append((what, current_thread() is main_thread()))

    for work in (current_thread, fail):
        worker = Worker(work)
        worker.returned.connect(tell)
        worker.errored.connect(tell)
        with qtbot.waitSignal(worker.finished):
            worker.start()
        assert worker.wait(5)
    (thread, _), (error, _) = told
    assert thread is not main_thread()
    assert str(error) == "The server is not there."
    assert all(in_window for _, in_window in told)


def test_what_has_not_begun_when_its_owner_ends_never_begins(qtbot: QtBot) -> None:
    pool, begun, go_on, done = QThreadPool(), Event(), Event(), []
    pool.setMaxThreadCount(1)

    def occupy() -> None:
        begun.set()
        go_on.wait(5)

    first, second = Worker(occupy), Worker(lambda: done.append(2))
    first.start(pool)
    second.start(pool)
    assert begun.wait(5)
    assert second.wait(0)
    assert not first.wait(0)
    go_on.set()
    assert first.wait(5)
    assert pool.waitForDone(5000)
    assert done == []


def test_a_worker_leaves_the_warnings_of_the_window_alone(qtbot: QtBot) -> None:
    begun, go_on = Event(), Event()

    def work() -> None:
        begun.set()
        go_on.wait(5)

    worker = Worker(work)
    before = warnings.showwarning, list(warnings.filters)
    worker.start()
    assert begun.wait(5)
    assert (warnings.showwarning, list(warnings.filters)) == before
    with qtbot.waitSignal(worker.finished):
        go_on.set()


def test_a_download_tells_how_far_it_is_and_ends_with_cancel_or_the_dock(
    handle: SegmentHandle, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[str] = []
    turn = Event()

    def download(name: str, tell: Any, is_cancelled: Any) -> None:
        tell(2_000_000, 4_000_000)
        while not is_cancelled():
            turn.wait(0.01)
        ends.append(name)
        raise CancelledError("It was cancelled.")

    monkeypatch.setattr(model_row, "download", download)
    controller, row = handle.widget.controller, handle.widget.models
    row.choose("sam-vit-b")
    for name in ("cancel", "end"):
        with qtbot.waitSignal(controller.working) as working:
            row.download.click()
        assert working.args == ["Downloading sam-vit-b: 2 of 4 MB"]
        if name == "cancel":
            controller.cancel()
            qtbot.waitUntil(row.download.isEnabled)
            assert "The download of sam-vit-b was cancelled" in (
                handle.widget.status.text()
            )
        else:
            handle.widget.end()
    assert ends == ["sam-vit-b"] * 2


def test_there_are_two_ways_of_running_beside_the_window() -> None:
    threads = {"QThread", "QRunnable", "Thread", "ThreadPoolExecutor"}
    found = {
        (path.relative_to(SOURCE).as_posix(), name.id)
        for path in SOURCE.rglob("*.py")
        for name in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(name, ast.Name) and name.id in threads
    }
    assert found == {
        ("widgets/inference.py", "QThread"),
        # Not of Qt: it is left alone when a server lets a worker wait for too long.
        ("language/llm/client.py", "Thread"),
    }
