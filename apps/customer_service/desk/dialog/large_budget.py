"""How much a large model may still be asked today, and whether it is worth trying now.

A request is paid for before it is sent, by an estimate, and put right when the answer says what it
took; one that fails keeps the estimate, for it may be billed. A day is one of UTC.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import Protocol

#: Failures in a row after which the large model is left alone, and for how many seconds.
FAILURES, PAUSE_S = 5, 30.0


class Budget(Protocol):
    """Called in threads. Costs are in millionths of a pound."""

    def take(self, cost: int) -> bool:
        """Pay for one request; False, and nothing paid, where the day's budget has no room."""

    def correct(self, more: int) -> None:
        """The last request took more, or with a negative number less."""

    def close(self) -> None: ...


class InProcess:
    """requests, cost: the most of a day; None for no bound."""

    def __init__(
        self, requests: int | None, cost: int | None, now: Callable[[], float] = time.time
    ) -> None:
        self._most, self._now, self._lock = (requests, cost), now, Lock()
        self._day, self._requests, self._cost = "", 0, 0

    def take(self, cost: int) -> bool:
        most_requests, most_cost = self._most
        with self._lock:
            if (today := _day(self._now())) != self._day:
                self._day, self._requests, self._cost = today, 0, 0
            if most_requests is not None and self._requests >= most_requests:
                return False
            if most_cost is not None and self._cost + cost > most_cost:
                return False
            self._requests += 1
            self._cost += cost
            return True

    def correct(self, more: int) -> None:
        with self._lock:
            self._cost += more

    def close(self) -> None:
        pass


class InSql:
    """Shared by all workers, and there again after a restart. url: as of `desk.database`."""

    def __init__(
        self,
        url: str,
        requests: int | None,
        cost: int | None,
        now: Callable[[], float] = time.time,
    ) -> None:
        import sqlalchemy as sql

        from desk.database import make_tables, open_engine, writing

        self._sql, self._most, self._now = sql, (requests, cost), now
        self._engine = writing(open_engine(url, "large.budget"))
        tables = sql.MetaData()
        self._table = sql.Table(
            "large_spent",
            tables,
            sql.Column("day", sql.String(10), primary_key=True),
            sql.Column("requests", sql.Integer, nullable=False),
            sql.Column("micropounds", sql.BigInteger, nullable=False),
        )
        make_tables(self._engine, tables)

    def take(self, cost: int) -> bool:
        t, (most_requests, most_cost) = self._table, self._most
        today = _day(self._now())
        room = t.c.day == today
        if most_requests is not None:
            room &= t.c.requests < most_requests
        if most_cost is not None:
            room &= t.c.micropounds + cost <= most_cost
        paid = t.update().where(room).values(
            requests=t.c.requests + 1, micropounds=t.c.micropounds + cost
        )  # fmt: skip
        with self._engine.begin() as connection:
            if connection.execute(paid).rowcount == 1:
                return True
            if connection.execute(self._sql.select(t.c.day).where(t.c.day == today)).first():
                return False
        try:
            with self._engine.begin() as connection:
                connection.execute(t.insert().values(day=today, requests=0, micropounds=0))
        except self._sql.exc.IntegrityError:
            pass  # another worker was the first of the day
        with self._engine.begin() as connection:
            return bool(connection.execute(paid).rowcount == 1)

    def correct(self, more: int) -> None:
        t = self._table
        with self._engine.begin() as connection:
            changed = t.update().where(t.c.day == _day(self._now()))
            connection.execute(changed.values(micropounds=t.c.micropounds + more))

    def close(self) -> None:
        self._engine.dispose()


class Breaker:
    """Closed until FAILURES in a row; then open for PAUSE_S, after which one request may try."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._lock = now, Lock()
        self._failures, self._until = 0, 0.0

    def lets(self) -> bool:
        with self._lock:
            if self._failures < FAILURES:
                return True
            if self._now() < self._until:
                return False
            self._until = self._now() + PAUSE_S  # others wait for what comes of this one
            return True

    def tell(self, well: bool) -> None:
        with self._lock:
            self._failures = 0 if well else self._failures + 1
            if self._failures >= FAILURES:
                self._until = self._now() + PAUSE_S


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
