"""After a person has taken over: what they say is sent to the channel's conversation.

Each worker watches the conversations that it handed over, until a day has passed or it ends; a
worker that starts anew watches a conversation again from the customer's next message on. Several
may watch the same one: each turn is claimed before it is sent (`delivered`), so it comes once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from anyio import to_thread

from desk.channels.asking import turns
from desk.channels.bot_activities import Activity, said_by_a_person
from desk.channels.bot_sending import NotSentError, Sending
from desk.channels.delivered import DONE, Delivered
from desk.types import Desk, Turn

LOOKS_S, SELDOM_S = 3.0, 15.0
SELDOM_AFTER = 200  # looks that found nothing: ten minutes
MOST_LOOKS = 6_000  # about a day
_log = logging.getLogger("desk.channels")


class Watching:
    def __init__(self, desk: Desk, sending: Sending, delivered: Delivered) -> None:
        self._desk, self._sending, self._delivered = desk, sending, delivered
        self._watched: dict[str, asyncio.Task[None]] = {}

    async def begin(self, conversation: str, activity: Activity, language: str) -> None:
        """Watch from the customer's last words on. activity: a verified one of the
        conversation; what is said goes where it says."""
        if conversation in self._watched:
            return
        said = await turns(self._desk, conversation)
        # From the customer's last words on: somebody may have answered them by now.
        seen = max((n for n, turn in enumerate(said, 1) if turn.said_by == "customer"), default=0)
        if conversation in self._watched:  # begun while the turns were read
            return
        watch = self._watch(conversation, activity, language, seen)
        task = self._watched[conversation] = asyncio.create_task(watch)
        task.add_done_callback(lambda _: self._watched.pop(conversation, None))

    async def close(self) -> None:
        tasks = list(self._watched.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, conversation: str, activity: Activity, language: str, seen: int) -> None:
        quiet = 0
        for _ in range(MOST_LOOKS):
            await asyncio.sleep(LOOKS_S if quiet < SELDOM_AFTER else SELDOM_S)
            quiet += 1
            try:
                found = await turns(self._desk, conversation)
                if len(found) > seen:
                    quiet = 0
                    await self._send(conversation, activity, language, found, seen)
                    seen = len(found)
            except NotSentError:
                pass  # looked at again: what was sent by then is known
            except Exception:
                _log.exception("a conversation that was handed over could not be looked at")

    async def _send(
        self,
        conversation: str,
        activity: Activity,
        language: str,
        found: Sequence[Turn],
        seen: int,
    ) -> None:
        for number, turn in enumerate(found[seen:], seen):
            if turn.said_by != "agent":
                continue
            name = f"turn:{conversation}:{number}"
            if await to_thread.run_sync(self._delivered.claim, name) is None:
                continue
            try:
                await self._sending.say(
                    activity.service_url,
                    activity.conversation.id,
                    said_by_a_person(activity, turn.text, language),
                )
            except NotSentError:
                await to_thread.run_sync(self._delivered.free, name)
                raise
            await to_thread.run_sync(self._delivered.note, name, DONE)
