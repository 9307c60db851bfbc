"""Which conversation an e-mail belongs to, and where its answers go. In SQL, for all workers.

A thread is known by the ids of our answers, and belongs to one address: whoever names one from
another address begins a thread of his own. Ids are kept as digests, for they may be of any length.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sql

from desk.channels.email_reading import Mail
from desk.database import make_tables, open_engine, writing

_METADATA = sql.MetaData()
#: token: makes the ids of the thread's answers; last: what the next answer refers to, ids separated
#: by blanks; watched: a person's words are sent on; seen: turns that were looked at for them.
THREADS = sql.Table(
    "email_threads",
    _METADATA,
    sql.Column("conversation", sql.String(80), primary_key=True),
    sql.Column("address", sql.String(320), nullable=False),
    sql.Column("token", sql.String(64), nullable=False),
    sql.Column("subject", sql.String(300), nullable=False),
    sql.Column("language", sql.String(12), nullable=False),
    sql.Column("last", sql.Text, nullable=False),
    sql.Column("watched", sql.Boolean, nullable=False, index=True),
    sql.Column("seen", sql.Integer, nullable=False),
    sql.Column("at", sql.Float, nullable=False),
)
MESSAGES = sql.Table(
    "email_messages",
    _METADATA,
    sql.Column("name", sql.String(64), primary_key=True),
    sql.Column("conversation", sql.String(80), nullable=False),
    sql.Column("address", sql.String(320), nullable=False),
    sql.Column("ours", sql.Boolean, nullable=False),
    sql.Column("at", sql.Float, nullable=False),
)
sql.Index("email_messages_address", MESSAGES.c.address, MESSAGES.c.at)
_MOST_IDS, _MOST_WATCHED = 12, 500
_CLEARS_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Thread:
    """new: this message is its first."""

    conversation: str
    address: str
    token: str
    subject: str
    language: str
    last: tuple[str, ...]
    seen: int
    new: bool = False


class Threads:
    """Called in threads. url: sqlite:///path or postgresql://…; lasts_s: how long a thread may be
    quiet and still go on."""

    def __init__(self, url: str, lasts_s: float, now: Callable[[], float] = time.time) -> None:
        self._engine = open_engine(url, "email.state")
        self._writing = writing(self._engine)
        self._lasts_s, self._now = lasts_s, now
        self._cleared = 0.0
        make_tables(self._engine, _METADATA)

    def close(self) -> None:
        self._engine.dispose()

    def of(self, mail: Mail, language: str) -> Thread:
        """The thread of a message, begun where it is the first of one. mail: with an address."""
        assert mail.address is not None
        now = self._now()
        found = self._known(mail)
        thread = found or self._begin(mail, language)
        ids = [*thread.last, *(one for one in (mail.message_id,) if one and one not in thread.last)]
        last = (*ids[:1], *ids[1:][-_MOST_IDS:])
        language = mail.language or thread.language
        changed = {"last": " ".join(last), "at": now, "language": language}
        is_it = THREADS.c.conversation == thread.conversation
        with self._writing.begin() as connection:
            connection.execute(THREADS.update().where(is_it).values(**changed))
            self._keep(connection, mail.key, thread, ours=False)
        return replace(thread, language=language, last=last)

    def sent(self, thread: Thread, message_id: str) -> None:
        """An answer has gone out: it is one that may be answered."""
        with self._writing.begin() as connection:
            self._keep(connection, message_id, thread, ours=True)

    def answers(self, address: str, within_s: float) -> int:
        """How many answers an address has had lately."""
        recent = (MESSAGES.c.address == address) & MESSAGES.c.ours
        recent &= MESSAGES.c.at > self._now() - within_s
        with self._engine.connect() as connection:
            query = sql.select(sql.func.count()).select_from(MESSAGES).where(recent)
            return int(connection.execute(query).scalar_one())

    def clear(self) -> None:
        """Forget what was quiet for so long that nothing goes on with it; now and then."""
        now = self._now()
        if now - self._cleared > _CLEARS_S:
            self._cleared = now
            with self._writing.begin() as connection:
                for table in (MESSAGES, THREADS):
                    connection.execute(table.delete().where(table.c.at < now - self._lasts_s))

    def watch(self, conversation: str, seen: int) -> None:
        """From turn `seen` on, what a person says is to be sent; as before where it is already."""
        which = (THREADS.c.conversation == conversation) & ~THREADS.c.watched
        self._set(which, watched=True, seen=seen)

    def looked(self, conversation: str, seen: int) -> None:
        self._set(THREADS.c.conversation == conversation, seen=seen, at=self._now())

    def watched(self) -> list[Thread]:
        """Those in which a person may say something, the liveliest first."""
        which = THREADS.c.watched & (THREADS.c.at > self._now() - self._lasts_s)
        query = sql.select(THREADS).where(which).order_by(THREADS.c.at.desc()).limit(_MOST_WATCHED)
        with self._engine.connect() as connection:
            return [_thread(row) for row in connection.execute(query)]

    def _known(self, mail: Mail) -> Thread | None:
        """By the message itself, where it comes again, or by answers of ours that it refers to:
        their ids nobody can guess, while a customer's own may have gone to others."""
        names = [_digest(one) for one in (mail.key, *mail.references)]
        joined = MESSAGES.join(THREADS, MESSAGES.c.conversation == THREADS.c.conversation)
        which = MESSAGES.c.name.in_(names) & (THREADS.c.address == mail.address)
        is_it = MESSAGES.c.name == names[0]
        fresh = (MESSAGES.c.ours & (THREADS.c.at > self._now() - self._lasts_s)) | is_it
        query = sql.select(THREADS, MESSAGES.c.name).select_from(joined).where(which & fresh)
        with self._engine.connect() as connection:
            found = {row.name: row for row in connection.execute(query)}
        nearest = next((found[name] for name in names if name in found), None)
        return None if nearest is None else _thread(nearest)

    def _begin(self, mail: Mail, language: str) -> Thread:
        name = f"email:{_digest(f'{mail.address} {mail.key}')[:40]}"
        row = {
            "conversation": name,
            "address": mail.address,
            "token": secrets.token_hex(32),
            "subject": mail.subject[:300],
            "language": mail.language or language,
            "last": "",
            "watched": False,
            "seen": 0,
            "at": self._now(),
        }
        with self._writing.begin() as connection:
            self._insert(connection, THREADS, row)
            query = sql.select(THREADS).where(THREADS.c.conversation == name)
            return _thread(connection.execute(query).one(), new=True)

    def _keep(self, connection: sql.Connection, key: str, thread: Thread, ours: bool) -> None:
        row = {
            "name": _digest(key),
            "conversation": thread.conversation,
            "address": thread.address,
            "ours": ours,
            "at": self._now(),
        }
        self._insert(connection, MESSAGES, row)

    def _insert(self, connection: sql.Connection, table: sql.Table, row: dict[str, Any]) -> None:
        """Where it is not there already."""
        from sqlalchemy.dialects import postgresql, sqlite

        kind: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
        connection.execute(kind.insert(table).values(row).on_conflict_do_nothing())

    def _set(self, which: Any, **values: Any) -> None:
        with self._writing.begin() as connection:
            connection.execute(THREADS.update().where(which).values(**values))


def _thread(row: Any, new: bool = False) -> Thread:
    last = tuple(row.last.split())
    about = (row.conversation, row.address, row.token, row.subject, row.language)
    return Thread(*about, last, row.seen, new)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
