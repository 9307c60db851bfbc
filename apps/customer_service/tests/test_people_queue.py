"""The queue: what is handed over is held by one agent at a time, answered once and given back."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
pytest.importorskip("starlette", reason="the extra desk is not installed")

from desk.dialog import ServiceDesk
from desk.people.database import PeopleDatabase
from desk.people.figures import Filter, figures
from desk.people.queue import CaseError, Queue
from desk.people.recording import Recorder
from desk.people.verdicts import Verdict, Verdicts
from desk.types import Message, Understood
from dialog_shop import Chat, page, request


@pytest.fixture(scope="module")
def people_postgres() -> Iterator[str]:
    server = pytest.importorskip("postgres_server")
    if reason := server.missing():
        pytest.skip(reason)
    with server.running() as url:
        yield f"{url}postgres"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PeopleDatabase]:
    if request.param == "sqlite":
        found = PeopleDatabase(f"sqlite:///{tmp_path / 'people.db'}")
    else:
        found = PeopleDatabase(request.getfixturevalue("people_postgres"))
        with found.writes() as connection:
            connection.exec_driver_sql("TRUNCATE people_cases, people_messages, people_verdicts")
    yield found
    found.close()


class Now:
    at = 1_000_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def queue(database: PeopleDatabase, now: Now) -> Queue:
    return Queue(database, lease=60.0, clock=now)


def handed(queue: Queue, name: str = "chat") -> Chat:
    chat = Chat(name=name, on_handed=queue.open)
    chat.say("where is MF-10003, anna@mail.example", "order_status")
    chat.say("I want a person")
    return chat


def test_a_case_is_claimed_answered_and_closed(queue: Queue, now: Now) -> None:
    chat = handed(queue)
    (case,) = queue.cases("waiting")
    assert (case.reason, case.channel, case.handed.proven) == ("asked", "test", "C-000001")
    now.at += 5
    case = queue.claim(case.id, "alice")
    assert (case.state, case.holder) == ("claimed", "alice")
    case = queue.answer(chat.desk, case.id, "alice", "Hello, Alice here.", "a1")
    case = queue.answer(chat.desk, case.id, "alice", "Hello, Alice here.", "a1")  # a double click
    assert (case.answers, case.first_answer) == (1, now.at)
    said = [turn.text for turn in chat.desk.turns("chat") if turn.said_by == "agent"]
    assert said == ["Hello, Alice here."]
    assert chat.say("thanks", "thanks").texts == ()  # a person answers now
    case = queue.close(chat.desk, case.id, "alice", "resolved")
    assert (case.state, case.closed_by, case.outcome) == ("closed", "alice", "resolved")
    assert chat.say("hello", "greeting").texts  # the desk answers again
    assert queue.counts() == {"waiting": 0, "claimed": 0, "closed": 1}


def test_a_case_is_held_by_one_agent_until_its_lease_ends(queue: Queue, now: Now) -> None:
    chat = handed(queue)
    (case,) = queue.cases("waiting")
    queue.claim(case.id, "alice")
    with pytest.raises(CaseError, match="held by alice"):
        queue.claim(case.id, "bob")
    with pytest.raises(CaseError, match="claim it first") as refused:
        queue.answer(chat.desk, case.id, "bob", "Hi", "b1")
    assert refused.value.code == "not_held"
    now.at += 61
    assert queue.case(case.id).state == "waiting"
    queue.claim(case.id, "bob")
    with pytest.raises(CaseError, match="held by bob"):
        queue.close(chat.desk, case.id, "alice", "resolved")
    assert all(turn.said_by != "agent" for turn in chat.desk.turns("chat"))
    queue.release(case.id, "bob")
    assert queue.claim(case.id, "alice").holder == "alice"


def test_told_twice_is_one_case_and_handed_again_another(queue: Queue) -> None:
    chat = handed(queue)
    (case,) = queue.cases("waiting")
    queue.open(case.handed, "asked", ())
    assert len(queue.cases()) == 1
    queue.claim(case.id, "alice")
    queue.close(chat.desk, case.id, "alice", "resolved")
    with pytest.raises(CaseError, match="closed, by alice"):
        queue.claim(case.id, "bob")
    chat.say("I want a person")
    assert [one.state for one in queue.cases()] == ["closed", "waiting"]


def test_agents_who_take_the_next_case_at_once_get_different_ones(queue: Queue, now: Now) -> None:
    for number in range(6):
        now.at += 1
        handed(queue, f"chat-{number}")
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda n: queue.claim_next(f"agent-{n}"), range(8)))
    numbers = [case.id for case in taken if case is not None]
    assert len(numbers) == len(set(numbers)) == 6
    assert queue.claim_next("late") is None


def test_figures_and_verdicts_in_either_database(database: PeopleDatabase, now: Now) -> None:
    recorder, verdicts = Recorder(database, now), Verdicts(database, clock=now)
    queue = Queue(database, clock=now)
    chat = Chat(on_handed=queue.open)
    asked = (request("order_status", order_number="MF-10003"),)
    model = recorder.understands(lambda text: Understood(asked))
    desk = recorder.desk(ServiceDesk(model, page, chat.shop, chat.store, on_handed=queue.open))
    for name, text in (("kept", "where is MF-10003, anna@mail.example"), ("over", "a person!")):
        desk.take(Message(name, "m1", text, "web"))
        desk.take(Message(name, "m1", text, "web"))
    recorder.close()
    assert (recorder.lost, verdicts.draw()) == (0, "kept")
    state, turns = chat.desk.conversation("kept"), desk.turns("kept")
    assert state is not None
    said = [("refund_status", {"order_number": ["mf-10003"]})]
    for right, calls in ((True, None), (False, said)):
        verdicts.put(Verdict("kept", 0, right, calls, sampled=True), turns, state, "alice")
    assert verdicts.draw() is None
    assert verdicts.of("kept")[0]["right"] is False
    (row,) = verdicts.rows("calls")
    assert row["calls"][0]["arguments"] == {"order_number": "mf-10003"}
    at = datetime.fromisoformat(turns[0].at).timestamp()
    found = figures(database, Filter(now.at - 1, now.at + 1))
    assert (found["containment"]["count"], found["containment"]["of"]) == (1, 2)
    wrong = figures(database, Filter(at - 1, at + 1))["wrong"]
    assert wrong["drawn"]["share"] == wrong["judged"]["share"] == 1.0


def test_what_is_not_there_and_where_nothing_can_be_kept(queue: Queue) -> None:
    with pytest.raises(CaseError, match="no case 77") as refused:
        queue.claim(77, "alice")
    assert refused.value.code == "unknown"
    for url in ("mysql://host/name", "sqlite://"):
        with pytest.raises(ValueError, match="expected sqlite:///path"):
            PeopleDatabase(url)
