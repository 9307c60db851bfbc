"""How the desk does, from recorded messages, cases and verdicts. Figures only; no texts.

A conversation counts in the period in which it had a message, on the day of its first one there. It
is contained if no person took it over; who gave up without a word counts as contained, too.
Intervals are Wilson's at 95 %.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import Table, select

from desk.people import costs
from desk.people.database import CASES, MESSAGES, VERDICTS, PeopleDatabase
from desk.people.drift import drift

OUT_OF_SCOPE = "(out of scope)"
_MOST_DAYS = 62  # beyond that, periods are weeks


@dataclass(frozen=True, slots=True)
class Filter:
    """since, until: seconds since 1970, until not included."""

    since: float
    until: float
    channel: str | None = None
    language: str | None = None
    intent: str | None = None


def figures(
    database: PeopleDatabase,
    asked: Filter,
    price: costs.Price = costs.PRICES[0],
    machine: costs.Machine | None = None,
    instructions: int = 0,
) -> dict[str, Any]:
    """All that the dashboard shows, ready for JSON."""
    messages, cases, verdicts = _read(database, asked)
    held = [row for row in messages if not row.by_person]
    first: dict[str, float] = {}
    for at, name in [(m.at, m.conversation) for m in messages] + [
        (c.opened, c.conversation) for c in cases
    ]:
        first[name] = min(at, first.get(name, math.inf))
    # Who was handed over before the period and writes on in it is with a person, too.
    handed = {row.conversation for row in messages if row.handed or row.by_person}
    handed |= {row.conversation for row in cases}
    # The queue knows every case; a killed process may have lost the message that led to it.
    why = {row.conversation: row.handed for row in messages if row.handed}
    why |= {row.conversation: row.reason for row in cases}
    weekly = (asked.until - asked.since) / 86_400 > _MOST_DAYS
    asks = _intents(held, weekly)
    ends = [row.at for row in messages]
    hours = (max(ends) - min(ends)) / 3600 if ends else 0.0
    answered = [row for row in verdicts if row.answered]
    return {
        "conversations": len(first),
        "messages": len(messages),
        "containment": share(len(first) - len(handed), len(first)),
        "reasons": dict(Counter(why.values()).most_common()),
        "wrong": {
            "judged": share(sum(not row.right for row in answered), len(answered)),
            "drawn": share(
                sum(not row.right for row in answered if row.sampled),
                sum(row.sampled for row in answered),
            ),
        },
        "abstained": share(sum(row.abstained for row in held), len(held)),
        "large": _large(held),
        "latency": latency(row.latency_ms for row in held),
        "waits": _waits(cases),
        "costs": costs.saved(messages, hours, price, machine or costs.Machine(), instructions),
        "actions": dict(Counter(n for r in held for n in json.loads(r.done)).most_common()),
        "days": _days(messages, first, handed),
        "intents": dict(
            Counter(name for c in asks.values() for name in c.elements()).most_common()
        ),
        "periods": {period: dict(counts) for period, counts in asks.items()},
        "drift": drift(asks),
        "weekly": weekly,
    }


def choices(database: PeopleDatabase) -> dict[str, list[str]]:
    """What there is to filter by."""
    with database.reads() as connection:
        return {
            column.name: sorted(connection.execute(select(column).distinct()).scalars())
            for column in (MESSAGES.c.channel, MESSAGES.c.language)
        }


def share(part: int, of: int) -> dict[str, Any]:
    """A share with its interval; None of nothing."""
    if not of:
        return {"count": part, "of": of, "share": None, "low": None, "high": None}
    z, p = 1.959964, part / of
    middle = p + z * z / (2 * of)
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    low, high = ((middle + sign * half) / (1 + z * z / of) for sign in (-1, 1))
    return {
        "count": part,
        "of": of,
        "share": round(p, 5),
        "low": round(max(low, 0.0), 5),
        "high": round(min(high, 1.0), 5),
    }


def latency(values: Iterable[float]) -> dict[str, Any]:
    """Of the desk's own answers, in milliseconds, and a histogram by powers of two."""
    found = np.sort(np.array(list(values)))
    if not len(found):
        return {"count": 0, "p50": None, "p95": None, "p99": None, "most": None, "bins": []}
    p50, p95, p99 = (float(v) for v in np.quantile(found, (0.5, 0.95, 0.99), method="higher"))
    powers = Counter(math.ceil(math.log2(max(float(v), 0.25))) for v in found)
    bins = [{"under": 2.0**n, "count": powers[n]} for n in range(min(powers), max(powers) + 1)]
    figure = {"p50": p50, "p95": p95, "p99": p99, "most": float(found[-1])}
    return {"count": len(found), **{k: round(v, 3) for k, v in figure.items()}, "bins": bins}


