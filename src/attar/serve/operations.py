"""What a server can be asked: one record an operation, from which routes and OpenAPI follow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from attar.serve.service import Asked, Service
from attar.serve.wire import JSON, HttpError, read, reply

GRACE_S = 0.25  # an answer that takes longer is watched for a client that goes away
Handler = Callable[[Service, Request, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """takes, gives: msgspec types of the bodies; None for no body, or one that is no JSON.
    media: of the answer. errors: statuses besides 200 that it answers with, all in the one
    shape. example: of the body taken. capability: what a model must have for it."""

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
    parameters: Mapping[str, str] = field(default_factory=dict)
    tag: str = "attar"

    def route(self) -> Route:
        async def endpoint(request: Request) -> Response:
            service: Service = request.app.state.service
            try:
                body = None
                if self.takes is not None:
                    body = await read(request, self.takes, service.settings.limits.body_bytes)
                found = await self.handler(service, request, body)
            except HttpError as error:
                return error.response()
            return found if isinstance(found, Response) else reply(found)

        return Route(self.path, endpoint, methods=[self.method], name=self.name)


def asked(service: Service, request: Request, conversation: Sequence[Any] = ()) -> Asked:
    return service.asked(request.state.request_id, request.headers, conversation)


async def unless_gone(request: Request, work: Awaitable[Any]) -> Any:
    """The result of `work`, which is canceled when the client goes away meanwhile.

    The watch begins late, because most answers are there before it would pay.
    """
    task = asyncio.current_task()
    assert task is not None
    watch = _Watch(request, task)
    timer = asyncio.get_running_loop().call_later(GRACE_S, watch.begin)
    try:
        return await work
    except asyncio.CancelledError:
        if not watch.gone or task.uncancel():
            raise
        raise HttpError(499, "client_gone", "the client went away") from None
    finally:
        timer.cancel()
        watch.end()


class _Watch:
    """Cancels the task of a request whose client has gone."""

    def __init__(self, request: Request, task: asyncio.Task[Any]) -> None:
        self._request, self._task = request, task
        self._looking: asyncio.Task[None] | None = None
        self.gone = False

    def begin(self) -> None:
        self._looking = asyncio.create_task(self._look())

    def end(self) -> None:
        if self._looking is not None:
            self._looking.cancel()

    async def _look(self) -> None:
        while not await self._request.is_disconnected():
            await asyncio.sleep(GRACE_S)
        self.gone = True
        self._task.cancel()
