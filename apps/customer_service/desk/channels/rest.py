"""The desk over HTTP: begin a conversation, say something, read what was said.

    POST /v1/conversations                        {"identity"?, "customer"?, "language"?}
    POST /v1/conversations/{id}/messages          {"key", "text", "language"?}
    GET  /v1/conversations/{id}/turns?after=N

Beginning gives the conversation's id and its token, which the other two ask for. `key` is the
client's own id of the message: sent again with the same key, a message is answered as before and
done once. A server with an API key may say which `customer` it has authenticated; a browser may
not, but may bring an `identity` that the shop signed (`sessions`).
"""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from desk.channels.asking import NoReplyError, ask, turns
from desk.channels.limits import Limits
from desk.channels.sessions import Session, Sessions, bearer, named
from desk.channels.settings import Web
from desk.channels.wire import (
    MOST_KEY,
    Refused,
    answer,
    clean,
    language_of,
    read,
    shown,
    shown_turn,
)
from desk.types import Desk, Message, Reply


class Begin(Struct, forbid_unknown_fields=True):
    identity: str | None = None
    customer: str | None = None
    language: str = "en"


class Said(Struct, forbid_unknown_fields=True):
    """A message. language: another than the conversation's."""

    key: str
    text: str
    language: str | None = None


class Rest:
    """The routes, and what the WebSocket shares with them."""

    def __init__(self, desk: Desk, web: Web, sessions: Sessions | None = None) -> None:
        self.desk = desk
        self.sessions = sessions or Sessions(web)
        self._said = Limits(web.messages_a_minute)
        self._begun = Limits(web.conversations_a_minute)

    def routes(self) -> list[BaseRoute]:
        one = "/v1/conversations/{conversation}"
        return [
            Route("/v1/conversations", self.begin, methods=["POST"]),
            Route(f"{one}/messages", self.say, methods=["POST"]),
            Route(f"{one}/turns", self.turns, methods=["GET"]),
        ]

    async def begin(self, request: Request) -> Response:
        server = self.sessions.server(bearer(request.headers))
        if server is None:
            self._begun.take(request.client.host if request.client else "?")
        body = await read(request, Begin)
        if body.customer is not None and server is None:
            what = "who a customer is, is said by a server with an API key, or by an identity"
            raise Refused(403, "forbidden", what)
        customer = None if body.customer is None else named(body.customer)
        if body.identity is not None:
            customer = self.sessions.customer(body.identity)
        session = self.sessions.begin(customer, language_of(body.language))
        return answer(
            {
                "conversation": session.conversation,
                "token": self.sessions.token(session),
                "expires": datetime.fromtimestamp(session.ends, UTC).isoformat(),
            },
            201,
        )

    async def say(self, request: Request) -> Response:
        session = self._session(request)
        reply = await self.reply(session, await read(request, Said))
        return answer(shown(reply))

    async def turns(self, request: Request) -> Response:
        session = self._session(request)
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdecimal() and len(after) < 10):
            raise Refused(422, "invalid_field", "after: a number of turns is expected")
        said = await turns(self.desk, session.conversation)
        new = [shown_turn(turn) for turn in said[int(after) :]]
        return answer({"turns": new, "next": len(said)})

    async def reply(self, session: Session, said: Said) -> Reply:
        """What the desk says. Raises Refused."""
        self._said.take(session.conversation)
        text = clean(said.text)
        if not text.strip():
            raise Refused(422, "empty_text", "text: a message is expected")
        if not 0 < len(said.key) <= MOST_KEY:
            raise Refused(422, "invalid_key", f"key: 1 to {MOST_KEY} characters are expected")
        message = Message(
            session.conversation,
            clean(said.key),
            text,
            "web",
            session.customer,
            language_of(said.language) if said.language else session.language,
        )
        try:
            return await ask(self.desk, message)
        except NoReplyError as error:
            raise error.refused() from None

    def _session(self, request: Request) -> Session:
        return self.sessions.read(bearer(request.headers), request.path_params["conversation"])
