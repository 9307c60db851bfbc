"""The figures over HTTP: as JSON for the dashboard, as CSV for spreadsheets.

Both read the same query: since, until (days, both included), channel, language, intent, and for the
costs model and instructions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from desk.channels.wire import Refused, answer
from desk.people import costs
from desk.people.database import PeopleDatabase
from desk.people.figures import Filter, choices, figures
from desk.people.table import TABLES, to_csv

_DAY = 86_400.0
_USUAL_PERIOD, _LONGEST_PERIOD = 30, 400  # days


class FigureRoutes:
    """Endpoints for agents; `routes` asks for their keys."""

    def __init__(
        self,
        database: PeopleDatabase,
        machine: costs.Machine | None,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._machine = machine
        self._clock = clock

    async def show(self, request: Request, agent: str) -> Response:
        found = await run_in_threadpool(self._found, request.query_params)
        there = await run_in_threadpool(choices, self._database)
        models = [price.model for price in costs.PRICES]
        return answer({**found, "choices": {**there, "model": models}})

    async def table(self, request: Request, agent: str) -> Response:
        name = request.path_params["table"]
        if name not in TABLES:
            raise Refused(404, "unknown", f"there are {', '.join(TABLES)}")
        found = await run_in_threadpool(self._found, request.query_params)
        return file_of(to_csv(found, name), "text/csv", f"{name}.csv")

    def _found(self, query: Mapping[str, str]) -> dict[str, Any]:
        until = self._clock() if not query.get("until") else _day(query, "until") + _DAY
        since = until - _USUAL_PERIOD * _DAY if not query.get("since") else _day(query, "since")
        if not 0 < until - since <= _LONGEST_PERIOD * _DAY:
            what = f"since, until: a period of at most {_LONGEST_PERIOD} days is expected"
            raise Refused(422, "invalid_field", what)
        instructions = query.get("instructions") or "0"
        if not (instructions.isascii() and instructions.isdecimal() and len(instructions) < 7):
            raise Refused(422, "invalid_field", "instructions: a number of tokens is expected")
        try:
            price = costs.priced(query.get("model") or None)
        except ValueError as error:
            raise Refused(422, "invalid_field", str(error)) from None
        channel, language, intent = (
            query.get(n) or None for n in ("channel", "language", "intent")
        )
        asked = Filter(since, until, channel, language, intent)
        found = figures(self._database, asked, price, self._machine, int(instructions))
        return {"since": stamp(since), "until": stamp(until), **found}


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def file_of(content: str, kind: str, name: str) -> Response:
    headers = {
        "cache-control": "no-store",
        "content-disposition": f'attachment; filename="{name}"',
        "x-content-type-options": "nosniff",
    }
    return Response(content, headers=headers, media_type=kind)


def _day(query: Mapping[str, str], name: str) -> float:
    try:
        return datetime.strptime(query[name], "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Refused(422, "invalid_field", f"{name}: a day as 2026-11-28 is expected") from None
