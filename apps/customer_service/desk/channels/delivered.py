"""Which answers have been sent out, so that a replayed activity is answered once.

Kept by URL where every worker sees it: a SQL database, Redis, or, without one, this process. A
worker claims an activity before it answers; its claim ends by itself, so that a worker that died
between two texts is followed by the next replay, which sends those that are left.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from threading import Lock
from typing import Protocol

CLAIM_S = 60.0
DONE = 1_000_000  # more texts than any reply has


class Delivered(Protocol):
    """All of them are called in threads. Names are of activities, whatever their length."""

    def claim(self, name: str) -> int | None:
        """How many texts were sent before (0 the first time), None where all were, or where
        another worker is at it."""

    def note(self, name: str, sent: int) -> None:
        """So many were sent by now; DONE for all."""

    def free(self, name: str) -> None:
        """End the claim: sending failed, the next may try at once."""

    def close(self) -> None:
        """Let connections go."""


def delivered(url: str | None, lasts_s: float) -> Delivered:
    """By URL, as conversations are kept; None: in this process alone."""
    if url is None:
        return InProcess(lasts_s)
    if url.startswith(("redis://", "rediss://")):
        return InRedis(url, lasts_s)
    return InSql(url, lasts_s)


def _key(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


class InProcess:
    def __init__(self, lasts_s: float, now: Callable[[], float] = time.time) -> None:
        self._known: dict[str, tuple[int, float]] = {}  # sent, until when it is claimed
        self._begun: dict[str, float] = {}
        self._lasts_s, self._now, self._lock = lasts_s, now, Lock()

    def claim(self, name: str) -> int | None:
        with self._lock:
            now = self._now()
            for old in [k for k, at in self._begun.items() if at < now - self._lasts_s]:
                del self._begun[old], self._known[old]
            sent, until = self._known.get(name, (0, 0.0))
            if sent >= DONE or until > now:
                return None
            self._known[name] = sent, now + CLAIM_S
            self._begun.setdefault(name, now)
            return sent

    def note(self, name: str, sent: int) -> None:
        with self._lock:
            self._known[name] = sent, self._now() + CLAIM_S

    def free(self, name: str) -> None:
        with self._lock:
            self._known[name] = self._known[name][0], 0.0

    def close(self) -> None:
        pass


class InSql:
    def __init__(self, url: str, lasts_s: float, now: Callable[[], float] = time.time) -> None:
        import sqlalchemy as sql

        from desk.database import make_tables, open_engine, writing

        self._sql, self._lasts_s, self._now = sql, lasts_s, now
        self._engine = writing(open_engine(url, "bot.delivered"))
        tables = sql.MetaData()
        self._table = sql.Table(
            "channel_delivered",
            tables,
            sql.Column("name", sql.String(64), primary_key=True),
            sql.Column("sent", sql.Integer, nullable=False),
            sql.Column("until", sql.Float, nullable=False),
            sql.Column("begun", sql.Float, nullable=False, index=True),
        )
        make_tables(self._engine, tables)
        self._cleared = 0.0

    def claim(self, name: str) -> int | None:
        t, now, key = self._table, self._now(), _key(name)
        self._clear(now)
        row = {"name": key, "sent": 0, "until": now + CLAIM_S, "begun": now}
        try:
            with self._engine.begin() as connection:
                connection.execute(t.insert().values(row))
                return 0
        except self._sql.exc.IntegrityError:
            pass  # known: whose claim has ended may be taken, by one worker alone
        free = (t.c.name == key) & (t.c.until <= now) & (t.c.sent < DONE)
        with self._engine.begin() as connection:
            taken = connection.execute(t.update().where(free).values(until=now + CLAIM_S))
            if taken.rowcount != 1:
                return None
            found = connection.execute(self._sql.select(t.c.sent).where(t.c.name == key))
            return int(found.scalar_one())

    def note(self, name: str, sent: int) -> None:
        self._set(name, sent=sent, until=self._now() + CLAIM_S)

    def free(self, name: str) -> None:
        self._set(name, until=0.0)

    def close(self) -> None:
        self._engine.dispose()

    def _set(self, name: str, **values: float) -> None:
        with self._engine.begin() as connection:
            t = self._table
            connection.execute(t.update().where(t.c.name == _key(name)).values(values))

    def _clear(self, now: float) -> None:
        if now - self._cleared > 600:
            self._cleared = now
            with self._engine.begin() as connection:
                old = self._table.c.begun < now - self._lasts_s
                connection.execute(self._table.delete().where(old))


class InRedis:
    """`sent` and the claim are two keys; the claim is the one that only one worker can set."""

    def __init__(self, url: str, lasts_s: float) -> None:
        import redis

        self._redis = redis.Redis.from_url(url)
        self._lasts_s = int(lasts_s)

    def claim(self, name: str) -> int | None:
        key = f"channel:{_key(name)}"
        if not self._redis.set(f"{key}:claim", b"1", nx=True, ex=int(CLAIM_S)):
            return None
        found = self._redis.get(f"{key}:sent")
        sent = int(found) if isinstance(found, bytes) else 0
        return None if sent >= DONE else sent

    def note(self, name: str, sent: int) -> None:
        self._redis.set(f"channel:{_key(name)}:sent", sent, ex=self._lasts_s)

    def free(self, name: str) -> None:
        self._redis.delete(f"channel:{_key(name)}:claim")

    def close(self) -> None:
        self._redis.close()
