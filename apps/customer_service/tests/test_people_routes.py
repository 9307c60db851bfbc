"""The agents' API: keys, a case from the queue to its end, verdicts and the rows made of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
pytest.importorskip("starlette", reason="the extra desk is not installed")

from starlette.testclient import TestClient

from people_pages import KEYS, Agency


@pytest.fixture
def agency(tmp_path: Path) -> Iterator[Agency]:
    found = Agency(tmp_path)
    yield found
    found.close()


class Agent:
    def __init__(self, agency: Agency, name: str) -> None:
        self._client = TestClient(agency.app)
        self._headers = {"authorization": f"Bearer {KEYS.get(name, name)}"}

    def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        url = f"/people/api/{path}"
        got = self._client.request(method, url, headers=self._headers, json=body)
        assert got.status_code == status, got.text
        return (
            got.json()
            if "json" in got.headers["content-type"] and "nd" not in got.headers["content-type"]
            else got.text
        )


@pytest.fixture
def alice(agency: Agency) -> Agent:
    return Agent(agency, "alice")


def test_nothing_without_a_key(agency: Agency) -> None:
    stranger = Agent(agency, "key-of-nobody")
    agency.hand_over()
    for method, path in (
        ("GET", "cases"), ("POST", "cases/next"), ("GET", "cases/1"), ("POST", "cases/1/claim"),
        ("GET", "figures"), ("GET", "figures/days.csv"), ("GET", "corrections/calls.jsonl"),
    ):  # fmt: skip
        assert stranger.ask(method, path, status=401)["error"]["code"] == "unauthorized"
    assert agency.queue.counts()["waiting"] == 1
    with pytest.raises(ValueError, match="sha256sum"):
        type(agency.people)(agency.desk, agency.database, {"alice": "key-of-alice"})


def test_a_guesser_is_slowed_down(agency: Agency) -> None:
    stranger = Agent(agency, "guess")
    found = [
        stranger._client.get("/people/api/me", headers=stranger._headers).status_code
        for _ in range(30)
    ]
    assert found[0] == 401
    assert 429 in found
    Agent(agency, "alice").ask("GET", "me")  # who has a key is not


def test_a_case_is_seen_claimed_answered_and_closed(agency: Agency, alice: Agent) -> None:
    agency.hand_over()
    bob = Agent(agency, "bob")
    (listed,) = alice.ask("GET", "cases")["cases"]
    assert (listed["reason"], listed["channel"]) == ("asked", "test")
    number = alice.ask("POST", "cases/next")["case"]["id"]
    assert bob.ask("POST", "cases/next") == {"case": None}
    assert bob.ask("POST", f"cases/{number}/claim", status=409)["error"]["code"] == "held"
    shown = alice.ask("GET", f"cases/{number}")
    assert shown["mine"]
    assert not bob.ask("GET", f"cases/{number}")["mine"]
    summary = dict(shown["summary"])
    assert summary["Why"] == "The customer asked for a person."
    assert summary["Customer"].startswith("C-000001, by order number")
    assert shown["suggested"][-1]["text"].startswith("Hello, this is alice.")
    said = {"key": "a1", "text": "I'll look."}
    bob.ask("POST", f"cases/{number}/answers", said, status=409)
    alice.ask("POST", f"cases/{number}/answers", said)
    assert alice.ask("POST", f"cases/{number}/answers", said)["case"]["answers"] == 1
    texts = [turn["text"] for turn in alice.ask("GET", f"cases/{number}")["turns"]]
    assert texts.count("I'll look.") == 1
    alice.ask("POST", f"cases/{number}/close", {"outcome": "gone"}, status=422)
    done = alice.ask("POST", f"cases/{number}/close", {"outcome": "ticket"})["case"]
    assert (done["state"], done["outcome"]) == ("closed", "ticket")
    assert agency.desk.conversation("chat").handed is None  # type: ignore[union-attr]


def test_what_cannot_be_meant_is_refused(agency: Agency, alice: Agent) -> None:
    agency.hand_over()
    alice.ask("GET", "cases/77", status=404)
    alice.ask("GET", f"cases/{2**70}", status=404)
    alice.ask("GET", "cases?state=lost", status=422)
    alice.ask("POST", "cases/1/answers", {"key": "k", "text": "hi"}, status=409)
    alice.ask("POST", "cases/1/claim")
    alice.ask("POST", "cases/1/answers", {"key": "k", "text": "  "}, status=422)
    alice.ask("POST", "cases/1/answers", {"key": "", "text": "hi"}, status=422)
    alice.ask("POST", "cases/1/answers", {"text": "hi"}, status=422)
    for query in ("since=yesterday", "since=2020-01-01", "instructions=-4", "model=mine"):
        alice.ask("GET", f"figures?{query}", status=422)
    alice.ask("GET", "figures/secrets.csv", status=404)
    alice.ask("GET", "corrections/secrets.jsonl", status=404)


def verdict(turn: int, **more: Any) -> dict[str, Any]:
    return {"conversation": "chat", "turn": turn, "right": False, **more}


def test_corrections_become_rows_to_learn_from(agency: Agency, alice: Agent) -> None:
    agency.hand_over()
    first = {"name": "order_status", "arguments": {"order_number": ["MF-10003"]}}
    alice.ask("PUT", "verdicts", verdict(0, calls=[first]))
    also = {"name": "refund_status", "arguments": {}}
    alice.ask("PUT", "verdicts", verdict(0, calls=[first, also]))  # the last one counts
    places = [p for p, turn in enumerate(agency.desk.turns("chat")) if turn.said_by == "customer"]
    alice.ask("PUT", "verdicts", verdict(places[1], calls=[], document="store-york"))
    rows = [json.loads(row) for row in alice.ask("GET", "corrections/calls.jsonl").splitlines()]
    assert [(row["text"][:8], row["calls"]) for row in rows] == [
        (
            "where is",
            [
                {"name": "order_status", "arguments": {"order_number": "MF-10003"}},
                {"name": "refund_status", "arguments": {}},
            ],
        ),
        ("hm, the ", []),
    ]
    assert rows[0]["predicted"] == {"labels": ["order_status"]}
    (page,) = [json.loads(row) for row in alice.ask("GET", "corrections/pages.jsonl").splitlines()]
    assert (page["text"], page["label"]) == ("hm, the thing with York", "store-york")
    assert alice.ask("GET", "cases/1")["verdicts"]["0"]["agent"] == "alice"
    rate = alice.ask("GET", "figures?since=2026-06-01&until=2026-06-30")["wrong"]["judged"]
    assert (rate["count"], rate["of"]) == (2, 2)


def test_corrections_that_would_teach_nonsense_are_refused(agency: Agency, alice: Agent) -> None:
    agency.hand_over()

    def call(name: str, **slots: list[str]) -> list[dict[str, Any]]:
        return [{"name": name, "arguments": slots}]

    for body, what in (
        (verdict(1), "turn of the customer"),
        (verdict(99), "turn of the customer"),
        (verdict(0, calls=call("steal")), "no intent 'steal'"),
        (verdict(0, calls=call("order_status", color=["red"])), "no slot 'color'"),
        (verdict(0, calls=call("order_status", order_number=["MF-1"])), "not in the text"),
        (verdict(0, calls=call("order_status", order_number=["MF-10003", "10003"])), "one value"),
        (verdict(0, document="nothing"), "no help page"),
    ):
        assert what in alice.ask("PUT", "verdicts", body, status=422)["error"]["message"]
    missing = {"conversation": "nobody", "turn": 0, "right": True}
    alice.ask("PUT", "verdicts", missing, status=404)


def test_a_review_draws_what_no_person_saw(agency: Agency, alice: Agent) -> None:
    agency.hand_over()
    assert alice.ask("GET", "review") == {"conversation": None}
    agency.chat.name = "alone"
    agency.chat.say("where is MF-10003, anna@mail.example", "order_status")
    agency.recorder.flush()
    drawn = alice.ask("GET", "review")
    assert drawn["conversation"] == "alone"
    said = {"conversation": "alone", "turn": 0, "right": True, "sampled": True}
    alice.ask("PUT", "verdicts", said)
    assert alice.ask("GET", "review") == {"conversation": None}


def test_figures_of_what_happened(agency: Agency, alice: Agent) -> None:
    agency.hand_over()
    found = alice.ask("GET", "figures")
    assert found["containment"]["of"] == 1
    assert found["reasons"] == {"asked": 1}
    assert found["choices"]["channel"] == ["test"]
    table = alice.ask("GET", "figures/days.csv?channel=test").splitlines()
    assert table[0].startswith("day,conversations,handed")
    assert len(table) == 2


def test_the_pages_hold_nothing(agency: Agency) -> None:
    client = TestClient(agency.app)
    for path in ("/people/", "/people", "/people/figures", "/people/page/agents.js"):
        got = client.get(path)
        assert got.status_code == 200
        assert "default-src 'none'" in got.headers["content-security-policy"]
        assert "alice" not in got.text
