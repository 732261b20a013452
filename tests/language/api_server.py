"""A small server that speaks, and misspeaks, like a service of language models."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Self


@dataclass(frozen=True)
class Sent:
    """What the server sends back to one request.

    `drip` is sent again and again instead of the rest; `hangs` sends nothing more;
    `cut` closes the connection after so many bytes of the promised body.
    """

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    drip: bytes = b""
    hangs: bool = False
    cut: int | None = None


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def words(self) -> str:
        """All that the model gets to read."""
        return "\n".join(message["content"] for message in self.body["messages"])


def completion(
    content: str | None, *, finish: str | None = "stop", **extra: Any
) -> Sent:
    message = {"role": "assistant", "content": content, **extra}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    body = {"id": "1", "object": "chat.completion", "choices": [choice]}
    return Sent(json.dumps(body).encode())


def plan(*steps: dict[str, Any]) -> Sent:
    return completion(json.dumps({"kind": "plan", "steps": steps}))


class ApiServer:
    """Answers each request with the next of `answers`, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Sent] = []
        self.requests: list[Request] = []
        self.arrived, self.closing = Event(), Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next_answer(self) -> Sent:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                self._answer({})

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                self._answer(json.loads(self.rfile.read(length)))

            def _answer(self, body: dict[str, Any]) -> None:
                headers = {k.lower(): v for k, v in self.headers.items()}
                api.requests.append(Request(self.path, headers, body))
                api.arrived.set()
                self.close_connection = True
                # The client may have gone.
                with suppress(BrokenPipeError, ConnectionResetError):
                    self._send(api.next_answer())

            def _send(self, sent: Sent) -> None:
                self.send_response(sent.status)
                self.send_header("Content-Type", sent.content_type)
                for name, value in sent.headers.items():
                    self.send_header(name, value)
                if not sent.drip:
                    length = len(sent.body) + (1000 if sent.hangs else 0)
                    self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(sent.body[: sent.cut])
                self.wfile.flush()
                while sent.drip and not api.closing.wait(0.01):
                    self.wfile.write(sent.drip)
                    self.wfile.flush()
                if sent.hangs:
                    api.closing.wait()

        return Handler
