"""What the application's tests are made with: a model that knows by keywords, a policy, loans."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Engine, insert, select

from application.database import writing
from application.settings import Policy
from application.types import Understood
from application.work import LOANS

POLICY = Policy(
    handed="A librarian will answer.",
    answers={"opening_hours": "From 9 to 7.", "renew_loan": "Until {due}: {titles}."},
)


class Keywords:
    """A word of each label; without any it abstains."""

    labels = ("fees", "opening_hours", "person", "renew_loan", "oos")
    _words = {"fine": "fees", "open": "opening_hours", "human": "person", "renew": "renew_loan"}  # noqa: RUF012

    def __call__(self, text: str) -> Understood:
        for word, label in self._words.items():
            if word in text:
                return Understood(label, 0.9, abstained=False)
        return Understood("fees", 0.2, abstained=True)


def lend(engine: Engine, reader: str, days: int, title: str = "Emma") -> None:
    """A loan that is due in so many days."""
    due = datetime.now(UTC).date() + timedelta(days=days)
    with writing(engine).begin() as connection:
        connection.execute(insert(LOANS).values(reader=reader, title=title, due=due))


def due(engine: Engine, reader: str) -> list[date]:
    with engine.connect() as connection:
        return list(
            connection.execute(select(LOANS.c.due).where(LOANS.c.reader == reader)).scalars()
        )
