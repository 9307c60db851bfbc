"""The application over HTTP, for the servers that hand messages in and for the people behind it.

POST /v1/messages                    {"key", "text", "reader"?}, with a client's API key
GET  /people/cases?which=waiting     or answered, with a person's API key, as all below
PUT  /people/cases/{number}          {"label"?, "text"?}: a correction, an answer, or both
GET  /people/corrections.jsonl       rows for `attar build`
GET  /people/figures?since=2026-11-01&until=2026-11-30     both days included
GET  /people/figures.csv             the same, a line a day
GET  /healthz
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any, get_args

from msgspec import Struct
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from application.figures import figures, to_csv
from application.service import Conflict, Service, Which
from application.settings import Keys
from application.types import Message, Reply
from application.wire import Refused, answer, file_of, named, read, refused, text_of

MOST_TEXT, MOST_KEY, MOST_READER = 4_000, 200, 60  # characters
MOST_NUMBER = 2**31 - 1  # what no table's column can hold is no case


class Said(Struct, forbid_unknown_fields=True):
    key: str
    text: str
    reader: str | None = None


class Closed(Struct, forbid_unknown_fields=True):
    label: str | None = None
    text: str | None = None


def make_app(service: Service, keys: Keys) -> Starlette:
    """The application of one worker; its end closes the database's connections."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        service.engine.dispose()

    routes = _Routes(service, keys)
    return Starlette(
        routes=[
            Route("/healthz", routes.alive),
            Route("/v1/messages", routes.take, methods=["POST"]),
            Route("/people/cases", routes.cases),
            Route("/people/cases/{number:int}", routes.close, methods=["PUT"]),
            Route("/people/corrections.jsonl", routes.corrections),
            Route("/people/figures", routes.figures),
            Route("/people/figures.csv", routes.table),
        ],
        exception_handlers={Refused: refused, HTTPException: refused, Exception: refused},
        lifespan=lifespan,
    )


class _Routes:
    def __init__(self, service: Service, keys: Keys) -> None:
        self._service = service
        self._keys = keys

    async def alive(self, request: Request) -> Response:
        return PlainTextResponse("ok")

    async def take(self, request: Request) -> Response:
        client = named(self._keys.clients, request)
        said = await read(request, Said)
        reader = None if said.reader is None else text_of(said.reader, "reader", MOST_READER)
        key, text = text_of(said.key, "key", MOST_KEY), text_of(said.text, "text", MOST_TEXT)
        try:
            reply: Reply = await run_in_threadpool(
                self._service.take, Message(client, key, text, reader)
            )
        except Conflict as error:
            raise Refused(409, "key_reused", str(error)) from None
        return answer(reply)

    async def cases(self, request: Request) -> Response:
        named(self._keys.people, request)
        which: Any = request.query_params.get("which", "waiting")
        if which not in get_args(Which):
            raise Refused(422, "invalid_field", "which: waiting or answered is expected")
        return answer({"cases": await run_in_threadpool(self._service.cases, which)})

    async def close(self, request: Request) -> Response:
        person = named(self._keys.people, request)
        word = await read(request, Closed)
        if word.label is None and word.text is None:
            raise Refused(422, "invalid_field", "a label, a text or both are expected")
        labels = self._service.understands.labels
        if word.label is not None and word.label not in labels:
            known = ", ".join(labels)
            raise Refused(422, "invalid_field", f"label: one of {known} is expected")
        said = None if word.text is None else text_of(word.text, "text", MOST_TEXT)
        number = request.path_params["number"]
        try:
            found = number <= MOST_NUMBER and await run_in_threadpool(
                self._service.close, number, person, word.label, said
            )
        except Conflict as error:
            raise Refused(409, "closed", str(error)) from None
        if not found:
            raise Refused(404, "unknown", "there is no such case")
        return answer({})

    async def corrections(self, request: Request) -> Response:
        named(self._keys.people, request)
        rows = await run_in_threadpool(lambda: list(self._service.corrections()))
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return file_of(lines, "application/x-ndjson", "corrections.jsonl")

    async def figures(self, request: Request) -> Response:
        return answer(await self._figures(request))

    async def table(self, request: Request) -> Response:
        days = (await self._figures(request))["days"]
        return file_of(to_csv(days), "text/csv", "figures.csv")

    async def _figures(self, request: Request) -> dict[str, Any]:
        named(self._keys.people, request)
        days = request.query_params.get("days", "30")
        if not (days.isascii() and days.isdecimal() and len(days) < 5):
            raise Refused(422, "invalid_field", "days: a number below 10,000 is expected")
        since = time.time() - int(days) * 86_400
        return await run_in_threadpool(figures, self._service.engine, since)
