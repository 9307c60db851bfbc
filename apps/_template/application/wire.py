"""What goes over the wire: bodies in, answers out, keys, and one shape of error.

Errors are `{"error": {"code", "message"}}`. It logs what was refused and why, never a text.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MOST_BYTES = 32 * 1024  # of a body
Body = TypeVar("Body")
_LOG = logging.getLogger(__name__)


class Refused(Exception):  # noqa: N818 - it is what the answer says, not always a fault
    """A request that is answered with an error. code: for programs; message: for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


async def refused(request: Request, error: Exception) -> Response:
    """Starlette's handler of every exception: those that nobody foresaw tell nothing."""
    headers: Mapping[str, str] | None = None
    if isinstance(error, HTTPException):
        headers, error = error.headers, Refused(error.status_code, "unknown", error.detail)
    elif not isinstance(error, Refused):
        error = Refused(500, "broken", "it failed; sending the same key again is safe")
    _LOG.info("refused %s %s: %s", request.method, error.status, error.code)
    return answer({"error": {"code": error.code, "message": str(error)}}, error.status, headers)


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer that no cache keeps."""
    kept = {"cache-control": "no-store", "x-content-type-options": "nosniff", **(headers or {})}
    return Response(msgspec.json.encode(content), status, kept, "application/json")


def file_of(content: str, kind: str, name: str) -> Response:
    headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{name}"'}
    return Response(content, headers=headers, media_type=kind)


async def read(request: Request, kind: type[Body]) -> Body:
    """The body of a request as a `kind`. Raises Refused for what is too long or not that."""
    pieces, size = [], 0
    async for piece in request.stream():  # refused as soon as it is too long, whatever it declares
        if (size := size + len(piece)) > MOST_BYTES:
            raise Refused(413, "body_too_large", f"a body has at most {MOST_BYTES:,} bytes here")
        pieces.append(piece)
    try:
        return msgspec.json.decode(b"".join(pieces), type=kind)
    except msgspec.ValidationError as error:
        raise Refused(422, "invalid_field", str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refused(400, "invalid_json", f"the body is not JSON in UTF-8: {error}") from None


def text_of(value: str, name: str, most: int) -> str:
    """A field's text as every database takes it. Raises Refused where it is empty or too long."""
    if not 0 < len(clean := value.replace("\0", "").strip()) <= most:
        raise Refused(422, "invalid_field", f"{name}: 1 to {most:,} characters are expected")
    return clean


def named(keys: Mapping[str, str], request: Request) -> str:
    """Whose API key a request brings. keys: name -> SHA-256. Raises Refused."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    # By digest: how long a look-up takes tells nothing about the key.
    digest = hashlib.sha256(key.strip().encode("utf-8", "replace")).hexdigest()
    for name, known in keys.items():
        if scheme.lower() == "bearer" and known == digest:
            return name
    raise Refused(401, "unauthorized", "Authorization: Bearer with a known API key is expected")
