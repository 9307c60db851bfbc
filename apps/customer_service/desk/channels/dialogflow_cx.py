"""Dialogflow CX: POST /dialogflow/cx, the webhook of routes and pages.

The desk reads what the customer typed, said or keyed in, and remembers by the session. What it
did comes back as session parameters, for the agent's routes to test: `desk_handed` (why a person
is to take over; set once, and kept), `desk_done` (names of actions) and `desk_reference`. A
conversation that is handed over also gets CX's own liveAgentHandoff and, if set, goes to the page
of the settings. Call the webhook once a turn: a second call of the same turn is a replay.
Fields that Google adds later are ignored.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from desk.channels.asking import ask_or_excuse
from desk.channels.dialogflow_callers import Callers
from desk.channels.dialogflow_es import MOST_BYTES, chips
from desk.channels.phrases import bubbles, phrase
from desk.channels.sessions import MOST_NAME
from desk.channels.settings import Dialogflow
from desk.channels.wire import Refused, answer, clean, language_of, read, short_key, shown
from desk.types import Desk, Message, Reply


class Session(Struct):
    session: str
    parameters: dict[str, Any] = field(default_factory=dict)


class Spoken(Struct, rename="camel"):
    """LanguageInfo: what was detected, where CX was asked to."""

    resolved_language_code: str = ""


class Asked(Struct, rename="camel"):
    """What is read of a WebhookRequest. One of the inputs is set, none of them for an event."""

    detect_intent_response_id: str
    session_info: Session
    text: str = ""
    transcript: str = ""
    dtmf_digits: str = ""
    language_code: str = "en"
    language_info: Spoken = field(default_factory=Spoken)

    @property
    def said(self) -> str:
        return self.text or self.transcript or self.dtmf_digits


class Cx:
    def __init__(self, desk: Desk, settings: Dialogflow, callers: Callers) -> None:
        self._desk, self._settings, self._callers = desk, settings, callers

    def routes(self) -> list[BaseRoute]:
        return [Route("/dialogflow/cx", self.webhook, methods=["POST"])]

    async def webhook(self, request: Request) -> Response:
        await self._callers.check(request.headers)
        asked = await read(request, Asked, MOST_BYTES)
        session = asked.session_info.session
        if not session or not asked.detect_intent_response_id:
            what = "sessionInfo.session and detectIntentResponseId: texts are expected"
            raise Refused(422, "invalid_field", what)
        language = language_of(asked.language_info.resolved_language_code or asked.language_code)
        text = clean(asked.said)
        if not text.strip():  # an event, or an intent that was triggered
            reply = Reply((phrase("welcome", language),))
        else:
            message = Message(
                short_key(f"dialogflow:{session}"),
                short_key(asked.detect_intent_response_id),
                text,
                "dialogflow_cx",
                self._customer(asked.session_info),
                language,
            )
            reply = await ask_or_excuse(self._desk, message, self._settings.within_s)
        return answer(answered(reply, language, self._settings.handed_page))

    def _customer(self, session: Session) -> str | None:
        name = self._settings.customer_parameter
        value = session.parameters.get(name) if name else None
        # Numbers went through a protobuf Struct, which makes 7 of it 7.0: a text is expected.
        if not isinstance(value, str) or not value.strip() or len(value) > MOST_NAME:
            return None
        return clean(value)


def answered(reply: Reply, language: str, handed_page: str | None = None) -> dict[str, Any]:
    """The WebhookResponse."""
    messages: list[dict[str, Any]] = [
        {"text": {"text": [text]}} for text in bubbles(reply, language)
    ]
    if reply.suggestions:
        messages.append({"payload": chips(reply)})
    if reply.handed is not None:
        messages.append({"liveAgentHandoff": {"metadata": {"reason": reply.handed}}})
    references = [done.reference for done in reply.done if done.reference]
    parameters: dict[str, Any] = {
        "desk_done": [done.name for done in reply.done],
        "desk_reference": references[-1] if references else None,
    }
    if reply.handed is not None:
        parameters["desk_handed"] = reply.handed
    response: dict[str, Any] = {
        # What the route itself would say as well would be said beside our answer.
        "fulfillmentResponse": {"messages": messages, "mergeBehavior": "REPLACE"},
        "sessionInfo": {"parameters": parameters},
        "payload": {"desk": shown(reply)},
    }
    if reply.handed is not None and handed_page is not None:
        response["targetPage"] = handed_page
    return response
