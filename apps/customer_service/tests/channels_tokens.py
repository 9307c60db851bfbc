"""Somebody who publishes keys on loopback, as Google and Microsoft do, and signs tokens."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

ISSUED_BY_BOT = "https://api.botframework.com"
ENDORSED = ("msteams", "webchat", "emulator")


class Publisher:
    """url: of its JWKS; metadata: of the OpenID document that names it. asked: how often."""

    def __init__(self, kid: str = "key-1") -> None:
        self.url = self.metadata = ""
        self.asked = 0
        self.away = False
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.turn(kid)

    def turn(self, kid: str) -> None:
        """Take a new key into use, beside the old ones."""
        self.kid = kid
        self.keys[kid] = rsa.generate_private_key(65537, 2048)

    def pem(self) -> bytes:
        key = self.keys[self.kid]
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def jwks(self) -> dict[str, Any]:
        made = []
        for kid, key in self.keys.items():
            public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
            made.append({**public, "kid": kid, "use": "sig", "endorsements": list(ENDORSED)})
        made.append({"kty": "EC", "kid": "other", "crv": "P-256", "x": "", "y": ""})
        return {"keys": made}

    def token(self, claims: dict[str, Any], **head: Any) -> str:
        now = int(time.time())
        full = {"iat": now, "nbf": now - 5, "exp": now + 600, **claims}
        headers = {"kid": self.kid, **head}
        return jwt.encode(full, self.keys[self.kid], "RS256", headers=headers)


@contextlib.contextmanager
def publishing() -> Iterator[Publisher]:
    publisher = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            publisher.asked += 1
            document: Any = publisher.jwks()
            if self.path == "/metadata":
                document = {"issuer": ISSUED_BY_BOT, "jwks_uri": publisher.url}
            content = json.dumps(document).encode()
            self.send_response(503 if publisher.away else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    publisher.url, publisher.metadata = f"{base}/keys", f"{base}/metadata"
    try:
        yield publisher
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
