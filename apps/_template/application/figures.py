"""What is counted, by day: answered, handed over and why, judged wrong, how long it took."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, get_args

import numpy as np
from sqlalchemy import Engine, Row, select

from application.database import MESSAGES
from application.types import Reason


def figures(engine: Engine, since: float = 0.0) -> dict[str, Any]:
    """Of the messages after `since` (seconds since 1970), by day and in all."""
    days: dict[str, list[Row[Any]]] = defaultdict(list)
    query = select(MESSAGES).where(MESSAGES.c.at >= since)
    with engine.connect() as connection:
        for row in connection.execute(query.order_by(MESSAGES.c.at)):
            days[datetime.fromtimestamp(row.at, UTC).date().isoformat()].append(row)
    every = [row for rows in days.values() for row in rows]
    return {"all": _counted(every), "days": [{"day": d, **_counted(r)} for d, r in days.items()]}


def to_csv(days: Sequence[dict[str, Any]]) -> str:
    """A line a day."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["day", *_counted([])])
    writer.writeheader()
    writer.writerows(days)
    return text.getvalue()


def _counted(rows: Sequence[Row[Any]]) -> dict[str, Any]:
    """corrected: those that people gave another label than the model's; wrong: those of them that
    the model had answered, of `judged` ones that it had answered and a person looked at."""
    why = Counter(row.handed for row in rows)
    answered = [row for row in rows if row.handed is None]
    differ = [row for row in rows if row.corrected not in (None, row.label)]
    took = [row.latency_ms for row in rows] or [0.0]
    return {
        "messages": len(rows),
        "answered": len(answered),
        "handed": len(rows) - len(answered),
        **{f"handed_{reason}": why[reason] for reason in get_args(Reason)},
        "corrected": len(differ),
        "judged": sum(row.corrected is not None for row in answered),
        "wrong": sum(row.handed is None for row in differ),
        "p50_ms": round(float(np.quantile(took, 0.5, method="higher")), 3),
        "p95_ms": round(float(np.quantile(took, 0.95, method="higher")), 3),
    }
