"""The application itself: understand, decide, do, keep; and what people make of it.

A message's row is written first in the very transaction of its work and is unique by client and
key: of two that come at once, in whatever process, the second waits and then finds the reply.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Literal

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from application.database import MESSAGES, writing
from application.policy import why_handed
from application.settings import Policy
from application.types import Message, Reply, Understands
from application.work import WORK

_MOST_LISTED = 200
Which = Literal["waiting", "answered"]


class Conflict(Exception):  # noqa: N818 - it is what the answer says, not a fault
    """A key that was used for another message, or a case that somebody else has closed."""


class Service:
    """Safe to share between threads; processes share the database."""

    def __init__(self, understands: Understands, engine: Engine, policy: Policy) -> None:
        self.understands = understands
        self.engine = engine
        self.policy = policy

    def take(self, message: Message) -> Reply:
        """Answer a message or hand it over, once for its key. Raises Conflict."""
        begun = time.perf_counter()
        if (found := self.reply(message)) is not None:
            return found
        understood = self.understands(message.text)
        why = why_handed(message, understood, self.policy, WORK.keys())
        row: dict[str, Any] = {**asdict(message), **asdict(understood), "handed": why}
        row["at"] = time.time()
        try:
            with writing(self.engine).begin() as connection:
                made = insert(MESSAGES).values(row).returning(MESSAGES.c.number)
                number: int = connection.execute(made).scalar_one()
                row |= self._done(connection, message, row)
                row["latency_ms"] = (time.perf_counter() - begun) * 1000
                mine = MESSAGES.c.number == number
                connection.execute(update(MESSAGES).where(mine).values(row))
        except IntegrityError:
            if (found := self.reply(message)) is None:
                raise
            return found
        label = None if row["handed"] else understood.label
        return Reply(number, row["reply"], label, row["handed"])

    def _done(
        self, connection: Connection, message: Message, row: dict[str, Any]
    ) -> dict[str, Any]:
        """What the row says after the work is done."""
        if row["handed"]:
            return {"reply": self.policy.handed}
        work = WORK.get(row["label"])
        facts = {} if work is None else work(connection, message)
        if facts is None:
            return {"reply": self.policy.handed, "handed": "not_possible"}
        text = self.policy.answers[row["label"]]
        for name, fact in facts.items():
            text = text.replace(f"{{{name}}}", fact)
        return {"reply": text}

    def reply(self, message: Message) -> Reply | None:
        """What was said to a message that has come before. Raises Conflict."""
        query = select(MESSAGES).where(
            MESSAGES.c.client == message.client, MESSAGES.c.key == message.key
        )
        with self.engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if (row.text, row.reader) != (message.text, message.reader):
            raise Conflict(f"the key {message.key!r} was another message's: each has its own")
        label = None if row.handed else row.label
        return Reply(row.number, row.reply, label, row.handed, again=True)

    def cases(self, which: Which) -> list[dict[str, Any]]:
        """waiting: what nobody has answered yet, the oldest first; answered: what the model did
        and nobody has judged, the newest first."""
        handed, at = MESSAGES.c.handed, MESSAGES.c.at
        only = handed.is_not(None) if which == "waiting" else handed.is_(None)
        order = at if which == "waiting" else at.desc()
        query = select(MESSAGES).where(only, MESSAGES.c.closed_by.is_(None)).order_by(order)
        with self.engine.connect() as connection:
            rows = connection.execute(query.limit(_MOST_LISTED)).mappings()
            return [dict(row) for row in rows]

    def close(self, number: int, by: str, label: str | None, said: str | None) -> bool:
        """A person's word: what a message asks for, and an answer to one that was handed over.
        False where there is no such message; Conflict where it is somebody else's, or answered."""
        with writing(self.engine).begin() as connection:
            mine = MESSAGES.c.number == number
            query = select(MESSAGES).where(mine).with_for_update()
            row = connection.execute(query).one_or_none()
            if row is None:
                return False
            if row.closed_by not in (None, by):
                raise Conflict(f"{row.closed_by} has closed it")
            if said and not row.handed:
                raise Conflict("it was answered; only its label can be corrected")
            new = {"closed_by": by, "corrected": label or row.corrected, "reply": said or row.reply}
            connection.execute(update(MESSAGES).where(mine).values(new))
        return True

    def corrections(self) -> Iterator[dict[str, Any]]:
        """Rows that `attar build` reads. predicted: nothing is trained on that."""
        query = select(MESSAGES).where(MESSAGES.c.corrected.is_not(None)).order_by(MESSAGES.c.at)
        with self.engine.connect() as connection:
            for row in connection.execute(query):
                gold = {"text": row.text, "label": row.corrected}
                yield {**gold, "predicted": {"label": row.label, "score": row.score}}
