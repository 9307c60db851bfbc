"""An authority on loopback that gives access tokens and tells Dovecot whose they are."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

CLIENT, SECRET = "desk-client", "secret-of-the-client"


@dataclass
class Authority:
    """user: whom every token is of. lasts_s: of the tokens that it gives; given: those; status:
    what it answers who asks for one."""

    url: str = ""
    user: str = ""
    lasts_s: int = 3600
    status: int = 200
    given: list[str] = field(default_factory=list)


@contextlib.contextmanager
def serving_tokens() -> Iterator[Authority]:
    authority = Authority()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            known = form.get("client_id") == [CLIENT] and form.get("client_secret") == [SECRET]
            if not known or form.get("grant_type") != ["client_credentials"]:
                self._say(401, {"error": "invalid_client"})
                return
            if authority.status == 200:
                authority.given.append(f"token-{len(authority.given)}")
            token = authority.given[-1] if authority.given else ""
            self._say(authority.status, {"access_token": token, "expires_in": authority.lasts_s})

        def do_GET(self) -> None:
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            known = token in authority.given
            self._say(200, {"active": known, "username": authority.user if known else ""})

        def _say(self, status: int, said: dict[str, object]) -> None:
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    authority.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield authority
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
