"""What stands before every route: request ids, keys, rates, the log and the counters.

Pure ASGI, because it also guards WebSockets and must cost little. It never logs a text.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
import secrets
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from attar.serve import page
from attar.serve.metering import Metering
from attar.serve.pulse import Pulse
from attar.serve.settings import Key
from attar.serve.wire import HttpError

# What an orchestrator asks without a key, and the page, which asks for one itself.
OPEN = frozenset({"/healthz", "/readyz", *page.OPEN})
TURNED_AWAY = "(turned away)"  # as the route in the counters
FEW = 8  # requests at once: no more than these cannot press a loop
_BUSY = HttpError.busy(1).response()
_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Random once a process and then counted: random for each request would be a call of the system.
_MADE_HERE, _number = f"req_{secrets.token_hex(8)}", itertools.count()
_encoder = msgspec.json.Encoder()


@dataclass(slots=True)
class Bucket:
    """A token bucket: `rate` tokens a second, `burst` at most."""

    rate: float
    burst: float
    tokens: float
    filled: float

    def take(self, now: float) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        self.tokens = min(self.burst, self.tokens + (now - self.filled) * self.rate)
        self.filled = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / self.rate


class Gate:
    """keys: none lets everybody in. log_requests: a line for each request. pulse: of the loop;
    where it is pressed while more than FEW others are being answered, requests are refused
    before anything else is done for them. (With fewer a loop is late where the machine is.)"""

    def __init__(
        self,
        app: ASGIApp,
        keys: Iterable[Key],
        metering: Metering,
        open_paths: frozenset[str] = OPEN,
        log_requests: bool = True,
        pulse: Pulse | None = None,
    ) -> None:
        self._app = app
        self._pulse = pulse
        self._inside = 0  # requests
        self._metering = metering
        self._open = open_paths
        self._log = log_requests
        # By hash: how long a look-up takes tells nothing about the key.
        self._keys = {key.sha256: key for key in keys}
        self._buckets = {
            key.sha256: Bucket(key.requests_per_second, key.burst, key.burst, time.monotonic())
            for key in self._keys.values()
            if key.requests_per_second is not None
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        pressed = self._inside > FEW and self._pulse is not None and self._pulse.pressed
        if pressed and scope["path"] not in self._open:
            await self._turn_away(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = _request_id(headers)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        status, begun = 500, False
        inside = scope["type"] == "http"
        self._inside += inside

        async def noting(message: Message) -> None:
            nonlocal status, begun, inside
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status, begun = message["status"], True
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                ]
            elif message["type"] == "websocket.accept":
                status, begun = 101, True
            elif message["type"] == "http.response.body" and not message.get("more_body"):
                # From here on its client may send the next one, whatever is still to be done.
                self._inside -= inside
                inside = False
            await send(message)

        name = None
        try:
            try:
                name = self._admitted(scope, headers)
            except HttpError as error:
                status = error.status
                await _refuse(scope, receive, noting, error)
                return
            try:
                await self._app(scope, receive, noting)
            except asyncio.CancelledError:
                # A drain takes too long. Nobody awaits this task: raised on, it would be a trace
                # in the log. An answer that has begun breaks off.
                if not begun:
                    await _refuse(scope, _nothing, noting, HttpError.draining())
            except Exception as error:
                # Answered here, so that the answer has its id, and no trace its message: that
                # may hold a text.
                status = 500
                log("error", request_id=request_id, kind=type(error).__name__, at=_place(error))
                await _fail(scope, noting, begun)
        finally:
            self._inside -= inside
            seconds = time.perf_counter() - started
            route = _template(scope)
            self._metering.request(route, status, seconds if scope["type"] == "http" else None)
            if self._log:
                log(
                    "request",
                    request_id=request_id,
                    method=scope.get("method", "WS"),
                    route=route,
                    status=status,
                    ms=round(1000 * seconds, 2),
                    key=name,
                )

    async def _turn_away(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As cheaply as can be, so that the loop gets to what it has taken; no line in the log."""
        self._metering.request(TURNED_AWAY, 429, None)
        if scope["type"] == "websocket":
            await _refuse(scope, receive, send, HttpError.busy(1))
            return
        request_id = _request_id(dict(scope["headers"])).encode()
        # Made anew each time: what stands around the gate adds headers of one client's.
        headers = [*_BUSY.raw_headers, (b"x-request-id", request_id)]
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        await send({"type": "http.response.body", "body": _BUSY.body})

    def _admitted(self, scope: Scope, headers: Mapping[bytes, bytes]) -> str | None:
        """The name of the key, None where none is needed. Raises HttpError."""
        if not self._keys or scope["path"] in self._open:
            return None
        presented = _presented(scope, headers)
        if presented is None:
            raise HttpError(
                401, "no_key", "this server needs a key: Authorization: Bearer KEY",
                headers={"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
        digest = hashlib.sha256(presented).hexdigest()
        key = self._keys.get(digest)
        if key is None:
            raise HttpError(
                401, "wrong_key", "the key is not one of this server's",
                headers={"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
        bucket = self._buckets.get(digest)
        if bucket is not None:
            wait = bucket.take(time.monotonic())
            if wait:
                raise HttpError(
                    429, "rate_limited",
                    f"the key {key.name!r} may ask {key.requests_per_second:g} times a second",
                    headers={"Retry-After": str(max(1, round(wait + 0.5)))},
                )  # fmt: skip
        return key.name


def log(event: str, **fields: Any) -> None:
    """One JSON object a line, on standard error."""
    entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
    sys.stderr.write(_encoder.encode(entry).decode() + "\n")


def _presented(scope: Scope, headers: Mapping[bytes, bytes]) -> bytes | None:
    """The key of a request: a bearer token, `api-key` as Azure's clients send it; browsers,
    whose WebSockets cannot send headers, name it as a subprotocol after "attar.key."."""
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer" and token:
        return token.strip()
    if b"api-key" in headers:
        return headers[b"api-key"]
    for protocol in scope.get("subprotocols", ()):
        if protocol.startswith("attar.key."):
            return str(protocol).removeprefix("attar.key.").encode()
    return None


def _request_id(headers: Mapping[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id", b"").decode("latin-1")
    return given if _SAFE_ID.fullmatch(given) else f"{_MADE_HERE}{next(_number):08x}"


def _template(scope: Scope) -> str:
    """The route's path with its parameters' names, not their values."""
    return getattr(scope.get("route"), "path", None) or "(no such route)"


def _place(error: Exception) -> str:
    """The file and the line that raised it."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    if at is None:
        return ""
    return f"{PurePath(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}"


async def _fail(scope: Scope, send: Send, begun: bool) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1011, "reason": "internal_error"})
    elif not begun:
        failed = HttpError(500, "internal_error", "the server failed on this request").response()
        await failed(scope, _nothing, send)
    else:
        raise RuntimeError("an answer broke off")  # the connection is closed: it is not whole


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


async def _refuse(scope: Scope, receive: Receive, send: Send, error: HttpError) -> None:
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", ()):
            # Before the handshake is accepted this becomes a 403.
            await send({"type": "websocket.close", "code": 1008, "reason": error.code})
            return
    await error.response()(scope, receive, send)  # for a WebSocket too, in the extension's words
