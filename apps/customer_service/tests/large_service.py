"""A large model's API on loopback, which says what a test tells it to and ends with the test."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 900, "completion_tokens": 20}


@dataclass
class Answer:
    """content: bytes as they are, or what goes into a chat completion. after_s: before it begins;
    drips: a byte every so many seconds."""

    content: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    drips_s: float | None = None


@dataclass
class Service:
    """asked: bodies and Authorization headers of what came. answers: the next first; without any,
    the last one again."""

    url: str = ""
    asked: list[tuple[dict[str, Any], str | None]] = field(default_factory=list)
    answers: list[Answer | Callable[[dict[str, Any]], Answer]] = field(default_factory=list)

    def says(self, *answers: Answer | Callable[[dict[str, Any]], Answer]) -> None:
        self.answers = list(answers)

    @property
    def texts(self) -> list[str]:
        return [body["messages"][-1]["content"] for body, _ in self.asked]


def calls(*made: tuple[str, Any], **more: Any) -> Answer:
    """A chat completion that calls functions; arguments as text are sent as they are."""
    tools = [
        {
            "id": f"call_{n}",
            "type": "function",
            "function": {
                "name": name,
                "arguments": given if isinstance(given, str) else json.dumps(given),
            },
        }
        for n, (name, given) in enumerate(made)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": tools}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return Answer({"choices": [choice], "usage": USAGE} | more)


def text(content: str, **more: Any) -> Answer:
    choice = {"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return Answer({"choices": [choice], "usage": USAGE} | more)


@contextlib.contextmanager
def serving_large() -> Iterator[Service]:
    service, ended = Service(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            service.asked.append((body, self.headers.get("authorization")))
            made = service.answers.pop(0) if len(service.answers) > 1 else service.answers[0]
            answer = made if isinstance(made, Answer) else made(body)
            content = answer.content
            if not isinstance(content, bytes):
                content = json.dumps(content).encode()
            ended.wait(answer.after_s)
            with contextlib.suppress(OSError):  # whoever asked may have gone
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                if answer.drips_s is None:
                    self.wfile.write(content)
                    return
                for byte in content:
                    if ended.is_set():
                        return
                    self.wfile.write(bytes([byte]))
                    time.sleep(answer.drips_s)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield service
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
