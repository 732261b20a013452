import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from napari_spinalsam.core.errors import CancelledError, ModelError
from napari_spinalsam.model.weights import download as downloading
from napari_spinalsam.model.weights.download import download, fetch
from napari_spinalsam.model.weights.registry import ModelEntry

PAYLOAD = bytes(range(256)) * 400


@dataclass
class Behaviour:
    """What the server does, and what it was asked."""

    payload: bytes = PAYLOAD
    ranges: bool = True
    stop_after: int | None = None
    status: int | None = None
    tells_length: bool = True
    asked: list[str | None] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """Serves one file, whole or from an offset on."""

    behaviour: Behaviour

    def do_GET(self) -> None:
        behaviour = self.behaviour
        wanted = self.headers.get("Range")
        behaviour.asked.append(wanted)
        payload = behaviour.payload
        if behaviour.status is not None:
            self._answer(behaviour.status, {"Content-Length": "0"}, b"")
            return
        start = int(wanted[6:-1]) if wanted and behaviour.ranges else 0
        if start >= len(payload):
            headers = {"Content-Range": f"bytes */{len(payload)}"}
            self._answer(416, headers | {"Content-Length": "0"}, b"")
            return
        body = payload[start:]
        headers = {"Content-Length": str(len(body))} if behaviour.tells_length else {}
        if start:
            last = len(payload) - 1
            headers["Content-Range"] = f"bytes {start}-{last}/{len(payload)}"
        self._answer(206 if start else 200, headers, body[: behaviour.stop_after])

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def behaviour(monkeypatch: pytest.MonkeyPatch) -> Behaviour:
    monkeypatch.setattr(downloading, "CHUNK_BYTES", 1024)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return Behaviour()


@pytest.fixture
def entry(behaviour: Behaviour) -> Iterator[ModelEntry]:
    """A model that the server on this computer offers."""
    handler = type("TestHandler", (Handler,), {"behaviour": behaviour})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield ModelEntry(
            name="small",
            family="sam_vit_b",
            url=f"http://127.0.0.1:{server.server_port}/small.pth",
            sha256=hashlib.sha256(PAYLOAD).hexdigest(),
            size_bytes=len(PAYLOAD),
            licence="CC0-1.0",
            description="a test",
        )
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "models" / "small.pth"


def part_of(target: Path) -> Path:
    return target.with_name("small.pth.part")


def begin(target: Path, count: int) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(PAYLOAD[:count])


def test_whole_file_arrives_with_progress(entry: ModelEntry, target: Path) -> None:
    steps: list[tuple[int, int | None]] = []
    assert (
        fetch(entry, target, lambda done, total: steps.append((done, total))) == target
    )
    assert target.read_bytes() == PAYLOAD
    assert steps[-1] == (len(PAYLOAD), len(PAYLOAD))
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert list(target.parent.iterdir()) == [target]


def test_file_that_is_here_and_intact_is_not_asked_for(
    entry: ModelEntry, behaviour: Behaviour, target: Path
) -> None:
    fetch(entry, target)
    fetch(entry, target)
    assert len(behaviour.asked) == 1


def test_damaged_file_is_downloaded_again(entry: ModelEntry, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"damaged")
    fetch(entry, target)
    assert target.read_bytes() == PAYLOAD


def test_broken_download_goes_on_where_it_stopped(
    entry: ModelEntry, behaviour: Behaviour, target: Path
) -> None:
    behaviour.stop_after = 5000
    with pytest.raises(ModelError, match="goes on where it stopped"):
        fetch(entry, target)
    assert not target.exists()
    here = part_of(target).stat().st_size
    assert 0 < here <= 5000
    behaviour.stop_after = None
    steps: list[int] = []
    fetch(entry, target, lambda done, _: steps.append(done))
    assert behaviour.asked == [None, f"bytes={here}-"]
    assert steps[0] > here
    assert steps[-1] == len(PAYLOAD)
    assert target.read_bytes() == PAYLOAD


def test_server_without_ranges_makes_it_start_over(
    entry: ModelEntry, behaviour: Behaviour, target: Path
) -> None:
    begin(target, 4000)
    behaviour.ranges = False
    fetch(entry, target)
    assert target.read_bytes() == PAYLOAD


