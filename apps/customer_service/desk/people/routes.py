"""The people's routes: the agents' API, corrections, figures, and the two pages over them.

    /people/ and /people/figures        the pages, which ask for the API key
    /people/api/…                       with Authorization: Bearer <key of an agent>

Every change names the agent, by the key. Errors are those of `channels.wire`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, get_args

from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from desk.channels.sessions import bearer
from desk.channels.wire import MOST_KEY, Refused, answer, clean, read
from desk.dialog.desk import short_name
from desk.dialog.state import Conversation
from desk.people import costs, page, summary
from desk.people.agents import Agents
from desk.people.database import PeopleDatabase
from desk.people.figure_routes import FigureRoutes, file_of, stamp
from desk.people.queue import OUTCOMES, Answers, Case, CaseError, Queue, State
from desk.people.verdicts import INTENTS, SLOTS, Verdict, VerdictError, Verdicts
from desk.types import Knows

_STATUS = {"unknown": 404, "held": 409, "not_held": 409, "closed": 409}


class Said(Struct, forbid_unknown_fields=True):
    """An answer. key: of the agents' page for it; the same is said once."""

    key: str
    text: str


class Closed(Struct, forbid_unknown_fields=True):
    outcome: str = "resolved"


class Call(Struct, forbid_unknown_fields=True):
    name: str
    arguments: dict[str, list[str]] = {}


class Judged(Struct, forbid_unknown_fields=True):
    """A verdict on one turn of a customer."""

    conversation: str
    turn: int
    right: bool
    calls: list[Call] | None = None
    document: str | None = None
    sampled: bool = False


class AgentDesk(Answers, Protocol):
    """What the routes need of a desk; `desk.dialog.ServiceDesk` is one."""

    def conversation(self, conversation: str) -> Conversation | None: ...


