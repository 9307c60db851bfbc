"""Writes down who asked for what is not theirs, and stops who tries too often to prove it is.

Conversations count their own wrong tries; whoever guesses over many conversations is counted
here, by what is guessed at: an order, an e-mail address, a gift card.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import func, select

from desk.shop.database import Database
from desk.shop.once import clean
from desk.shop.results import NotFound
from desk.shop.schema import Action

_WITHIN = timedelta(hours=1)


class Guard:
    """clock: tells the time; actor: who asks, for the audit."""

    def __init__(self, database: Database, clock: Callable[[], datetime], actor: str) -> None:
        self.database = database
        self.clock = clock
        self.actor = actor

    @contextmanager
    def watches(self, name: str, customer: str | None, given: Sequence[str]) -> Iterator[None]:
        """A NotFound inside goes into the audit."""
        try:
            yield
        except NotFound:
            self._note(name, customer, given, [""])
            raise

    @contextmanager
    def limits(self, name: str, secrets: Mapping[str, str], most: int) -> Iterator[None]:
        """As `watches`; NotFound too, whatever is right, once any of the secrets has been guessed
        at in vain `most` times in an hour. secrets: what is guessed at, by how the audit shows
        it: the audit itself keeps only hashes of them."""
        prints = {shown: _hash(name, secret) for shown, secret in secrets.items()}
        try:
            if self._tries(list(prints.values())) >= most:
                raise NotFound(name)
            yield
        except NotFound:
            self._note(name, None, list(prints), list(prints.values()))
            raise

    def _tries(self, prints: Sequence[str]) -> int:
        """The most wrong tries at any of them in the last hour."""
        since = self.clock() - _WITHIN
        tried = (
            select(func.count())
            .where(Action.fingerprint.in_(prints), Action.at > since)
            .where(Action.outcome == "not_found")
            .group_by(Action.fingerprint)
        )
        with self.database.reads() as session:
            return max(session.scalars(tried), default=0)

    def _note(
        self, name: str, customer: str | None, given: Sequence[str], prints: Sequence[str]
    ) -> None:
        arguments = [clean(argument, 200) for argument in given]
        with self.database.writes() as session:
            session.add_all(
                Action(
                    key=None,
                    name=name,
                    customer=customer and clean(customer, 12),
                    actor=clean(self.actor, 60),
                    at=self.clock(),
                    given={"arguments": arguments},
                    fingerprint=fingerprint,
                    outcome="not_found",
                    before={},
                    after={},
                    result={},
                )
                for fingerprint in prints
            )


def _hash(name: str, secret: str) -> str:
    return hashlib.sha256(f"{name}:{secret}".encode("utf-8", "surrogatepass")).hexdigest()
