"""The OpenAPI description, from the operations and the types of their bodies.

The schemas say what holds for every model and every setting. What is served here and how much
a request may hold stand in words: limits in a schema would make 413 the wrong error. Which
dimensions a model has and which schemas a label fills, the errors tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from attar.serve.gate import OPEN
from attar.serve.operations import Operation
from attar.serve.settings import Limits, Model
from attar.serve.wire import JSON
from attar.version import __version__

REASONS = {
    400: "The body cannot be used.",
    401: "A key is needed, or is not known here.",
    404: "There is no such model.",
    409: "The server is not set up for it.",
    413: "The body, the number of texts or a text is too large.",
    422: "A field is missing or of another type.",
    429: "More than the server, or the key, can take; `Retry-After` says when to come again.",
    500: "The server failed on this request.",
    503: "The server is shutting down.",
    504: "The deadline passed.",
}
ANYWHERE = (500,)
REQUEST_ID = {
    "description": "The request's, if it was letters, digits, '.', '_' and '-', or a new one.",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
}
HEADERS: dict[int, dict[str, Any]] = {
    401: {
        "WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": "Bearer"}},
    },
    429: {
        "Retry-After": {
            "description": "Seconds.",
            "required": True,
            "schema": {"type": "integer", "minimum": 1},
        },
    },
}
ASKED_BY = [
    {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Comes back with the answer and stands in the log.",
        "schema": {"type": "string"},
    }
]
DEADLINE = {
    "name": "X-Deadline-Ms",
    "in": "header",
    "description": "Milliseconds after which the answer is of no use; the server's own at most.",
    "schema": {"type": "number", "exclusiveMinimum": 0},
}
# Of one event: OpenAPI 3.1 has no word of its own for the items of a stream.
EVENT = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "data": {"type": "string", "description": "A chunk as JSON; in the last event [DONE]."}
    },
}
SCHEMES = {
    "key": {"type": "http", "scheme": "bearer"},
    "api-key": {"type": "apiKey", "in": "header", "name": "api-key"},
}


class ErrorBody(msgspec.Struct):
    message: str
    type: str
    param: str | None
    code: str


class Error(msgspec.Struct):
    """What every error looks like."""

    error: ErrorBody


def describe(
    operations: Sequence[Operation], models: Mapping[str, Model], limits: Limits, keys: bool
) -> dict[str, Any]:
    """OpenAPI 3.1. models: by the name that the parameter `model` takes, as their aliases do.
    keys: whether a request needs one."""
    types = [kind for op in operations for kind in (op.takes, op.gives) if kind is not None]
    types = [*dict.fromkeys(types), Error]
    found, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    schemas = dict(zip(types, found, strict=True))
    shown = next(iter(models), "model")
    paths: dict[str, Any] = {}
    for op in operations:
        paths.setdefault(op.path, {})[op.method.lower()] = _operation(op, schemas, shown)
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "attar",
            "version": __version__,
            "description": "Small certified models behind HTTP. Errors have one shape; a method "
            "that a path does not take is answered with 405 and the header Allow.\n\n"
            f"Served here: {_served(models)}.\n\n{_allowed(limits)}",
        },
        "paths": paths,
        "components": {"schemas": components},
    }
    if keys:
        described["components"]["securitySchemes"] = SCHEMES
        described["security"] = [{name: []} for name in SCHEMES]
    return described


def _served(models: Mapping[str, Model]) -> str:
    return ", ".join(
        f"{name} (also {', '.join(model.aliases)})" if model.aliases else name
        for name, model in models.items()
    )


def _allowed(limits: Limits) -> str:
    return (
        f"At most {limits.texts:,} texts a request, {limits.characters:,} characters a text, "
        f"{limits.body_bytes:,} bytes a body: more is answered with 413."
    )


def _operation(op: Operation, schemas: dict[Any, Any], model: str) -> dict[str, Any]:
    """model: a name for the examples."""
    answer: dict[str, Any] = {"description": "Done."}
    if op.media:
        content: dict[str, Any] = {"schema": schemas.get(op.gives, {"type": "string"})}
        content |= _examples(op.answer_example, op.more_answers)
        answer["content"] = {op.media: content}
    if op.name == "chat":
        answer["content"]["text/event-stream"] = {"schema": EVENT}
    error = {JSON: {"schema": schemas[Error]}}
    responses = {"200": answer | {"headers": {"X-Request-Id": REQUEST_ID}}} | {
        str(status): {
            "description": REASONS[status],
            "headers": {"X-Request-Id": REQUEST_ID} | HEADERS.get(status, {}),
            "content": error,
        }
        for status in sorted({*op.errors, *ANYWHERE})
    }
    found: dict[str, Any] = {
        "operationId": op.name,
        "summary": op.summary,
        "tags": [op.tag],
        "responses": responses,
    }
    found["parameters"] = [
        *(
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "string", "minLength": 1},
                "example": model,
            }
            for name in re.findall(r"{(\w+)}", op.path)
        ),
        *ASKED_BY,
        *([DEADLINE] if 504 in op.errors else []),
    ]
    if op.path in OPEN:
        found["security"] = []
    if op.takes is not None:
        taken: dict[str, Any] = {"schema": schemas[op.takes]}
        here = [
            one | ({"model": model} if "model" in one else {})
            for one in ([] if op.example is None else [op.example, *op.more.values()])
        ]
        taken |= _examples(here[0] if here else None, dict(zip(op.more, here[1:], strict=True)))
        found["requestBody"] = {"required": True, "content": {JSON: taken}}
    return found


def _examples(first: Any, more: Mapping[str, Any]) -> dict[str, Any]:
    """As OpenAPI has one example, or several by name."""
    if first is None:
        return {}
    if not more:
        return {"example": first}
    return {"examples": {name: {"value": one} for name, one in {"labels": first, **more}.items()}}
