"""Dialogflow ES: POST /dialogflow/es, the webhook of intents whose fulfillment is enabled.

The desk reads what the customer said (queryText), not the intent that Dialogflow found: it
understands by itself, and remembers by the session. Texts come as fulfillmentMessages,
suggestions as quick replies and as chips of Dialogflow Messenger. Where a person is to take over,
the context `desk-handed` is set with the reason, for the agent's own flow to read.
Fields that Google adds later are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from desk.channels.asking import ask_or_excuse
from desk.channels.dialogflow_callers import Callers
from desk.channels.phrases import bubbles, phrase
from desk.channels.settings import Dialogflow
from desk.channels.wire import Refused, answer, clean, language_of, read, short_key, shown
from desk.types import Desk, Message, Reply

MOST_BYTES = 256 * 1024  # of a request, which brings contexts and the integration's own payload
HANDED_TURNS = 50  # that the context lives
WELCOME = "input.welcome"  # the action of Dialogflow's own welcome intent, which nobody types
MOST_QUICK, MOST_QUICK_LETTERS = 13, 20  # of the messengers that show quick replies


class Query(Struct, rename="camel"):
    query_text: str = ""
    language_code: str = "en"
    action: str = ""


class Asked(Struct, rename="camel"):
    """What is read of a WebhookRequest."""

    session: str
    response_id: str
    query_result: Query = field(default_factory=Query)


class Es:
    def __init__(self, desk: Desk, settings: Dialogflow, callers: Callers) -> None:
        self._desk, self._settings, self._callers = desk, settings, callers

    def routes(self) -> list[BaseRoute]:
        return [Route("/dialogflow/es", self.webhook, methods=["POST"])]

    async def webhook(self, request: Request) -> Response:
        await self._callers.check(request.headers)
        asked = await read(request, Asked, MOST_BYTES)
        if not asked.session or not asked.response_id:
            raise Refused(422, "invalid_field", "session and responseId: texts are expected")
        query = asked.query_result
        language = language_of(query.language_code)
        text = clean(query.query_text)
        if query.action == WELCOME or not text.strip():
            return answer(answered(Reply((phrase("welcome", language),)), asked.session, language))
        message = Message(
            short_key(f"dialogflow:{asked.session}"),
            short_key(asked.response_id),
            text,
            "dialogflow_es",
            None,
            language,
        )
        reply = await ask_or_excuse(self._desk, message, self._settings.within_s)
        return answer(answered(reply, asked.session, language))


def answered(reply: Reply, session: str, language: str) -> dict[str, Any]:
    """The WebhookResponse."""
    texts = bubbles(reply, language)
    messages: list[dict[str, Any]] = [{"text": {"text": [text]}} for text in texts]
    if reply.suggestions:
        short = [one[:MOST_QUICK_LETTERS] for one in reply.suggestions[:MOST_QUICK]]
        messages.append({"quickReplies": {"quickReplies": short}})
        messages.append({"payload": chips(reply)})
    response: dict[str, Any] = {
        "fulfillmentText": "\n".join(texts),
        "fulfillmentMessages": messages,
        "source": "desk",
        "payload": {"desk": shown(reply)},
    }
    if reply.handed is not None:
        response["outputContexts"] = [
            {
                "name": f"{session}/contexts/desk-handed",
                "lifespanCount": HANDED_TURNS,
                "parameters": {"reason": reply.handed},
            }
        ]
    return response


def chips(reply: Reply) -> Mapping[str, Any]:
    """Suggestions as Dialogflow Messenger draws them."""
    options = [{"text": one} for one in reply.suggestions]
    return {"richContent": [[{"type": "chips", "options": options}]]}
