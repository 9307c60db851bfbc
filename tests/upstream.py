"""A large model or a person's desk on loopback, which answers as a script says."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WEATHER = "the weather now"
LABELS = ["cancel", "delivery", "refund", "oos", "none."]


def completion(content: Any, tokens: tuple[int, int] = (100, 2)) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
    return {"id": "up", "model": "large", "choices": [{"message": message}], "usage": usage}


class Upstream:
    """Answers each request with the next of `script`, the last one again and again: a
    completion's content, (status, headers, body), or seconds to wait before "refund"."""

    def __init__(self) -> None:
        self.script: list[Any] = ["refund"]
        self.now, self.most = 0, 0  # requests at once
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                stub.asked.append((self.path, headers, json.loads(content)))
                stub.now += 1
                stub.most = max(stub.most, stub.now)
                status, more, body = stub.next()
                stub.now -= 1
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):  # gone meanwhile
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def next(self) -> tuple[int, dict[str, str], bytes]:
        now = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(now, float):
            time.sleep(now)
            now = "refund"
        if isinstance(now, tuple):
            status, headers, body = now
            return status, headers, body if isinstance(body, bytes) else json.dumps(body).encode()
        return 200, {}, json.dumps(now if isinstance(now, dict) else completion(now)).encode()


@contextlib.contextmanager
def served() -> Iterator[Upstream]:
    """An Upstream that answers until the block ends."""
    stub = Upstream()
    thread = threading.Thread(target=stub.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.server.shutdown()
        stub.server.server_close()
        thread.join(20)
