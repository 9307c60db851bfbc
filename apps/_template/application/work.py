"""What the application does, beside saying: renewing a reader's loans.

Work runs inside the transaction that keeps the message: it is done once for a message's key, or not
at all. The table stands for the library's own system; a call to another program would carry the
message's key, so that it too does it once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import Column, Connection, Date, Integer, String, Table, select, update

from application.database import TABLES
from application.types import Message

LOANS = Table(
    "loans",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("reader", String(60), index=True, nullable=False),
    Column("title", String(200), nullable=False),
    Column("due", Date, nullable=False),
)
_LONGER = timedelta(days=21)

#: What an answer may state; None where it cannot be done and nothing was changed.
Work = Callable[[Connection, Message], Mapping[str, str] | None]


def renew(connection: Connection, message: Message) -> Mapping[str, str] | None:
    """All loans of the reader, unless there are none or one is overdue."""
    mine = LOANS.c.reader == message.reader
    found = connection.execute(select(LOANS).where(mine).order_by(LOANS.c.id)).all()
    today = datetime.now(UTC).date()
    if not found or any(loan.due < today for loan in found):
        return None
    for loan in found:
        later = update(LOANS).where(LOANS.c.id == loan.id)
        connection.execute(later.values(due=loan.due + _LONGER))
    due = min(loan.due for loan in found) + _LONGER
    return {"titles": ", ".join(loan.title for loan in found), "due": due.isoformat()}


WORK: Mapping[str, Work] = {"renew_loan": renew}