class People:
    """The routes over one desk. keys: name of an agent -> SHA-256 of the API key, in hex. knows:
    the help pages, for suggested replies. documents: ids of help pages that a correction may name,
    with their titles; lists: slots that are lists for the model."""

    def __init__(
        self,
        desk: AgentDesk,
        database: PeopleDatabase,
        keys: Mapping[str, str],
        *,
        queue: Queue | None = None,
        knows: Knows | None = None,
        documents: Mapping[str, str] | None = None,
        lists: Sequence[str] = (),
        machine: costs.Machine | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._desk = desk
        self._database = database
        self._agents = Agents(keys)
        self._queue = queue or Queue(database, clock=clock)
        self._verdicts = Verdicts(database, lists=lists, clock=clock)
        self._knows = knows
        self._documents = dict(documents or {})
        self._figures = FigureRoutes(database, machine, clock)

    def routes(self) -> list[BaseRoute]:
        one = "/people/api/cases/{number:int}"
        made: list[tuple[str, str, Callable[[Request, str], Awaitable[Response]]]] = [
            ("GET", "/people/api/me", self._me),
            ("GET", "/people/api/cases", self._list),
            ("POST", "/people/api/cases/next", self._next),
            ("GET", one, self._show),
            ("POST", f"{one}/claim", self._claim),
            ("POST", f"{one}/release", self._release),
            ("POST", f"{one}/answers", self._answer),
            ("POST", f"{one}/close", self._close),
            ("GET", "/people/api/review", self._review),
            ("PUT", "/people/api/verdicts", self._judge),
            ("GET", "/people/api/corrections/{model}.jsonl", self._corrections),
            ("GET", "/people/api/figures", self._figures.show),
            ("GET", "/people/api/figures/{table}.csv", self._figures.table),
        ]
        api = [Route(path, self._for_agents(act), methods=[verb]) for verb, path, act in made]
        return [*api, *page.routes()]

    def _for_agents(
        self, act: Callable[[Request, str], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            agent = self._agents.named(bearer(request.headers), request)
            try:
                return await act(request, agent)
            except CaseError as error:
                raise Refused(_STATUS[error.code], error.code, str(error)) from None
            except VerdictError as error:
                raise Refused(422, "invalid_verdict", str(error)) from None
            except TimeoutError:
                what = "the customer's message is being answered: try again in a moment"
                raise Refused(503, "busy", what, {"Retry-After": "2"}) from None

        return endpoint

    async def _me(self, request: Request, agent: str) -> Response:
        made = {"intents": INTENTS, "slots": SLOTS, "documents": self._documents}
        return answer({"agent": agent, "outcomes": OUTCOMES, **made})

    async def _list(self, request: Request, agent: str) -> Response:
        state: Any = request.query_params.get("state", "waiting")
        if state not in get_args(State):
            known = ", ".join(get_args(State))
            raise Refused(422, "invalid_field", f"state: one of {known} is expected")
        found = await run_in_threadpool(self._queue.cases, state)
        counts = await run_in_threadpool(self._queue.counts)
        return answer({"cases": [_listed(case) for case in found], "counts": counts})

    async def _next(self, request: Request, agent: str) -> Response:
        case = await run_in_threadpool(self._queue.claim_next, agent)
        return answer({"case": None if case is None else _listed(case)})

    async def _show(self, request: Request, agent: str) -> Response:
        return answer(await run_in_threadpool(self._shown, _number(request), agent))

    async def _claim(self, request: Request, agent: str) -> Response:
        case = await run_in_threadpool(self._queue.claim, _number(request), agent)
        return answer({"case": _listed(case)})

    async def _release(self, request: Request, agent: str) -> Response:
        await run_in_threadpool(self._queue.release, _number(request), agent)
        return answer({})

    async def _answer(self, request: Request, agent: str) -> Response:
        said = await read(request, Said)
        text = clean(said.text).strip()
        if not text:
            raise Refused(422, "empty_text", "text: an answer is expected")
        if not 0 < len(said.key) <= MOST_KEY:
            raise Refused(422, "invalid_key", f"key: 1 to {MOST_KEY} characters are expected")
        args = (self._desk, _number(request), agent, text, clean(said.key))
        return answer({"case": _listed(await run_in_threadpool(self._queue.answer, *args))})

    async def _close(self, request: Request, agent: str) -> Response:
        outcome = (await read(request, Closed)).outcome
        if outcome not in OUTCOMES:
            what = f"outcome: one of {', '.join(OUTCOMES)} is expected"
            raise Refused(422, "invalid_field", what)
        args = (self._desk, _number(request), agent, outcome)
        return answer({"case": _listed(await run_in_threadpool(self._queue.close, *args))})

    async def _review(self, request: Request, agent: str) -> Response:
        """A conversation drawn at random, to be judged: without a person, or, with by=large, one
        in which the large model decided."""
        large = request.query_params.get("by") == "large"
        name = await run_in_threadpool(self._verdicts.draw, large)
        if name is None:
            return answer({"conversation": None})
        return answer(await run_in_threadpool(self._talk, name))

    async def _judge(self, request: Request, agent: str) -> Response:
        said = await read(request, Judged)
        if said.document is not None and said.document not in self._documents:
            raise Refused(422, "invalid_verdict", f"there is no help page {said.document!r}")

        def put() -> None:
            state = self._desk.conversation(said.conversation)
            if state is None:
                raise Refused(404, "unknown", "there is no such conversation")
            calls = None
            if said.calls is not None:
                calls = [(call.name, call.arguments) for call in said.calls]
            given = (short_name(said.conversation), said.turn, said.right)
            verdict = Verdict(*given, calls, said.document, said.sampled)
            self._verdicts.put(verdict, self._desk.turns(said.conversation), state, agent)

        await run_in_threadpool(put)
        return answer({})

    async def _corrections(self, request: Request, agent: str) -> Response:
        model = request.path_params["model"]
        if model not in ("calls", "pages"):
            raise Refused(404, "unknown", "there are calls.jsonl and pages.jsonl")
        rows = await run_in_threadpool(lambda: list(self._verdicts.rows(model)))
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return file_of(lines, "application/x-ndjson", f"{model}.jsonl")

    def _shown(self, number: int, agent: str) -> dict[str, Any]:
        case = self._queue.case(number)
        talk = self._talk(case.conversation)
        turns = self._desk.turns(case.conversation)
        knows = self._knows
        done = self._verdicts.done(case.conversation)
        return {
            **talk,
            "case": _listed(case),
            "mine": case.holder == agent,
            "summary": summary.summary(case.handed, case.reason, done),
            "unsure": summary.unsure(case.handed),
            "suggested": summary.suggested(case.handed, case.reason, turns, agent, knows),
        }

    def _talk(self, name: str) -> dict[str, Any]:
        turns = self._desk.turns(name)
        made = [
            {
                "said_by": t.said_by,
                "text": t.text,
                "at": t.at,
                "intents": t.intents,
                "source": t.source,
            }
            for t in turns
        ]
        return {"conversation": name, "turns": made, "verdicts": self._verdicts.of(name)}


def _listed(case: Case) -> dict[str, Any]:
    asked = [wish.intent for wish in case.handed.wishes] or [name for name, _ in case.handed.unsure]
    return {
        "id": case.id,
        "conversation": case.conversation,
        "channel": case.channel,
        "language": case.language,
        "reason": case.reason,
        "wants": asked,
        "state": case.state,
        "opened": stamp(case.opened),
        "holder": case.holder,
        "held_until": stamp(case.held_until) if case.holder else None,
        "answers": case.answers,
        "closed_by": case.closed_by,
        "outcome": case.outcome,
    }


def _number(request: Request) -> int:
    number: int = request.path_params["number"]
    # What no table's column can hold is no case.
    if number > 2**31 - 1:
        raise Refused(404, "unknown", "there is no such case")
    return number
