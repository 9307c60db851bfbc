"""What is recorded, counted and checked of messages that a large model was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
pytest.importorskip("starlette", reason="the extra desk is not installed")

from sqlalchemy import text
from starlette.testclient import TestClient

from desk.people import costs
from desk.people.database import MESSAGES, PeopleDatabase
from desk.people.figures import figures
from desk.people.recording import Recorder
from desk.people.table import to_csv
from desk.people.verdicts import Verdicts
from desk.types import Asked, Message, Understood
from dialog_shop import Chat, request
from people_pages import Agency
from test_people_figures import EVER, MONDAY, add


def database(tmp_path: Path) -> PeopleDatabase:
    return PeopleDatabase(f"sqlite:///{tmp_path / 'people.db'}")


def test_who_decided_is_recorded(tmp_path: Path) -> None:
    kept = database(tmp_path)
    recorder = Recorder(kept, clock=lambda: MONDAY)
    said = {
        "m1": Understood((request("invoice"),), large=Asked("decided", 2, 900, 20)),
        "m2": Understood((), True, large=Asked("budget")),
        "m3": Understood((request("invoice"),)),
    }
    chat = Chat()
    for key, understood in said.items():
        chat.desk._understands = recorder.understands(lambda _, found=understood: found)  # type: ignore[misc]
        recorder.desk(chat.desk).take(Message("c", key, "hm", "web"))
    recorder.close()
    with kept.reads() as connection:
        rows = list(connection.execute(MESSAGES.select().order_by(MESSAGES.c.key)))
    found = [(row.large, row.large_requests, row.large_in, row.large_out) for row in rows]
    assert found == [("decided", 2, 900, 20), ("budget", 0, 0, 0), (None, None, None, None)]
    kept.close()


def test_what_it_took_is_subtracted(tmp_path: Path) -> None:
    kept = database(tmp_path)
    decided = {"large": "decided", "large_requests": 1, "large_in": 900, "large_out": 20}
    late = {"large": "late", "large_requests": 2, "large_in": 0, "large_out": 0}
    add(
        kept,
        ("a", 0.0, {"large": None, "large_requests": None, "large_in": None, "large_out": None}),
        ("b", 0.0, decided),
        ("c", 0.0, late),
    )
    price = costs.Price("large", 10.0, 20.0, "a list", "2026-01")
    found = figures(kept, EVER, price, costs.Machine("small", 0.0))
    counted = found["costs"]
    # 900 and 20 tokens as it counts; twice 100 where it does not say.
    assert counted["handed_usd"] == pytest.approx((900 * 10 + 20 * 20 + 200 * 10) / 1e6, abs=1e-4)
    saved = counted["large_usd"] - counted["handed_usd"]
    assert counted["saved_usd"] == pytest.approx(saved, abs=2e-4)
    assert found["large"]["outcomes"] == {"decided": 1, "late": 1}
    assert (found["large"]["wanted"]["count"], found["large"]["wanted"]["of"]) == (2, 3)
    assert (found["large"]["decided"]["count"], found["large"]["decided"]["of"]) == (1, 2)
    assert found["large"]["requests"] == 3
    assert "large.outcomes.late,1" in to_csv(found, "figures")
    # To be checked: the conversation in which it decided, until somebody has.
    assert {Verdicts(kept).draw(large=True) for _ in range(5)} == {"b"}
    kept.close()


def test_a_table_of_an_older_desk_gets_the_columns(tmp_path: Path) -> None:
    kept = database(tmp_path)
    new = ("large", "large_requests", "large_in", "large_out")
    with kept.writes() as connection:
        for name in new:
            connection.execute(text(f"ALTER TABLE people_messages DROP COLUMN {name}"))
    kept.close()
    kept = database(tmp_path)
    with kept.reads() as connection:
        rows = connection.execute(MESSAGES.select())
        assert set(new) <= set(rows.keys())
    kept.close()


def test_agents_draw_what_it_decided(tmp_path: Path) -> None:
    agency = Agency(tmp_path)
    with TestClient(agency.app) as client:
        ask = {"Authorization": "Bearer key-of-alice"}
        found = client.get("/people/api/review?by=large", headers=ask).json()
        assert found["conversation"] is None
        large = Asked("decided", 1, 9, 9)
        agency.chat.understood = Understood((request("invoice"),), large=large)
        agency.chat.desk.take(Message("chat", "m1", "that paper", "web"))
        agency.recorder.flush()
        found = client.get("/people/api/review?by=large", headers=ask).json()
        assert found["conversation"] == "chat"
        assert found["turns"][0]["intents"] == ["invoice"]
    agency.close()
