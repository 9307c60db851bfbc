"""A database by URL, SQLite or PostgreSQL, and the table of all messages.

A writing transaction holds SQLite's lock from its first statement (BEGIN IMMEDIATE): one that reads
and then writes can otherwise fail half-way, however long it would wait.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sql
from sqlalchemy import Column, Connection, Engine, Float, String, Text
from sqlalchemy.exc import ArgumentError

TABLES = sql.MetaData()
MESSAGES = sql.Table(
    "messages",
    TABLES,
    Column("number", sql.Integer, primary_key=True),
    Column("client", String(60), nullable=False),
    Column("key", String(200), nullable=False),
    Column("at", Float, index=True, nullable=False),  # seconds since 1970
    Column("reader", String(60)),
    Column("text", Text, nullable=False),
    Column("label", String(60), nullable=False),  # the model's best, also where it abstained
    Column("score", Float, nullable=False),
    Column("abstained", sql.Boolean, nullable=False),
    Column("handed", String(20)),
    Column("reply", Text, nullable=False, default=""),
    Column("latency_ms", Float, nullable=False, default=0.0),
    Column("closed_by", String(60)),  # the person who answered or judged it
    Column("corrected", String(60)),  # the label that it has by that person's word
    sql.UniqueConstraint("client", "key"),
)
_EXPECTED = "expected sqlite:///path (a file) or postgresql://user:password@host/name"
_WAITS_S = 15  # for another writer of the same SQLite file
_POOL: Any = {"pool_size": 20, "max_overflow": 20}  # as many as a server has threads
_MAKES_TABLES = 20261129  # of the lock that keeps two processes from making the tables at once


def open_engine(url: str) -> Engine:
    """An engine with all tables made. Raises ValueError for a URL that is none of the two."""
    try:
        where = sql.make_url(url)
    except ArgumentError:
        raise ValueError(f"{url!r} is no URL; {_EXPECTED}") from None
    kind = where.drivername.partition("+")[0]
    if kind in ("postgresql", "postgres"):
        engine = sql.create_engine(
            where.set(drivername="postgresql+psycopg"), pool_pre_ping=True, **_POOL
        )
    elif kind == "sqlite" and where.database not in (None, "", ":memory:"):
        engine = sql.create_engine(where, connect_args={"timeout": _WAITS_S}, **_POOL)
        sql.event.listen(engine, "connect", _on_connect)
        sql.event.listen(engine, "begin", _on_begin)
    else:
        raise ValueError(f"{where.render_as_string()!r} cannot be used; {_EXPECTED}")
    with writing(engine).begin() as connection:
        if kind != "sqlite":
            connection.execute(sql.text("SELECT pg_advisory_xact_lock(:n)"), {"n": _MAKES_TABLES})
        TABLES.create_all(connection)
    return engine


def writing(engine: Engine) -> Engine:
    """The same connections; their transactions may write."""
    return engine.execution_options(writes=True)


def _on_connect(connection: Any, _: object) -> None:
    connection.isolation_level = None  # BEGIN is ours, below
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
