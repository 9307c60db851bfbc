"""What goes over the wire: bodies in, replies out, and one shape of error for all channels.

Errors are `{"error": {"code", "message"}}`. It logs what was refused and why, never a text.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from desk.types import Reply, Turn

MOST_BYTES = 64 * 1024  # of a body
MOST_CHARACTERS = 4_000  # of a message
MOST_KEY = 200  # characters of a message's key
Body = TypeVar("Body")
_encoder = msgspec.json.Encoder(decimal_format="string")
_log = logging.getLogger("desk.channels")


class Refused(Exception):  # noqa: N818 - it is what the answer says, not always a fault
    """A request that is answered with an error. code: for programs; message: for people."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = dict(headers or {})

    def to_json(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message}}

    def response(self) -> Response:
        return answer(self.to_json(), self.status, self.headers)


async def refused(request: Request, error: Exception) -> Response:
    """Starlette's handler of `Refused`."""
    assert isinstance(error, Refused)
    # The route, not the address asked for: a token in a wrong place must not be logged.
    route = getattr(request.scope.get("route"), "path", "?")
    _log.info("refused %s: %s %s", route, error.status, error.code)
    return error.response()


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer that no cache keeps."""
    kept = {"cache-control": "no-store", "x-content-type-options": "nosniff", **(headers or {})}
    return Response(_encoder.encode(content), status, kept, "application/json")


async def read(request: Request, kind: type[Body], most_bytes: int = MOST_BYTES) -> Body:
    """The body of a request as a `kind`. Raises Refused for what is too long or not that."""
    return decoded(await read_bytes(request, most_bytes), kind)


def decoded(content: bytes | str, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise Refused(422, "invalid_field", str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refused(400, "invalid_json", f"the body is not JSON in UTF-8: {error}") from None


async def read_bytes(request: Request, most_bytes: int = MOST_BYTES) -> bytes:
    """The body, refused as soon as it is longer than `most_bytes`."""
    declared = request.headers.get("content-length", "")
    # Eight digits: more cannot be meant, and int() of a very long number is slow.
    if declared.isdecimal() and (len(declared) > 8 or int(declared) > most_bytes):
        raise _too_long(most_bytes)
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > most_bytes:
            raise _too_long(most_bytes)
        pieces.append(piece)
    return b"".join(pieces)


def _too_long(most_bytes: int) -> Refused:
    return Refused(413, "body_too_large", f"a body has at most {most_bytes:,} bytes here")


def clean(text: str) -> str:
    """A text that every store takes: without NUL (PostgreSQL) and halves of surrogate pairs.

    Raises Refused for a text that is longer than a message may be.
    """
    if len(text) > MOST_CHARACTERS:
        what = f"a message has at most {MOST_CHARACTERS:,} characters, this one {len(text):,}"
        raise Refused(422, "text_too_long", what)
    return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def short_key(key: str) -> str:
    """A key of bounded length; two keys are never made one."""
    if len(key) <= MOST_KEY:
        return key
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def language_of(code: str | None) -> str:
    """The language of a tag such as "de-AT"; English where there is none."""
    first = (code or "").replace("_", "-").partition("-")[0].lower()
    return first if first.isascii() and first.isalpha() and len(first) <= 3 else "en"


def shown(reply: Reply) -> dict[str, Any]:
    """A reply as clients of the desk's own channels read it."""
    source = reply.source
    return {
        "texts": list(reply.texts),
        "suggestions": list(reply.suggestions),
        "source": source
        and {"document": source.document, "title": source.title, "text": source.text},
        "done": [
            {"name": d.name, "reference": d.reference, "facts": dict(d.facts), "again": d.again}
            for d in reply.done
        ],
        "handed": reply.handed,
    }


def shown_turn(turn: Turn) -> dict[str, Any]:
    """A turn as a customer may see it: without what the model made of it."""
    return {"said_by": turn.said_by, "text": turn.text, "at": turn.at, "source": turn.source}
