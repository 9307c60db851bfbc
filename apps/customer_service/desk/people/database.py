"""The people's tables, in SQLite or PostgreSQL, made where they lack; any number of processes.

Times are seconds since 1970. Nothing here knows what the tables are for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    inspect,
)

from desk.database import make_tables, open_engine, writing

METADATA = MetaData()
#: Conversations handed over. spoken: messages taken until then, which tells one handing over from
#: the next; state: the conversation as it was, JSON; holder: the agent who has claimed it.
CASES = Table(
    "people_cases",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("conversation", String(200), nullable=False),
    Column("spoken", Integer, nullable=False),
    Column("channel", String(60), nullable=False),
    Column("language", String(12), nullable=False),
    Column("reason", String(20), nullable=False),
    Column("state", Text, nullable=False),
    Column("opened", Float, nullable=False, index=True),
    Column("holder", String(100)),
    Column("held_until", Float, nullable=False),
    Column("answers", Integer, nullable=False),
    Column("first_answer", Float),
    Column("closed", Float, index=True),
    Column("closed_by", String(100)),
    Column("outcome", String(40)),
    UniqueConstraint("conversation", "spoken"),
)
#: Messages taken, without their texts. intents, done: JSON lists of names; sure: neither abstained
#: nor out of scope; characters_in: of the message, characters_out: of the reply. large: what came
#: of handing the message over to a large model (`types.AskOutcome`), none where it was not to be;
#: large_requests, large_in, large_out: requests sent to it, and their tokens.
MESSAGES = Table(
    "people_messages",
    METADATA,
    Column("conversation", String(200), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("at", Float, nullable=False),
    Column("channel", String(60), nullable=False),
    Column("language", String(12), nullable=False),
    Column("latency_ms", Float, nullable=False),
    Column("by_person", Boolean, nullable=False),
    Column("intents", Text, nullable=False),
    Column("score", Float),
    Column("abstained", Boolean, nullable=False),
    Column("done", Text, nullable=False),
    Column("source", String(200)),
    Column("handed", String(20)),
    Column("characters_in", Integer, nullable=False),
    Column("characters_out", Integer, nullable=False),
    Column("large", String(12)),
    Column("large_requests", Integer),
    Column("large_in", Integer),
    Column("large_out", Integer),
)
Index("people_messages_at", MESSAGES.c.at)
#: What people say of a customer's turn. calls: what it asked for, JSON; document: the help page
#: that answers it; was: what the desk took it for, JSON.
VERDICTS = Table(
    "people_verdicts",
    METADATA,
    Column("conversation", String(200), primary_key=True),
    Column("turn", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("said_at", Float, nullable=False, index=True),
    Column("channel", String(60), nullable=False),
    Column("language", String(12), nullable=False),
    Column("agent", String(100), nullable=False),
    Column("right", Boolean, nullable=False),
    Column("answered", Boolean, nullable=False),
    Column("sampled", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column("was", Text, nullable=False),
    Column("calls", Text),
    Column("document", String(200)),
)


class PeopleDatabase:
    """url: sqlite:///path or postgresql://user:password@host/name. ValueError for any other."""

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url, "the people's tables")
        self._writing = writing(self._engine)
        make_tables(self._engine, METADATA)
        with self.writes() as connection:
            _add_columns(connection)

    @contextmanager
    def reads(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writes(self) -> Iterator[Connection]:
        """A transaction: committed at the end, undone where an error leaves it."""
        with self._writing.begin() as connection:
            yield connection

    def close(self) -> None:
        self._engine.dispose()


def insert_or_leave(connection: Connection, table: Table) -> Any:
    """An insert that leaves a row alone that is there already."""
    return _insert(connection, table).on_conflict_do_nothing()


def insert_or_replace(connection: Connection, table: Table, row: dict[str, Any]) -> Any:
    """An insert that puts the row in the place of one with the same key."""
    keys = [column.name for column in table.primary_key]
    changed = {name: value for name, value in row.items() if name not in keys}
    made = _insert(connection, table).values(row)
    return made.on_conflict_do_update(index_elements=keys, set_=changed)


def _add_columns(connection: Connection) -> None:
    """Those that tables of an older desk lack; they may be empty, so the rows stay as they are."""
    for table in METADATA.sorted_tables:
        there = {column["name"] for column in inspect(connection).get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                kind = column.type.compile(connection.dialect)
                # Of two processes that add it at once to PostgreSQL, one has nothing to do.
                unless = "IF NOT EXISTS " if connection.dialect.name == "postgresql" else ""
                add = f"ALTER TABLE {table.name} ADD COLUMN {unless}{column.name} {kind}"
                connection.exec_driver_sql(add)


def _insert(connection: Connection, table: Table) -> Any:
    from sqlalchemy.dialects import postgresql, sqlite

    kind = sqlite if connection.dialect.name == "sqlite" else postgresql
    return kind.insert(table)
