"""The Bot Framework's service on loopback: it logs apps in and takes their answers."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


class Service:
    """taken: the activities that it took, with the path and the Authorization header of each.
    statuses: what it says next; 200 when there is nothing left."""

    def __init__(self) -> None:
        self.url = ""
        self.taken: list[tuple[str, str | None, dict[str, Any]]] = []
        self.logins: list[dict[str, list[str]]] = []
        self.statuses: list[int] = []

    @property
    def texts(self) -> list[str]:
        return [activity["text"] for _, _, activity in self.taken]


@contextlib.contextmanager
def serving_bots() -> Iterator[Service]:
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            said: dict[str, Any] = {"id": "x"}
            status = 200
            if self.path.endswith("/oauth2/v2.0/token"):
                service.logins.append(parse_qs(body.decode()))
                said = {"access_token": f"token-{len(service.logins)}", "expires_in": 3600}
            else:
                status = service.statuses.pop(0) if service.statuses else 200
                if status == 200:
                    given = self.headers.get("authorization")
                    service.taken.append((self.path, given, json.loads(body)))
            content = json.dumps(said).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("location", "http://127.0.0.1:9/elsewhere")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
