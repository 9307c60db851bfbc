"""The OpenAPI description, from the operations and the types of their bodies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from attar import __version__
from attar.serve.operations import Operation
from attar.serve.wire import JSON

REASONS = {
    400: "The body cannot be used.",
    401: "A key is needed, or is not known here.",
    404: "There is no such model.",
    409: "The server is not set up for it.",
    413: "The body, the number of texts or a text is too large.",
    422: "A field is missing or of another type.",
    429: "More than the server, or the key, can take; `Retry-After` says when to come again.",
    503: "The server is shutting down.",
    504: "The deadline passed.",
}


class ErrorBody(msgspec.Struct):
    message: str
    type: str
    param: str | None
    code: str


class Error(msgspec.Struct):
    """What every error looks like."""

    error: ErrorBody


def describe(operations: Sequence[Operation], models: Sequence[str], keys: bool) -> dict[str, Any]:
    """OpenAPI 3.1. models: names that the parameter `model` takes."""
    types = [kind for op in operations for kind in (op.takes, op.gives) if kind is not None]
    types = [*dict.fromkeys(types), Error]
    found, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    schemas = dict(zip(types, found, strict=True))
    paths: dict[str, Any] = {}
    for op in operations:
        paths.setdefault(op.path, {})[op.method.lower()] = _operation(op, schemas, models)
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "attar",
            "version": __version__,
            "description": "Small certified models behind HTTP. Errors have one shape.",
        },
        "paths": paths,
        "components": {"schemas": components},
    }
    if keys:
        described["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"key": []}]
    return described


def _operation(op: Operation, schemas: dict[Any, Any], models: Sequence[str]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "Done."}
    if op.media:
        content: dict[str, Any] = {"schema": schemas.get(op.gives, {"type": "string"})}
        if op.answer_example is not None:
            content["example"] = op.answer_example
        answer["content"] = {op.media: content}
    if op.name == "chat":
        answer["content"]["text/event-stream"] = {"schema": {"type": "string"}}
    error = {JSON: {"schema": schemas[Error]}}
    responses = {"200": answer} | {
        str(status): {"description": REASONS[status], "content": error}
        for status in sorted(set(op.errors))
    }
    found: dict[str, Any] = {
        "operationId": op.name,
        "summary": op.summary,
        "tags": [op.tag],
        "responses": responses,
    }
    names = re.findall(r"{(\w+)}", op.path)
    if names:
        found["parameters"] = [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "string", "minLength": 1},
                "example": models[0] if models else "model",
            }
            for name in names
        ]
    if op.takes is not None:
        taken: dict[str, Any] = {"schema": schemas[op.takes]}
        if op.example is not None:
            taken["example"] = op.example
        found["requestBody"] = {"required": True, "content": {JSON: taken}}
    return found
