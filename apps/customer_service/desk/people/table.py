"""The dashboard's figures as CSV, for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

#: How formulas begin (OWASP, CSV injection); some programs take the wide signs, too.
_FORMULAS = tuple("=+-@\t\r\n＝＋－＠")
TABLES = ("days", "reasons", "intents", "drift", "figures")


def to_csv(found: dict[str, Any], table: str) -> str:
    """One of TABLES of what `figures` gives. Raises ValueError for any other."""
    if table == "days":
        names = ("day", "conversations", "handed", "messages", "p50", "p99")
        return _csv(names, [[row[name] for name in names] for row in found["days"]])
    if table == "reasons":
        return _csv(("reason", "conversations"), list(found["reasons"].items()))
    if table == "intents":
        rows = [(p, i, n) for p, counts in found["periods"].items() for i, n in counts.items()]
        return _csv(("period", "intent", "messages"), rows)
    if table == "drift":
        heads = ("period", "messages", "distance", "chance", "beyond")
        return _csv(heads, [[row[name] for name in heads] for row in found["drift"]])
    if table == "figures":
        return _csv(("figure", "value"), list(_flat("", found)))
    raise ValueError(f"table: there is no {table!r}; there are {', '.join(TABLES)}")


def _flat(above: str, value: Any) -> Any:
    for name, one in value.items():
        if isinstance(one, dict) and name != "periods":
            yield from _flat(f"{above}{name}.", one)
        elif not isinstance(one, dict | list):
            yield f"{above}{name}", one


def _csv(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([_safe(cell) for cell in row] for row in rows)
    return text.getvalue()


def _safe(cell: Any) -> Any:
    """A text that a spreadsheet would take for a formula is told to be a text."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULAS) else cell