def test_part_that_is_whole_already_is_kept(entry: ModelEntry, target: Path) -> None:
    begin(target, len(PAYLOAD))
    fetch(entry, target)
    assert target.read_bytes() == PAYLOAD


def test_part_longer_than_the_file_is_thrown_away(
    entry: ModelEntry, behaviour: Behaviour, target: Path
) -> None:
    begin(target, 0)
    part_of(target).write_bytes(PAYLOAD + b"more")
    fetch(entry, target)
    assert behaviour.asked[-1] is None
    assert target.read_bytes() == PAYLOAD


def test_server_that_does_not_tell_the_length_is_believed_by_the_checksum(
    entry: ModelEntry, behaviour: Behaviour, target: Path
) -> None:
    behaviour.tells_length = False
    steps: list[int | None] = []
    fetch(entry, target, lambda _, total: steps.append(total))
    assert target.read_bytes() == PAYLOAD
    assert set(steps) == {len(PAYLOAD)}  # what the registry expects


def test_wrong_checksum_leaves_nothing_behind(
    entry: ModelEntry, behaviour: Behaviour, target: Path
) -> None:
    behaviour.payload = b"another file"
    with pytest.raises(ModelError, match="wrong checksum and was deleted"):
        fetch(entry, target)
    assert not list(target.parent.iterdir())


def test_part_of_another_file_is_found_out_and_deleted(
    entry: ModelEntry, target: Path
) -> None:
    begin(target, 0)
    part_of(target).write_bytes(b"another file")
    with pytest.raises(ModelError, match="wrong checksum"):
        fetch(entry, target)
    assert not list(target.parent.iterdir())
    fetch(entry, target)
    assert target.read_bytes() == PAYLOAD


@pytest.mark.parametrize("status", [404, 403, 500])
def test_refusal_of_the_server_is_told_with_its_status(
    entry: ModelEntry, behaviour: Behaviour, target: Path, status: int
) -> None:
    behaviour.status = status
    with pytest.raises(ModelError, match=f"status {status}.*by hand"):
        fetch(entry, target)


def test_refusal_keeps_what_is_here(
    entry: ModelEntry, behaviour: Behaviour, target: Path
) -> None:
    begin(target, 4000)
    behaviour.status = 503
    with pytest.raises(ModelError, match="503"):
        fetch(entry, target)
    assert part_of(target).read_bytes() == PAYLOAD[:4000]


def test_no_server_at_all_is_told_in_one_sentence(
    entry: ModelEntry, target: Path
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as closed:
        port = closed.server_port
    with pytest.raises(ModelError, match="check the network") as caught:
        fetch(replace(entry, url=f"http://127.0.0.1:{port}/small.pth"), target)
    assert "\n" not in str(caught.value)


def test_cancelled_download_keeps_its_part_and_goes_on_later(
    entry: ModelEntry, behaviour: Behaviour, target: Path
) -> None:
    steps: list[int] = []
    with pytest.raises(CancelledError):
        fetch(
            entry,
            target,
            lambda done, _: steps.append(done),
            lambda: bool(steps) and steps[-1] > 10_000,
        )
    here = part_of(target).stat().st_size
    assert 10_000 < here < len(PAYLOAD)
    fetch(entry, target)
    assert behaviour.asked[-1] == f"bytes={here}-"
    assert target.read_bytes() == PAYLOAD


def test_cancelling_beforehand_asks_no_server(
    entry: ModelEntry, behaviour: Behaviour, target: Path
) -> None:
    with pytest.raises(CancelledError):
        fetch(entry, target, cancelled=lambda: True)
    assert not behaviour.asked


def test_folder_that_cannot_be_made_is_named(entry: ModelEntry, tmp_path: Path) -> None:
    (tmp_path / "models").write_bytes(b"a file in the way")
    with pytest.raises(ModelError, match="NAPARI_SPINALSAM_MODELS"):
        fetch(entry, tmp_path / "models" / "small.pth")


def test_nothing_is_said_on_the_terminal(
    entry: ModelEntry, target: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fetch(entry, target)
    assert capfd.readouterr() == ("", "")


def test_bundled_model_is_never_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "weights_path", lambda _: tmp_path / "absent")
    with pytest.raises(ModelError, match="comes with the package"):
        download("spinalsam-tiny")


def test_unknown_model_is_not_downloaded() -> None:
    with pytest.raises(ModelError, match="'sam3'"):
        download("sam3")
