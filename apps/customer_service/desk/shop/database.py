"""The shop's database: one transaction a use, tables made where they lack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from desk.database import make_tables, open_engine, writing
from desk.shop.schema import Base

if TYPE_CHECKING:
    from desk.shop.search import Catalog


class Database:
    """url: sqlite:///path or postgresql://user:password@host/name. ValueError for any other."""

    def __init__(self, url: str) -> None:
        self.engine = open_engine(url, "the shop's database")
        self._writing = writing(self.engine)
        self._catalog: Catalog | None = None
        make_tables(self.engine, Base.metadata)

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
