"""A proxy between an application and its large model: all passes, and is looked at.

Methods, paths, queries, bodies and headers go on as they came, but for what belongs to one
connection alone; answers come back piece by piece as they arrive. What is posted to be
completed, a Recorder sees too, after the answer's end. One header is changed, on those
requests: Accept-Encoding is narrowed to what can be read here. WebSockets are not passed
on, redirects are not followed, failures are not tried again: that is the client's affair.
The upstream is the one of the settings, whatever a request says.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from prometheus_client import Counter
from starlette.types import ASGIApp, Receive, Scope, Send

from attar.serve.proxy_exchange import CODINGS, form_of
from attar.serve.proxy_record import Exchange, Recorder
from attar.serve.wire import HttpError

Headers = list[tuple[bytes, bytes]]
OWN = "/_attar"
#: RFC 9110, section 7.6.1, and what older clients send; Expect is answered by the server.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade expect".split()
)
MOST_KEPT = 8_000_000  # bytes of an answer that are kept for the recorder
CONNECT_S = 10.0
GONE = 499  # the client left: nginx's number for it
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?")
_SAFE_ID = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class Route:
    """upstream: its URL. local: other machines cannot ask. timeout_s: between two pieces of
    an answer, at most."""

    upstream: str
    local: bool
    timeout_s: float
    body_bytes: int


class Passing:
    """One request on its way. kept: what the recorder is to see, None where it sees nothing."""

    __slots__ = ("answer", "asked", "coding", "finished", "request_id", "sent", "status",
                 "streamed", "too_long")  # fmt: skip

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.answer: list[bytes] = []
        self.too_long = self.finished = self.streamed = False
        self.status = GONE
        self.coding = ""
        self.request_id = f"req_{secrets.token_hex(12)}"
        self.sent = asyncio.Event()  # nothing more of the request is awaited


class ClientGoneError(Exception):
    """The client left before its request was whole."""


class Body(httpx.AsyncByteStream):
    """A request's body as it comes in. Raises HttpError where it is too long."""

    def __init__(self, receive: Receive, passing: Passing, most_bytes: int, keep: bool) -> None:
        self._receive, self._passing, self._most, self._keep = receive, passing, most_bytes, keep

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            piece, more = message.get("body", b""), message.get("more_body", False)
            size += len(piece)
            if size > self._most:
                raise _too_long(self._most)
            if self._keep:
                self._passing.asked.append(piece)
            if piece:
                yield piece
        self._passing.sent.set()


