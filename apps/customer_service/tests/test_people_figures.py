"""Figures: what is recorded of messages, and what is counted of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
pytest.importorskip("starlette", reason="the extra desk is not installed")

from hypothesis import given
from hypothesis import strategies as st

from desk.dialog.state import Conversation
from desk.people import costs
from desk.people.database import MESSAGES, PeopleDatabase
from desk.people.drift import drift
from desk.people.figures import Filter, figures, latency, share
from desk.people.queue import Queue
from desk.people.recording import Recorder
from desk.people.table import TABLES, to_csv
from desk.types import Message, Understood
from dialog_shop import Chat, request

DAY = 86_400.0
MONDAY = 1_780_272_000.0  # 2026-06-01, 00:00 UTC
EVER = Filter(MONDAY, MONDAY + 30 * DAY)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[PeopleDatabase]:
    found = PeopleDatabase(f"sqlite:///{tmp_path / 'people.db'}")
    yield found
    found.close()


def add(database: PeopleDatabase, *rows: tuple[str, float, dict[str, Any]]) -> None:
    """Rows of messages: conversation, days since Monday, what is not usual."""
    usual = {
        "channel": "web", "language": "en", "latency_ms": 4.0, "by_person": False,
        "intents": ["order_status"], "score": 0.9, "abstained": False, "done": [],
        "source": None, "handed": None, "characters_in": 400, "characters_out": 200,
    }  # fmt: skip
    made = []
    for number, (name, days, more) in enumerate(rows):
        row = usual | {"conversation": name, "key": f"m{number}", "at": MONDAY + days * DAY} | more
        made.append(row | {"intents": json.dumps(row["intents"]), "done": json.dumps(row["done"])})
    with database.writes() as connection:
        connection.execute(MESSAGES.insert(), made)


def test_what_is_recorded_of_a_message_is_no_text(database: PeopleDatabase) -> None:
    recorder = Recorder(database, clock=lambda: MONDAY)
    chat = Chat(customer="C-000001")
    chat.desk._understands = recorder.understands(  # type: ignore[attr-defined]
        lambda text: Understood((request("invoice", 0.8, order_number="MF-10003"),))
    )
    desk = recorder.desk(chat.desk)
    said = Message("chat", "m1", "the invoice of MF-10003 please", "web", "C-000001")
    reply = desk.take(said)
    assert desk.take(said) == reply  # a replay is not counted
    desk.take(Message("chat", "m2", "I want a person", "web", "C-000001"))
    desk.take(Message("chat", "m3", "hello?", "web", "C-000001"))
    recorder.close()
    with database.reads() as connection:
        rows = list(connection.execute(MESSAGES.select().order_by(MESSAGES.c.key)))
    assert [(row.key, row.intents, row.done, row.handed, row.by_person) for row in rows] == [
        ("m1", '["invoice"]', '["send_invoice"]', None, False),
        ("m2", '["invoice"]', "[]", "asked", False),
        ("m3", "[]", "[]", None, True),
    ]
    assert rows[0].score == 0.8
    assert rows[0].latency_ms > 0
    assert rows[0].characters_out == sum(map(len, reply.texts))
    assert "please" not in repr(rows)
    assert recorder.lost == 0


def test_figures_that_cannot_be_kept_cost_no_answer(database: PeopleDatabase) -> None:
    recorder = Recorder(database)
    chat = Chat()
    with database.writes() as connection:
        MESSAGES.drop(connection)
    reply = recorder.desk(chat.desk).take(Message("chat", "m1", "hello", "web"))
    recorder.close()
    assert reply.texts
    assert recorder.lost == 1


def test_containment_reasons_and_days(database: PeopleDatabase) -> None:
    add(
        database,
        ("a", 0.1, {}),
        ("a", 0.2, {"intents": []}),
        ("b", 0.3, {"intents": ["speak_to_person"], "handed": "asked"}),
        ("b", 1.1, {"intents": [], "by_person": True, "latency_ms": 9_000.0}),
        ("c", 1.2, {"channel": "bot", "abstained": True, "handed": "unsure"}),
        ("d", 1.3, {"channel": "bot", "intents": ["refund_status"], "latency_ms": 40.0}),
        ("old", -1, {}),
        ("late", 30, {}),
    )
    # Handed over by a process that was killed before it had kept the message's figures.
    queue = Queue(database, clock=lambda: MONDAY + 2 * DAY)
    queue.open(Conversation("e", channel="web", spoken=1), "anger", ())
    found = figures(database, EVER)
    assert (found["conversations"], found["messages"]) == (5, 6)
    assert (found["containment"]["count"], found["containment"]["of"]) == (2, 5)
    assert found["reasons"] == {"asked": 1, "unsure": 1, "anger": 1}
    assert found["latency"]["count"] == 5
    assert found["latency"]["most"] == 40.0
    days = [(row["day"], row["conversations"], row["handed"]) for row in found["days"]]
    assert days == [("2026-06-01", 2, 1), ("2026-06-02", 2, 1), ("2026-06-03", 1, 1)]
    assert found["intents"]["(out of scope)"] == 1
    bot = figures(database, Filter(EVER.since, EVER.until, channel="bot"))
    assert bot["containment"]["share"] == 0.5
    asked = figures(database, Filter(EVER.since, EVER.until, intent="refund_status"))
    assert (asked["conversations"], asked["reasons"]) == (1, {})
    # Who was handed over before the period is with a person in it.
    later = figures(database, Filter(MONDAY + DAY, MONDAY + 1.15 * DAY))
    assert later["containment"]["count"] == 0


def test_nothing_is_no_figure(database: PeopleDatabase) -> None:
    found = figures(database, EVER)
    assert found["containment"]["share"] is None
    assert found["latency"]["p99"] is None
    assert all(to_csv(found, table) for table in TABLES)


def test_costs_count_what_was_said_before(database: PeopleDatabase) -> None:
    add(database, ("a", 0.0, {}), ("a", 0.5, {}), ("a", 1.0, {"by_person": True}))
    price = costs.Price("large", 10.0, 20.0, "a list", "2026-01")
    machine = costs.Machine("small", 0.001)
    found = figures(database, EVER, price, machine, instructions=100)["costs"]
    # 400 characters, then 400 after the 600 before: 100 and 250 tokens, 100 more of each prompt.
    assert (found["tokens_in"], found["tokens_out"], found["messages"]) == (550, 100, 2)
    assert found["large_usd"] == pytest.approx((550 * 10 + 100 * 20) / 1e6)
    assert found["machine_usd"] == pytest.approx(0.024)  # for a day
    assert found["saved_usd"] == pytest.approx(0.0075 - 0.024)
    assert found["even_an_hour"] == 1  # 0.001 USD an hour, 0.00375 USD a message
    with pytest.raises(ValueError, match="there are GPT"):
        costs.priced("nothing")


def test_drift_beyond_chance_only() -> None:
    usual = {"order_status": 60, "return_item": 30, "invoice": 10}
    moved = {"order_status": 30, "return_item": 30, "payment_failed": 40}
    first, same, other, few = drift({"1": usual, "2": usual, "3": moved, "4": {"invoice": 5}})
    assert first["distance"] is None
    assert (same["distance"], same["beyond"]) == (0.0, False)
    assert other["distance"] == pytest.approx(0.4)
    assert other["beyond"]
    assert other["most"] == {"intent": "payment_failed", "by": 0.4}
    assert few["distance"] is None


def test_samples_of_the_same_drift_rarely() -> None:
    import numpy as np

    draw = np.random.default_rng(3)
    names = [f"intent-{n}" for n in range(12)]
    often = draw.dirichlet(np.ones(12))
    beyond = 0
    for _ in range(60):
        pair = [dict(zip(names, map(int, draw.multinomial(120, often)), strict=True)) for _ in "ab"]
        beyond += bool(drift({"1": pair[0], "2": pair[1]})[1]["beyond"])
    assert beyond <= 8  # 3 are expected; more than 8 of 60 at 5 % come once in 500 times


@given(st.integers(0, 500), st.integers(1, 500))
def test_an_interval_holds_its_share(part: int, of: int) -> None:
    found = share(min(part, of), of)
    assert 0 <= found["low"] <= found["share"] <= found["high"] <= 1


@given(st.lists(st.floats(0.001, 1e5), min_size=1, max_size=50))
def test_percentiles_are_measured_values(values: list[float]) -> None:
    found = latency(values)
    assert found["p50"] <= found["p95"] <= found["p99"] <= found["most"]
    assert found["p99"] in [round(value, 3) for value in values]
    assert sum(row["count"] for row in found["bins"]) == len(values)


@pytest.mark.parametrize("sign", "=+-@\t\r\n＝＋－＠")
def test_a_table_has_no_formulas(database: PeopleDatabase, sign: str) -> None:
    add(database, ("a", 0.1, {"intents": [f"{sign}1+1", "invoice"]}))
    table = to_csv(figures(database, EVER), "intents")
    assert list(csv.reader(io.StringIO(table, newline="")))[1:] == [
        ["2026-06-01", f"'{sign}1+1", "1"],
        ["2026-06-01", "invoice", "1"],
    ]
    with pytest.raises(ValueError, match="there are days"):
        to_csv(figures(database, EVER), "secrets")
