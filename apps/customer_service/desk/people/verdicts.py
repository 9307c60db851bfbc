"""What people say of how the desk took a message, and the training rows that come of it.

A verdict is of one turn of a customer; the last one counts. Rows are JSON lines as `attar build`
reads them: `calls` for the model that understands, `label` for the one of the help pages. They hold
what customers wrote, so they are to be kept as that is.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import func, select

from desk.dialog.flows import FLOWS
from desk.dialog.state import Conversation
from desk.people.database import CASES, MESSAGES, VERDICTS, PeopleDatabase, insert_or_replace
from desk.types import Slot, Turn

SLOTS: tuple[str, ...] = get_args(Slot)
INTENTS = tuple(sorted({*FLOWS, "speak_to_person", "greeting", "thanks", "affirm", "deny"}))
_MOST_CALLS = 10
Model = Literal["calls", "pages"]


class VerdictError(Exception):
    """A verdict that cannot be meant. The message says what was expected."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """turn: its place among all turns, from 0. calls: name of the intent, and its slots as the text
    has them; () for out of scope, None where it is not said. document: of a help page. sampled: the
    turn was drawn at random, not chosen."""

    conversation: str
    turn: int
    right: bool
    calls: Sequence[tuple[str, Mapping[str, Sequence[str]]]] | None = None
    document: str | None = None
    sampled: bool = False


class Verdicts:
    """lists: slots that are lists in the schema of the model's functions; the others have one
    value a call."""

    def __init__(
        self,
        database: PeopleDatabase,
        *,
        lists: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._lists = frozenset(lists)
        self._clock = clock

    def put(self, verdict: Verdict, turns: Sequence[Turn], state: Conversation, by: str) -> None:
        """Keep a verdict in the place of one before it. Raises VerdictError."""
        if not 0 <= verdict.turn < len(turns) or turns[verdict.turn].said_by != "customer":
            raise VerdictError(f"turn {verdict.turn}: a turn of the customer is expected")
        turn = turns[verdict.turn]
        after = turns[verdict.turn + 1 : verdict.turn + 2]
        calls = None if verdict.calls is None else self._calls(verdict.calls, turn.text)
        source = next((one.source for one in turns[verdict.turn + 1 :] if one.source), None)
        row: dict[str, Any] = {
            "conversation": state.id,
            "turn": verdict.turn,
            "at": self._clock(),
            "said_at": datetime.fromisoformat(turn.at).timestamp(),
            "channel": state.channel[:60],
            "language": state.language[:12],
            "agent": by,
            "right": verdict.right,
            "answered": bool(after and after[0].said_by == "desk"),
            "sampled": verdict.sampled,
            "text": turn.text,
            "was": json.dumps({"intents": list(turn.intents), "source": source}),
            "calls": None if calls is None else json.dumps(calls, ensure_ascii=False),
            "document": verdict.document or None,
        }
        with self._database.writes() as connection:
            connection.execute(insert_or_replace(connection, VERDICTS, row))

    def of(self, conversation: str) -> dict[int, dict[str, Any]]:
        """What has been said of a conversation, by turn."""
        query = select(VERDICTS).where(VERDICTS.c.conversation == conversation)
        with self._database.reads() as connection:
            return {
                row.turn: {
                    "right": row.right,
                    "calls": None if row.calls is None else json.loads(row.calls),
                    "document": row.document,
                    "agent": row.agent,
                }
                for row in connection.execute(query)
            }

    def done(self, conversation: str) -> list[str]:
        """Names of the actions that the desk did in a conversation, in order."""
        query = (
            select(MESSAGES.c.done)
            .where(MESSAGES.c.conversation == conversation)
            .order_by(MESSAGES.c.at)
        )
        with self._database.reads() as connection:
            found = connection.execute(query).scalars()
            return [name for names in found for name in json.loads(names)]

    def draw(self, large: bool = False) -> str | None:
        """At random, a conversation that the desk kept to itself and nobody has looked at. large:
        one in which a large model decided what a message asks for, whoever has it now."""
        seen = select(VERDICTS.c.conversation)
        handed = select(CASES.c.conversation)
        which = MESSAGES.c.large == "decided" if large else MESSAGES.c.conversation.not_in(handed)
        query = (
            select(MESSAGES.c.conversation)
            .where(MESSAGES.c.conversation.not_in(seen), which)
            .group_by(MESSAGES.c.conversation)
            .order_by(func.random())
            .limit(1)
        )
        with self._database.reads() as connection:
            found: str | None = connection.execute(query).scalar()
            return found

    def rows(self, model: Model) -> Iterator[dict[str, Any]]:
        """Training rows, in the order in which they were said. predicted: what the desk took it
        for; nothing is trained on that."""
        column = VERDICTS.c.calls if model == "calls" else VERDICTS.c.document
        order = (VERDICTS.c.said_at, VERDICTS.c.conversation, VERDICTS.c.turn)
        query = select(VERDICTS).where(column.is_not(None)).order_by(*order)
        with self._database.reads() as connection:
            for row in connection.execute(query):
                was = json.loads(row.was)
                if model == "calls":
                    gold = {"calls": json.loads(row.calls), "predicted": {"labels": was["intents"]}}
                else:
                    gold = {"label": row.document, "predicted": {"label": was["source"]}}
                yield {"text": row.text, **gold}

    def _calls(
        self, said: Sequence[tuple[str, Mapping[str, Sequence[str]]]], text: str
    ) -> list[dict[str, Any]]:
        if len(said) > _MOST_CALLS:
            raise VerdictError(f"calls: at most {_MOST_CALLS} requests of one message are expected")
        found = []
        for intent, slots in said:
            if intent not in INTENTS:
                raise VerdictError(f"calls: there is no intent {intent!r}: {', '.join(INTENTS)}")
            arguments: dict[str, Any] = {}
            for name, values in slots.items():
                if name not in SLOTS:
                    raise VerdictError(f"calls: there is no slot {name!r}: {', '.join(SLOTS)}")
                for value in values:
                    # What does not stand in the text cannot be learned from it.
                    if not _stands(value, text):
                        raise VerdictError(
                            f"calls: {name} {value!r} is not in the text: expected its own words"
                        )
                if name in self._lists:
                    arguments[name] = list(values)
                elif len(values) > 1:
                    raise VerdictError(
                        f"calls: {name} has one value in a request, not {len(values)}: "
                        "say the request once for each"
                    )
                elif values:
                    arguments[name] = values[0]
            found.append({"name": intent, "arguments": arguments})
        return found


def _stands(value: str, text: str) -> bool:
    """Whether a value is whole words of a text, in any case."""
    words = rf"(?<!\w){re.escape(value.strip())}(?!\w)"
    return bool(value.strip()) and re.search(words, text, re.IGNORECASE) is not None