class Proxy:
    """Pure ASGI; what is under OWN goes to `app`, which also gets the lifespan."""

    def __init__(
        self,
        app: ASGIApp,
        route: Route,
        upstream: httpx.AsyncBaseTransport,
        recorder: Recorder,
        requests: Counter,
    ) -> None:
        self._app, self._route, self._upstream = app, route, upstream
        self._recorder, self._requests = recorder, requests
        self._url = httpx.URL(route.upstream)
        self._base = self._url.raw_path.rstrip(b"/")
        self._timeout = httpx.Timeout(
            route.timeout_s, connect=min(CONNECT_S, route.timeout_s)
        ).as_dict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == OWN or scope["path"].startswith(f"{OWN}/"):
            refused = self._refused(scope)
            await (refused.response() if refused else self._app)(scope, receive, send)
        else:
            passing = Passing()
            try:
                await self._watched(passing, scope, receive, send)
            except asyncio.CancelledError:  # a drain takes too long, see Gate
                if passing.status == GONE:  # no answer has begun
                    await HttpError.draining().response()(scope, receive, send)

    def _refused(self, scope: Scope) -> HttpError | None:
        """Why the proxy's own pages are not shown: to other machines, or to a web page that
        a name server led to loopback."""
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if not self._route.local or not _LOOPBACK.fullmatch(host):
            return HttpError(404, "not_found", f"{OWN} is shown on loopback only")
        return None

    async def _watched(self, passing: Passing, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, until it is answered or its client leaves."""
        started, began = time.perf_counter(), datetime.now(UTC)
        form = form_of(scope["path"]) if scope["method"] == "POST" else None
        keep = form is not None
        exchange = asyncio.create_task(self._exchanged(passing, keep, scope, receive, send))
        watcher = asyncio.create_task(_left(passing, receive))
        try:
            await asyncio.wait({exchange, watcher}, return_when=asyncio.FIRST_COMPLETED)
            if not passing.finished:
                exchange.cancel()
                passing.status = passing.status if exchange.done() else GONE
            await asyncio.wait({exchange})
        finally:
            exchange.cancel()
            watcher.cancel()
            await asyncio.gather(exchange, watcher, return_exceptions=True)
        self._requests.labels(form or "other", str(passing.status)).inc()
        if form is not None and passing.asked:
            whole = passing.finished and not passing.too_long
            self._recorder.offer(
                Exchange(
                    form, b"".join(passing.asked), b"".join(passing.answer) if whole else None,
                    passing.status, passing.streamed, passing.coding, began,
                    time.perf_counter() - started, passing.request_id,
                )
            )  # fmt: skip
        if not exchange.cancelled():
            exchange.result()

    async def _exchanged(
        self, passing: Passing, keep: bool, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            response = await self._asked(passing, keep, scope, receive)
        except ClientGoneError:
            return
        except HttpError as error:
            passing.status = error.status
            passing.finished = True
            passing.sent.set()
            passing.answer.clear()
            await error.response()(scope, receive, send)
            return
        try:
            await self._answered(passing, keep, response, send)
        except httpx.HTTPError:
            passing.status = 502
            # The status is out. An event tells it to clients that read events; then the
            # connection is cut, as the upstream's was: the server does so when we just return.
            if passing.streamed and not passing.coding:
                cut = HttpError(502, "upstream_cut", "the upstream broke off its answer")
                event = b"\n\ndata: " + bytes(cut.response().body) + b"\n\n"
                await send({"type": "http.response.body", "body": event, "more_body": True})
        finally:
            await response.aclose()

    async def _asked(
        self, passing: Passing, keep: bool, scope: Scope, receive: Receive
    ) -> httpx.Response:
        """The upstream's answer, its body still to come. Raises HttpError."""
        most = self._route.body_bytes
        given = dict(scope["headers"])
        length = given.get(b"content-length", b"")
        if length.isdigit() and int(length) > most:
            raise _too_long(most)
        headers = [(b"host", self._url.netloc), *passed_on(scope["headers"], narrowed=keep)]
        stream: httpx.AsyncByteStream = Body(receive, passing, most, keep)
        if b"transfer-encoding" in given:
            headers.append((b"transfer-encoding", b"chunked"))
        elif not length:
            stream = httpx.ByteStream(b"")
            passing.sent.set()
        request = httpx.Request(
            scope["method"], self._url, headers=headers, stream=stream,
            extensions={"timeout": self._timeout, "target": self._target(scope)},
        )  # fmt: skip
        try:
            return await self._upstream.handle_async_request(request)
        except httpx.HTTPError as error:
            kind = type(error).__name__  # its text may hold an address
            late = isinstance(error, httpx.TimeoutException)
            status, code = (504, "upstream_timeout") if late else (502, "upstream_unreachable")
            raise HttpError(status, code, f"the upstream gave no answer: {kind}") from None

    async def _answered(
        self, passing: Passing, keep: bool, response: httpx.Response, send: Send
    ) -> None:
        """Send the answer as it comes. Raises httpx.HTTPError where the upstream breaks off."""
        passing.status = response.status_code
        passing.coding = response.headers.get("content-encoding", "").strip().lower()
        media = response.headers.get("content-type", "")
        passing.streamed = media.lower().startswith("text/event-stream")
        identity = response.headers.get("x-request-id", "")
        if _SAFE_ID.fullmatch(identity):
            passing.request_id = identity
        headers = passed_on(response.headers.raw)
        if response.status_code == 304:  # the length is that of the body it does not have
            headers = [one for one in headers if one[0].lower() != b"content-length"]
        await send({"type": "http.response.start", "status": passing.status, "headers": headers})
        # An early answer: nobody reads the rest of the request any more.
        passing.sent.set()
        size = 0
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async for piece in response.stream:
            size += len(piece)
            if keep and not passing.too_long:
                passing.answer.append(piece)
                if size > MOST_KEPT:
                    passing.too_long = True
                    passing.answer.clear()
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        passing.finished = True
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _target(self, scope: Scope) -> bytes:
        """Path and query, byte for byte, under the upstream's path. A client may name that
        path itself, as it did when it asked the upstream. Raises HttpError."""
        path: bytes = scope["raw_path"]
        if not path.startswith(b"/") or {".", ".."} & set(scope["path"].split("/")):
            raise HttpError(400, "invalid_path", "expected a path, without . and .. in it")
        if not (path == self._base or path.startswith(self._base + b"/")):
            path = self._base + path
        query: bytes = scope["query_string"]
        return path + b"?" + query if query else path


def passed_on(headers: Headers, narrowed: bool = False) -> Headers:
    """The headers that are not of one connection. narrowed: to codings that can be read."""
    dropped = {
        token.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for token in value.split(b",")
    } | HOP_BY_HOP
    dropped.add(b"host")
    kept = [(name, value) for name, value in headers if name.lower() not in dropped]
    if narrowed:
        kept = [
            (name, _readable(value)) if name.lower() == b"accept-encoding" else (name, value)
            for name, value in kept
        ]
    return kept


def _readable(accepted: bytes) -> bytes:
    """The codings of an Accept-Encoding that the recorder reads too."""
    named = [one.strip() for one in accepted.split(b",")]
    known = [one for one in named
             if one.partition(b";")[0].strip().lower().decode("latin-1") in CODINGS]  # fmt: skip
    return b", ".join(known) or b"identity"


async def _left(passing: Passing, receive: Receive) -> None:
    """Return when the client leaves. Its request is read to the end first, by another task."""
    await passing.sent.wait()
    while (await receive())["type"] != "http.disconnect":
        pass


def _too_long(most: int) -> HttpError:
    return HttpError(413, "body_too_large", f"a body has at most {most:,} bytes here")
