"""The rules of the help pages, and the database's own kinds of values."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from desk.shop import rules, schema
from desk.shop.database import Database

FRIDAY = date(2026, 6, 12)


def test_working_days() -> None:
    assert rules.working_days_after(FRIDAY, 0) == FRIDAY
    assert rules.working_days_after(FRIDAY, 1) == date(2026, 6, 15)
    assert rules.working_days_after(date(2026, 6, 14), 1) == date(2026, 6, 15)  # a Sunday
    assert rules.working_days_after(FRIDAY, 5) == date(2026, 6, 19)


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 60))
def test_working_days_by_counting(day: date, days: int) -> None:
    end = rules.working_days_after(day, days)
    between = [day + timedelta(days=n + 1) for n in range((end - day).days)]
    assert sum(each.weekday() < 5 for each in between) == days
    assert end.weekday() < 5


@pytest.mark.parametrize(
    ("placed", "delivered", "last"),
    [
        (date(2026, 6, 1), date(2026, 6, 4), date(2026, 7, 4)),
        (date(2026, 10, 31), date(2026, 11, 3), date(2026, 12, 3)),
        (date(2026, 11, 1), date(2026, 11, 4), date(2027, 1, 31)),
        (date(2026, 12, 24), date(2027, 1, 4), date(2027, 2, 3)),  # the 30 days are longer
        (date(2026, 12, 25), date(2026, 12, 30), date(2027, 1, 29)),
    ],
)
def test_last_day_of_returns(placed: date, delivered: date, last: date) -> None:
    assert rules.last_return_day(placed, delivered) == last


@pytest.mark.parametrize(
    ("method", "country", "faulty", "cost"),
    [
        ("parcel_shop", "GB", False, "1.95"),
        ("pick_up", "GB", False, "3.95"),
        ("store", "GB", False, "0"),
        ("parcel_shop", "FR", False, "6.95"),
        ("parcel_shop", "NO", False, "0"),
        ("pick_up", "GB", True, "0"),
    ],
)
def test_cost_of_returns(method: str, country: str, faulty: bool, cost: str) -> None:
    assert rules.return_cost(method, country, faulty) == Decimal(cost)


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("14 Mill Lane, Leeds LS2 9JT", "GB"),
        ("14 Mill Lane, Leeds ls29jt", "GB"),
        ("2 Quay Street, Belfast, Northern Ireland", "GB"),
        ("3 Dame Lane, Dublin 2, Ireland", "IE"),
        ("Lindenstraße 3\n50674 Köln\nDeutschland", "DE"),
        ("14 Mill Lane, Leeds", None),
        ("", None),
    ],
)
def test_countries_of_addresses(address: str, country: str | None) -> None:
    assert rules.country_of(address) == country


def test_29_february() -> None:
    assert rules.years_after(date(2028, 2, 29), 2) == date(2030, 2, 28)


@given(st.text())
def test_any_text_may_be_asked_for_its_country(text: str) -> None:
    assert rules.country_of(text) in {*rules.COUNTRIES.values(), None}
    assert rules.is_address(text) in (True, False)


def test_money_and_moments_come_back_as_they_were(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'shop.db'}")
    tokyo = datetime(2026, 6, 10, 21, 0, tzinfo=timezone(timedelta(hours=9)))
    with database.writes() as session:
        session.add(schema.Product(id=1, code="P", name="Mug", category="home"))
        session.add(schema.Variant(product_id=1, sku="P-1", price=Decimal("0.29"), stock=1))
        session.add(schema.Mail(email="a@mail.example", kind="k", about="x", written=tokyo))
    with database.reads() as session:
        assert session.query(schema.Variant.price).scalar() == Decimal("0.29")
        written = session.query(schema.Mail.written).scalar()
        assert written == tokyo
        assert written.utcoffset() == timedelta(0)
    naive = schema.Mail(email="a@mail.example", kind="k", about="x", written=datetime(2026, 6, 10))
    with database.engine.connect() as connection, Session(connection) as session:
        session.add(naive)
        with pytest.raises(StatementError, match="expected a time zone"):
            session.flush()
    database.close()


def test_workers_that_start_together_make_the_tables_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    start = threading.Barrier(6)

    def open_it() -> Database:
        start.wait()
        return Database(url)

    with ThreadPoolExecutor(6) as pool:
        opened = [pool.submit(open_it) for _ in range(6)]
        for each in opened:
            with each.result(60).reads() as session:
                assert session.query(schema.Customer).count() == 0
            each.result().close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/name"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected sqlite:///path"):
        Database(url)
