"""Bot Framework and Microsoft 365 Agents: POST /api/messages.

Messages are answered in the response where the channel expects it there (expectReplies), else at
the address that the verified token names. A replayed activity is answered once: in the response
with the same reply again, at the address with what had not been sent. What a person says after
a conversation was handed over is sent too (`bot_watching`). Somebody who joins is welcomed; typing
and other events are taken and left; `invoke` is not done here (501).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from desk.channels.asking import ask_or_excuse
from desk.channels.bot_activities import Activity, answers
from desk.channels.bot_callers import BotCallers
from desk.channels.bot_sending import NotSentError, Sending
from desk.channels.bot_watching import Watching
from desk.channels.delivered import DONE, delivered
from desk.channels.phrases import phrase
from desk.channels.settings import Bot
from desk.channels.wire import Refused, answer, clean, language_of, read, short_key
from desk.types import Desk, Message, Reply

MOST_BYTES = 256 * 1024  # Teams' own limit of an activity is lower


class BotFramework:
    def __init__(self, desk: Desk, settings: Bot) -> None:
        self._desk, self._settings = desk, settings
        self._callers = BotCallers(settings)
        self._sending = Sending(settings)
        self._delivered = delivered(settings.delivered, settings.lasts_s)
        self._watching = Watching(desk, self._sending, self._delivered)

    def routes(self) -> list[BaseRoute]:
        return [Route("/api/messages", self.messages, methods=["POST"])]

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Around the application's life."""
        try:
            async with self._sending:
                yield
        finally:
            await self._watching.close()
            self._delivered.close()

    async def messages(self, request: Request) -> Response:
        activity = await read(request, Activity, MOST_BYTES)
        await self._callers.check(request, activity.channel_id, activity.service_url)
        if activity.type == "invoke":
            return answer({}, 501)
        language = language_of(activity.locale)
        joined = [m for m in activity.members_added if m.id != activity.recipient.id]
        if activity.type == "message" and not activity.by_a_bot:
            return await self._answered(activity, language, self._message(activity, language))
        if activity.type == "conversationUpdate" and joined:
            return await self._answered(activity, language, None)
        return answer({}, 200)

    def _message(self, activity: Activity, language: str) -> Message | None:
        """None for a message without any text."""
        text = clean(activity.said)
        if not text.strip():
            return None
        return Message(
            short_key(activity.conversation_key),
            short_key(activity.key),
            text,
            "bot",
            None,
            language,
        )

    async def _answered(
        self, activity: Activity, language: str, message: Message | None
    ) -> Response:
        if not activity.id or not activity.conversation.id or not activity.channel_id:
            what = "id, conversation.id and channelId: texts are expected"
            raise Refused(422, "invalid_field", what)
        if activity.delivery_mode == "expectReplies":
            reply = await self._reply(activity, language, message)
            return answer({"activities": answers(activity, reply, language)})
        sent = await to_thread.run_sync(self._delivered.claim, activity.key)
        if sent is None:
            return answer({}, 200)
        try:
            reply = await self._reply(activity, language, message)
            made = answers(activity, reply, language)
            for number, one in enumerate(made[sent:], sent + 1):
                await self._sending.reply(
                    activity.service_url, activity.conversation.id, activity.id, one
                )
                await to_thread.run_sync(self._delivered.note, activity.key, number)
            await to_thread.run_sync(self._delivered.note, activity.key, DONE)
            # Nothing said: a person has taken over already, and this worker may not know it.
            if message is not None and (reply.handed is not None or not made):
                await self._watching.begin(message.conversation, activity, language)
        except NotSentError:
            await to_thread.run_sync(self._delivered.free, activity.key)
            what = "the answer was not taken by serviceUrl; send the activity again"
            raise Refused(502, "not_sent", what) from None
        return answer({}, 200)

    async def _reply(self, activity: Activity, language: str, message: Message | None) -> Reply:
        if message is not None:
            return await ask_or_excuse(self._desk, message, self._settings.within_s)
        wordless = activity.type == "message"
        return Reply((phrase("text_only" if wordless else "welcome", language),))
