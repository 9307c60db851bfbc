"""What goes over the wire: bodies in, answers out, and one shape of error for all routes.

Errors have OpenAI's shape, whose clients read it and others need no second one:
`{"error": {"message", "type", "param", "code"}}`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

JSON = "application/json"
Body = TypeVar("Body")
_encoder = msgspec.json.Encoder()


class HttpError(Exception):
    """A request that is answered with an error. code: for programs; message: for people."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param = status, code, message, param
        self.headers = dict(headers or {})

    @classmethod
    def busy(cls, seconds: float) -> HttpError:
        wait = str(max(1, math.ceil(seconds)))
        return cls(
            429,
            "overloaded",
            f"more is asked than this server answers in time; try again in {wait} s",
            headers={"Retry-After": wait},
        )

    @classmethod
    def late(cls) -> HttpError:
        return cls(504, "deadline_exceeded", "the deadline passed before the text's turn came")

    @classmethod
    def draining(cls) -> HttpError:
        return cls(503, "draining", "this server is shutting down")

    @property
    def kind(self) -> str:
        """OpenAI's type of error."""
        if self.status == 401:
            return "authentication_error"
        if self.status == 429:
            return "rate_limit_error"
        return "invalid_request_error" if self.status < 500 else "server_error"

    def to_json(self) -> dict[str, Any]:
        return {
            "error": {
                "message": self.message,
                "type": self.kind,
                "param": self.param,
                "code": self.code,
            }
        }

    def response(self) -> Response:
        return reply(self.to_json(), self.status, self.headers)


def reply(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; `content` is anything that msgspec encodes."""
    return Response(_encoder.encode(content), status, headers, JSON)


async def read(request: Request, kind: type[Body], most_bytes: int) -> Body:
    """The body of a request as a `kind`. Raises HttpError for what is too long or not that."""
    content = request.state.body = await read_bytes(request, most_bytes)
    try:
        return _decoded(content, kind)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at ")
        field = place.strip("`").removeprefix("$").removeprefix(".")
        where = f" at {field}" if field else ""
        raise HttpError(422, "invalid_field", message + where, field or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HttpError(400, "invalid_json", f"the body is not JSON: {error}") from None


def _decoded(content: bytes, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        message = str(error)
        if not message.startswith("Expected `int") or "got `float`" not in message:
            raise
    # JSON Schema calls 5.0 an integer; msgspec does only where it takes "5" too. All our integers
    # are fields of the body itself: what is nested in one stays as it came.
    given = msgspec.json.decode(content, type=dict[str, Any])
    return msgspec.convert({name: _whole(value) for name, value in given.items()}, kind)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


async def read_bytes(request: Request, most_bytes: int) -> bytes:
    """The body, refused as soon as it is longer than `most_bytes`."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most_bytes:
        raise _too_long(most_bytes)
    pieces, size, more = [], 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise HttpError(499, "client_gone", "gone before the body was whole")
        piece, more = message.get("body", b""), message.get("more_body", False)
        size += len(piece)
        if size > most_bytes:
            raise _too_long(most_bytes)
        pieces.append(piece)
    return b"".join(pieces)


def _too_long(most_bytes: int) -> HttpError:
    return HttpError(413, "body_too_large", f"a body has at most {most_bytes:,} bytes here")
