"""A database by URL: SQLite or PostgreSQL, one transaction a use, tables made where they lack.

A writing transaction holds SQLite's lock from its first statement (BEGIN IMMEDIATE): one that
reads and then writes can otherwise fail half-way, however long it would wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session

from desk.shop.schema import Base

if TYPE_CHECKING:
    from desk.shop.search import Catalog

_MAKES_TABLES = 7205  # of the lock that keeps two processes from making the tables at once


class Database:
    """url: sqlite:///path or postgresql://user:password@host/name. ValueError for any other."""

    def __init__(self, url: str) -> None:
        where = make_url(url)
        if where.get_backend_name() == "postgresql":
            self.engine = _postgresql(where)
        elif where.get_backend_name() == "sqlite" and where.database not in (None, "", ":memory:"):
            self.engine = _sqlite(where)
        else:
            raise ValueError(
                f"database URL {where.render_as_string()}: expected sqlite:///path (a file) or "
                "postgresql://user:password@host/name"
            )
        self._writing = self.engine.execution_options(writes=True)
        self._catalog: Catalog | None = None
        self._make_tables()

    @contextmanager
    def reads(self) -> Iterator[Session]:
        """A transaction that changes nothing."""
        with Session(self.engine) as session:
            yield session

    @contextmanager
    def writes(self) -> Iterator[Session]:
        """A transaction that is committed at the end, and undone where an error leaves it."""
        with Session(self._writing) as session, session.begin():
            yield session

    def catalog(self) -> Catalog:
        """The products to search in: names are read once, stock with each search."""
        from desk.shop.search import Catalog

        if not self._catalog:  # none, or read before there were products
            self._catalog = Catalog(self.engine)
        return self._catalog

    def close(self) -> None:
        self.engine.dispose()

    def _make_tables(self) -> None:
        with self._writing.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _MAKES_TABLES})
            Base.metadata.create_all(connection)


def _postgresql(where: URL) -> Engine:
    # pre_ping: a connection that the server has dropped is replaced, not handed out.
    return create_engine(where.set(drivername="postgresql+psycopg"), pool_pre_ping=True)


def _sqlite(where: URL) -> Engine:
    engine = create_engine(where, connect_args={"timeout": 15})

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # BEGIN is ours, below
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
