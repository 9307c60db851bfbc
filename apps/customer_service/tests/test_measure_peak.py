"""What the sale day checks: a day that went well passes, and whatever was lost or done twice in the
databases is found. The day is played over HTTP against a real shop, with a scripted model."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from copy import deepcopy
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="the extra desk is not installed")
pytest.importorskip("starlette", reason="the extra desk is not installed")
pytest.importorskip("psutil", reason="the extra bench is not installed")

from sqlalchemy import create_engine, text

from desk.app import make_app
from desk.channels.settings import Secret, Settings, Web
from desk.dialog import ServiceDesk, open_store
from desk.people import PeopleDatabase, Queue, Recorder
from desk.shop import Shop
from desk.types import Request, Understood
from dialog_shop import page
from measure.peak_check import Before, before, check
from measure.peak_clients import Clients, Sent, Talk, Try
from measure.peak_customers import Customer, what_is_asked
from measure.peak_desk import Data, databases
from measure.peak_figures import faults, longest_gap_s, percentiles, windows
from measure.peak_rate import steps
from measure.peak_run import plan
from measure.peak_scripts import Script
from shop_world import Clock
from widget_page import serving

EMAIL = "anna.reed@mail.example"
SCRIPTS = (
    Script("cancels", ("cancel MF-10001",), {"email": (EMAIL,), "confirm": ("yes",)}, ("bye",), ""),
    Script(
        "returns", ("return MF-10004",),
        {"email": (EMAIL,), "product": ("the wool coat",), "confirm": ("yes please",)}, (), "",
    ),
    Script("wants-a-person", ("agent please",), {}, ("never said",), ""),
    Script("complains", ("complaint! I am anna.reed@mail.example",), {}, ("thanks",), ""),
)  # fmt: skip
INTENTS = {"cancel": "cancel_order", "return": "return_item", "complaint": "complaint"}


def understands(said: str) -> Understood:
    found = [intent for word, intent in INTENTS.items() if word in said]
    return Understood(tuple(Request(intent) for intent in found))


@dataclass
class Played:
    talks: list[Talk]
    data: Data
    was: Before

    def problems(self) -> list[str]:
        return check(self.talks, self.data, self.was).problems

    def execute(self, url: str, *statements: str) -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()


@pytest.fixture(scope="module")
def day(sqlite_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("day")
    shutil.copy(sqlite_world, folder / "shop.db")
    data, clock = in_folder(folder), Clock()
    shop, store = Shop(data.shop, clock=clock), open_store(data.conversations)
    people = PeopleDatabase(data.people)
    was, queue, recorder = before(shop.database), Queue(people), Recorder(people)
    desk = ServiceDesk(
        recorder.understands(understands), page, shop, store, on_handed=queue.open, clock=clock
    )
    app = make_app(recorder.desk(desk), Settings(Web(secret=Secret("s" * 40))))

    async def play(url: str) -> list[Talk]:
        clients = Clients(url, "", think_s=0.001)
        try:
            await asyncio.gather(*(clients.talk(script, "sale") for script in SCRIPTS))
        finally:
            await clients.close()
        return clients.talks

    with serving(app) as url:
        talks = asyncio.run(play(url))
    recorder.close()
    for one in (shop, store, people):
        one.close()
    return Played(talks, data, was)


@pytest.fixture
def played(day: Played, tmp_path: Path) -> Played:
    """The same day, whose databases a test may change."""
    data = in_folder(tmp_path)
    for old, new in zip(astuple(day.data), astuple(data), strict=True):
        with sqlite3.connect(path_of(old)) as one, sqlite3.connect(path_of(new)) as other:
            one.backup(other)
        other.close()
        one.close()
    return Played(deepcopy(day.talks), data, day.was)


def in_folder(folder: Path) -> Data:
    return Data(*(f"sqlite:///{folder / name}.db" for name in ("shop", "conversations", "people")))


def path_of(url: str) -> str:
    return url.removeprefix("sqlite:///")


def test_a_day_that_went_well(played: Played) -> None:
    found = check(played.talks, played.data, played.was)
    assert found.problems == []
    assert found.figures["done"] == {"cancel_order": 1, "start_return": 1, "complain": 1}
    assert found.figures["asked_to_confirm"] == found.figures["confirmed_and_done"] == 2
    assert found.figures["told_of_a_fault"] == 0
    assert found.figures["cases"] == found.figures["handed"] == 1
    assert found.figures["messages_missing_in_dashboard"] == 0
    assert [len(talk.sent) for talk in played.talks] == [4, 4, 1, 2]


AUDIT = (
    "INSERT INTO actions (key, name, customer, actor, at, given, fingerprint, outcome, before, "
    "after, result) SELECT {key}, name, customer, actor, at, given, fingerprint, outcome, before, "
    "after, result FROM actions WHERE name = 'cancel_order' AND outcome = 'done'"
)
#: What is done to which database afterwards, and what is said of it.
DOCTORED = {
    "a turn is lost": (
        "conversations",
        "DELETE FROM desk_turns WHERE number = 2",
        "turns are lost",
    ),
    "a turn is there twice": (
        "conversations",
        "INSERT INTO desk_turns SELECT conversation, number + 100, turn FROM desk_turns "
        "WHERE number = 1",
        "turns too many",
    ),
    "turns in another order": (
        "conversations",
        "UPDATE desk_turns SET number = -number",
        "in another order",
    ),
    "an action nobody was told of": ("shop", AUDIT.format(key="key || '0'"), "nobody was told"),
    "an order canceled twice": ("shop", AUDIT.format(key="'other/1/0'"), "was canceled 2 times"),
    "more deeds than yeses": ("shop", AUDIT.format(key="key || '0'"), "2 deeds, 1 answers"),
    "an action that left no trace": (
        "shop",
        "DELETE FROM actions WHERE name = 'start_return'",
        "was told and is not there",
    ),
    "an order canceled by nobody": (
        "shop",
        "UPDATE orders SET state = 'canceled' WHERE number = 'MF-20001'",
        "by the orders alone",
    ),
    "a return by nobody": (
        "shop",
        "UPDATE returns SET reference = reference || 'x'",
        "returns in the audit or the shop alone",
    ),
    "paid back twice": (
        "shop",
        "INSERT INTO refunds (order_id, amount, payment, due) "
        "SELECT 1, 100, 'card', '2026-01-01' UNION ALL SELECT 1, 101, 'card', '2026-01-01'",
        "paid back twice",
    ),
    "a ticket by nobody": (
        "shop",
        "UPDATE tickets SET reference = 'TK-none'",
        "ticket TK-none is not in the audit",
    ),
    "handed over to nobody": ("people", "DELETE FROM people_cases", "is in no queue"),
    "two cases of one": (
        "people",
        "INSERT INTO people_cases (conversation, spoken, channel, language, reason, state, opened, "
        "held_until, answers) SELECT conversation, spoken + 1, channel, language, reason, state, "
        "opened, held_until, answers FROM people_cases",
        "is 2 cases",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DOCTORED)
def test_what_is_wrong_in_a_database_is_found(played: Played, case: str) -> None:
    database, statement, said = DOCTORED[case]
    played.execute(getattr(played.data, database), statement)
    assert any(said in problem for problem in played.problems())


def test_a_key_that_was_used_twice_is_found(played: Played) -> None:
    copy = "CREATE TABLE copy AS SELECT * FROM actions"
    played.execute(
        played.data.shop,
        copy, "DROP TABLE actions", "ALTER TABLE copy RENAME TO actions",
        "INSERT INTO actions SELECT id + 900, key, name, customer, actor, at, given, fingerprint, "
        "outcome, before, after, result FROM actions WHERE name = 'complain'",
    )  # fmt: skip
    assert any("2 times" in problem and "key" in problem for problem in played.problems())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda talk: setattr(talk.sent[0], "reply", None), "got no reply"),
        (lambda talk: setattr(talk, "conversation", ""), "could not begin"),
        (lambda talk: setattr(talk.sent[2], "answering", None), "1 deeds, 0 answers"),
        (lambda talk: talk.sent[0].reply["texts"].append("more"), "turns are lost"),
        (lambda talk: talk.sent[2].reply["done"].clear(), "nobody was told"),
    ],
)
def test_what_a_client_missed_is_found(
    played: Played, change: Callable[[Talk], Any], said: str
) -> None:
    change(next(talk for talk in played.talks if talk.script.name == "cancels"))
    assert any(said in problem for problem in played.problems())


def test_a_customer_answers_what_is_asked() -> None:
    customer = Customer(SCRIPTS[0])

    def reply(said: str, handed: str | None = None) -> dict[str, Any]:
        return {"texts": [said], "handed": handed, "done": []}

    assert customer.first() == "cancel MF-10001"
    assert customer.next(reply("And which e-mail address was used for the order?")) == EMAIL
    asked = "Shall I cancel order MF-10001 (Wool coat, £12.00)? This can't be undone."
    assert customer.next(reply(asked)) == "yes"
    assert customer.answering == "confirm"
    assert customer.next(reply("Order MF-10001 is canceled.")) == "bye"
    assert customer.answering is None
    assert customer.next(reply("You're welcome.")) is None
    assert Customer(SCRIPTS[2]).next(reply("I'll pass you on.", "asked")) is None
    assert what_is_asked("Which item of order MF-10004 is it about? Mug or coat?") == "product"
    assert what_is_asked("Which order do you mean? MF-1; MF-2") == "which"
    assert what_is_asked("What is the weather?") is None


def sent(began: float, ended: float, *statuses: int | str) -> Sent:
    tries = [Try(began, ended, status) for status in statuses or (200,)]
    return Sent("k", "t", None, tries, {"texts": []})


def test_figures_are_of_their_windows() -> None:
    turns = [sent(1, 1.1), sent(12, 12.2), sent(49, 53, "ReadError", 200), sent(51, 51.3),
             sent(75, 75.1)]  # fmt: skip
    found = windows(turns, sale=10, kill=50, end=90)
    assert {name: one["turns"] for name, one in found.items()} == {
        "normal": 1, "sale": 1, "kill": 2, "after": 1,
    }  # fmt: skip
    assert found["kill"]["latency_ms"]["most"] == 4000.0
    assert found["kill"]["sent_again"] == 1
    assert longest_gap_s(turns, 10, 90) == pytest.approx(39.1)
    assert faults([Talk(SCRIPTS[0], "sale", sent=turns)]) == {"ReadError": 1}
    assert percentiles([float(n) for n in range(1, 101)]) == {
        "p50": 50.0, "p95": 95.0, "p99": 99.0, "most": 100.0,
    }  # fmt: skip
    assert windows(turns, 10, None, 90).keys() == {"normal", "sale"}


def test_steps_double_until_the_last() -> None:
    rates = [len(step.arrivals) / 100 for step in steps(400.0, 16.0)[1:]]
    assert rates == pytest.approx([1, 2, 4, 8, 16], rel=0.25)


def test_databases_that_cannot_be_meant_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--data"), databases(tmp_path, "mysql"):
        pass


def test_ten_times_as_many_come_in_the_sale() -> None:
    made = plan(600, 10, 3600, 3600, "replaced")
    usual = sum(at < made.sale for at in made.arrivals)
    assert 500 < usual < 700
    assert 9 < (len(made.arrivals) - usual) / usual < 11
    assert made.kill_at == 5400.0
    # From its first moment on, also where hardly anybody came before.
    few = plan(6, 1000, 600, 60, "none").arrivals
    assert min(at for at in few if at >= 600) < 605
    assert plan(600, 10, 60, 60, "none").kill_at is None