def _read(database: PeopleDatabase, asked: Filter) -> tuple[list[Any], list[Any], list[Any]]:
    with database.reads() as connection:

        def rows(table: Table, at: Any) -> list[Any]:
            query = select(table).where(at >= asked.since, at < asked.until)
            for name in ("channel", "language"):
                if (value := getattr(asked, name)) is not None:
                    query = query.where(table.c[name] == value)
            return list(connection.execute(query.order_by(at)))

        messages = rows(MESSAGES, MESSAGES.c.at)
        cases = rows(CASES, CASES.c.opened)
        verdicts = rows(VERDICTS, VERDICTS.c.said_at)
    if asked.intent is not None:
        # Whole conversations that had it: what follows belongs to it.
        names = {m.conversation for m in messages if asked.intent in _asked(m)}
        messages = [row for row in messages if row.conversation in names]
        cases = [row for row in cases if row.conversation in names]
        verdicts = [v for v in verdicts if asked.intent in json.loads(v.was)["intents"]]
    return messages, cases, verdicts


def _asked(row: Any) -> list[str]:
    found: list[str] = json.loads(row.intents)
    return found or [OUT_OF_SCOPE]


def _intents(held: Sequence[Any], weekly: bool) -> dict[str, Counter[str]]:
    """Counts of intents by day, or by the Monday of the week, in the order of time."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in held:
        found[_day(row.at, weekly)].update(_asked(row))
    return dict(found)


def _days(messages: Sequence[Any], first: dict[str, float], handed: set[str]) -> list[Any]:
    said: dict[str, list[Any]] = defaultdict(list)
    begun: dict[str, list[str]] = defaultdict(list)
    for row in messages:
        said[_day(row.at)].append(row)
    for name, at in first.items():
        begun[_day(at)].append(name)
    found = []
    for day in sorted({*said, *begun}):
        over = sum(name in handed for name in begun[day])
        quick = latency(row.latency_ms for row in said[day] if not row.by_person)
        found.append(
            {
                "day": day,
                "conversations": len(begun[day]),
                "handed": over,
                "contained": share(len(begun[day]) - over, len(begun[day])),
                "messages": len(said[day]),
                "p50": quick["p50"],
                "p99": quick["p99"],
            }
        )
    return found


def _large(held: Sequence[Any]) -> dict[str, Any]:
    """Messages that were to be handed over to a large model, and what came of it. decided: of
    those that it was asked for."""
    outcomes = Counter(row.large for row in held if row.large)
    asked = sum(bool(row.large_requests) for row in held)
    return {
        "wanted": share(sum(outcomes.values()), len(held)),
        "decided": share(outcomes["decided"], asked),
        "requests": sum(row.large_requests or 0 for row in held),
        "outcomes": dict(outcomes.most_common()),
    }


def _waits(cases: Sequence[Any]) -> dict[str, Any]:
    """How long customers waited for a person's first answer, in seconds."""
    waits = [row.first_answer - row.opened for row in cases if row.first_answer is not None]
    return {
        "answered": len(waits),
        "median_s": round(float(np.median(waits)), 1) if waits else None,
        "open": sum(row.closed is None for row in cases),
    }


def _day(at: float, weekly: bool = False) -> str:
    if weekly:
        at -= datetime.fromtimestamp(at, UTC).weekday() * 86_400
    return datetime.fromtimestamp(at, UTC).date().isoformat()
