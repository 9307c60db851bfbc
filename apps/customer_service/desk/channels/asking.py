"""Asking the desk from an event loop: in a thread, within a time, and without its faults."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import anyio
from anyio import to_thread

from desk.channels.phrases import phrase
from desk.channels.wire import Refused
from desk.types import Desk, Message, Reply, Turn

WITHIN_S = 10.0
_log = logging.getLogger("desk.channels")


class NoReplyError(Exception):
    """late: the time was over, and the desk may still be at it; otherwise it failed. Asking again
    with the same key is safe."""

    def __init__(self, late: bool) -> None:
        super().__init__("late" if late else "broken")
        self.late = late

    def refused(self) -> Refused:
        if self.late:
            what = "the answer is not ready yet; send the same key again"
            return Refused(503, "late", what, {"Retry-After": "1"})
        return Refused(500, "broken", "the desk failed; sending the same key again is safe")


async def ask(desk: Desk, message: Message, within_s: float = WITHIN_S) -> Reply:
    """The desk's reply. Raises NoReplyError where there is none within the time."""
    try:
        with anyio.fail_after(within_s):
            return await to_thread.run_sync(desk.take, message, abandon_on_cancel=True)
    except TimeoutError:
        _log.warning("late: no reply in %s s on %s", within_s, message.channel)
        raise NoReplyError(late=True) from None
    except Exception:
        # By its contract the desk raises nothing; where it does, the channel still answers.
        _log.exception("the desk failed on a message of %s", message.channel)
        raise NoReplyError(late=False) from None


async def ask_or_excuse(desk: Desk, message: Message, within_s: float) -> Reply:
    """The desk's reply or an excuse, for channels that must say something in time."""
    try:
        return await ask(desk, message, within_s)
    except NoReplyError as error:
        return Reply((phrase("late" if error.late else "broken", message.language),))


async def turns(desk: Desk, conversation: str) -> Sequence[Turn]:
    """All turns of a conversation, read in a thread."""
    return await to_thread.run_sync(desk.turns, conversation, abandon_on_cancel=True)
