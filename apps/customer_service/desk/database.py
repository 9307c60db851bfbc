"""A database by URL, SQLite or PostgreSQL: what the shop, the conversations and the people share.

What a statement was given stands in no error, and so in no log: it may be a customer's words.

A writing transaction holds SQLite's lock from its first statement (BEGIN IMMEDIATE): one that
reads and then writes can otherwise fail half-way, however long it would wait. A reading one runs
beside it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

WAITS_S = 15  # for another writer of the same SQLite file
_CONNECTIONS = 20  # as many as a server has threads for the desk
_MAKES_TABLES = 20261128  # of the lock that keeps two processes from making the tables at once


def open_engine(url: str, of: str = "the database") -> Engine:
    """An engine whose transactions read; those of `writing` write. url: sqlite:///path (a file) or
    postgresql://user:password@host/name, ValueError for any other, naming `of`."""
    try:
        where = make_url(url)
    except ArgumentError:
        raise ValueError(f"{of}: {url!r} is no URL; {_EXPECTED}") from None
    kind = where.drivername.partition("+")[0]
    if kind in ("postgresql", "postgres"):
        # psycopg: SQLAlchemy's default for the plain name is psycopg2. pre_ping: a connection that
        # the server has dropped is replaced, not handed out.
        return create_engine(
            where.set(drivername="postgresql+psycopg"), pool_pre_ping=True,
            pool_size=_CONNECTIONS, max_overflow=_CONNECTIONS, hide_parameters=True,
        )  # fmt: skip
    if kind == "sqlite" and where.database not in (None, "", ":memory:"):
        return _sqlite(where)
    raise ValueError(f"{of}: {where.render_as_string()!r} cannot be used; {_EXPECTED}")


def writing(engine: Engine) -> Engine:
    """The same connections; their transactions may write."""
    return engine.execution_options(writes=True)


def make_tables(engine: Engine, metadata: MetaData) -> None:
    """Make those that lack; several processes may do so at once."""
    with writing(engine).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _MAKES_TABLES})
        metadata.create_all(connection)


_EXPECTED = "expected sqlite:///path (a file) or postgresql://user:password@host/name"


def _sqlite(where: URL) -> Engine:
    engine = create_engine(
        where, connect_args={"timeout": WAITS_S},
        pool_size=_CONNECTIONS, max_overflow=_CONNECTIONS, hide_parameters=True,
    )  # fmt: skip

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # BEGIN is ours, below
        # A power cut may lose the last writes of a WAL, never the database; a killed process
        # nothing.
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
