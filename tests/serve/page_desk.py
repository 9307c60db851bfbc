"""What the tests of the page share: texts, a key, a report, and a large model on loopback."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from attar.serve.settings import Fallback, Key

REFUND, WEATHER, KEY = "i want my refund", "the weather now", "attar-key-of-the-test"
HOSTILE = "<img src=x onerror=\"document.title='run'\">"
REPORT = {
    "name": "tiny", "task": "classify", "labels": ["cancel", "delivery", "refund"],
    "metrics": {"accuracy": 0.9}, "certify_rows": 1200,
    "errors": [{"text": HOSTILE, "gold": "refund", "label": "cancel", "score": 0.9}],
}  # fmt: skip


def keys() -> tuple[Key, ...]:
    return (Key(name="someone", sha256=hashlib.sha256(KEY.encode()).hexdigest()),)


@contextlib.contextmanager
def large_model() -> Iterator[Fallback]:
    """A large model on loopback, which says that everything is "delivery"."""

    class Large(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            said = {
                "choices": [{"message": {"content": "delivery"}}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 10},
            }
            content = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Large) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        yield Fallback(url=url, model="large", input_usd=1.0, output_usd=10.0)
        server.shutdown()
        thread.join()
