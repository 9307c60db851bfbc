"""What a server can be asked: one record an operation, from which routes and OpenAPI follow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from attar.serve.service import Asked, Service
from attar.serve.wire import JSON, HttpError, read, reply

Handler = Callable[[Service, Request, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """takes, gives: msgspec types of the bodies; None for no body, or one that is no JSON.
    media: of the answer. errors: statuses besides 200 that it answers with, all in the one
    shape. example: of the body taken. more, more_answers: further examples by name, of what
    other models take or give."""

    method: str
    path: str
    name: str
    summary: str
    handler: Handler
    takes: Any = None
    gives: Any = None
    media: str = JSON
    errors: Sequence[int] = ()
    example: Any = None
    answer_example: Any = None
    more: Mapping[str, Any] = field(default_factory=dict)
    more_answers: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    tag: str = "attar"

    def route(self) -> Route:
        return Route(self.path, _Endpoint(self), methods=[self.method], name=self.name)


class _Endpoint:
    """An operation as an ASGI application: Starlette's wrapping of functions into one would see
    to exceptions, which the gate does for all routes at once."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        service: Service = request.app.state.service
        takes, body = self._operation.takes, None
        try:
            if takes is not None:
                body = await read(request, takes, service.settings.limits.body_bytes)
            found = await self._operation.handler(service, request, body)
        except HttpError as error:
            return error.response()
        return found if isinstance(found, Response) else reply(found)


def asked(
    service: Service, request: Request, conversation: Sequence[Any] = (), words: int | None = None
) -> Asked:
    return service.asked(request.state.request_id, request.headers, conversation, words)
