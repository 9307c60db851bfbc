"""Fixtures of the shop's tests: the same small shop in SQLite and in a real PostgreSQL.

They are imported by conftest, so that all files share one server. ImportError without SQLAlchemy.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

import postgres_server
from desk.shop import Shop
from desk.shop.database import Database
from desk.shop.schema import Base
from shop_world import Clock, fill

_TABLES = [table.name for table in Base.metadata.sorted_tables]
_made = count()


@pytest.fixture(scope="session")
def sqlite_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop") / "world.db"
    database = Database(f"sqlite:///{path}")
    fill(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres_server_url() -> Iterator[str]:
    """The URL of a server; a database's name may be put behind it."""
    pytest.importorskip("psycopg")
    why = postgres_server.missing()
    if why:
        warnings.warn(pytest.PytestWarning(why), stacklevel=1)
        pytest.skip(why)
    with postgres_server.running() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_world(postgres_server_url: str) -> Iterator[Database]:
    """A database with the shop, and a copy of its rows in the schema `saved`."""
    database = Database(create_database(postgres_server_url))
    fill(database)
    with database.writes() as session:
        session.execute(text("CREATE SCHEMA saved"))
        for name in _TABLES:
            session.execute(text(f"CREATE TABLE saved.{name} AS TABLE public.{name}"))
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def shop_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The shop as it was filled, for each test and in each database."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_world"), tmp_path / "shop.db")
        return f"sqlite:///{tmp_path / 'shop.db'}"
    world = request.getfixturevalue("postgres_world")
    _restore(world)
    return str(world.engine.url.render_as_string(hide_password=False))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shop(shop_url: str, clock: Clock) -> Iterator[Shop]:
    made = Shop(shop_url, clock=clock)
    yield made
    made.close()


def create_database(server: str) -> str:
    """The URL of a new, empty database on the server."""
    name = f"shop{next(_made)}"
    where = server.replace("postgresql:", "postgresql+psycopg:") + "postgres"
    engine = create_engine(where, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return f"{server}{name}"


def _restore(world: Database) -> None:
    """All rows as they were: sooner done than a database of its own for each test."""
    with world.writes() as session:
        session.execute(text("SET LOCAL lock_timeout = '20s'"))  # of what a test left open
        session.execute(text(f"TRUNCATE {', '.join(_TABLES)}"))
        for name in _TABLES:
            session.execute(text(f"INSERT INTO public.{name} SELECT * FROM saved.{name}"))
