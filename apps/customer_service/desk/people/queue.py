"""The queue of conversations that the desk has handed over.

An agent claims a case for a while (a lease); whoever's lease has run out may be taken over from, so
that no customer waits for somebody who has gone home. Every step asks whether the lease still
holds. What is said goes through the desk (`desk.agent_says`), which shows it in the channel.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

from sqlalchemy import and_, func, or_, select, update

from desk.dialog.state import Conversation, from_json, to_json
from desk.people.database import CASES, PeopleDatabase, insert_or_leave
from desk.types import Reason, Turn

#: Seconds for which a claim holds. The agents' page renews it while it is open.
LEASE = 300.0
State = Literal["waiting", "claimed", "closed"]
Outcome = Literal["resolved", "ticket", "no_answer", "spam"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


class CaseError(Exception):
    """code: "unknown", "held" (by another agent), "not_held" (by this one), "closed"."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Answers(Protocol):
    """What the queue needs of a desk; `desk.dialog.ServiceDesk` is one."""

    def agent_says(self, conversation: str, text: str, key: str) -> None: ...

    def give_back(self, conversation: str, key: str) -> None: ...

    def turns(self, conversation: str) -> Sequence[Turn]: ...


@dataclass(frozen=True, slots=True)
class Case:
    """A conversation handed over. handed: as it was then; times in seconds since 1970."""

    id: int
    conversation: str
    channel: str
    language: str
    reason: Reason
    handed: Conversation
    opened: float
    state: State
    holder: str | None
    held_until: float
    answers: int
    first_answer: float | None
    closed: float | None
    closed_by: str | None
    outcome: str | None


