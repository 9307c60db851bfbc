"""Does an action once for its key, and writes down who did what to what effect.

The audit row carries the key, is unique by it, and is written first in the very transaction of the
action: of two that come at once with the same key, the second waits until the first is done and
then finds its result; where the first fails, nothing is left of it and the second does the work.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from desk.shop.database import Database
from desk.shop.results import KeyReused, NotFound, NotPossible, ShopError
from desk.shop.schema import Action
from desk.types import Done

_LONGEST_KEY = 200
_TRIES = 5
#: PostgreSQL gave up one of two that waited for each other: nothing of it is left.
_DEADLOCKS = ("40P01", "40001")


@dataclass(slots=True)
class Work:
    """What an action works with. before, after: of the audit, what it changed."""

    session: Session
    now: datetime
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)


Act = Callable[[Work], Done]


class Once:
    """clock: tells the time; actor: who acts."""

    def __init__(self, database: Database, clock: Callable[[], datetime], actor: str) -> None:
        self.database = database
        self.clock = clock
        self.actor = actor

    def __call__(
        self, name: str, customer: str | None, key: str, given: Sequence[object], act: Act
    ) -> Done:
        """Do it, or give what it gave before. given: the arguments beside the customer.

        NotFound, NotPossible of the action; KeyReused where the key did something else.
        """
        if not key:
            raise ValueError(f"{name}: expected a key that names this request; got an empty one")
        key = _fitting(key)
        row = Action(
            key=key,
            name=name,
            customer=customer and clean(customer, 12),
            actor=clean(self.actor, 60),
            at=self.clock(),
            given={"arguments": [_short(argument) for argument in given]},
            fingerprint=_fingerprint(name, customer, given),
            outcome="done",
            before={},
            after={},
            result={},
        )
        for trial in range(_TRIES):
            if trial:  # whom it met shall not be met again in step
                time.sleep(trial * random.uniform(0.005, 0.03))
            try:
                return self._try(row, act)
            except _Taken:
                row = _copy(row)
            except OperationalError as why:
                if getattr(why.orig, "sqlstate", None) not in _DEADLOCKS:
                    raise
                row = _copy(row)
            except (NotFound, NotPossible) as why:
                self._refused(row, why)
                raise
        raise TimeoutError(f"{name}: not done in {_TRIES} tries, others were first each time")

    def _try(self, row: Action, act: Act) -> Done:
        with self.database.writes() as session:
            stored = session.scalar(select(Action).where(Action.key == row.key))
            if stored is not None:
                return _again(stored, row)
            session.add(row)
            try:
                session.flush()
            except IntegrityError as why:
                raise _Taken from why
            work = Work(session, row.at)
            done = act(work)
            row.before, row.after = work.before, work.after
            row.result = {"reference": done.reference, "facts": dict(done.facts)}
            return done

    def _refused(self, row: Action, why: NotFound | NotPossible) -> None:
        refusal = _copy(row)
        refusal.key = None
        if isinstance(why, NotPossible):
            refusal.outcome = why.code
            refusal.result = {"facts": dict(why.facts)}
        else:
            refusal.outcome = "not_found"
        with self.database.writes() as session:
            session.add(refusal)


class _Taken(ShopError):  # noqa: N818
    """Another transaction has just written the key."""


def clean(text: str, longest: int) -> str:
    """Text that every database takes: no NUL, no half of a pair, at most `longest` characters."""
    text = text.replace("\x00", "")
    return text.encode("utf-8", "replace").decode("utf-8")[:longest]


def _copy(row: Action) -> Action:
    columns = [c.key for c in Action.__table__.columns if c.key != "id"]
    copy = Action(**{column: getattr(row, column) for column in columns})
    copy.before, copy.after, copy.result = {}, {}, {}
    return copy


def _again(stored: Action, row: Action) -> Done:
    if stored.fingerprint != row.fingerprint:
        raise KeyReused(
            f"{row.name}: key {row.key!r} did {stored.name} with other arguments; "
            "give each request a key of its own"
        )
    result = stored.result
    return Done(stored.name, result["reference"], result["facts"], again=True)


def _fingerprint(name: str, customer: str | None, given: Sequence[object]) -> str:
    said = json.dumps([name, customer, list(given)], default=str)
    return hashlib.sha256(said.encode()).hexdigest()


def _fitting(key: str) -> str:
    """The key itself, or its hash where it is too long or no database could keep it."""
    if len(key) <= _LONGEST_KEY and clean(key, _LONGEST_KEY) == key:
        return key
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _short(argument: object) -> object:
    if isinstance(argument, str):
        return clean(argument, 200)
    return argument if isinstance(argument, bool | int | None) else clean(str(argument), 200)
