"""Conversations in SQLite or PostgreSQL: three tables, made where they lack."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from desk.database import make_tables, open_engine, writing
from desk.dialog.records import reply_from_json, reply_to_json, turn_from_json, turn_to_json
from desk.dialog.state import Conversation, from_json, to_json
from desk.dialog.store import LEASE, Claim
from desk.types import Reply, Turn

METADATA = MetaData()
CONVERSATIONS = Table(
    "desk_conversations",
    METADATA,
    Column("id", String(200), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("holder", String(40)),
    Column("held_until", Float, nullable=False),  # seconds since 1970
    Column("changed", Float, nullable=False),
)
MESSAGES = Table(
    "desk_messages",
    METADATA,
    Column("conversation", String(200), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("reply", Text, nullable=False),
)
TURNS = Table(
    "desk_turns",
    METADATA,
    Column("conversation", String(200), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("turn", Text, nullable=False),
)


class SqlStore:
    """One for all threads of a process."""

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._engine = open_engine(url, "the conversations")
        self._writing = writing(self._engine)
        make_tables(self._engine, METADATA)

    def claim(self, conversation: str, key: str, lease: float = LEASE) -> Claim | Reply | None:
        now, holder = self._clock(), uuid4().hex
        with self._writing.begin() as connection:
            # A replay is answered without waiting for whoever holds the conversation.
            if (reply := _reply(connection, conversation, key)) is not None:
                return reply
            self._make(connection, conversation, now)
            held = connection.execute(
                update(CONVERSATIONS)
                .where(
                    CONVERSATIONS.c.id == conversation,
                    or_(CONVERSATIONS.c.holder.is_(None), CONVERSATIONS.c.held_until < now),
                )
                .values(version=CONVERSATIONS.c.version + 1, holder=holder, held_until=now + lease)
            )
            if held.rowcount != 1:
                return None
            # Between the first look and the claim another worker may have answered this message.
            if (reply := _reply(connection, conversation, key)) is not None:
                connection.rollback()
                return reply
            version, state = connection.execute(
                select(CONVERSATIONS.c.version, CONVERSATIONS.c.state).where(
                    CONVERSATIONS.c.id == conversation
                )
            ).one()
            return Claim(from_json(state), version, holder)

    def finish(
        self,
        claim: Claim,
        conversation: Conversation,
        turns: Sequence[Turn],
        key: str,
        reply: Reply,
    ) -> bool:
        with self._writing.begin() as connection:
            written = connection.execute(
                update(CONVERSATIONS)
                .where(*_still(claim))
                .values(
                    version=claim.version + 1,
                    state=to_json(conversation),
                    holder=None,
                    held_until=0.0,
                    changed=self._clock(),
                )
            )
            if written.rowcount != 1:
                return False
            connection.execute(
                insert(MESSAGES).values(
                    conversation=conversation.id, key=key, reply=reply_to_json(reply)
                )
            )
            first = connection.execute(
                select(func.coalesce(func.max(TURNS.c.number), 0) + 1).where(
                    TURNS.c.conversation == conversation.id
                )
            ).scalar_one()
            rows = [
                {"conversation": conversation.id, "number": number, "turn": turn_to_json(turn)}
                for number, turn in enumerate(turns, first)
            ]
            if rows:
                connection.execute(insert(TURNS), rows)
            return True

    def drop(self, claim: Claim) -> None:
        with self._writing.begin() as connection:
            connection.execute(
                update(CONVERSATIONS).where(*_still(claim)).values(holder=None, held_until=0.0)
            )

    def load(self, conversation: str) -> Conversation | None:
        with self._engine.connect() as connection:
            state = connection.execute(
                select(CONVERSATIONS.c.state).where(CONVERSATIONS.c.id == conversation)
            ).scalar()
        return None if state is None else from_json(state)

    def turns(self, conversation: str) -> tuple[Turn, ...]:
        with self._engine.connect() as connection:
            found = connection.execute(
                select(TURNS.c.turn)
                .where(TURNS.c.conversation == conversation)
                .order_by(TURNS.c.number)
            ).scalars()
            return tuple(turn_from_json(one) for one in found)

    def ping(self) -> None:
        with self._engine.connect() as connection:
            connection.execute(select(1))

    def close(self) -> None:
        self._engine.dispose()

    def _make(self, connection: Connection, conversation: str, now: float) -> None:
        new: dict[str, Any] = {
            "id": conversation,
            "version": 0,
            "state": to_json(Conversation(conversation)),
            "holder": None,
            "held_until": 0.0,
            "changed": now,
        }
        if self._engine.dialect.name == "postgresql":
            connection.execute(
                insert_postgresql(CONVERSATIONS).values(new).on_conflict_do_nothing()
            )
        else:
            connection.execute(insert_sqlite(CONVERSATIONS).values(new).on_conflict_do_nothing())


def _still(claim: Claim) -> tuple[Any, ...]:
    return (
        CONVERSATIONS.c.id == claim.conversation.id,
        CONVERSATIONS.c.version == claim.version,
        CONVERSATIONS.c.holder == claim.holder,
    )


def _reply(connection: Connection, conversation: str, key: str) -> Reply | None:
    found = connection.execute(
        select(MESSAGES.c.reply).where(
            MESSAGES.c.conversation == conversation, MESSAGES.c.key == key
        )
    ).scalar()
    return None if found is None else reply_from_json(found)
