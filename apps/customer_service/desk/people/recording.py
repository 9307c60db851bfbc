"""What the dashboard counts: a row for every message that a desk takes, without its text.

    recorder = Recorder(database)
    desk = recorder.desk(ServiceDesk(recorder.understands(model), …))

Rows wait in a bounded queue for a thread, so that no customer waits for a figure. A process that is
killed loses those of its last moments; what was handed over is in the queue of cases all the same.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, Full
from queue import Queue as Waiting
from typing import Any

from desk.dialog.desk import short_name
from desk.people.database import MESSAGES, PeopleDatabase, insert_or_leave
from desk.types import Desk, Message, Reply, Turn, Understands, Understood

_LOG = logging.getLogger(__name__)
MOST_WAITING = 10_000  # rows
_BATCH = 200  # rows of one transaction
_LOOKS_S = 0.2


class Recorder:
    """One for a process. lost: rows that could not be kept."""

    def __init__(self, database: PeopleDatabase, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.lost = 0
        self._database = database
        self._local = threading.local()
        self._waiting: Waiting[dict[str, Any]] = Waiting(MOST_WAITING)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="desk-figures", daemon=True)
        self._thread.start()

    def understands(self, model: Understands) -> Understands:
        """The same model; what it says of a message goes into that message's row."""

        def watched(text: str) -> Understood:
            found = model(text)
            self._local.understood = found
            return found

        return watched

    def desk(self, desk: Desk) -> Desk:
        return _Recorded(desk, self)

    def take(self, desk: Desk, message: Message) -> Reply:
        self._local.understood = None
        begun = time.perf_counter()
        reply = desk.take(message)
        latency_ms = (time.perf_counter() - begun) * 1000
        try:
            self._waiting.put_nowait(
                _row(message, reply, self._local.understood, latency_ms, self.clock())
            )
        except Full:
            self.lost += 1
        return reply

    def flush(self) -> None:
        """Wait until what was recorded so far is written."""
        self._waiting.join()

    def close(self) -> None:
        """Write what waits, and end."""
        self._ended.set()
        self._thread.join()

    def _write_all(self) -> None:
        while True:
            try:
                rows = [self._waiting.get(timeout=_LOOKS_S)]
            except Empty:
                if self._ended.is_set():
                    return
                continue
            while len(rows) < _BATCH and not self._waiting.empty():
                rows.append(self._waiting.get())
            try:
                with self._database.writes() as connection:
                    # A message that comes again is the one that was counted.
                    connection.execute(insert_or_leave(connection, MESSAGES), rows)
            except Exception:
                self.lost += len(rows)
                _LOG.exception("%d messages are missing in the figures", len(rows))
            for _ in rows:
                self._waiting.task_done()


class _Recorded:
    def __init__(self, desk: Desk, recorder: Recorder) -> None:
        self._desk = desk
        self._recorder = recorder

    def take(self, message: Message) -> Reply:
        return self._recorder.take(self._desk, message)

    def turns(self, conversation: str) -> Sequence[Turn]:
        return self._desk.turns(conversation)


def _row(
    message: Message, reply: Reply, understood: Understood | None, latency_ms: float, at: float
) -> dict[str, Any]:
    requests = understood.requests if understood else ()
    large = understood.large if understood else None
    return {
        "conversation": short_name(message.conversation),
        "key": short_name(message.key),
        "at": at,
        "channel": message.channel[:60],
        "language": message.language[:12],
        "latency_ms": latency_ms,
        # The model is not asked once a person has taken over.
        "by_person": understood is None,
        "intents": json.dumps([request.intent for request in requests]),
        "score": min((float(request.score) for request in requests), default=None),
        "abstained": understood is not None and understood.abstained,
        "done": json.dumps([done.name for done in reply.done if not done.again]),
        "source": reply.source.document if reply.source else None,
        "handed": reply.handed,
        "characters_in": len(message.text),
        "characters_out": sum(len(text) for text in reply.texts),
        "large": large.outcome if large else None,
        "large_requests": large.requests if large else None,
        "large_in": large.tokens_in if large else None,
        "large_out": large.tokens_out if large else None,
    }
