"""What the tests of channels share: a desk that says what it was told to, and its application."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from desk.types import Done, Message, Passage, Reply, Turn

HELP = Passage("returns", "Sending things back", "You have 30 days from delivery.", 0.91)


class FakeDesk:
    """Answers by a word in the message; remembers what it was asked. Thread-safe, and idempotent
    by conversation and key as the real one is."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.done: dict[tuple[str, str], Reply] = {}
        self.said: dict[str, list[Turn]] = defaultdict(list)
        self._lock = threading.Lock()

    def take(self, message: Message) -> Reply:
        with self._lock:
            self.taken.append(message)
            known = self.done.get((message.conversation, message.key))
        if known is not None:
            return replace(known, done=tuple(replace(d, again=True) for d in known.done))
        if "slow" in message.text:
            time.sleep(0.6)
        if "break" in message.text:
            raise RuntimeError("the desk broke")
        reply = self._reply(message)
        with self._lock:
            self.done[message.conversation, message.key] = reply
            said = self.said[message.conversation]
            said.append(Turn("customer", message.text, "2026-11-28T12:00:00Z", ("x",)))
            said.extend(Turn("desk", text, "2026-11-28T12:00:00Z") for text in reply.texts)
        return reply

    def _reply(self, message: Message) -> Reply:
        if "cancel" in message.text:
            done = Done("cancel", "MF-48213", {"order": "MF-48213"})
            return Reply(
                ("Done: MF-48213 is canceled.",), ("Thanks", "Another order"), done=(done,)
            )
        if "return" in message.text:
            return Reply(("You have 30 days.", "Shall I start a return?"), ("Yes", "No"), HELP)
        if "agent" in message.text:
            return Reply(("A colleague takes over.",), handed="asked")
        return Reply((f"You said: {message.text}",))

    def turns(self, conversation: str) -> Sequence[Turn]:
        with self._lock:
            return list(self.said[conversation])

    def person_says(self, conversation: str, text: str) -> None:
        with self._lock:
            self.said[conversation].append(Turn("agent", text, "2026-11-28T12:01:00Z"))