class Queue:
    """One serves all threads of a process; several processes share the tables."""

    def __init__(
        self,
        database: PeopleDatabase,
        *,
        lease: float = LEASE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._lease = lease
        self._clock = clock

    def open(self, conversation: Conversation, reason: Reason, turns: Sequence[Turn]) -> None:
        """Put a conversation in: `desk.dialog.OnHanded`. The same twice is once."""
        row = {
            "conversation": conversation.id,
            "spoken": conversation.spoken,
            "channel": conversation.channel[:60],
            "language": conversation.language[:12],
            "reason": reason,
            "state": to_json(conversation),
            "opened": self._clock(),
            "held_until": 0.0,
            "answers": 0,
        }
        with self._database.writes() as connection:
            connection.execute(insert_or_leave(connection, CASES).values(row))

    def cases(self, state: State | None = None, most: int = 200) -> tuple[Case, ...]:
        """Those in a state, whoever has waited longest first; of the closed ones the last first."""
        now = self._clock()
        order = CASES.c.closed.desc() if state == "closed" else CASES.c.opened
        query = select(CASES).where(_in(state, now)).order_by(order, CASES.c.id).limit(most)
        with self._database.reads() as connection:
            return tuple(_case(row, now) for row in connection.execute(query))

    def counts(self) -> dict[State, int]:
        now = self._clock()
        with self._database.reads() as connection:
            return {
                state: connection.execute(
                    select(func.count()).select_from(CASES).where(_in(state, now))
                ).scalar_one()
                for state in get_args(State)
            }

    def case(self, number: int) -> Case:
        """Raises CaseError for one that is not there."""
        with self._database.reads() as connection:
            row = connection.execute(select(CASES).where(CASES.c.id == number)).one_or_none()
        if row is None:
            raise CaseError("unknown", f"there is no case {number}")
        return _case(row, self._clock())

    def claim(self, number: int, agent: str) -> Case:
        """Hold a case that waits, or go on holding one's own. Raises CaseError."""
        now = self._clock()
        free = and_(
            CASES.c.id == number,
            CASES.c.closed.is_(None),
            or_(_free(now), CASES.c.holder == agent),
        )
        if self._change(free, holder=agent, held_until=now + self._lease):
            return self.case(number)
        found = self.case(number)
        if found.state == "closed":
            raise CaseError("closed", f"case {number} is closed, by {found.closed_by}")
        raise CaseError("held", f"case {number} is held by {found.holder}")

    def claim_next(self, agent: str) -> Case | None:
        """Hold the case that has waited longest; None where none waits."""
        while True:
            waiting = self.cases("waiting", 1)
            if not waiting:
                return None
            now, number = self._clock(), waiting[0].id
            free = and_(CASES.c.id == number, CASES.c.closed.is_(None), _free(now))
            # Where another agent was faster, the next one is tried.
            if self._change(free, holder=agent, held_until=now + self._lease):
                return self.case(number)

    def release(self, number: int, agent: str) -> None:
        """Let another agent have it. Raises CaseError."""
        self._held(number, agent)
        self._change(_holds(number, agent), holder=None, held_until=0.0)

    def answer(self, desk: Answers, number: int, agent: str, text: str, key: str) -> Case:
        """Say something to the customer. key: of this answer; the same is said once. Raises
        CaseError, TimeoutError as the desk does."""
        held = self._held(number, agent)
        before = len(desk.turns(held.conversation))
        desk.agent_says(held.conversation, text, f"case-{number}-{key}")
        if len(desk.turns(held.conversation)) > before:  # else it was a repeated one
            now = self._clock()
            self._change(
                CASES.c.id == number,
                answers=CASES.c.answers + 1,
                first_answer=func.coalesce(CASES.c.first_answer, now),
            )
        return self.case(number)

    def close(self, desk: Answers, number: int, agent: str, outcome: Outcome) -> Case:
        """The customer is helped: the desk answers again. Raises CaseError, TimeoutError."""
        held = self._held(number, agent)
        # First the conversation: what is done twice after a fault is done once under its key, and
        # a case that stays open is seen, while a conversation that nobody answers is not.
        desk.give_back(held.conversation, f"case-{number}-close")
        done = {"closed": self._clock(), "closed_by": agent, "outcome": outcome}
        self._change(_holds(number, agent), holder=None, held_until=0.0, **done)
        return self.case(number)

    def _held(self, number: int, agent: str) -> Case:
        """The agent's own case, its lease renewed. Raises CaseError."""
        now = self._clock()
        mine = and_(_holds(number, agent), CASES.c.held_until >= now)
        if not self._change(mine, held_until=now + self._lease):
            found = self.case(number)
            if found.state == "closed":
                raise CaseError("closed", f"case {number} is closed, by {found.closed_by}")
            holder = f"by {found.holder}" if found.state == "claimed" else "by nobody"
            raise CaseError("not_held", f"case {number} is held {holder}: claim it first")
        return self.case(number)

    def _change(self, where: Any, **values: Any) -> bool:
        with self._database.writes() as connection:
            changed = connection.execute(update(CASES).where(where).values(**values))
            return changed.rowcount == 1


def _free(now: float) -> Any:
    return or_(CASES.c.holder.is_(None), CASES.c.held_until < now)


def _holds(number: int, agent: str) -> Any:
    return and_(CASES.c.id == number, CASES.c.holder == agent, CASES.c.closed.is_(None))


def _in(state: State | None, now: float) -> Any:
    if state is None:
        return CASES.c.id.is_not(None)
    if state == "closed":
        return CASES.c.closed.is_not(None)
    free = _free(now)
    return and_(CASES.c.closed.is_(None), free if state == "waiting" else ~free)


def _case(row: Any, now: float) -> Case:
    held = row.holder is not None and row.held_until >= now
    state: State = "closed" if row.closed is not None else "claimed" if held else "waiting"
    return Case(
        row.id,
        row.conversation,
        row.channel,
        row.language,
        row.reason,
        from_json(row.state),
        row.opened,
        state,
        row.holder if held else None,
        row.held_until if held else 0.0,
        row.answers,
        row.first_answer,
        row.closed,
        row.closed_by,
        row.outcome,
    )
